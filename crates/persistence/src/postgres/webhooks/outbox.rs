//! Events as they are put into the outbox, and what becomes of them with their player.

use std::collections::BTreeMap;

use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::JsonObject;
use domain::webhooks::OutboxEvent;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;

/// Stores events.
macro_rules! insert_events {
    ($otherwise:literal) => {
        concat!(
            "INSERT INTO outbox_events (realm, id, name, occurred_at, player, data, words)
            SELECT $1, n.id, n.name, n.occurred_at, n.player, n.data::json, n.words::json
            FROM unnest($2, $3, $4, $5, $6, $7) AS n (id, name, occurred_at, player, data, words)",
            $otherwise
        )
    };
}

statement! {
    /// Stores events. Fails when one is there already.
    InsertEvents<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, names: Vec<&'a str> => Array<Text>,
        occurred_at: Vec<i64> => Array<BigInt>, players: Vec<Option<Uuid>> => Array<Nullable<SqlUuid>>,
        data: Vec<&'a str> => Array<Text>, words: Vec<Option<&'a str>> => Array<Nullable<Text>>,
    }
    -> () = insert_events!("")
}

statement! {
    /// Stores those events that are not there yet.
    InsertUnknownEvents<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, names: Vec<&'a str> => Array<Text>,
        occurred_at: Vec<i64> => Array<BigInt>, players: Vec<Option<Uuid>> => Array<Nullable<SqlUuid>>,
        data: Vec<&'a str> => Array<Text>, words: Vec<Option<&'a str>> => Array<Nullable<Text>>,
    }
    -> () = insert_events!(" ON CONFLICT (realm, id) DO NOTHING")
}

statement! {
    /// Gives all events of a player to another.
    MoveEvents { realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid } -> ()
    = "UPDATE outbox_events SET player = $3 WHERE realm = $1 AND player = $2"
}

statement! {
    /// Blanks what was said of a player's events.
    BlankWords { realm: i64 => BigInt, player: Uuid => SqlUuid } -> ()
    = "UPDATE outbox_events SET words = NULL WHERE realm = $1 AND player = $2 AND words IS NOT NULL"
}

/// The binds of both insertions.
macro_rules! events_to_insert {
    ($statement:ident, $realm:expr, $events:expr) => {
        $statement {
            realm: $realm.0,
            ids: $events.iter().map(|event| event.id.0).collect(),
            names: $events.iter().map(|event| event.name.as_str()).collect(),
            occurred_at: $events.iter().map(|event| event.at.unix_micros()).collect(),
            players: $events.iter().map(|event| event.player.map(|player| player.0)).collect(),
            data: $events.iter().map(|event| event.data.as_json()).collect(),
            words: $events.iter().map(|event| event.words.as_ref().map(JsonObject::as_json)).collect(),
        }
    };
}

/// Stores events of `realm`.
pub(in crate::postgres) async fn insert(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    events: &[&OutboxEvent],
) -> Result<(), Trouble> {
    if events.is_empty() {
        return Ok(());
    }
    let statement = events_to_insert!(InsertEvents, realm, events);
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Stores events of any realms.
pub(in crate::postgres) async fn insert_all(
    connection: &AsyncPgConnection,
    events: &[OutboxEvent],
) -> Result<(), Trouble> {
    let mut realms: BTreeMap<RealmId, Vec<&OutboxEvent>> = BTreeMap::new();
    for event in events {
        realms.entry(event.realm).or_default().push(event);
    }
    for (realm, events) in realms {
        insert(connection, realm, &events).await?;
    }
    Ok(())
}

/// Stores those events of `realm` that are not there yet; how many. In the order of their ids, in which two processes that tell
/// of the same things wait for each other without a deadlock.
pub(super) async fn insert_unknown(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    events: &[OutboxEvent],
) -> Result<usize, Trouble> {
    if events.is_empty() {
        return Ok(0);
    }
    let mut sorted: Vec<&OutboxEvent> = events.iter().collect();
    sorted.sort_unstable_by_key(|event| event.id);
    let statement = events_to_insert!(InsertUnknownEvents, realm, sorted);
    Ok(statement.execute(&mut connection).await?)
}

/// Gives all events of `source` to `target`.
pub(in crate::postgres) async fn give(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    source: PlayerId,
    target: PlayerId,
) -> Result<(), Trouble> {
    let statement = MoveEvents { realm: realm.0, source: source.0, target: target.0 };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Blanks what was said of the events of `player`.
pub(in crate::postgres) async fn blank(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
) -> Result<(), Trouble> {
    let statement = BlankWords { realm: realm.0, player: player.0 };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
