//! Players in PostgreSQL.

pub(super) mod ban;
pub(super) mod blank;
pub(super) mod erase;
pub(super) mod export;
pub(super) mod lives;
pub(super) mod merge;
pub(super) mod moving;

use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::economy::{AssetKind, Grant, GrantId, LedgerRow, Position};
use domain::players::{ExportAccount, ExportHead, ExternalId, Player, PlayerId, PlayerReads, Profile};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use crate::postgres::lobbies::{attempts, records};
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::{PostgresStore, economy};
use crate::rows::{StoredUuid, time};

statement! {
    /// A player by the studio's id.
    FindPlayer<'a> { realm: i64 => BigInt, external_id: &'a str => Text } -> (SqlUuid, BigInt, BigInt, Nullable<BigInt>)
    = "SELECT id, created_at, last_seen_at, banned_at FROM players WHERE realm = $1 AND external_id = $2"
}

statement! {
    /// Players by the studio's ids, locked until the transaction ends, one after the other in the order in which they are
    /// named. What comes back is as it is after the lock.
    LockPlayers<'a> { realm: i64 => BigInt, external_ids: Vec<&'a str> => Array<Text> }
    -> (Text, SqlUuid, BigInt, BigInt, Nullable<BigInt>)
    = "SELECT locked.external_id, locked.id, locked.created_at, locked.last_seen_at, locked.banned_at
        FROM unnest($2) AS wanted (external_id)
        CROSS JOIN LATERAL (
            SELECT external_id, id, created_at, last_seen_at, banned_at FROM players
            WHERE realm = $1 AND external_id = wanted.external_id LIMIT 1 FOR NO KEY UPDATE
        ) AS locked"
}

statement! {
    /// Stores new players, and moves the times at which known ones were last seen. Fails when a new one's studio id is taken.
    UpsertPlayers<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, external_ids: Vec<&'a str> => Array<Text>,
        created_at: Vec<i64> => Array<BigInt>, last_seen_at: Vec<i64> => Array<BigInt>,
    }
    -> () = "INSERT INTO players (realm, id, external_id, created_at, last_seen_at)
        SELECT $1, n.id, n.external_id, n.created_at, n.last_seen_at
        FROM unnest($2, $3, $4, $5) AS n (id, external_id, created_at, last_seen_at)
        ON CONFLICT (realm, id) DO UPDATE SET last_seen_at = excluded.last_seen_at"
}

statement! {
    /// Moves the times at which players were last seen, who are locked. They are found by the studio's ids as they were for the
    /// lock: the pages that lead to them by those are at hand.
    MarkPlayersSeen<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, external_ids: Vec<&'a str> => Array<Text>,
        created_at: Vec<i64> => Array<BigInt>, last_seen_at: Vec<i64> => Array<BigInt>,
    }
    -> () = "INSERT INTO players (realm, id, external_id, created_at, last_seen_at)
        SELECT $1, n.id, n.external_id, n.created_at, n.last_seen_at
        FROM unnest($2, $3, $4, $5) AS n (id, external_id, created_at, last_seen_at)
        ON CONFLICT (realm, external_id) DO UPDATE SET last_seen_at = excluded.last_seen_at"
}

statement! {
    /// What is known of a player beside what a batch must see: what another platform knew, and why the player is banned.
    FindParticulars { realm: i64 => BigInt, id: Uuid => SqlUuid } -> (Nullable<Text>, Nullable<Text>)
    = "SELECT context_snapshot::text, ban_reason FROM players WHERE realm = $1 AND id = $2"
}

/// A player by the studio's id.
pub(in crate::postgres) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    external_id: &ExternalId,
) -> QueryResult<Option<Player>> {
    let statement = FindPlayer { realm: realm.0, external_id: external_id.as_str() };
    let found = statement.get_result::<(StoredUuid, i64, i64, Option<i64>)>(&mut connection).await.optional()?;
    Ok(found.map(|(id, created_at, last_seen_at, banned_at)| Player {
        id: PlayerId(id.0),
        external_id: external_id.clone(),
        created_at: time(created_at),
        last_seen_at: time(last_seen_at),
        banned_at: banned_at.map(time),
    }))
}

/// Locks those of `players` that exist and reads them. They are given in ascending order: everybody locks in that order.
pub(in crate::postgres) async fn lock(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    players: &[ExternalId],
) -> QueryResult<Vec<Player>> {
    let external_ids = players.iter().map(ExternalId::as_str).collect();
    let statement = LockPlayers { realm: realm.0, external_ids };
    let rows: Vec<(String, StoredUuid, i64, i64, Option<i64>)> = statement.load(&mut connection).await?;
    let locked = rows.into_iter().map(|(external_id, id, created_at, last_seen_at, banned_at)| Player {
        id: PlayerId(id.0),
        external_id: ExternalId::restore(external_id),
        created_at: time(created_at),
        last_seen_at: time(last_seen_at),
        banned_at: banned_at.map(time),
    });
    Ok(locked.collect())
}

/// Stores players: new ones, and known ones as they were seen now. Of several states of one player the last is right.
pub(in crate::postgres) async fn upsert(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    players: &[&Player],
) -> Result<(), Trouble> {
    let PlayerColumns { ids, external_ids, created_at, last_seen_at } = players.iter().copied().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let statement = UpsertPlayers { realm: realm.0, ids, external_ids, created_at, last_seen_at };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Stores when known players, who are locked, were seen. Of several states of one player the last is right.
pub(in crate::postgres) async fn mark_seen(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    players: &[&Player],
) -> Result<(), Trouble> {
    let PlayerColumns { ids, external_ids, created_at, last_seen_at } = players.iter().copied().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let statement = MarkPlayersSeen { realm: realm.0, ids, external_ids, created_at, last_seen_at };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// The last state of each player, in columns. They go in the order of the studio's ids, in which two processes that meet the
/// same new ones wait for each other without a deadlock.
#[derive(Default)]
struct PlayerColumns<'a> {
    ids: Vec<Uuid>,
    external_ids: Vec<&'a str>,
    created_at: Vec<i64>,
    last_seen_at: Vec<i64>,
}

impl<'a> FromIterator<&'a Player> for PlayerColumns<'a> {
    fn from_iter<T: IntoIterator<Item = &'a Player>>(players: T) -> Self {
        let latest: BTreeMap<&ExternalId, &Player> =
            players.into_iter().map(|player| (&player.external_id, player)).collect();
        let mut columns = Self::default();
        for (external_id, player) in latest {
            columns.ids.push(player.id.0);
            columns.external_ids.push(external_id.as_str());
            columns.created_at.push(player.created_at.unix_micros());
            columns.last_seen_at.push(player.last_seen_at.unix_micros());
        }
        columns
    }
}

/// Checks that a statement on one locked row changed it.
fn one_row(changed: usize, what: &'static str) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Stale { what }) }
}

#[async_trait]
impl PlayerReads for PostgresStore {
    async fn profile(
        &self,
        realm: RealmId,
        player: &ExternalId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Profile>, StoreError> {
        self.readers.view(|connection| profile(connection, realm, player, limit, now).scope_boxed()).await
    }

    async fn export_head(&self, realm: RealmId, player: &ExternalId) -> Result<Option<ExportHead>, StoreError> {
        self.readers.view(|connection| export::head(connection, realm, player).scope_boxed()).await
    }

    async fn export_entries(
        &self,
        realm: RealmId,
        account: &ExportAccount,
        after: Position,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        self.readers.read(|connection| export::entries(connection, realm, account, after, limit).scope_boxed()).await
    }

    async fn export_grants(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        self.readers.read(|connection| export::grants(connection, realm, player, after, limit).scope_boxed()).await
    }
}

async fn profile(
    connection: &AsyncPgConnection,
    realm: RealmId,
    player: &ExternalId,
    limit: u32,
    now: Timestamp,
) -> QueryResult<Option<Profile>> {
    let Some(player) = find(connection, realm, player).await? else { return Ok(None) };
    let newest = economy::GrantFilter { status: None, after: None, limit: i64::from(limit), now };
    let (
        (last_context_snapshot, ban_reason),
        counts,
        recent_grants,
        mut inventory,
        wallet,
        play,
        recent_attempts,
        recent_lobbies,
    ) = tokio::try_join!(
        particulars(connection, realm, player.id),
        economy::grant_counts(connection, realm, player.id, now),
        economy::grants_of(connection, realm, player.id, &newest),
        economy::holdings_of(connection, realm, player.id, AssetKind::Item),
        economy::holdings_of(connection, realm, player.id, AssetKind::Currency),
        records::counts(connection, realm, &player.external_id),
        attempts::of_player(connection, realm, player.id, None, limit),
        records::lobbies_of(connection, realm, player.id, None, limit),
    )?;
    inventory.retain(|holding| 0 < holding.balance.get());
    let (grants, pending_grants) = (counts.all, counts.pending);
    Ok(Some(Profile {
        player,
        last_context_snapshot,
        ban_reason,
        grants,
        pending_grants,
        recent_grants,
        attempts: play.attempts,
        recent_attempts,
        lobbies: play.lobbies,
        recent_lobbies,
        inventory,
        wallet,
    }))
}

/// Read for a profile or an export only: batches have no use for them, and the context may be large.
async fn particulars(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
) -> QueryResult<(Option<JsonObject>, Option<FreeText>)> {
    let statement = FindParticulars { realm: realm.0, id: player.0 };
    let (context, ban_reason) = statement.get_result::<(Option<String>, Option<String>)>(&mut connection).await?;
    Ok((context.map(JsonObject::restore), ban_reason.map(FreeText::restore)))
}
