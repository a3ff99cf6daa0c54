//! Reads the whole ledger through the domain's audit, in one view of the store and in constant memory.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{AccountId, Audit, AuditPlace, AuditReport, SPOT_ENTRIES_MAX, SpotCheck};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::rows::StoredUuid;
use crate::rows::audit::{AuditRow, OpenAudit, OpenSpotCheck, SpotEntry, SpotRow};
use crate::sqlite::statement::statement;

type AuditColumns =
    (BigInt, Binary, Binary, Text, Text, BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);

statement! {
    /// Every account, each with its entries in order.
    AllAccounts {} -> AuditColumns
    = "SELECT a.realm, a.id, a.player, a.kind, a.key, a.balance, a.version, e.sequence, e.delta, e.balance_after
        FROM accounts a LEFT JOIN entries e ON e.realm = a.realm AND e.account = a.id
        ORDER BY a.realm, a.id, e.position"
}

statement! {
    /// Every account that a merge closed, each with its entries in order. It holds nothing, whatever its entries say. Apart
    /// from the open ones, because both in one order would have to be sorted, with the whole ledger.
    AllClosedAccounts {} -> AuditColumns
    = "SELECT c.realm, c.id, c.player, c.kind, c.key, 0, c.version, e.sequence, e.delta, e.balance_after
        FROM closed_accounts c LEFT JOIN entries e ON e.realm = c.realm AND e.account = c.id
        ORDER BY c.realm, c.id, e.position"
}

statement! {
    /// Accounts that have entries and do not exist, open or closed.
    Orphans {} -> (BigInt, Binary)
    = "SELECT DISTINCT e.realm, e.account FROM entries e
        WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.realm = e.realm AND a.id = e.account)
        AND NOT EXISTS (SELECT 1 FROM closed_accounts c WHERE c.realm = e.realm AND c.id = e.account)"
}

statement! {
    /// Open accounts past one, of all realms, in their order.
    SomeAccounts<'a> { realm: i64 => BigInt, after: &'a [u8] => Binary, limit: i64 => BigInt }
    -> (BigInt, Binary, Binary, Text, Text, BigInt, BigInt)
    = "SELECT realm, id, player, kind, key, balance, version FROM accounts
        WHERE (realm, id) > (?, ?) ORDER BY realm, id LIMIT ?"
}

statement! {
    /// The latest entries of an account, newest first.
    LatestEntries<'a> { realm: i64 => BigInt, account: &'a [u8] => Binary, limit: i64 => BigInt }
    -> (BigInt, BigInt, BigInt)
    = "SELECT sequence, delta, balance_after FROM entries WHERE realm = ? AND account = ? ORDER BY position DESC LIMIT ?"
}

/// Checks some accounts against their latest entries.
pub(super) fn spot_check(
    connection: &mut SqliteConnection,
    after: Option<AuditPlace>,
    accounts_max: u32,
) -> QueryResult<SpotCheck> {
    let (realm, after) = after.map_or((i64::MIN, Uuid::nil()), |(realm, account)| (realm.0, account.0));
    let accounts = SomeAccounts { realm, after: after.as_bytes(), limit: i64::from(accounts_max) };
    let entries_max = i64::try_from(SPOT_ENTRIES_MAX).unwrap_or(i64::MAX);
    let mut check = OpenSpotCheck::default();
    for row in accounts.load::<SpotRow>(connection)? {
        let latest = LatestEntries { realm: row.realm, account: row.account.0.as_bytes(), limit: entries_max };
        let latest = latest.load::<SpotEntry>(connection)?;
        check.account(row, latest)?;
    }
    Ok(check.finish())
}

/// Checks every account of every realm.
pub(super) fn audit(connection: &mut SqliteConnection) -> QueryResult<AuditReport> {
    let mut audit = OpenAudit::new(Audit::default());
    for row in (AllAccounts {}).load_iter::<AuditRow, DefaultLoadingMode>(connection)? {
        audit.row(&row?)?;
    }
    for row in (AllClosedAccounts {}).load_iter::<AuditRow, DefaultLoadingMode>(connection)? {
        audit.row(&row?)?;
    }
    for (realm, account) in (Orphans {}).load::<(i64, StoredUuid)>(connection)? {
        audit.orphan(RealmId(realm), AccountId(account.0));
    }
    Ok(audit.finish())
}
