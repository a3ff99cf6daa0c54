//! Stores a settlement: one statement per table and realm, all sent in one go, in the order in which rows refer to each
//! other. Rows that another process may be storing too go in the order of the key that tells them apart, so that two
//! processes never wait for each other in a circle.

use std::collections::BTreeMap;

use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::{AccountChange, Batch, ClaimedGrant, Entry, ImportedPlayer, Settlement, Snapshot, StoredGrant};
use domain::players::Player;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use domain::webhooks::OutboxEvent;
use uuid::Uuid;

use super::{grants, imports};
use crate::postgres::players;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::outbox;
use crate::rows::StoredUuid;

statement! {
    /// Opens accounts, and moves those that are open. The given version is the number of new entries, so that a new account
    /// has it as its version and an open one adds it to its own; the answer shows whether that is the version decided on.
    UpsertAccounts<'a> {
        realm: i64 => BigInt, players: Vec<Uuid> => Array<SqlUuid>, kinds: Vec<&'a str> => Array<Text>,
        keys: Vec<&'a str> => Array<Text>, ids: Vec<Uuid> => Array<SqlUuid>, balances: Vec<i64> => Array<BigInt>,
        new_entries: Vec<i64> => Array<BigInt>, created_at: Vec<i64> => Array<BigInt>,
        updated_at: Vec<i64> => Array<BigInt>,
    }
    -> (SqlUuid, BigInt) = "INSERT INTO accounts (realm, player, kind, key, id, balance, version, created_at, updated_at)
        SELECT $1, n.player, n.kind, n.key, n.id, n.balance, n.new_entries, n.created_at, n.updated_at
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
            AS n (player, kind, key, id, balance, new_entries, created_at, updated_at)
        ON CONFLICT (realm, player, kind, key) DO UPDATE
        SET balance = excluded.balance, version = accounts.version + excluded.version, updated_at = excluded.updated_at
        RETURNING id, version"
}

statement! {
    /// Appends to the ledger.
    InsertEntries<'a> {
        realm: i64 => BigInt, accounts: Vec<Uuid> => Array<SqlUuid>, positions: Vec<i64> => Array<BigInt>,
        sequences: Vec<i64> => Array<BigInt>, ids: Vec<Uuid> => Array<SqlUuid>, deltas: Vec<i64> => Array<BigInt>,
        balances_after: Vec<i64> => Array<BigInt>, operations: Vec<&'a str> => Array<Text>,
        origins: Vec<&'a str> => Array<Text>, actors: Vec<&'a str> => Array<Text>,
        reasons: Vec<Option<&'a str>> => Array<Nullable<Text>>, source_refs: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        grants: Vec<Option<Uuid>> => Array<Nullable<SqlUuid>>,
        idempotency_keys: Vec<Option<&'a [u8]>> => Array<Nullable<Binary>>,
        fingerprints: Vec<Option<&'a [u8]>> => Array<Nullable<Binary>>, created_at: Vec<i64> => Array<BigInt>,
        parameters: Vec<Option<&'a str>> => Array<Nullable<Text>>,
    }
    -> () = "INSERT INTO entries (realm, account, position, sequence, id, delta, balance_after, operation, origin, actor,
            reason, source_ref, grant_id, idempotency_key, fingerprint, created_at, parameters)
        SELECT $1, n.account, n.position, n.sequence, n.id, n.delta, n.balance_after, n.operation, n.origin, n.actor,
            n.reason, n.source_ref, n.grant_id, n.idempotency_key, n.fingerprint, n.created_at, n.parameters::json
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) AS n (account, position,
            sequence, id, delta, balance_after, operation, origin, actor, reason, source_ref, grant_id, idempotency_key,
            fingerprint, created_at, parameters)"
}

statement! {
    /// The entry at a position of an account.
    FindEntry { realm: i64 => BigInt, account: Uuid => SqlUuid, position: i64 => BigInt } -> (SqlUuid,)
    = "SELECT id FROM entries WHERE realm = $1 AND account = $2 AND position = $3"
}

/// The part of a settlement that is in one realm.
#[derive(Default)]
struct RealmSettlement<'a> {
    players: Vec<&'a Player>,
    accounts: Vec<&'a AccountChange>,
    entries: Vec<&'a Entry>,
    new_grants: Vec<&'a StoredGrant>,
    claimed_grants: Vec<&'a ClaimedGrant>,
    imported_players: Vec<&'a ImportedPlayer>,
    events: Vec<&'a OutboxEvent>,
}

/// Settles `batch` on what was loaded, and stores the settlement.
pub(super) async fn decided(
    connection: &AsyncPgConnection,
    batch: &Batch,
    before: Snapshot,
) -> Result<Settlement, Trouble> {
    let settled = batch.settle(before);
    settlement(connection, &settled).await?;
    Ok(settled)
}

/// Whether `settlement` is stored, as its first entry shows: the entry's id was made for its request. One without entries
/// is denied, because all that it can hold happens once however often it is tried.
pub(super) async fn is_kept(mut connection: &AsyncPgConnection, settlement: &Settlement) -> QueryResult<bool> {
    let [entry, ..] = settlement.entries.as_slice() else { return Ok(false) };
    let statement = FindEntry { realm: entry.realm.0, account: entry.account.0, position: entry.position };
    let found: Option<(StoredUuid,)> = statement.get_result(&mut connection).await.optional()?;
    Ok(found.is_some_and(|(id,)| id.0 == entry.id.0))
}

/// Stores all of `settlement`. Fails on the first statement that cannot be done, and leaves undoing to the transaction.
async fn settlement(connection: &AsyncPgConnection, settlement: &Settlement) -> Result<(), Trouble> {
    for (realm, part) in by_realm(settlement) {
        save(connection, realm, &part).await?;
    }
    Ok(())
}

fn by_realm(settlement: &Settlement) -> BTreeMap<RealmId, RealmSettlement<'_>> {
    let mut realms: BTreeMap<RealmId, RealmSettlement<'_>> = BTreeMap::new();
    for (realm, player) in settlement.new_players.iter().chain(&settlement.seen_players) {
        realms.entry(*realm).or_default().players.push(player);
    }
    for change in &settlement.accounts {
        realms.entry(change.realm).or_default().accounts.push(change);
    }
    for entry in &settlement.entries {
        realms.entry(entry.realm).or_default().entries.push(entry);
    }
    for grant in &settlement.new_grants {
        realms.entry(grant.realm).or_default().new_grants.push(grant);
    }
    for claimed in &settlement.claimed_grants {
        realms.entry(claimed.realm).or_default().claimed_grants.push(claimed);
    }
    for import in &settlement.imported_players {
        realms.entry(import.realm).or_default().imported_players.push(import);
    }
    for event in &settlement.events {
        realms.entry(event.realm).or_default().events.push(event);
    }
    realms
}

async fn save(connection: &AsyncPgConnection, realm: RealmId, part: &RealmSettlement<'_>) -> Result<(), Trouble> {
    // In this order on the wire: what is polled first is sent first.
    tokio::try_join!(
        biased;
        players::upsert(connection, realm, &part.players),
        accounts(connection, realm, &part.accounts),
        entries(connection, realm, &part.entries),
        grants::insert(connection, realm, &part.new_grants),
        grants::claim(connection, realm, &part.claimed_grants),
        imports::insert(connection, realm, &part.imported_players),
        imports::update_contexts(connection, realm, &part.imported_players),
        outbox::insert(connection, realm, &part.events),
    )?;
    Ok(())
}

/// Stores accounts as they are after their changes, and checks that they are what was decided on.
pub(in crate::postgres) async fn accounts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    changes: &[&AccountChange],
) -> Result<(), Trouble> {
    if changes.is_empty() {
        return Ok(());
    }
    let statement = UpsertAccounts {
        realm: realm.0,
        players: changes.iter().map(|change| change.player.0).collect(),
        kinds: changes.iter().map(|change| change.asset.kind.as_str()).collect(),
        keys: changes.iter().map(|change| change.asset.key.as_str()).collect(),
        ids: changes.iter().map(|change| change.id.0).collect(),
        balances: changes.iter().map(|change| change.balance.get()).collect(),
        new_entries: changes.iter().map(|change| change.version - change.version_before).collect(),
        created_at: changes.iter().map(|change| change.first_at.unix_micros()).collect(),
        updated_at: changes.iter().map(|change| change.at.unix_micros()).collect(),
    };
    let stored: Vec<(StoredUuid, i64)> = statement.load(&mut connection).await?;
    let mut stored: Vec<_> = stored.into_iter().map(|(id, version)| (id.0, version)).collect();
    let mut decided: Vec<_> = changes.iter().map(|change| (change.id.0, change.version)).collect();
    stored.sort_unstable();
    decided.sort_unstable();
    if stored == decided { Ok(()) } else { Err(Trouble::Stale { what: "an account" }) }
}

/// Appends to the ledger, in the order of the idempotency keys, in which two processes that meet the same ones wait for each
/// other without a deadlock.
pub(in crate::postgres) async fn entries(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    entries: &[&Entry],
) -> Result<(), Trouble> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| entry.once.map(|once| (entry.operation.as_str(), once.key)));
    let statement = InsertEntries {
        realm: realm.0,
        accounts: sorted.iter().map(|entry| entry.account.0).collect(),
        positions: sorted.iter().map(|entry| entry.position).collect(),
        sequences: sorted.iter().map(|entry| entry.sequence).collect(),
        ids: sorted.iter().map(|entry| entry.id.0).collect(),
        deltas: sorted.iter().map(|entry| entry.delta).collect(),
        balances_after: sorted.iter().map(|entry| entry.balance_after.get()).collect(),
        operations: sorted.iter().map(|entry| entry.operation.as_str()).collect(),
        origins: sorted.iter().map(|entry| entry.origin.as_str()).collect(),
        actors: sorted.iter().map(|entry| entry.actor.as_str()).collect(),
        reasons: sorted.iter().map(|entry| entry.reason.as_ref().map(FreeText::as_str)).collect(),
        source_refs: sorted.iter().map(|entry| entry.source_ref.as_ref().map(FreeText::as_str)).collect(),
        grants: sorted.iter().map(|entry| entry.grant.map(|grant| grant.0)).collect(),
        idempotency_keys: sorted.iter().map(|entry| entry.once.as_ref().map(|once| once.key.0.as_slice())).collect(),
        fingerprints: sorted
            .iter()
            .map(|entry| entry.once.as_ref().map(|once| once.fingerprint.0.as_slice()))
            .collect(),
        created_at: sorted.iter().map(|entry| entry.at.unix_micros()).collect(),
        parameters: sorted.iter().map(|entry| entry.parameters.as_ref().map(JsonObject::as_json)).collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
