//! Loads what a batch must see: every key of its footprint, found or not.
//!
//! All statements of a realm are sent in one go, the lock first: each of the others begins after it, so it sees everything
//! that was committed before the lock was given.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::{
    AccountId, AccountKey, AccountState, BATCH_MAX, Balance, Fingerprint, Footprint, Grant, GrantEntries, GrantKey,
    OnceKey, Operation, PlayerKey, Position, Settled, SettledResult, Snapshot,
};
use domain::players::{ExternalId, Player};
use domain::tenancy::RealmId;
use domain::webhooks::EventNames;

use super::{grants, imports};
use crate::postgres::attempts::TransactionId;
use crate::postgres::players;
use crate::postgres::statement::statement;
use crate::postgres::webhooks::endpoints;
use crate::rows::{StoredDigest, StoredUuid};

/// How many positions are drawn at once: at least as many as a batch can have entries.
pub(in crate::postgres) const POSITIONS_PER_BLOCK: i64 = 1 << 16;
const _: () =
    assert!(BATCH_MAX * GrantEntries::COUNT_MAX <= 1 << 16, "a block has a position for every entry of a batch");

statement! {
    /// Accounts by their owner and asset, and entries by their operation and idempotency key. Each row has its number among
    /// the wanted ones of its kind (from 1); an account has an id, an entry a fingerprint. One statement for two questions,
    /// because each costs as much as a few of the rows that it finds.
    FindAccountsAndEntries<'a> {
        realm: i64 => BigInt, players: Vec<&'a str> => Array<Text>, kinds: Vec<&'a str> => Array<Text>,
        keys: Vec<&'a str> => Array<Text>, operations: Vec<&'a str> => Array<Text>,
        idempotency_keys: Vec<&'a [u8]> => Array<Binary>,
    }
    -> (BigInt, Nullable<SqlUuid>, Nullable<Binary>, BigInt, BigInt)
    = "SELECT wanted.number, account.id, NULL::bytea, account.balance, account.version
        FROM unnest($2, $3, $4) WITH ORDINALITY AS wanted (player, kind, key, number)
        CROSS JOIN LATERAL (
            SELECT id FROM players WHERE realm = $1 AND external_id = wanted.player LIMIT 1
        ) AS owner
        CROSS JOIN LATERAL (
            SELECT id, balance, version FROM accounts
            WHERE realm = $1 AND player = owner.id AND kind = wanted.kind AND key = wanted.key LIMIT 1
        ) AS account
        UNION ALL
        SELECT wanted.number, NULL, entry.fingerprint, entry.balance_after, 0
        FROM unnest($5, $6) WITH ORDINALITY AS wanted (operation, key, number)
        CROSS JOIN LATERAL (
            SELECT fingerprint, balance_after FROM entries
            WHERE realm = $1 AND operation = wanted.operation AND idempotency_key = wanted.key LIMIT 1
        ) AS entry"
}

statement! {
    /// The next block of positions, and the transaction that draws it.
    NextBlock {} -> (BigInt, Text) = "SELECT nextval('ledger_blocks'), pg_current_xact_id()::text"
}

/// A row of [`FindAccountsAndEntries`].
type Found = (i64, Option<StoredUuid>, Option<StoredDigest>, i64, i64);

/// The part of a footprint that is in one realm.
#[derive(Default)]
struct RealmFootprint {
    players: Vec<ExternalId>,
    accounts: Vec<AccountKey>,
    entries_once: Vec<OnceKey>,
    grants_once: Vec<OnceKey>,
    imports_once: Vec<OnceKey>,
    grants: Vec<GrantKey>,
}

/// What the statements of one realm answered.
struct Loaded {
    players: Vec<Player>,
    accounts_and_entries: Vec<Found>,
    grants_once: Vec<(i64, Fingerprint, Grant)>,
    imports_once: Vec<(i64, StoredDigest)>,
    grants: Vec<Grant>,
    wanted: EventNames,
    last_position: Position,
    transaction: TransactionId,
}

/// Everything in `footprint`, as it is now, its players locked; and the transaction that holds the locks.
pub(super) async fn snapshot(
    connection: &AsyncPgConnection,
    footprint: &Footprint,
) -> QueryResult<(TransactionId, Snapshot)> {
    let mut snapshot = Snapshot::with_capacity(footprint.accounts.len());
    let mut transaction = TransactionId::default();
    for (realm, wanted) in by_realm(footprint) {
        let mut loaded = load(connection, realm, &wanted).await?;
        transaction = std::mem::take(&mut loaded.transaction);
        put(&mut snapshot, realm, wanted, loaded);
    }
    Ok((transaction, snapshot))
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
            Operation::MigratePlayers => realm.imports_once.push(*once),
            Operation::WalletCredit
            | Operation::WalletDebit
            | Operation::InventoryGrant
            | Operation::InventoryRevoke
            | Operation::MigrateWallet
            | Operation::MigrateInventory
            | Operation::PlayerMerge => realm.entries_once.push(*once),
        }
    }
    for grant in &footprint.grants {
        realms.entry(grant.realm).or_default().grants.push(*grant);
    }
    realms
}

async fn load(connection: &AsyncPgConnection, realm: RealmId, wanted: &RealmFootprint) -> QueryResult<Loaded> {
    // In this order on the wire: what is polled first is sent first. Only the lock has to be first.
    let (players, accounts_and_entries, grants_once, imports_once, grants, names, block) = tokio::try_join!(
        biased;
        players::lock(connection, realm, &wanted.players),
        find_accounts_and_entries(connection, realm, wanted),
        grants::find_once(connection, realm, &wanted.grants_once),
        imports::find_once(connection, realm, &wanted.imports_once),
        grants::find(connection, realm, &wanted.grants),
        endpoints::wanted(connection, realm),
        next_block(connection),
    )?;
    let (last_position, transaction) = block;
    Ok(Loaded {
        players,
        accounts_and_entries,
        grants_once,
        imports_once,
        grants,
        wanted: names,
        last_position,
        transaction,
    })
}

fn put(snapshot: &mut Snapshot, realm: RealmId, wanted: RealmFootprint, loaded: Loaded) {
    snapshot.put_position(realm, loaded.last_position);
    snapshot.put_wanted(realm, loaded.wanted);
    let mut players: HashMap<ExternalId, Player> =
        loaded.players.into_iter().map(|player| (player.external_id.clone(), player)).collect();
    for external_id in wanted.players {
        let player = players.remove(&external_id);
        snapshot.put_player(PlayerKey { realm, external_id }, player);
    }
    let accounts = loaded.accounts_and_entries.iter().filter_map(|(number, id, _, balance, version)| {
        let id = AccountId(id.as_ref()?.0);
        Some((*number, AccountState { id, balance: Balance::restore(*balance), version: *version }))
    });
    each(wanted.accounts, accounts, |key, account| snapshot.put_account(key, account));
    let settled = loaded.accounts_and_entries.iter().filter_map(|(number, _, fingerprint, balance, _)| {
        let fingerprint = Fingerprint(fingerprint.as_ref()?.0);
        Some((*number, Settled { fingerprint, result: SettledResult::Adjusted(Balance::restore(*balance)) }))
    });
    each(wanted.entries_once, settled, |key, settled| snapshot.put_once(key, settled));
    let granted = loaded.grants_once.into_iter().map(|(number, fingerprint, grant)| {
        (number, Settled { fingerprint, result: SettledResult::Granted(Box::new(grant)) })
    });
    each(wanted.grants_once, granted, |key, settled| snapshot.put_once(key, settled));
    let imported = loaded.imports_once.into_iter().map(|(number, fingerprint)| {
        (number, Settled { fingerprint: Fingerprint(fingerprint.0), result: SettledResult::Imported })
    });
    each(wanted.imports_once, imported, |key, settled| snapshot.put_once(key, settled));
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

async fn find_accounts_and_entries(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &RealmFootprint,
) -> QueryResult<Vec<Found>> {
    let (accounts, once) = (&wanted.accounts, &wanted.entries_once);
    if accounts.is_empty() && once.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindAccountsAndEntries {
        realm: realm.0,
        players: accounts.iter().map(|account| account.player.external_id.as_str()).collect(),
        kinds: accounts.iter().map(|account| account.asset.kind.as_str()).collect(),
        keys: accounts.iter().map(|account| account.asset.key.as_str()).collect(),
        operations: once.iter().map(|once| once.operation.as_str()).collect(),
        idempotency_keys: once.iter().map(|once| once.key.0.as_slice()).collect(),
    };
    statement.load(&mut connection).await
}

/// The position before those of a new block, and the transaction that drew it.
pub(in crate::postgres) async fn next_block(
    mut connection: &AsyncPgConnection,
) -> QueryResult<(Position, TransactionId)> {
    let (block, transaction) = NextBlock {}.get_result::<(i64, String)>(&mut connection).await?;
    Ok((block * POSITIONS_PER_BLOCK, TransactionId(transaction)))
}
