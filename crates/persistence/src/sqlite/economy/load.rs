//! Loads what a batch must see: every key of its footprint, found or not.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{
    AccountId, AccountState, Balance, Fingerprint, Footprint, GrantKey, OnceKey, Operation, PlayerKey, Position,
    Settled, SettledResult, Snapshot,
};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use std::collections::HashMap;

use super::{grants, imports};
use crate::rows::{StoredDigest, StoredUuid};
use crate::sqlite::statement::statement;
use crate::sqlite::{players, webhooks};

statement! {
    /// The account of a player for an asset.
    FindAccount<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary, kind: &'a str => Text, key: &'a str => Text }
    -> (Binary, BigInt, BigInt)
    = "SELECT id, balance, version FROM accounts WHERE realm = ? AND player = ? AND kind = ? AND key = ?"
}

statement! {
    /// The entry that was made under an idempotency key.
    FindEntryOnce<'a> { realm: i64 => BigInt, operation: &'a str => Text, key: &'a [u8] => Binary }
    -> (Binary, BigInt)
    = "SELECT fingerprint, balance_after FROM entries WHERE realm = ? AND operation = ? AND idempotency_key = ?"
}

statement! {
    /// The last position of a realm.
    FindPosition { realm: i64 => BigInt } -> (BigInt,) = "SELECT last FROM ledger_positions WHERE realm = ?"
}

/// Everything in `footprint`, as it is now.
pub(super) fn snapshot(connection: &mut SqliteConnection, footprint: Footprint) -> QueryResult<Snapshot> {
    let mut snapshot = Snapshot::with_capacity(footprint.accounts.len());
    for realm in footprint.realms {
        snapshot.put_position(realm, last_position(connection, realm)?);
        snapshot.put_wanted(realm, webhooks::wanted(connection, realm)?);
    }
    let mut known: HashMap<PlayerKey, PlayerId> = HashMap::with_capacity(footprint.players.len());
    for key in footprint.players {
        let player = players::find(connection, key.realm, &key.external_id)?;
        if let Some(player) = &player {
            known.insert(key.clone(), player.id);
        }
        snapshot.put_player(key, player);
    }
    for key in footprint.accounts {
        let account = match known.get(&key.player) {
            Some(player) => account(connection, key.player.realm.0, *player, &key.asset)?,
            None => None,
        };
        snapshot.put_account(key, account);
    }
    for key in footprint.once {
        let settled = settled(connection, key)?;
        snapshot.put_once(key, settled);
    }
    for key in footprint.grants {
        let GrantKey { realm, id } = key;
        let grant = grants::find(connection, realm, id)?;
        snapshot.put_grant(key, grant);
    }
    Ok(snapshot)
}

/// The last position used in `realm`.
pub(in crate::sqlite) fn last_position(connection: &mut SqliteConnection, realm: RealmId) -> QueryResult<Position> {
    let last = FindPosition { realm: realm.0 }.get_result::<(i64,)>(connection).optional()?;
    Ok(last.map_or(0, |(last,)| last))
}

fn account(
    connection: &mut SqliteConnection,
    realm: i64,
    player: PlayerId,
    asset: &domain::economy::Asset,
) -> QueryResult<Option<AccountState>> {
    let (player, kind, key) = (player.0.as_bytes().as_slice(), asset.kind.as_str(), asset.key.as_str());
    let found = FindAccount { realm, player, kind, key }.get_result::<(StoredUuid, i64, i64)>(connection).optional()?;
    Ok(found.map(|(id, balance, version)| AccountState {
        id: AccountId(id.0),
        balance: Balance::restore(balance),
        version,
    }))
}

fn settled(connection: &mut SqliteConnection, key: OnceKey) -> QueryResult<Option<Settled>> {
    match key.operation {
        Operation::GrantCreate => {
            let found = grants::find_once(connection, key.realm, key.key)?;
            let granted = |grant| SettledResult::Granted(Box::new(grant));
            Ok(found.map(|(fingerprint, grant)| Settled { fingerprint, result: granted(grant) }))
        }
        Operation::MigratePlayers => {
            let found = imports::find_once(connection, key.realm, key.key)?;
            Ok(found.map(|fingerprint| Settled { fingerprint, result: SettledResult::Imported }))
        }
        Operation::WalletCredit
        | Operation::WalletDebit
        | Operation::InventoryGrant
        | Operation::InventoryRevoke
        | Operation::MigrateWallet
        | Operation::MigrateInventory
        | Operation::PlayerMerge => settled_entry(connection, key),
    }
}

fn settled_entry(connection: &mut SqliteConnection, key: OnceKey) -> QueryResult<Option<Settled>> {
    let (realm, operation, digest) = (key.realm.0, key.operation.as_str(), key.key.0.as_slice());
    let statement = FindEntryOnce { realm, operation, key: digest };
    let found = statement.get_result::<(StoredDigest, i64)>(connection).optional()?;
    Ok(found.map(|(fingerprint, balance)| Settled {
        fingerprint: Fingerprint(fingerprint.0),
        result: SettledResult::Adjusted(Balance::restore(balance)),
    }))
}
