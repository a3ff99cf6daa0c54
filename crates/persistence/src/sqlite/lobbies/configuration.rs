//! Events and leaderboards as studios configured them.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::Page;
use domain::lobbies::{
    BoardId, ConfigurationKey, ConfigurationRefusal, Event, EventChange, EventId, EventStore, Leaderboard,
    LeaderboardChange, LeaderboardStore, NewEvent, NewLeaderboard,
};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::rows::lobbies::{
    ConfigurationRow, event_definition_to_json, event_of, leaderboard_definition_to_json, leaderboard_of,
};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;
use crate::sqlite::{SqliteStore, audit_log, connection};

type ConfigurationColumns = (Binary, Text, Text, BigInt, BigInt, BigInt);

statement! {
    /// An event by its key.
    FindEvent<'a> { realm: i64 => BigInt, key: &'a str => Text } -> ConfigurationColumns
    = "SELECT id, key, definition, version, created_at, updated_at FROM events WHERE realm = ? AND key = ?"
}

statement! {
    /// An event by its id.
    FindEventById<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> ConfigurationColumns
    = "SELECT id, key, definition, version, created_at, updated_at FROM events WHERE realm = ? AND id = ?"
}

statement! {
    /// Events before an id, newest first.
    PageOfEvents<'a> { realm: i64 => BigInt, before: &'a [u8] => Binary, limit: i64 => BigInt } -> ConfigurationColumns
    = "SELECT id, key, definition, version, created_at, updated_at FROM events
        WHERE realm = ? AND id < ? ORDER BY id DESC LIMIT ?"
}

statement! {
    /// Stores a new event.
    InsertEvent<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, key: &'a str => Text, definition: &'a str => Text,
        version: i64 => BigInt, created_at: i64 => BigInt, updated_at: i64 => BigInt,
    }
    -> () = "INSERT INTO events (realm, id, key, definition, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Moves an event from one version to the next.
    UpdateEvent<'a> {
        definition: &'a str => Text, version: i64 => BigInt, updated_at: i64 => BigInt,
        realm: i64 => BigInt, id: &'a [u8] => Binary, version_before: i64 => BigInt,
    }
    -> () = "UPDATE events SET definition = ?, version = ?, updated_at = ? WHERE realm = ? AND id = ? AND version = ?"
}

statement! {
    /// A leaderboard by its key.
    FindLeaderboard<'a> { realm: i64 => BigInt, key: &'a str => Text } -> ConfigurationColumns
    = "SELECT id, key, definition, version, created_at, updated_at FROM leaderboards WHERE realm = ? AND key = ?"
}

statement! {
    /// A leaderboard by its id.
    FindLeaderboardById<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> ConfigurationColumns
    = "SELECT id, key, definition, version, created_at, updated_at FROM leaderboards WHERE realm = ? AND id = ?"
}

statement! {
    /// Leaderboards before an id, newest first.
    PageOfLeaderboards<'a> { realm: i64 => BigInt, before: &'a [u8] => Binary, limit: i64 => BigInt }
    -> ConfigurationColumns
    = "SELECT id, key, definition, version, created_at, updated_at FROM leaderboards
        WHERE realm = ? AND id < ? ORDER BY id DESC LIMIT ?"
}

statement! {
    /// Stores a new leaderboard.
    InsertLeaderboard<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, key: &'a str => Text, definition: &'a str => Text,
        version: i64 => BigInt, created_at: i64 => BigInt, updated_at: i64 => BigInt,
    }
    -> () = "INSERT INTO leaderboards (realm, id, key, definition, version, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Moves a leaderboard from one version to the next.
    UpdateLeaderboard<'a> {
        definition: &'a str => Text, version: i64 => BigInt, updated_at: i64 => BigInt,
        realm: i64 => BigInt, id: &'a [u8] => Binary, version_before: i64 => BigInt,
    }
    -> () = "UPDATE leaderboards SET definition = ?, version = ?, updated_at = ?
        WHERE realm = ? AND id = ? AND version = ?"
}

/// The event of that key.
pub(super) fn event(
    connection: &mut SqliteConnection,
    realm: RealmId,
    key: &ConfigurationKey,
) -> QueryResult<Option<Event>> {
    let statement = FindEvent { realm: realm.0, key: key.as_str() };
    statement.get_result::<ConfigurationRow>(connection).optional()?.map(event_of).transpose()
}

/// The event of that id.
pub(super) fn event_by_id(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: EventId,
) -> QueryResult<Option<Event>> {
    let statement = FindEventById { realm: realm.0, id: id.0.as_bytes() };
    statement.get_result::<ConfigurationRow>(connection).optional()?.map(event_of).transpose()
}

/// The leaderboard of that key.
pub(super) fn leaderboard(
    connection: &mut SqliteConnection,
    realm: RealmId,
    key: &ConfigurationKey,
) -> QueryResult<Option<Leaderboard>> {
    let statement = FindLeaderboard { realm: realm.0, key: key.as_str() };
    statement.get_result::<ConfigurationRow>(connection).optional()?.map(leaderboard_of).transpose()
}

fn create_event(
    connection: &mut SqliteConnection,
    NewEvent { realm, event: new, audit }: &NewEvent,
) -> QueryResult<Result<(), ConfigurationRefusal>> {
    if event(connection, *realm, &new.key)?.is_some() {
        return Ok(Err(ConfigurationRefusal::KeyTaken));
    }
    let statement = InsertEvent {
        realm: realm.0,
        id: new.id.0.as_bytes(),
        key: new.key.as_str(),
        definition: &event_definition_to_json(&new.definition),
        version: new.version,
        created_at: new.created_at.unix_micros(),
        updated_at: new.updated_at.unix_micros(),
    };
    exactly_one(statement.execute(connection)?)?;
    audit_log::insert(connection, audit).map(Ok)
}

fn change_event(
    connection: &mut SqliteConnection,
    change: &EventChange,
) -> QueryResult<Result<Event, ConfigurationRefusal>> {
    let stored = event(connection, change.realm, &change.key)?;
    let changed = match change.decide(stored.as_ref()) {
        Ok(changed) => changed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let statement = UpdateEvent {
        definition: &event_definition_to_json(&changed.definition),
        version: changed.version,
        updated_at: changed.updated_at.unix_micros(),
        realm: change.realm.0,
        id: changed.id.0.as_bytes(),
        version_before: changed.version - 1,
    };
    exactly_one(statement.execute(connection)?)?;
    audit_log::insert(connection, &change.audit)?;
    Ok(Ok(changed))
}

fn events(
    connection: &mut SqliteConnection,
    realm: RealmId,
    after: Option<EventId>,
    limit: u32,
) -> QueryResult<Page<Event>> {
    let before = after.map_or(Uuid::max(), |event| event.0);
    let statement = PageOfEvents { realm: realm.0, before: before.as_bytes(), limit: i64::from(limit) + 1 };
    let rows = statement.load::<ConfigurationRow>(connection)?;
    let rows: QueryResult<Vec<Event>> = rows.into_iter().map(event_of).collect();
    Ok(Page::of(rows?, limit))
}

fn leaderboard_by_id(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: BoardId,
) -> QueryResult<Option<Leaderboard>> {
    let statement = FindLeaderboardById { realm: realm.0, id: id.0.as_bytes() };
    statement.get_result::<ConfigurationRow>(connection).optional()?.map(leaderboard_of).transpose()
}

fn create_leaderboard(
    connection: &mut SqliteConnection,
    NewLeaderboard { realm, leaderboard: new, audit }: &NewLeaderboard,
) -> QueryResult<Result<(), ConfigurationRefusal>> {
    if leaderboard(connection, *realm, &new.key)?.is_some() {
        return Ok(Err(ConfigurationRefusal::KeyTaken));
    }
    let statement = InsertLeaderboard {
        realm: realm.0,
        id: new.id.0.as_bytes(),
        key: new.key.as_str(),
        definition: &leaderboard_definition_to_json(&new.definition),
        version: new.version,
        created_at: new.created_at.unix_micros(),
        updated_at: new.updated_at.unix_micros(),
    };
    exactly_one(statement.execute(connection)?)?;
    audit_log::insert(connection, audit).map(Ok)
}

fn change_leaderboard(
    connection: &mut SqliteConnection,
    change: &LeaderboardChange,
) -> QueryResult<Result<Leaderboard, ConfigurationRefusal>> {
    let stored = leaderboard(connection, change.realm, &change.key)?;
    let changed = match change.decide(stored.as_ref()) {
        Ok(changed) => changed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let statement = UpdateLeaderboard {
        definition: &leaderboard_definition_to_json(&changed.definition),
        version: changed.version,
        updated_at: changed.updated_at.unix_micros(),
        realm: change.realm.0,
        id: changed.id.0.as_bytes(),
        version_before: changed.version - 1,
    };
    exactly_one(statement.execute(connection)?)?;
    audit_log::insert(connection, &change.audit)?;
    Ok(Ok(changed))
}

fn leaderboards(
    connection: &mut SqliteConnection,
    realm: RealmId,
    after: Option<BoardId>,
    limit: u32,
) -> QueryResult<Page<Leaderboard>> {
    let before = after.map_or(Uuid::max(), |board| board.0);
    let statement = PageOfLeaderboards { realm: realm.0, before: before.as_bytes(), limit: i64::from(limit) + 1 };
    let rows = statement.load::<ConfigurationRow>(connection)?;
    let rows: QueryResult<Vec<Leaderboard>> = rows.into_iter().map(leaderboard_of).collect();
    Ok(Page::of(rows?, limit))
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn create_event(&self, new: &NewEvent) -> Result<Result<(), ConfigurationRefusal>, StoreError> {
        let new = new.clone();
        let work = move |connection: &mut SqliteConnection| create_event(connection, &new);
        self.writer.run(|connection| connection::write(connection, work)).await
    }

    async fn change_event(&self, change: &EventChange) -> Result<Result<Event, ConfigurationRefusal>, StoreError> {
        let change = change.clone();
        let work = move |connection: &mut SqliteConnection| change_event(connection, &change);
        self.writer.run(|connection| connection::write(connection, work)).await
    }

    async fn event(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Event>, StoreError> {
        let key = key.clone();
        let read = move |connection: &mut SqliteConnection| event(connection, realm, &key);
        self.readers.run(|connection| connection::read(connection, read)).await
    }

    async fn event_by_id(&self, realm: RealmId, id: EventId) -> Result<Option<Event>, StoreError> {
        let read = move |connection: &mut SqliteConnection| event_by_id(connection, realm, id);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn events(&self, realm: RealmId, after: Option<EventId>, limit: u32) -> Result<Page<Event>, StoreError> {
        let read = move |connection: &mut SqliteConnection| events(connection, realm, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }
}

#[async_trait]
impl LeaderboardStore for SqliteStore {
    async fn create_leaderboard(&self, new: &NewLeaderboard) -> Result<Result<(), ConfigurationRefusal>, StoreError> {
        let new = new.clone();
        let work = move |connection: &mut SqliteConnection| create_leaderboard(connection, &new);
        self.writer.run(|connection| connection::write(connection, work)).await
    }

    async fn change_leaderboard(
        &self,
        change: &LeaderboardChange,
    ) -> Result<Result<Leaderboard, ConfigurationRefusal>, StoreError> {
        let change = change.clone();
        let work = move |connection: &mut SqliteConnection| change_leaderboard(connection, &change);
        self.writer.run(|connection| connection::write(connection, work)).await
    }

    async fn leaderboard(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Leaderboard>, StoreError> {
        let key = key.clone();
        let read = move |connection: &mut SqliteConnection| leaderboard(connection, realm, &key);
        self.readers.run(|connection| connection::read(connection, read)).await
    }

    async fn leaderboard_by_id(&self, realm: RealmId, id: BoardId) -> Result<Option<Leaderboard>, StoreError> {
        let read = move |connection: &mut SqliteConnection| leaderboard_by_id(connection, realm, id);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn leaderboards(
        &self,
        realm: RealmId,
        after: Option<BoardId>,
        limit: u32,
    ) -> Result<Page<Leaderboard>, StoreError> {
        let read = move |connection: &mut SqliteConnection| leaderboards(connection, realm, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }
}
