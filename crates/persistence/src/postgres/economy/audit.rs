//! Reads the whole ledger through the domain's audit, realm by realm, in one view of the database and in constant memory.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use domain::economy::{AccountId, Audit, AuditReport};
use domain::tenancy::RealmId;
use futures_util::TryStreamExt;

use crate::postgres::statement::statement;
use crate::postgres::tenancy;
use crate::rows::StoredUuid;
use crate::rows::audit::{AuditRow, OpenAudit};

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
