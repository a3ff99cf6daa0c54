//! What became of attempts: the log, the deliveries, and endpoints that fail or recover.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::tenancy::RealmId;
use domain::webhooks::{AttemptReport, Endpoint, reports_by_endpoint};

use super::endpoints;
use crate::rows::webhooks::{OutcomeColumns, ProgressColumns, concerns_endpoint, disabling, micros};
use crate::sqlite::audit_log;
use crate::sqlite::statement::statement;

statement! {
    /// Puts an attempt of a delivery that is kept in the log, unless one of its number is there.
    InsertAttempt<'a> {
        realm: i64 => BigInt, delivery: &'a [u8] => Binary, number: i64 => BigInt, attempted_at: i64 => BigInt,
        took: i64 => BigInt, answer_status: Option<i64> => Nullable<BigInt>,
        answer_body: Option<&'a str> => Nullable<Text>, retry_after: Option<i64> => Nullable<BigInt>,
        error: Option<&'a str> => Nullable<Text>, of_realm: i64 => BigInt, of_delivery: &'a [u8] => Binary,
    }
    -> () = "INSERT INTO webhook_attempts (realm, delivery, number, attempted_at, took, answer_status, answer_body,
            retry_after, error)
        SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM webhook_deliveries WHERE realm = ? AND id = ?)
        ON CONFLICT (realm, delivery, number) DO NOTHING"
}

statement! {
    /// Stores how far a delivery is after an attempt, if nobody else has taken it since.
    UpdateProgress<'a> {
        status: &'a str => Text, due_at: Option<i64> => Nullable<BigInt>, ended_at: Option<i64> => Nullable<BigInt>,
        realm: i64 => BigInt, id: &'a [u8] => Binary, claim: &'a [u8] => Binary,
    }
    -> () = "UPDATE webhook_deliveries SET status = ?, due_at = ?, ended_at = ?, attempts = attempts + 1,
            tries = tries + 1, claim = NULL
        WHERE realm = ? AND id = ? AND claim = ?"
}

/// Stores what became of attempts; the endpoints that were disabled by it.
pub(super) fn record(
    connection: &mut SqliteConnection,
    mut reports: Vec<AttemptReport>,
) -> QueryResult<Vec<(RealmId, Endpoint)>> {
    let mut in_time = Vec::with_capacity(reports.len());
    for report in &reports {
        log(connection, report)?;
        in_time.push(progress(connection, report)?);
    }
    let mut in_time = in_time.into_iter();
    reports.retain(|_| in_time.next() == Some(true));
    let mut disabled = Vec::new();
    for ((realm, id), reports) in reports_by_endpoint(&reports) {
        if !reports.iter().any(|report| concerns_endpoint(report)) {
            continue;
        }
        let Some(before) = endpoints::find(connection, realm, id)? else { continue };
        let Some(after) = before.after(reports.iter().copied()) else { continue };
        endpoints::update(connection, realm, &after)?;
        if let Some(audit) = disabling(realm, &before, &after, &reports) {
            audit_log::insert(connection, &audit)?;
            disabled.push((realm, after));
        }
    }
    Ok(disabled)
}

fn log(connection: &mut SqliteConnection, report: &AttemptReport) -> QueryResult<()> {
    let (realm, delivery) = (report.realm.0, report.delivery.0.as_bytes().as_slice());
    let OutcomeColumns { answer_status, answer_body, retry_after, error } = OutcomeColumns::of(&report.attempt.outcome);
    let statement = InsertAttempt {
        realm,
        delivery,
        number: i64::from(report.attempt.number),
        attempted_at: report.attempt.at.unix_micros(),
        took: micros(report.attempt.took),
        answer_status,
        answer_body: answer_body.as_deref(),
        retry_after,
        error: error.as_deref(),
        of_realm: realm,
        of_delivery: delivery,
    };
    statement.execute(connection).map(drop)
}

/// Stores how far the delivery is; whether the claim was still its.
fn progress(connection: &mut SqliteConnection, report: &AttemptReport) -> QueryResult<bool> {
    let ProgressColumns { status, due_at, ended_at } = ProgressColumns::after(report);
    let (id, claim) = (report.delivery.0.as_bytes().as_slice(), report.claim.0.as_bytes().as_slice());
    let statement = UpdateProgress { status, due_at, ended_at, realm: report.realm.0, id, claim };
    Ok(statement.execute(connection)? == 1)
}
