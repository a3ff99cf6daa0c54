//! Stores what became of attempts.
//!
//! Endpoints are locked only where that may change them, in the order of their ids. Of deliveries, only those change that are
//! still claimed by whom the report is from; nobody else changes these, so nothing here waits for a delivery.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::tenancy::RealmId;
use domain::webhooks::{AttemptReport, ClaimId, DeliveryId, Endpoint, EndpointId, reports_by_endpoint};
use uuid::Uuid;

use super::endpoints::{self, EndpointColumns, endpoint_columns};
use crate::postgres::attempts::TransactionId;
use crate::postgres::audit_log;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;
use crate::rows::webhooks::{
    EndpointRow, OutcomeColumns, ProgressColumns, concerns_endpoint, disabling, endpoint_of, micros,
};

statement! {
    /// Endpoints by their ids, locked one after the other in the order in which they are named.
    LockEndpoints { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> EndpointColumns
    = concat!("SELECT locked.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT ", endpoint_columns!(), " FROM webhook_endpoints
            WHERE realm = $1 AND id = wanted.id AND removed_at IS NULL FOR NO KEY UPDATE
        ) AS locked")
}

statement! {
    /// Stores attempts that are not there yet.
    InsertAttempts<'a> {
        realm: i64 => BigInt, deliveries: Vec<Uuid> => Array<SqlUuid>, numbers: Vec<i64> => Array<BigInt>,
        attempted_at: Vec<i64> => Array<BigInt>, took: Vec<i64> => Array<BigInt>,
        answer_statuses: Vec<Option<i64>> => Array<Nullable<BigInt>>,
        answer_bodies: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        retry_after: Vec<Option<i64>> => Array<Nullable<BigInt>>, errors: Vec<Option<&'a str>> => Array<Nullable<Text>>,
    }
    -> () = "INSERT INTO webhook_attempts (realm, delivery, number, attempted_at, took, answer_status, answer_body,
            retry_after, error)
        SELECT $1, n.delivery, n.number, n.attempted_at, n.took, n.answer_status, n.answer_body, n.retry_after, n.error
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9) AS n (delivery, number, attempted_at, took, answer_status,
            answer_body, retry_after, error)
        ON CONFLICT (realm, delivery, number) DO NOTHING"
}

statement! {
    /// Moves deliveries on that are still claimed by whom this is from; those that were.
    MoveDeliveries<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, claims: Vec<Uuid> => Array<SqlUuid>,
        attempts: Vec<i64> => Array<BigInt>, statuses: Vec<&'a str> => Array<Text>,
        due_at: Vec<Option<i64>> => Array<Nullable<BigInt>>, ended_at: Vec<Option<i64>> => Array<Nullable<BigInt>>,
    }
    -> (SqlUuid,) = "UPDATE webhook_deliveries
        SET attempts = ($4)[array_position($2, id)], tries = tries + 1, status = ($5)[array_position($2, id)],
            due_at = ($6)[array_position($2, id)], ended_at = ($7)[array_position($2, id)], claim = NULL
        WHERE realm = $1 AND id = ANY($2) AND claim = ($3)[array_position($2, id)]
        RETURNING id"
}

/// What was found, and what is stored of it already.
pub(super) struct Loaded {
    /// The endpoints that may change, locked.
    endpoints: BTreeMap<(RealmId, EndpointId), Endpoint>,
    /// The deliveries that were still claimed as reported, each with its claim.
    moved: HashSet<(RealmId, DeliveryId, ClaimId)>,
}

/// Locks the endpoints that may change, logs the attempts and moves the deliveries on: none of it depends on anything else that
/// is stored, so it is one trip.
pub(super) async fn load(
    connection: &AsyncPgConnection,
    reports: &[AttemptReport],
) -> QueryResult<(TransactionId, Loaded)> {
    let mut loaded = Loaded { endpoints: BTreeMap::new(), moved: HashSet::new() };
    for (realm, rounds) in rounds_by_realm(reports) {
        for round in rounds {
            let endpoints = may_change(&round);
            // In this order on the wire: what is polled first is sent first.
            let (locked, (), moved) = tokio::try_join!(
                biased;
                lock(connection, realm, &endpoints),
                log(connection, realm, &round),
                move_on(connection, realm, &round),
            )?;
            loaded.endpoints.extend(locked.into_iter().map(|endpoint| ((realm, endpoint.id), endpoint)));
            let moved: HashSet<Uuid> = moved.into_iter().map(|(id,)| id.0).collect();
            let moved = round.iter().filter(|report| moved.contains(&report.delivery.0));
            loaded.moved.extend(moved.map(|report| (realm, report.delivery, report.claim)));
        }
    }
    Ok((TransactionId::default(), loaded))
}

/// The reports of each realm, in rounds that have no delivery twice. More than one round is rare: who reports on a delivery twice
/// has taken it twice.
fn rounds_by_realm(reports: &[AttemptReport]) -> BTreeMap<RealmId, Vec<Vec<&AttemptReport>>> {
    let mut realms: BTreeMap<RealmId, Vec<Vec<&AttemptReport>>> = BTreeMap::new();
    let mut seen: BTreeMap<DeliveryId, usize> = BTreeMap::new();
    for report in reports {
        let rounds = realms.entry(report.realm).or_default();
        let number = seen.entry(report.delivery).or_default();
        match rounds.get_mut(*number) {
            Some(round) => round.push(report),
            None => rounds.push(vec![report]),
        }
        *number += 1;
    }
    realms
}

/// The endpoints that these reports may change, in the order of their ids.
fn may_change(reports: &[&AttemptReport]) -> BTreeSet<EndpointId> {
    reports.iter().filter(|report| concerns_endpoint(report)).map(|report| report.endpoint).collect()
}

async fn lock(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ids: &BTreeSet<EndpointId>,
) -> QueryResult<Vec<Endpoint>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let statement = LockEndpoints { realm: realm.0, ids: ids.iter().map(|id| id.0).collect() };
    let rows: Vec<EndpointRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(endpoint_of).collect()
}

async fn log(mut connection: &AsyncPgConnection, realm: RealmId, reports: &[&AttemptReport]) -> QueryResult<()> {
    let outcomes: Vec<_> = reports.iter().map(|report| OutcomeColumns::of(&report.attempt.outcome)).collect();
    let statement = InsertAttempts {
        realm: realm.0,
        deliveries: reports.iter().map(|report| report.delivery.0).collect(),
        numbers: reports.iter().map(|report| i64::from(report.attempt.number)).collect(),
        attempted_at: reports.iter().map(|report| report.attempt.at.unix_micros()).collect(),
        took: reports.iter().map(|report| micros(report.attempt.took)).collect(),
        answer_statuses: outcomes.iter().map(|outcome| outcome.answer_status).collect(),
        answer_bodies: outcomes.iter().map(|outcome| outcome.answer_body.as_deref()).collect(),
        retry_after: outcomes.iter().map(|outcome| outcome.retry_after).collect(),
        errors: outcomes.iter().map(|outcome| outcome.error.as_deref()).collect(),
    };
    statement.execute(&mut connection).await.map(drop)
}

async fn move_on(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    reports: &[&AttemptReport],
) -> QueryResult<Vec<(StoredUuid,)>> {
    let after: Vec<ProgressColumns> = reports.iter().map(|report| ProgressColumns::after(report)).collect();
    let statement = MoveDeliveries {
        realm: realm.0,
        ids: reports.iter().map(|report| report.delivery.0).collect(),
        claims: reports.iter().map(|report| report.claim.0).collect(),
        attempts: reports.iter().map(|report| i64::from(report.attempt.number)).collect(),
        statuses: after.iter().map(|after| after.status).collect(),
        due_at: after.iter().map(|after| after.due_at).collect(),
        ended_at: after.iter().map(|after| after.ended_at).collect(),
    };
    statement.load(&mut connection).await
}

/// Stores what becomes of the endpoints; those that were disabled by it.
pub(super) async fn store(
    connection: &AsyncPgConnection,
    reports: &[AttemptReport],
    loaded: Loaded,
) -> Result<Vec<(RealmId, Endpoint)>, Trouble> {
    let mut disabled = Vec::new();
    for ((realm, id), reports) in reports_by_endpoint(reports) {
        let Some(stored) = loaded.endpoints.get(&(realm, id)) else { continue };
        let counts = |report: &&&AttemptReport| loaded.moved.contains(&(realm, report.delivery, report.claim));
        let counting: Vec<&AttemptReport> = reports.iter().filter(counts).copied().collect();
        let Some(endpoint) = stored.after(counting.iter().copied()) else { continue };
        endpoints::store(connection, realm, &endpoint).await?;
        if let Some(audit) = disabling(realm, stored, &endpoint, &counting) {
            audit_log::insert(connection, &audit).await?;
            disabled.push((realm, endpoint));
        }
    }
    Ok(disabled)
}
