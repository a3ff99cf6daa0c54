//! Reads the whole ledger through the domain's audit, realm by realm, in one view of the database and in constant memory.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use domain::economy::{AccountId, Audit, AuditPlace, AuditReport, SPOT_ENTRIES_MAX, SpotCheck};
use domain::tenancy::RealmId;
use futures_util::TryStreamExt;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::tenancy;
use crate::rows::StoredUuid;
use crate::rows::audit::{AuditRow, OpenAudit, OpenSpotCheck, SpotEntry, SpotRow};

type AuditColumns =
    (BigInt, SqlUuid, SqlUuid, Text, Text, BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);

statement! {
    /// Every open account of a realm, each with its entries in order.
    AllAccounts { realm: i64 => BigInt } -> AuditColumns
    = "SELECT account.realm, account.id, account.player, account.kind, account.key, account.balance, account.version,
            entry.sequence, entry.delta, entry.balance_after
        FROM (SELECT * FROM accounts WHERE realm = $1 ORDER BY id OFFSET 0) AS account
        LEFT JOIN LATERAL (
            SELECT sequence, delta, balance_after, position FROM entries
            WHERE realm = $1 AND entries.account = account.id ORDER BY position OFFSET 0
        ) AS entry ON true
        ORDER BY account.id, entry.position"
}

statement! {
    /// Every closed account of a realm, each with its entries in order: what it held is gone. Apart from [`AllAccounts`],
    /// because both come out of an index in their order, and together they would have to be sorted.
    AllClosedAccounts { realm: i64 => BigInt } -> AuditColumns
    = "SELECT account.realm, account.id, account.player, account.kind, account.key, 0::bigint, account.version,
            entry.sequence, entry.delta, entry.balance_after
        FROM (SELECT * FROM closed_accounts WHERE realm = $1 ORDER BY id OFFSET 0) AS account
        LEFT JOIN LATERAL (
            SELECT sequence, delta, balance_after, position FROM entries
            WHERE realm = $1 AND entries.account = account.id ORDER BY position OFFSET 0
        ) AS entry ON true
        ORDER BY account.id, entry.position"
}

statement! {
    /// Accounts of a realm that have entries and do not exist, neither open nor closed.
    Orphans { realm: i64 => BigInt } -> (SqlUuid,)
    = "SELECT DISTINCT entry.account FROM entries AS entry
        LEFT JOIN LATERAL (
            SELECT id FROM accounts WHERE realm = $1 AND id = entry.account LIMIT 1
        ) AS known ON true
        LEFT JOIN LATERAL (
            SELECT id FROM closed_accounts WHERE realm = $1 AND id = entry.account AND known.id IS NULL LIMIT 1
        ) AS closed ON true
        WHERE entry.realm = $1 AND known.id IS NULL AND closed.id IS NULL"
}

statement! {
    /// Open accounts of a realm past one, each with its latest entries, newest first.
    SomeAccounts {
        realm: i64 => BigInt, after: Uuid => SqlUuid, accounts_max: i64 => BigInt, entries_max: i64 => BigInt,
    } -> ((BigInt, SqlUuid, SqlUuid, Text, Text, BigInt, BigInt), Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>)
    = "SELECT account.realm, account.id, account.player, account.kind, account.key, account.balance, account.version,
            entry.sequence, entry.delta, entry.balance_after
        FROM (SELECT * FROM accounts WHERE realm = $1 AND id > $2 ORDER BY id LIMIT $3) AS account
        LEFT JOIN LATERAL (
            SELECT sequence, delta, balance_after, position FROM entries
            WHERE realm = $1 AND entries.account = account.id ORDER BY position DESC LIMIT $4
        ) AS entry ON true
        ORDER BY account.id, entry.position DESC"
}

/// A row of that.
type SomeRow = (SpotRow, Option<i64>, Option<i64>, Option<i64>);

/// How many realms without a further account one spot check passes by.
const REALMS_MAX: usize = 64;

/// Checks some accounts of one realm against their latest entries: of the realm of `after`, or of the next that has any.
pub(super) async fn spot_check(
    mut connection: &AsyncPgConnection,
    after: Option<AuditPlace>,
    accounts_max: u32,
) -> QueryResult<SpotCheck> {
    let realms = tenancy::realms(connection).await?;
    let from = after.map_or(i64::MIN, |(realm, _)| realm.0);
    let realms: Vec<RealmId> = realms.into_iter().filter(|realm| from <= realm.0).collect();
    for realm in realms.iter().copied().take(REALMS_MAX) {
        let past = after.filter(|(of, _)| *of == realm).map_or(Uuid::nil(), |(_, account)| account.0);
        let statement = SomeAccounts {
            realm: realm.0,
            after: past,
            accounts_max: i64::from(accounts_max),
            entries_max: i64::try_from(SPOT_ENTRIES_MAX).unwrap_or(i64::MAX),
        };
        let rows: Vec<SomeRow> = statement.load(&mut connection).await?;
        if !rows.is_empty() {
            return checked(rows);
        }
    }
    // Where there are more realms than were looked at, it goes on with those.
    let next = realms.get(REALMS_MAX).map(|realm| (*realm, AccountId(Uuid::nil())));
    Ok(SpotCheck { report: AuditReport::default(), next })
}

fn checked(rows: Vec<SomeRow>) -> QueryResult<SpotCheck> {
    let mut check = OpenSpotCheck::default();
    let mut open: Option<(SpotRow, Vec<SpotEntry>)> = None;
    for (account, sequence, delta, balance_after) in rows {
        if open.as_ref().is_none_or(|(of, _)| of.account != account.account)
            && let Some((account, entries)) = open.replace((account, Vec::new()))
        {
            check.account(account, entries)?;
        }
        if let (Some((_, entries)), Some(sequence), Some(delta), Some(after)) =
            (&mut open, sequence, delta, balance_after)
        {
            entries.push((sequence, delta, after));
        }
    }
    if let Some((account, entries)) = open {
        check.account(account, entries)?;
    }
    Ok(check.finish())
}

/// Checks every account of every realm.
pub(super) async fn audit(mut connection: &AsyncPgConnection) -> QueryResult<AuditReport> {
    // It reads everything, however long that takes.
    connection.batch_execute("SET LOCAL statement_timeout = 0").await?;
    let mut audit = OpenAudit::new(Audit::default());
    let realms = tenancy::realms(connection).await?;
    for realm in &realms {
        let mut rows = AllAccounts { realm: realm.0 }.load_stream::<AuditRow>(&mut connection).await?;
        while let Some(row) = rows.try_next().await? {
            audit.row(&row)?;
        }
        drop(rows);
        let mut rows = AllClosedAccounts { realm: realm.0 }.load_stream::<AuditRow>(&mut connection).await?;
        while let Some(row) = rows.try_next().await? {
            audit.row(&row)?;
        }
    }
    for realm in &realms {
        let orphans: Vec<(StoredUuid,)> = Orphans { realm: realm.0 }.load(&mut connection).await?;
        for (account,) in orphans {
            audit.orphan(RealmId(realm.0), AccountId(account.0));
        }
    }
    Ok(audit.finish())
}
