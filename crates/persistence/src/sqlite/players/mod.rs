//! Players in SQLite.
//!
//! Statements here name the index that they need: without statistics SQLite takes all rows of a realm for few, and would
//! walk them in the order of their table. A test explains every statement.

mod ban;
mod blank;
mod erase;
mod export;
mod lives;
mod merge;
mod merge_effect;
#[cfg(test)]
mod plans_tests;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::economy::{AssetKind, Grant, GrantId, LedgerRow, Position};
use domain::lobbies::PlayCounts;
use domain::players::{ExportAccount, ExportHead, ExternalId, Player, PlayerId, PlayerReads, Profile};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};

use crate::rows::{StoredUuid, time};
use crate::sqlite::statement::statement;
use crate::sqlite::{SqliteStore, connection, economy, lobbies};

statement! {
    /// A player by the studio's id.
    FindPlayer<'a> { realm: i64 => BigInt, external_id: &'a str => Text } -> (Binary, BigInt, BigInt, Nullable<BigInt>)
    = "SELECT id, created_at, last_seen_at, banned_at FROM players WHERE realm = ? AND external_id = ?"
}

statement! {
    /// Stores a new player.
    InsertPlayer<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, external_id: &'a str => Text, created_at: i64 => BigInt,
        last_seen_at: i64 => BigInt,
    }
    -> () = "INSERT INTO players (realm, id, external_id, created_at, last_seen_at) VALUES (?, ?, ?, ?, ?)"
}

statement! {
    /// Moves the time at which a player was last seen.
    MarkSeen<'a> { at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE players SET last_seen_at = ? WHERE realm = ? AND id = ?"
}

statement! {
    /// What is known of a player beside what a batch must see: what another platform knew, and why the player is banned.
    FindParticulars<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> (Nullable<Text>, Nullable<Text>)
    = "SELECT context_snapshot, ban_reason FROM players WHERE realm = ? AND id = ?"
}

/// A player by the studio's id.
pub(in crate::sqlite) fn find(
    connection: &mut SqliteConnection,
    realm: RealmId,
    external_id: &ExternalId,
) -> QueryResult<Option<Player>> {
    let statement = FindPlayer { realm: realm.0, external_id: external_id.as_str() };
    let found = statement.get_result::<(StoredUuid, i64, i64, Option<i64>)>(connection).optional()?;
    Ok(found.map(|(id, created_at, last_seen_at, banned_at)| Player {
        id: PlayerId(id.0),
        external_id: external_id.clone(),
        created_at: time(created_at),
        last_seen_at: time(last_seen_at),
        banned_at: banned_at.map(time),
    }))
}

/// Stores a new player.
pub(in crate::sqlite) fn insert(connection: &mut SqliteConnection, realm: RealmId, player: &Player) -> QueryResult<()> {
    let statement = InsertPlayer {
        realm: realm.0,
        id: player.id.0.as_bytes(),
        external_id: player.external_id.as_str(),
        created_at: player.created_at.unix_micros(),
        last_seen_at: player.last_seen_at.unix_micros(),
    };
    statement.execute(connection).map(drop)
}

/// Moves the time at which a player was last seen.
pub(in crate::sqlite) fn mark_seen(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    at: Timestamp,
) -> QueryResult<()> {
    MarkSeen { at: at.unix_micros(), realm: realm.0, id: player.0.as_bytes() }.execute(connection).map(drop)
}

#[async_trait]
impl PlayerReads for SqliteStore {
    async fn profile(
        &self,
        realm: RealmId,
        player: &ExternalId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Profile>, StoreError> {
        let player = player.clone();
        let read = move |connection: &mut SqliteConnection| profile(connection, realm, &player, limit, now);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn export_head(&self, realm: RealmId, player: &ExternalId) -> Result<Option<ExportHead>, StoreError> {
        let player = player.clone();
        let read = move |connection: &mut SqliteConnection| export::head(connection, realm, &player);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn export_entries(
        &self,
        realm: RealmId,
        account: &ExportAccount,
        after: Position,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let account = account.clone();
        let read = move |connection: &mut SqliteConnection| export::entries(connection, realm, &account, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn export_grants(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        // In any state, so that the instant at which expiry is judged makes no difference.
        let now = Timestamp::from_unix_micros(0);
        let filter = economy::GrantFilter { status: None, after, limit: i64::from(limit), now };
        let read = move |connection: &mut SqliteConnection| economy::grants_of(connection, realm, player, &filter);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }
}

fn profile(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: &ExternalId,
    limit: u32,
    now: Timestamp,
) -> QueryResult<Option<Profile>> {
    let Some(player) = find(connection, realm, player)? else { return Ok(None) };
    let (last_context_snapshot, ban_reason) = particulars(connection, realm, player.id)?;
    let counts = economy::grant_counts(connection, realm, player.id, now)?;
    let newest = economy::GrantFilter { status: None, after: None, limit: i64::from(limit), now };
    let recent_grants = economy::grants_of(connection, realm, player.id, &newest)?;
    let mut inventory = economy::holdings_of(connection, realm, player.id, AssetKind::Item)?;
    inventory.retain(|holding| 0 < holding.balance.get());
    let wallet = economy::holdings_of(connection, realm, player.id, AssetKind::Currency)?;
    let (grants, pending_grants) = (counts.all, counts.pending);
    let PlayCounts { attempts, lobbies, .. } = lobbies::counts(connection, realm, player.id)?;
    let recent_attempts = lobbies::attempts_of(connection, realm, player.id, None, limit)?;
    let recent_lobbies = lobbies::lobbies_of(connection, realm, player.id, None, limit)?;
    Ok(Some(Profile {
        player,
        last_context_snapshot,
        ban_reason,
        grants,
        pending_grants,
        recent_grants,
        attempts,
        recent_attempts,
        lobbies,
        recent_lobbies,
        inventory,
        wallet,
    }))
}

/// Read for a profile or an export only: batches have no use for them, and the context may be large.
fn particulars(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
) -> QueryResult<(Option<JsonObject>, Option<FreeText>)> {
    let statement = FindParticulars { realm: realm.0, id: player.0.as_bytes() };
    let (context, ban_reason) = statement.get_result::<(Option<String>, Option<String>)>(connection)?;
    Ok((context.map(JsonObject::restore), ban_reason.map(FreeText::restore)))
}
