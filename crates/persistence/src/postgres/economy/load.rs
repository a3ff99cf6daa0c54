//! Loads what a batch must see: every key of its footprint, found or not.
//!
//! All statements of a realm are sent in one go, the lock first: each of the others begins after it, so it sees everything
//! that was committed before the lock was given.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::{
    AccountId, AccountKey, AccountState, BATCH_MAX, Balance, Fingerprint, Footprint, Grant, GrantEntries, GrantKey,
    OnceKey, Operation, PlayerKey, Position, Settled, SettledResult, Snapshot,
};
use domain::players::{ExternalId, Player};
use domain::tenancy::RealmId;

use super::grants;
use crate::postgres::players;
use crate::postgres::statement::statement;
use crate::rows::{StoredDigest, StoredUuid};

/// How many positions are drawn at once: at least as many as a batch can have entries.
const POSITIONS_PER_BLOCK: i64 = 1 << 16;
const _: () =
    assert!(BATCH_MAX * GrantEntries::COUNT_MAX <= 1 << 16, "a block has a position for every entry of a batch");

statement! {
    /// Accounts by their owner and asset, each with its number among the wanted ones (from 1).
    FindAccounts<'a> {
        realm: i64 => BigInt, players: Vec<&'a str> => Array<Text>, kinds: Vec<&'a str> => Array<Text>,
        keys: Vec<&'a str> => Array<Text>,
    }
    -> (BigInt, SqlUuid, BigInt, BigInt)
    = "SELECT wanted.number, account.id, account.balance, account.version
        FROM unnest($2, $3, $4) WITH ORDINALITY AS wanted (player, kind, key, number)
        CROSS JOIN LATERAL (
            SELECT id FROM players WHERE realm = $1 AND external_id = wanted.player LIMIT 1
        ) AS owner
        CROSS JOIN LATERAL (
            SELECT id, balance, version FROM accounts
            WHERE realm = $1 AND player = owner.id AND kind = wanted.kind AND key = wanted.key LIMIT 1
        ) AS account"
}

statement! {
    /// Entries by their operation and idempotency key, each with its number among the wanted ones (from 1).
    FindEntriesOnce<'a> {
        realm: i64 => BigInt, operations: Vec<&'a str> => Array<Text>, keys: Vec<&'a [u8]> => Array<Binary>,
    }
    -> (BigInt, Binary, BigInt)
    = "SELECT wanted.number, entry.fingerprint, entry.balance_after
        FROM unnest($2, $3) WITH ORDINALITY AS wanted (operation, key, number)
        CROSS JOIN LATERAL (
            SELECT fingerprint, balance_after FROM entries
            WHERE realm = $1 AND operation = wanted.operation AND idempotency_key = wanted.key LIMIT 1
        ) AS entry"
}

statement! {
    /// The next block of positions.
    NextBlock {} -> (BigInt,) = "SELECT nextval('ledger_blocks')"
}

/// The part of a footprint that is in one realm.
#[derive(Default)]
struct RealmFootprint {
    players: Vec<ExternalId>,
    accounts: Vec<AccountKey>,
    entries_once: Vec<OnceKey>,
    grants_once: Vec<OnceKey>,
    grants: Vec<GrantKey>,
}

/// What the statements of one realm answered.
struct Loaded {
    players: Vec<Player>,
    accounts: Vec<(i64, StoredUuid, i64, i64)>,
    entries_once: Vec<(i64, StoredDigest, i64)>,
    grants_once: Vec<(i64, Fingerprint, Grant)>,
    grants: Vec<Grant>,
    last_position: Position,
}

/// Everything in `footprint`, as it is now, its players locked.
pub(super) async fn snapshot(connection: &AsyncPgConnection, footprint: &Footprint) -> QueryResult<Snapshot> {
    let mut snapshot = Snapshot::with_capacity(footprint.accounts.len());
    for (realm, wanted) in by_realm(footprint) {
        let loaded = load(connection, realm, &wanted).await?;
        put(&mut snapshot, realm, wanted, loaded);
    }
    Ok(snapshot)
}

/// The footprint by realm, in ascending order: players are locked in this order.
fn by_realm(footprint: &Footprint) -> BTreeMap<RealmId, RealmFootprint> {
    let mut realms: BTreeMap<RealmId, RealmFootprint> = BTreeMap::new();
    for realm in &footprint.realms {
        realms.entry(*realm).or_default();
    }
    for player in &footprint.players {
        realms.entry(player.realm).or_default().players.push(player.external_id.clone());
    }
    for account in &footprint.accounts {
        realms.entry(account.player.realm).or_default().accounts.push(account.clone());
    }
    for once in &footprint.once {
        let realm = realms.entry(once.realm).or_default();
        match once.operation {
            Operation::GrantCreate => realm.grants_once.push(*once),
            Operation::WalletCredit
            | Operation::WalletDebit
            | Operation::InventoryGrant
            | Operation::InventoryRevoke => realm.entries_once.push(*once),
        }
    }
    for grant in &footprint.grants {
        realms.entry(grant.realm).or_default().grants.push(*grant);
    }
    realms
}

async fn load(connection: &AsyncPgConnection, realm: RealmId, wanted: &RealmFootprint) -> QueryResult<Loaded> {
    // In this order on the wire: what is polled first is sent first. Only the lock has to be first.
    let (players, accounts, entries_once, grants_once, grants, last_position) = tokio::try_join!(
        biased;
        players::lock(connection, realm, &wanted.players),
        find_accounts(connection, realm, &wanted.accounts),
        find_entries_once(connection, realm, &wanted.entries_once),
        grants::find_once(connection, realm, &wanted.grants_once),
        grants::find(connection, realm, &wanted.grants),
        next_block(connection, !wanted.accounts.is_empty()),
    )?;
    Ok(Loaded { players, accounts, entries_once, grants_once, grants, last_position })
}

fn put(snapshot: &mut Snapshot, realm: RealmId, wanted: RealmFootprint, loaded: Loaded) {
    snapshot.put_position(realm, loaded.last_position);
    let mut players: HashMap<ExternalId, Player> =
        loaded.players.into_iter().map(|player| (player.external_id.clone(), player)).collect();
    for external_id in wanted.players {
        let player = players.remove(&external_id);
        snapshot.put_player(PlayerKey { realm, external_id }, player);
    }
    let accounts = loaded.accounts.into_iter().map(|(number, id, balance, version)| {
        (number, AccountState { id: AccountId(id.0), balance: Balance::restore(balance), version })
    });
    each(wanted.accounts, accounts, |key, account| snapshot.put_account(key, account));
    let settled = loaded.entries_once.into_iter().map(|(number, fingerprint, balance)| {
        let result = SettledResult::Adjusted(Balance::restore(balance));
        (number, Settled { fingerprint: Fingerprint(fingerprint.0), result })
    });
    each(wanted.entries_once, settled, |key, settled| snapshot.put_once(key, settled));
    let granted = loaded.grants_once.into_iter().map(|(number, fingerprint, grant)| {
        (number, Settled { fingerprint, result: SettledResult::Granted(Box::new(grant)) })
    });
    each(wanted.grants_once, granted, |key, settled| snapshot.put_once(key, settled));
    let mut grants: HashMap<_, _> = loaded.grants.into_iter().map(|grant| (grant.id, grant)).collect();
    for key in wanted.grants {
        let grant = grants.remove(&key.id);
        snapshot.put_grant(key, grant);
    }
}

/// Gives each wanted key its row, by the row's number.
fn each<Key, Row>(wanted: Vec<Key>, found: impl Iterator<Item = (i64, Row)>, mut take: impl FnMut(Key, Option<Row>)) {
    let mut found: HashMap<i64, Row> = found.collect();
    for (number, key) in (1..).zip(wanted) {
        take(key, found.remove(&number));
    }
}

async fn find_accounts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[AccountKey],
) -> QueryResult<Vec<(i64, StoredUuid, i64, i64)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindAccounts {
        realm: realm.0,
        players: wanted.iter().map(|account| account.player.external_id.as_str()).collect(),
        kinds: wanted.iter().map(|account| account.asset.kind.as_str()).collect(),
        keys: wanted.iter().map(|account| account.asset.key.as_str()).collect(),
    };
    statement.load(&mut connection).await
}

async fn find_entries_once(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[OnceKey],
) -> QueryResult<Vec<(i64, StoredDigest, i64)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let operations = wanted.iter().map(|once| once.operation.as_str()).collect();
    let keys = wanted.iter().map(|once| once.key.0.as_slice()).collect();
    FindEntriesOnce { realm: realm.0, operations, keys }.load(&mut connection).await
}

/// The position before those of a new block; 0 when no entry can come of the batch.
async fn next_block(mut connection: &AsyncPgConnection, needed: bool) -> QueryResult<Position> {
    if !needed {
        return Ok(0);
    }
    let (block,) = NextBlock {}.get_result::<(i64,)>(&mut connection).await?;
    Ok(block * POSITIONS_PER_BLOCK)
}
