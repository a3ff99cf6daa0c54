//! Lobbies, each a row.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::{EventId, Lobby, LobbyChange, LobbyId, LobbyKey, Window, WindowId};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::JsonObject;
use uuid::Builder;

use crate::rows::lobbies::{LobbyRow, bots_to_json};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

pub(super) type LobbyColumns = (
    (Binary, Binary, Binary, Nullable<Text>, Text, Text, Text, BigInt, Bool, Text, BigInt, Nullable<Text>),
    (Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, BigInt, Nullable<BigInt>, BigInt),
);

/// The columns of [`LobbyRow`], in its order.
macro_rules! lobby_columns {
    () => {
        "l.id, l.event, l.window_id, l.external_key, l.mode, l.aggregation, l.sort_order, l.capacity, l.fill_bots, l.bots,
        l.participants, l.metadata, l.status, l.created_at, l.fill_by, l.started_at, l.ends_at, l.closed_at, l.version"
    };
}

pub(super) use lobby_columns;

statement! {
    /// A lobby by its id.
    FindLobby<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies l WHERE l.realm = ? AND l.id = ?")
}

statement! {
    /// A lobby by the studio's name for it.
    FindLobbyOfKey<'a> { realm: i64 => BigInt, key: &'a str => Text } -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies l INDEXED BY external_lobby_key
        WHERE l.realm = ? AND l.external_key = ?")
}

statement! {
    /// The oldest open lobby of a window.
    FindOpenLobby<'a> { realm: i64 => BigInt, event: &'a [u8] => Binary, window: &'a [u8] => Binary } -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies l INDEXED BY lobbies_open
        WHERE l.realm = ? AND l.event = ? AND l.window_id = ? AND l.is_open = 1 ORDER BY l.id LIMIT 1")
}

statement! {
    /// The newest lobby of a window that a player is in and that is not closed, among those from an id on.
    FindMembership<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, oldest: &'a [u8] => Binary,
        event: &'a [u8] => Binary, window: &'a [u8] => Binary,
    }
    -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobby_participants m INDEXED BY lobby_participants_by_player
        CROSS JOIN lobbies l ON l.realm = m.realm AND l.id = m.lobby
        WHERE m.realm = ? AND m.player = ? AND ? <= m.lobby
        AND l.event = ? AND l.window_id = ? AND l.status <> 'closed' ORDER BY m.lobby DESC LIMIT 1")
}

statement! {
    /// Stores a new lobby.
    InsertLobby<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, event: &'a [u8] => Binary, window: &'a [u8] => Binary,
        external_key: Option<&'a str> => Nullable<Text>, mode: &'a str => Text, aggregation: &'a str => Text,
        sort_order: &'a str => Text, capacity: i64 => BigInt, fill_bots: bool => Bool, bots: &'a str => Text,
        participants: i64 => BigInt, metadata: Option<&'a str> => Nullable<Text>, status: &'a str => Text,
        created_at: i64 => BigInt, fill_by: Option<i64> => Nullable<BigInt>, started_at: Option<i64> => Nullable<BigInt>,
        ends_at: i64 => BigInt, closed_at: Option<i64> => Nullable<BigInt>, due_at: Option<i64> => Nullable<BigInt>,
        is_open: bool => Bool, version: i64 => BigInt,
    }
    -> () = "INSERT INTO lobbies (realm, id, event, window_id, external_key, mode, aggregation, sort_order, capacity, fill_bots,
        bots, participants, metadata, status, created_at, fill_by, started_at, ends_at, closed_at, due_at, is_open, version)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Moves a lobby from one version to another.
    UpdateLobby<'a> {
        bots: &'a str => Text, participants: i64 => BigInt, status: &'a str => Text,
        started_at: Option<i64> => Nullable<BigInt>, closed_at: Option<i64> => Nullable<BigInt>,
        due_at: Option<i64> => Nullable<BigInt>, is_open: bool => Bool, version: i64 => BigInt,
        realm: i64 => BigInt, id: &'a [u8] => Binary, version_before: i64 => BigInt,
    }
    -> () = "UPDATE lobbies SET bots = ?, participants = ?, status = ?, started_at = ?, closed_at = ?, due_at = ?, is_open = ?,
        version = ? WHERE realm = ? AND id = ? AND version = ?"
}

fn restored(row: Option<LobbyRow>) -> QueryResult<Option<Lobby>> {
    row.map(Lobby::try_from).transpose()
}

/// A lobby by its id.
pub(super) fn find(connection: &mut SqliteConnection, realm: RealmId, id: LobbyId) -> QueryResult<Option<Lobby>> {
    let statement = FindLobby { realm: realm.0, id: id.0.as_bytes() };
    restored(statement.get_result(connection).optional()?)
}

/// A lobby by the studio's name for it.
pub(super) fn find_by_key(
    connection: &mut SqliteConnection,
    realm: RealmId,
    key: &LobbyKey,
) -> QueryResult<Option<Lobby>> {
    let statement = FindLobbyOfKey { realm: realm.0, key: key.as_str() };
    restored(statement.get_result(connection).optional()?)
}

/// The oldest open lobby of a window.
pub(super) fn find_open(
    connection: &mut SqliteConnection,
    realm: RealmId,
    event: EventId,
    window: WindowId,
) -> QueryResult<Option<Lobby>> {
    let (event, window) = (event.0.as_bytes(), window.0.as_bytes());
    let statement = FindOpenLobby { realm: realm.0, event, window };
    restored(statement.get_result(connection).optional()?)
}

/// The newest lobby of a window that a player is in and that is not stored as closed.
pub(super) fn find_membership(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    event: EventId,
    window: &Window,
) -> QueryResult<Option<Lobby>> {
    // A lobby plays the window that it was made in, and its id begins with the time of that: older ones need no look.
    let millis = u64::try_from(window.starts_at.unix_millis()).unwrap_or(0);
    let oldest = Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid();
    let statement = FindMembership {
        realm: realm.0,
        player: player.0.as_bytes(),
        oldest: oldest.as_bytes(),
        event: event.0.as_bytes(),
        window: window.id.0.as_bytes(),
    };
    restored(statement.get_result(connection).optional()?)
}

/// Stores a new lobby, or moves one from one version to another.
pub(super) fn store(connection: &mut SqliteConnection, change: &LobbyChange) -> QueryResult<()> {
    let LobbyChange { realm, lobby, version_before } = change;
    match version_before {
        None => insert(connection, *realm, lobby),
        Some(version_before) => update(connection, *realm, lobby, *version_before),
    }
}

fn insert(connection: &mut SqliteConnection, realm: RealmId, lobby: &Lobby) -> QueryResult<()> {
    let statement = InsertLobby {
        realm: realm.0,
        id: lobby.id.0.as_bytes(),
        event: lobby.event.0.as_bytes(),
        window: lobby.window.0.as_bytes(),
        external_key: lobby.key.as_ref().map(LobbyKey::as_str),
        mode: lobby.mode.as_str(),
        aggregation: lobby.aggregation.as_str(),
        sort_order: lobby.order.as_str(),
        capacity: i64::from(lobby.capacity),
        fill_bots: lobby.fill_bots,
        bots: &bots_to_json(&lobby.bots),
        participants: i64::from(lobby.players),
        metadata: lobby.metadata.as_ref().map(JsonObject::as_json),
        status: lobby.status().as_str(),
        created_at: lobby.created_at.unix_micros(),
        fill_by: lobby.fill_by.map(Timestamp::unix_micros),
        started_at: lobby.started_at().map(Timestamp::unix_micros),
        ends_at: lobby.ends_at.unix_micros(),
        closed_at: lobby.closed_at().map(Timestamp::unix_micros),
        due_at: lobby.due_at().map(Timestamp::unix_micros),
        is_open: lobby.is_open(),
        version: lobby.version,
    };
    exactly_one(statement.execute(connection)?)
}

fn update(connection: &mut SqliteConnection, realm: RealmId, lobby: &Lobby, version_before: i64) -> QueryResult<()> {
    let statement = UpdateLobby {
        bots: &bots_to_json(&lobby.bots),
        participants: i64::from(lobby.players),
        status: lobby.status().as_str(),
        started_at: lobby.started_at().map(Timestamp::unix_micros),
        closed_at: lobby.closed_at().map(Timestamp::unix_micros),
        due_at: lobby.due_at().map(Timestamp::unix_micros),
        is_open: lobby.is_open(),
        version: lobby.version,
        realm: realm.0,
        id: lobby.id.0.as_bytes(),
        version_before,
    };
    exactly_one(statement.execute(connection)?)
}
