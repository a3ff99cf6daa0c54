//! What the studio configures: events and leaderboards, read by key or id, changed one at a time with an audit entry.

use async_trait::async_trait;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Page;
use domain::lobbies::{
    BoardId, ConfigurationKey, ConfigurationRefusal, Event, EventChange, EventId, EventStore, Leaderboard,
    LeaderboardChange, LeaderboardStore, NewEvent, NewLeaderboard,
};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use crate::postgres::attempts::transaction_id;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::{PostgresStore, audit_log};
use crate::rows::lobbies::{
    ConfigurationRow, event_definition_to_json, event_of, leaderboard_definition_to_json, leaderboard_of,
};

/// The SQL types of [`ConfigurationRow`].
type Columns = (SqlUuid, Text, Text, BigInt, BigInt, BigInt);

/// The columns of [`ConfigurationRow`], in its order.
macro_rules! columns {
    () => {
        "id, key, definition::text AS definition, version, created_at, updated_at"
    };
}

/// Those of the wanted keys that are there.
macro_rules! find_by_keys {
    ($table:literal) => {
        concat!(
            "SELECT found.* FROM unnest($2) AS wanted (key)
        CROSS JOIN LATERAL (
            SELECT ",
            columns!(),
            " FROM ",
            $table,
            " WHERE realm = $1 AND key = wanted.key LIMIT 1
        ) AS found"
        )
    };
}

/// The one of a key, locked until the transaction ends.
macro_rules! lock_by_key {
    ($table:literal) => {
        concat!("SELECT ", columns!(), " FROM ", $table, " WHERE realm = $1 AND key = $2 FOR NO KEY UPDATE")
    };
}

/// The one of an id.
macro_rules! find_by_id {
    ($table:literal) => {
        concat!("SELECT ", columns!(), " FROM ", $table, " WHERE realm = $1 AND id = $2")
    };
}

/// Those of a realm before an id, newest first.
macro_rules! page_before {
    ($table:literal) => {
        concat!("SELECT ", columns!(), " FROM ", $table, " WHERE realm = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
    };
}

/// Stores a new one. Fails when its key is taken.
macro_rules! insert {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (realm, id, key, definition, version, created_at, updated_at)
        SELECT $1, n.id, n.key, n.definition::json, n.version, n.created_at, n.updated_at
        FROM (VALUES ($2, $3, $4, $5, $6, $7)) AS n (id, key, definition, version, created_at, updated_at)"
        )
    };
}

/// Stores a changed one in place of the version before.
macro_rules! update {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET definition = ($3)::json, version = $4, updated_at = $5
        WHERE realm = $1 AND id = $2 AND version = $4 - 1"
        )
    };
}

statement! {
    /// Events by key.
    FindEvents<'a> { realm: i64 => BigInt, keys: Vec<&'a str> => Array<Text> } -> Columns = find_by_keys!("events")
}

statement! {
    /// Leaderboards by key.
    FindLeaderboards<'a> { realm: i64 => BigInt, keys: Vec<&'a str> => Array<Text> } -> Columns
    = find_by_keys!("leaderboards")
}

statement! {
    /// An event, locked.
    LockEvent<'a> { realm: i64 => BigInt, key: &'a str => Text } -> Columns = lock_by_key!("events")
}

statement! {
    /// A leaderboard, locked.
    LockLeaderboard<'a> { realm: i64 => BigInt, key: &'a str => Text } -> Columns = lock_by_key!("leaderboards")
}

statement! {
    /// An event by its id.
    FindEvent { realm: i64 => BigInt, id: Uuid => SqlUuid } -> Columns = find_by_id!("events")
}

statement! {
    /// A leaderboard by its id.
    FindLeaderboard { realm: i64 => BigInt, id: Uuid => SqlUuid } -> Columns = find_by_id!("leaderboards")
}

statement! {
    /// A page of events.
    PageOfEvents { realm: i64 => BigInt, before: Uuid => SqlUuid, limit: i64 => BigInt } -> Columns
    = page_before!("events")
}

statement! {
    /// A page of leaderboards.
    PageOfLeaderboards { realm: i64 => BigInt, before: Uuid => SqlUuid, limit: i64 => BigInt } -> Columns
    = page_before!("leaderboards")
}

statement! {
    /// A new event.
    InsertEvent<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, key: &'a str => Text, definition: &'a str => Text,
        version: i64 => BigInt, created_at: i64 => BigInt, updated_at: i64 => BigInt,
    }
    -> () = insert!("events")
}

statement! {
    /// A new leaderboard.
    InsertLeaderboard<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, key: &'a str => Text, definition: &'a str => Text,
        version: i64 => BigInt, created_at: i64 => BigInt, updated_at: i64 => BigInt,
    }
    -> () = insert!("leaderboards")
}

statement! {
    /// A changed event.
    UpdateEvent<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, definition: &'a str => Text, version: i64 => BigInt,
        updated_at: i64 => BigInt,
    }
    -> () = update!("events")
}

statement! {
    /// A changed leaderboard.
    UpdateLeaderboard<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, definition: &'a str => Text, version: i64 => BigInt,
        updated_at: i64 => BigInt,
    }
    -> () = update!("leaderboards")
}

/// Events by key, those that there are.
pub(super) async fn events_by_key(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    keys: &[ConfigurationKey],
) -> QueryResult<Vec<Event>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindEvents { realm: realm.0, keys: keys.iter().map(ConfigurationKey::as_str).collect() };
    let rows: Vec<ConfigurationRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(event_of).collect()
}

/// Leaderboards by key, those that there are.
pub(super) async fn leaderboards_by_key(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    keys: &[ConfigurationKey],
) -> QueryResult<Vec<Leaderboard>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindLeaderboards { realm: realm.0, keys: keys.iter().map(ConfigurationKey::as_str).collect() };
    let rows: Vec<ConfigurationRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(leaderboard_of).collect()
}

/// An event by its id.
pub(super) async fn event_by_id(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    id: EventId,
) -> QueryResult<Option<Event>> {
    let statement = FindEvent { realm: realm.0, id: id.0 };
    let found: Option<ConfigurationRow> = statement.get_result(&mut connection).await.optional()?;
    found.map(event_of).transpose()
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn create_event(&self, new: &NewEvent) -> Result<Result<(), ConfigurationRefusal>, StoreError> {
        let keys = std::slice::from_ref(&new.event.key);
        let write = self.lanes.write(
            |connection| {
                let found = events_by_key(connection, new.realm, keys);
                async move { tokio::try_join!(transaction_id(connection), found) }.scope_boxed()
            },
            |connection, found| created(connection, new, found.is_empty()).scope_boxed(),
            |connection, outcome| {
                audit_log::is_kept(connection, outcome.as_ref().ok().map(|()| &new.audit)).scope_boxed()
            },
        );
        write.await
    }

    async fn change_event(&self, change: &EventChange) -> Result<Result<Event, ConfigurationRefusal>, StoreError> {
        let write = self.lanes.write(
            |connection| {
                let found = lock_event(connection, change.realm, &change.key);
                async move { tokio::try_join!(transaction_id(connection), found) }.scope_boxed()
            },
            |connection, stored| changed(connection, change, stored).scope_boxed(),
            |connection, outcome| {
                audit_log::is_kept(connection, outcome.as_ref().ok().map(|_| &change.audit)).scope_boxed()
            },
        );
        write.await
    }

    async fn event(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Event>, StoreError> {
        let keys = std::slice::from_ref(key);
        let found = self.readers.read(|connection| events_by_key(connection, realm, keys).scope_boxed()).await?;
        Ok(found.into_iter().next())
    }

    async fn event_by_id(&self, realm: RealmId, id: EventId) -> Result<Option<Event>, StoreError> {
        self.readers.read(|connection| event_by_id(connection, realm, id).scope_boxed()).await
    }

    async fn events(&self, realm: RealmId, after: Option<EventId>, limit: u32) -> Result<Page<Event>, StoreError> {
        self.readers.read(|connection| events(connection, realm, after, limit).scope_boxed()).await
    }
}

async fn created(
    mut connection: &AsyncPgConnection,
    new: &NewEvent,
    is_free: bool,
) -> Result<Result<(), ConfigurationRefusal>, Trouble> {
    if !is_free {
        return Ok(Err(ConfigurationRefusal::KeyTaken));
    }
    let (event, definition) = (&new.event, event_definition_to_json(&new.event.definition));
    let statement = InsertEvent {
        realm: new.realm.0,
        id: event.id.0,
        key: event.key.as_str(),
        definition: &definition,
        version: event.version,
        created_at: event.created_at.unix_micros(),
        updated_at: event.updated_at.unix_micros(),
    };
    statement.execute(&mut connection).await?;
    audit_log::insert(connection, &new.audit).await.map(Ok)
}

async fn lock_event(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    key: &ConfigurationKey,
) -> QueryResult<Option<Event>> {
    let statement = LockEvent { realm: realm.0, key: key.as_str() };
    let found: Option<ConfigurationRow> = statement.get_result(&mut connection).await.optional()?;
    found.map(event_of).transpose()
}

async fn changed(
    mut connection: &AsyncPgConnection,
    change: &EventChange,
    stored: Option<Event>,
) -> Result<Result<Event, ConfigurationRefusal>, Trouble> {
    let event = match change.decide(stored.as_ref()) {
        Ok(event) => event,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (definition, updated_at) = (event_definition_to_json(&event.definition), event.updated_at.unix_micros());
    let (realm, id, version) = (change.realm.0, event.id.0, event.version);
    let statement = UpdateEvent { realm, id, definition: &definition, version, updated_at };
    one_row(statement.execute(&mut connection).await?)?;
    audit_log::insert(connection, &change.audit).await?;
    Ok(Ok(event))
}

async fn events(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    after: Option<EventId>,
    limit: u32,
) -> QueryResult<Page<Event>> {
    let before = after.map_or(Uuid::max(), |after| after.0);
    let statement = PageOfEvents { realm: realm.0, before, limit: i64::from(limit) + 1 };
    let rows: Vec<ConfigurationRow> = statement.load(&mut connection).await?;
    Ok(Page::of(rows.into_iter().map(event_of).collect::<QueryResult<_>>()?, limit))
}

#[async_trait]
impl LeaderboardStore for PostgresStore {
    async fn create_leaderboard(&self, new: &NewLeaderboard) -> Result<Result<(), ConfigurationRefusal>, StoreError> {
        let keys = std::slice::from_ref(&new.leaderboard.key);
        let write = self.lanes.write(
            |connection| {
                let found = leaderboards_by_key(connection, new.realm, keys);
                async move { tokio::try_join!(transaction_id(connection), found) }.scope_boxed()
            },
            |connection, found| created_leaderboard(connection, new, found.is_empty()).scope_boxed(),
            |connection, outcome| {
                audit_log::is_kept(connection, outcome.as_ref().ok().map(|()| &new.audit)).scope_boxed()
            },
        );
        write.await
    }

    async fn change_leaderboard(
        &self,
        change: &LeaderboardChange,
    ) -> Result<Result<Leaderboard, ConfigurationRefusal>, StoreError> {
        let write = self.lanes.write(
            |connection| {
                let found = lock_leaderboard(connection, change.realm, &change.key);
                async move { tokio::try_join!(transaction_id(connection), found) }.scope_boxed()
            },
            |connection, stored| changed_leaderboard(connection, change, stored).scope_boxed(),
            |connection, outcome| {
                audit_log::is_kept(connection, outcome.as_ref().ok().map(|_| &change.audit)).scope_boxed()
            },
        );
        write.await
    }

    async fn leaderboard(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Leaderboard>, StoreError> {
        let keys = std::slice::from_ref(key);
        let found = self.readers.read(|connection| leaderboards_by_key(connection, realm, keys).scope_boxed()).await?;
        Ok(found.into_iter().next())
    }

    async fn leaderboard_by_id(&self, realm: RealmId, id: BoardId) -> Result<Option<Leaderboard>, StoreError> {
        self.readers.read(|connection| leaderboard_by_id(connection, realm, id).scope_boxed()).await
    }

    async fn leaderboards(
        &self,
        realm: RealmId,
        after: Option<BoardId>,
        limit: u32,
    ) -> Result<Page<Leaderboard>, StoreError> {
        self.readers.read(|connection| leaderboards(connection, realm, after, limit).scope_boxed()).await
    }
}

async fn created_leaderboard(
    mut connection: &AsyncPgConnection,
    new: &NewLeaderboard,
    is_free: bool,
) -> Result<Result<(), ConfigurationRefusal>, Trouble> {
    if !is_free {
        return Ok(Err(ConfigurationRefusal::KeyTaken));
    }
    let (board, definition) = (&new.leaderboard, leaderboard_definition_to_json(&new.leaderboard.definition));
    let statement = InsertLeaderboard {
        realm: new.realm.0,
        id: board.id.0,
        key: board.key.as_str(),
        definition: &definition,
        version: board.version,
        created_at: board.created_at.unix_micros(),
        updated_at: board.updated_at.unix_micros(),
    };
    statement.execute(&mut connection).await?;
    audit_log::insert(connection, &new.audit).await.map(Ok)
}

async fn lock_leaderboard(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    key: &ConfigurationKey,
) -> QueryResult<Option<Leaderboard>> {
    let statement = LockLeaderboard { realm: realm.0, key: key.as_str() };
    let found: Option<ConfigurationRow> = statement.get_result(&mut connection).await.optional()?;
    found.map(leaderboard_of).transpose()
}

async fn changed_leaderboard(
    mut connection: &AsyncPgConnection,
    change: &LeaderboardChange,
    stored: Option<Leaderboard>,
) -> Result<Result<Leaderboard, ConfigurationRefusal>, Trouble> {
    let board = match change.decide(stored.as_ref()) {
        Ok(board) => board,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (definition, updated_at) = (leaderboard_definition_to_json(&board.definition), board.updated_at.unix_micros());
    let (realm, id, version) = (change.realm.0, board.id.0, board.version);
    let statement = UpdateLeaderboard { realm, id, definition: &definition, version, updated_at };
    one_row(statement.execute(&mut connection).await?)?;
    audit_log::insert(connection, &change.audit).await?;
    Ok(Ok(board))
}

async fn leaderboard_by_id(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    id: BoardId,
) -> QueryResult<Option<Leaderboard>> {
    let statement = FindLeaderboard { realm: realm.0, id: id.0 };
    let found: Option<ConfigurationRow> = statement.get_result(&mut connection).await.optional()?;
    found.map(leaderboard_of).transpose()
}

async fn leaderboards(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    after: Option<BoardId>,
    limit: u32,
) -> QueryResult<Page<Leaderboard>> {
    let before = after.map_or(Uuid::max(), |after| after.0);
    let statement = PageOfLeaderboards { realm: realm.0, before, limit: i64::from(limit) + 1 };
    let rows: Vec<ConfigurationRow> = statement.load(&mut connection).await?;
    Ok(Page::of(rows.into_iter().map(leaderboard_of).collect::<QueryResult<_>>()?, limit))
}

/// Checks that the one locked row was changed.
fn one_row(changed: usize) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Stale { what: "a configuration" }) }
}
