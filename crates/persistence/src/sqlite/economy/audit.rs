//! Reads the whole ledger through the domain's audit, in one view of the store and in constant memory.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{AccountId, Asset, AssetKey, AssetKind, Audit, AuditReport, AuditedAccount, AuditedEntry};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::sqlite::rows::{StoredUuid, named};
use crate::sqlite::statement::statement;

type AuditColumns =
    (BigInt, Binary, Binary, Text, Text, BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);

#[derive(Queryable)]
struct AuditRow {
    realm: i64,
    account: StoredUuid,
    player: StoredUuid,
    kind: String,
    key: String,
    balance: i64,
    version: i64,
    sequence: Option<i64>,
    delta: Option<i64>,
    balance_after: Option<i64>,
}

statement! {
    /// Every account, each with its entries in order.
    AllAccounts {} -> AuditColumns
    = "SELECT a.realm, a.id, a.player, a.kind, a.key, a.balance, a.version, e.sequence, e.delta, e.balance_after
        FROM accounts a LEFT JOIN entries e ON e.realm = a.realm AND e.account = a.id
        ORDER BY a.realm, a.id, e.position"
}

statement! {
    /// Accounts that have entries and do not exist.
    Orphans {} -> (BigInt, Binary)
    = "SELECT DISTINCT e.realm, e.account FROM entries e
        WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.realm = e.realm AND a.id = e.account)"
}

/// Checks every account of every realm.
pub(super) fn audit(connection: &mut SqliteConnection) -> QueryResult<AuditReport> {
    let mut audit = Audit::default();
    let mut open: Option<(i64, StoredUuid)> = None;
    for row in (AllAccounts {}).load_iter::<AuditRow, DefaultLoadingMode>(connection)? {
        let row = row?;
        if open != Some((row.realm, row.account)) {
            open = Some((row.realm, row.account));
            audit.account(account_of(&row)?);
        }
        if let (Some(sequence), Some(delta), Some(balance_after)) = (row.sequence, row.delta, row.balance_after) {
            audit.entry(AuditedEntry { sequence, delta, balance_after });
        }
    }
    for (realm, account) in (Orphans {}).load::<(i64, StoredUuid)>(connection)? {
        audit.orphan(AuditedAccount {
            realm: RealmId(realm),
            id: AccountId(account.0),
            player: PlayerId(Uuid::nil()),
            asset: Asset { kind: AssetKind::Currency, key: AssetKey::restore("?".to_owned()) },
            balance: 0,
            version: 0,
        });
    }
    Ok(audit.finish())
}

fn account_of(row: &AuditRow) -> QueryResult<AuditedAccount> {
    Ok(AuditedAccount {
        realm: RealmId(row.realm),
        id: AccountId(row.account.0),
        player: PlayerId(row.player.0),
        asset: Asset {
            kind: named("kind of asset", &row.kind, AssetKind::parse)?,
            key: AssetKey::restore(row.key.clone()),
        },
        balance: row.balance,
        version: row.version,
    })
}
