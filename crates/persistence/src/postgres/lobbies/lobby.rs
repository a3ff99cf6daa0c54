//! Lobbies and who is in them. The row of a lobby is its lock: whoever changes anything in it holds it until the transaction
//! ends. Lobbies are locked in the order of their ids, all at once, and after players.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::lobbies::{
    EventId, Lobby, LobbyChange, LobbyId, LobbyKey, Participant, ParticipantChange, Window, WindowId,
};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;
use crate::rows::lobbies::{LobbyRow, ParticipantRow, bots_to_json, participant_of};

/// The SQL types of [`LobbyRow`].
pub(super) type LobbyColumns = (
    (SqlUuid, SqlUuid, SqlUuid, Nullable<Text>, Text, Text, Text, BigInt, Bool, Text, BigInt, Nullable<Text>),
    (Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, BigInt, Nullable<BigInt>, BigInt),
);

/// The columns of [`LobbyRow`], in its order.
macro_rules! lobby_columns {
    () => {
        "id, event, window_id, external_key, mode, aggregation, sort_order, capacity, fill_bots, bots::text AS bots,
                participants, metadata::text AS metadata, status, created_at, fill_by, started_at, ends_at, closed_at, version"
    };
}

pub(super) use lobby_columns;

statement! {
    /// Lobbies by id, locked until the transaction ends, one after the other in the order in which they are named. What comes
    /// back is as it is after the lock.
    LockLobbies { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> LobbyColumns
    = concat!("SELECT locked.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT ", lobby_columns!(), " FROM lobbies WHERE realm = $1 AND id = wanted.id LIMIT 1 FOR NO KEY UPDATE
        ) AS locked")
}

statement! {
    /// The ids of lobbies that have the studio's names.
    FindLobbyKeys<'a> { realm: i64 => BigInt, keys: Vec<&'a str> => Array<Text> } -> (Text, SqlUuid)
    = "SELECT wanted.key, lobby.id FROM unnest($2) AS wanted (key)
        CROSS JOIN LATERAL (
            SELECT id FROM lobbies WHERE realm = $1 AND external_key = wanted.key LIMIT 1
        ) AS lobby"
}

statement! {
    /// The newest lobby of a window, not older than an id, that a player is in and that is not stored as closed; for several,
    /// each with its number (from 1).
    FindMemberships {
        realm: i64 => BigInt, players: Vec<Uuid> => Array<SqlUuid>, windows: Vec<Uuid> => Array<SqlUuid>,
        oldest: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, SqlUuid)
    = "SELECT wanted.number, present.lobby
        FROM unnest($2, $3, $4) WITH ORDINALITY AS wanted (player, window_id, oldest, number)
        CROSS JOIN LATERAL (
            SELECT participant.lobby
            FROM (
                SELECT lobby FROM lobby_participants
                WHERE realm = $1 AND player = wanted.player AND lobby >= wanted.oldest ORDER BY lobby DESC OFFSET 0
            ) AS participant
            CROSS JOIN LATERAL (
                SELECT window_id, closed_at FROM lobbies WHERE realm = $1 AND id = participant.lobby LIMIT 1
            ) AS lobby
            WHERE lobby.window_id = wanted.window_id AND lobby.closed_at IS NULL
            ORDER BY participant.lobby DESC LIMIT 1
        ) AS present"
}

statement! {
    /// The oldest open lobbies of windows, each with the number of its window (from 1).
    FindOpenLobbies {
        realm: i64 => BigInt, events: Vec<Uuid> => Array<SqlUuid>, windows: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, SqlUuid)
    = "SELECT wanted.number, lobby.id
        FROM unnest($2, $3) WITH ORDINALITY AS wanted (event, window_id, number)
        CROSS JOIN LATERAL (
            SELECT id FROM lobbies
            WHERE realm = $1 AND event = wanted.event AND window_id = wanted.window_id AND is_open
            ORDER BY event, window_id, id LIMIT 1
        ) AS lobby"
}

statement! {
    /// Players in lobbies.
    FindParticipants {
        realm: i64 => BigInt, lobbies: Vec<Uuid> => Array<SqlUuid>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (SqlUuid, SqlUuid, BigInt, Nullable<BigInt>, Nullable<BigInt>)
    = "SELECT participant.* FROM unnest($2, $3) AS wanted (lobby, player)
        CROSS JOIN LATERAL (
            SELECT lobby, player, joined_at, score, achieved_at FROM lobby_participants
            WHERE realm = $1 AND lobby = wanted.lobby AND player = wanted.player LIMIT 1
        ) AS participant"
}

statement! {
    /// Stores new lobbies, and what changes of known ones. The answer shows whether a known one had the version that was
    /// decided on. Fails when the studio's name of a new one is taken.
    UpsertLobbies<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, events: Vec<Uuid> => Array<SqlUuid>,
        windows: Vec<Uuid> => Array<SqlUuid>, keys: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        modes: Vec<&'a str> => Array<Text>, aggregations: Vec<&'a str> => Array<Text>,
        orders: Vec<&'a str> => Array<Text>, capacities: Vec<i64> => Array<BigInt>,
        fill_bots: Vec<bool> => Array<Bool>, bots: Vec<String> => Array<Text>,
        participants: Vec<i64> => Array<BigInt>, metadata: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        statuses: Vec<&'a str> => Array<Text>, created_at: Vec<i64> => Array<BigInt>,
        fill_by: Vec<Option<i64>> => Array<Nullable<BigInt>>, started_at: Vec<Option<i64>> => Array<Nullable<BigInt>>,
        ends_at: Vec<i64> => Array<BigInt>, closed_at: Vec<Option<i64>> => Array<Nullable<BigInt>>,
        due_at: Vec<Option<i64>> => Array<Nullable<BigInt>>, are_open: Vec<bool> => Array<Bool>,
    }
    -> (SqlUuid, BigInt) = "INSERT INTO lobbies (realm, id, event, window_id, external_key, mode, aggregation, sort_order,
            capacity, fill_bots, bots, participants, metadata, status, created_at, fill_by, started_at, ends_at, closed_at,
            due_at, is_open, version)
        SELECT $1, n.id, n.event, n.window_id, n.external_key, n.mode, n.aggregation, n.sort_order, n.capacity, n.fill_bots,
            n.bots::json, n.participants, n.metadata::json, n.status, n.created_at, n.fill_by, n.started_at, n.ends_at,
            n.closed_at, n.due_at, n.is_open, 1
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) AS n (id,
            event, window_id, external_key, mode, aggregation, sort_order, capacity, fill_bots, bots, participants, metadata,
            status, created_at, fill_by, started_at, ends_at, closed_at, due_at, is_open)
        ON CONFLICT (realm, id) DO UPDATE SET bots = excluded.bots, participants = excluded.participants,
            status = excluded.status, started_at = excluded.started_at, closed_at = excluded.closed_at,
            due_at = excluded.due_at, is_open = excluded.is_open, version = lobbies.version + 1
        RETURNING id, version"
}

statement! {
    /// Stores players in lobbies.
    UpsertParticipants {
        realm: i64 => BigInt, lobbies: Vec<Uuid> => Array<SqlUuid>, players: Vec<Uuid> => Array<SqlUuid>,
        joined_at: Vec<i64> => Array<BigInt>, scores: Vec<Option<i64>> => Array<Nullable<BigInt>>,
        achieved_at: Vec<Option<i64>> => Array<Nullable<BigInt>>,
    }
    -> () = "INSERT INTO lobby_participants (realm, lobby, player, joined_at, score, achieved_at)
        SELECT $1, n.lobby, n.player, n.joined_at, n.score, n.achieved_at
        FROM unnest($2, $3, $4, $5, $6) AS n (lobby, player, joined_at, score, achieved_at)
        ON CONFLICT (realm, lobby, player) DO UPDATE
        SET joined_at = excluded.joined_at, score = excluded.score, achieved_at = excluded.achieved_at"
}

statement! {
    /// Takes a player out of lobbies.
    DeleteParticipants { realm: i64 => BigInt, player: Uuid => SqlUuid, lobbies: Vec<Uuid> => Array<SqlUuid> } -> ()
    = "DELETE FROM lobby_participants WHERE realm = $1 AND player = $2 AND lobby = ANY($3)"
}

/// Locks those of the lobbies that there are and reads them.
pub(super) async fn lock(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ids: &BTreeSet<LobbyId>,
) -> QueryResult<Vec<Lobby>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let statement = LockLobbies { realm: realm.0, ids: ids.iter().map(|id| id.0).collect() };
    let rows: Vec<LobbyRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(Lobby::try_from).collect()
}

/// The lobbies that have the studio's names.
pub(super) async fn by_keys(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    keys: &[LobbyKey],
) -> QueryResult<BTreeMap<LobbyKey, LobbyId>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let statement = FindLobbyKeys { realm: realm.0, keys: keys.iter().map(LobbyKey::as_str).collect() };
    let rows: Vec<(String, StoredUuid)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(key, id)| (LobbyKey::restore(key), LobbyId(id.0))).collect())
}

/// Of each of these players, the newest lobby of a window that is not stored as closed.
pub(super) async fn memberships(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(PlayerId, Window)],
) -> QueryResult<Vec<Option<LobbyId>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindMemberships {
        realm: realm.0,
        players: wanted.iter().map(|(player, _)| player.0).collect(),
        windows: wanted.iter().map(|(_, window)| window.id.0).collect(),
        oldest: wanted.iter().map(|(_, window)| oldest_since(window.starts_at)).collect(),
    };
    let rows: Vec<(i64, StoredUuid)> = statement.load(&mut connection).await?;
    Ok(numbered(rows, wanted.len()))
}

/// A lobby's id is made while its window is open, in a request that may have waited a little on another clock.
fn oldest_since(starts_at: Timestamp) -> Uuid {
    const CLOCKS_APART_MS_MAX: i64 = 3_600_000;
    let millis = u128::try_from(starts_at.unix_millis() - CLOCKS_APART_MS_MAX).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

/// The oldest open lobby of each of these windows.
pub(super) async fn open(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(EventId, WindowId)],
) -> QueryResult<Vec<Option<LobbyId>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindOpenLobbies {
        realm: realm.0,
        events: wanted.iter().map(|(event, _)| event.0).collect(),
        windows: wanted.iter().map(|(_, window)| window.0).collect(),
    };
    let rows: Vec<(i64, StoredUuid)> = statement.load(&mut connection).await?;
    Ok(numbered(rows, wanted.len()))
}

fn numbered(rows: Vec<(i64, StoredUuid)>, wanted: usize) -> Vec<Option<LobbyId>> {
    let found: BTreeMap<i64, LobbyId> = rows.into_iter().map(|(number, id)| (number, LobbyId(id.0))).collect();
    (1..).take(wanted).map(|number| found.get(&number).copied()).collect()
}

/// Those of the wanted players who are in their lobby.
pub(super) async fn participants(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(LobbyId, PlayerId)],
) -> QueryResult<Vec<Participant>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindParticipants {
        realm: realm.0,
        lobbies: wanted.iter().map(|(lobby, _)| lobby.0).collect(),
        players: wanted.iter().map(|(_, player)| player.0).collect(),
    };
    let rows: Vec<ParticipantRow> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(participant_of).collect())
}

/// Stores lobbies, and checks that known ones are what was decided on. They go in the order of the studio's names, in which
/// two processes that meet the same ones wait for each other without a deadlock.
pub(in crate::postgres) async fn store(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    changes: &[&LobbyChange],
) -> Result<(), Trouble> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut lobbies: Vec<&Lobby> = changes.iter().map(|change| &change.lobby).collect();
    lobbies.sort_by(|one, other| (&one.key, one.id).cmp(&(&other.key, other.id)));
    let micros = |at: Option<Timestamp>| at.map(Timestamp::unix_micros);
    let statement = UpsertLobbies {
        realm: realm.0,
        ids: lobbies.iter().map(|lobby| lobby.id.0).collect(),
        events: lobbies.iter().map(|lobby| lobby.event.0).collect(),
        windows: lobbies.iter().map(|lobby| lobby.window.0).collect(),
        keys: lobbies.iter().map(|lobby| lobby.key.as_ref().map(LobbyKey::as_str)).collect(),
        modes: lobbies.iter().map(|lobby| lobby.mode.as_str()).collect(),
        aggregations: lobbies.iter().map(|lobby| lobby.aggregation.as_str()).collect(),
        orders: lobbies.iter().map(|lobby| lobby.order.as_str()).collect(),
        capacities: lobbies.iter().map(|lobby| i64::from(lobby.capacity)).collect(),
        fill_bots: lobbies.iter().map(|lobby| lobby.fill_bots).collect(),
        bots: lobbies.iter().map(|lobby| bots_to_json(&lobby.bots)).collect(),
        participants: lobbies.iter().map(|lobby| i64::from(lobby.players)).collect(),
        metadata: lobbies.iter().map(|lobby| lobby.metadata.as_ref().map(|json| json.as_json())).collect(),
        statuses: lobbies.iter().map(|lobby| lobby.status().as_str()).collect(),
        created_at: lobbies.iter().map(|lobby| lobby.created_at.unix_micros()).collect(),
        fill_by: lobbies.iter().map(|lobby| micros(lobby.fill_by)).collect(),
        started_at: lobbies.iter().map(|lobby| micros(lobby.started_at())).collect(),
        ends_at: lobbies.iter().map(|lobby| lobby.ends_at.unix_micros()).collect(),
        closed_at: lobbies.iter().map(|lobby| micros(lobby.closed_at())).collect(),
        due_at: lobbies.iter().map(|lobby| micros(lobby.due_at())).collect(),
        are_open: lobbies.iter().map(|lobby| lobby.is_open()).collect(),
    };
    let rows: Vec<(StoredUuid, i64)> = statement.load(&mut connection).await?;
    let stored: BTreeMap<Uuid, i64> = rows.into_iter().map(|(id, version)| (id.0, version)).collect();
    let decided: BTreeMap<Uuid, i64> = lobbies.iter().map(|lobby| (lobby.id.0, lobby.version)).collect();
    if stored == decided { Ok(()) } else { Err(Trouble::Stale { what: "a lobby" }) }
}

/// Stores, or removes, players in lobbies. Each of them once; a removal is of another player than what is stored.
pub(in crate::postgres) async fn seat(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    changes: &[&ParticipantChange],
) -> Result<(), Trouble> {
    let mut left: BTreeMap<PlayerId, BTreeSet<LobbyId>> = BTreeMap::new();
    for change in changes {
        if let (Some(before), None) = (change.before, change.after) {
            left.entry(before.player).or_default().insert(before.lobby);
        }
    }
    for (player, lobbies) in left {
        let ids = lobbies.iter().map(|lobby| lobby.0).collect();
        let statement = DeleteParticipants { realm: realm.0, player: player.0, lobbies: ids };
        if statement.execute(&mut connection).await? != lobbies.len() {
            return Err(Trouble::Stale { what: "a player in a lobby" });
        }
    }
    let present: Vec<Participant> = changes.iter().filter_map(|change| change.after).collect();
    if present.is_empty() {
        return Ok(());
    }
    let statement = UpsertParticipants {
        realm: realm.0,
        lobbies: present.iter().map(|of| of.lobby.0).collect(),
        players: present.iter().map(|of| of.player.0).collect(),
        joined_at: present.iter().map(|of| of.joined_at.unix_micros()).collect(),
        scores: present.iter().map(|of| of.scored.map(|scored| scored.score.thousandths())).collect(),
        achieved_at: present.iter().map(|of| of.scored.map(|scored| scored.achieved_at.unix_micros())).collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
