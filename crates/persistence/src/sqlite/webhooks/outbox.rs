//! Events on their way into the outbox: which are wanted, and their insertion in the transaction that they tell of. Also what
//! becomes of those that are kept when their player is merged or erased.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::JsonObject;
use domain::webhooks::{EventNames, OutboxEvent};
use uuid::Uuid;

use crate::rows::StoredUuid;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

statement! {
    /// Of which events each endpoint of a realm is told.
    WantedEvents { realm: i64 => BigInt } -> (Text,)
    = "SELECT events FROM webhook_endpoints WHERE realm = ? AND removed_at IS NULL"
}

statement! {
    /// How far the numbers of a realm's events are.
    LastPosition { realm: i64 => BigInt } -> (BigInt,) = "SELECT last FROM outbox_positions WHERE realm = ?"
}

statement! {
    /// Remembers how far the numbers of a realm's events are.
    UpsertLastPosition { realm: i64 => BigInt, last: i64 => BigInt }
    -> () = "INSERT INTO outbox_positions (realm, last, published) VALUES (?, ?, 0)
        ON CONFLICT (realm) DO UPDATE SET last = excluded.last"
}

statement! {
    /// Stores an event.
    InsertEvent<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, position: i64 => BigInt, name: &'a str => Text,
        occurred_at: i64 => BigInt, player: Option<&'a [u8]> => Nullable<Binary>, data: &'a str => Text,
        words: Option<&'a str> => Nullable<Text>,
    }
    -> () = "INSERT INTO outbox_events (realm, id, position, name, occurred_at, player, data, words)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Whether an event is stored.
    IsStored<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> (BigInt,)
    = "SELECT EXISTS (SELECT 1 FROM outbox_events WHERE realm = ? AND id = ?)"
}

statement! {
    /// Makes the events of one player those of another.
    MoveEvents<'a> { target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary }
    -> () = "UPDATE outbox_events INDEXED BY outbox_events_by_player SET player = ? WHERE realm = ? AND player = ?"
}

statement! {
    /// Where the next events of a player past an id end, and how many they are.
    EndOfEvents<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary, after: &'a [u8] => Binary, limit: i64 => BigInt }
    -> (Nullable<Binary>, BigInt)
    = "SELECT max(id), count(*) FROM (SELECT id FROM outbox_events INDEXED BY outbox_events_by_player
        WHERE realm = ? AND player = ? AND id > ? ORDER BY id LIMIT ?)"
}

statement! {
    /// Blanks what was said of events of a player.
    BlankWords<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, after: &'a [u8] => Binary, last: &'a [u8] => Binary,
    }
    -> () = "UPDATE outbox_events INDEXED BY outbox_events_by_player SET words = NULL
        WHERE realm = ? AND player = ? AND id > ? AND id <= ? AND words IS NOT NULL"
}

/// The events that some endpoint of `realm` is told of.
pub(in crate::sqlite) fn wanted(connection: &mut SqliteConnection, realm: RealmId) -> QueryResult<EventNames> {
    let endpoints = WantedEvents { realm: realm.0 }.load::<(String,)>(connection)?;
    let sets = endpoints.iter().map(|(events,)| EventNames::restore(events));
    Ok(sets.fold(EventNames::NONE, EventNames::union))
}

/// Stores `events`, each at the next place of its realm's feed. There is one writer, so that what is stored later also
/// becomes visible later.
pub(in crate::sqlite) fn store(connection: &mut SqliteConnection, events: &[OutboxEvent]) -> QueryResult<()> {
    let mut last_positions: BTreeMap<RealmId, i64> = BTreeMap::new();
    for event in events {
        let last = match last_positions.get(&event.realm) {
            Some(last) => *last,
            None => last_position(connection, event.realm)?,
        };
        insert(connection, event, last + 1)?;
        last_positions.insert(event.realm, last + 1);
    }
    for (realm, last) in last_positions {
        UpsertLastPosition { realm: realm.0, last }.execute(connection)?;
    }
    Ok(())
}

/// Whether `event` is stored already.
pub(super) fn is_stored(connection: &mut SqliteConnection, event: &OutboxEvent) -> QueryResult<bool> {
    let statement = IsStored { realm: event.realm.0, id: event.id.0.as_bytes() };
    Ok(statement.get_result::<(i64,)>(connection)? == (1,))
}

fn last_position(connection: &mut SqliteConnection, realm: RealmId) -> QueryResult<i64> {
    let last = LastPosition { realm: realm.0 }.get_result::<(i64,)>(connection).optional()?;
    Ok(last.map_or(0, |(last,)| last))
}

fn insert(connection: &mut SqliteConnection, event: &OutboxEvent, position: i64) -> QueryResult<()> {
    let statement = InsertEvent {
        realm: event.realm.0,
        id: event.id.0.as_bytes(),
        position,
        name: event.name.as_str(),
        occurred_at: event.at.unix_micros(),
        player: event.player.as_ref().map(|player| player.0.as_bytes().as_slice()),
        data: event.data.as_json(),
        words: event.words.as_ref().map(JsonObject::as_json),
    };
    exactly_one(statement.execute(connection)?)
}

/// Makes the events that are kept of `source` those of `target`.
pub(in crate::sqlite) fn move_events(
    connection: &mut SqliteConnection,
    realm: RealmId,
    source: PlayerId,
    target: PlayerId,
) -> QueryResult<()> {
    let (source, target) = (source.0.as_bytes().as_slice(), target.0.as_bytes().as_slice());
    MoveEvents { target, realm: realm.0, source }.execute(connection).map(drop)
}

/// Blanks what was said of the next `limit` events of `player` past `after`. The last of them, if they were that many.
pub(in crate::sqlite) fn blank_piece(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Uuid,
    limit: i64,
) -> QueryResult<Option<Uuid>> {
    let id = player.0.as_bytes();
    let piece = EndOfEvents { realm: realm.0, player: id, after: after.as_bytes(), limit };
    match piece.get_result::<(Option<StoredUuid>, i64)>(connection)? {
        (Some(last), count) if count == limit => {
            BlankWords { realm: realm.0, player: id, after: after.as_bytes(), last: last.0.as_bytes() }
                .execute(connection)?;
            Ok(Some(last.0))
        }
        (_, _) => Ok(None),
    }
}

/// Blanks what was said of all events of `player`: a merge may have brought some meanwhile that are older than those that
/// pieces came past.
pub(in crate::sqlite) fn blank_all(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
) -> QueryResult<()> {
    let (after, last) = (Uuid::nil(), Uuid::max());
    let (after, last) = (after.as_bytes().as_slice(), last.as_bytes().as_slice());
    BlankWords { realm: realm.0, player: player.0.as_bytes(), after, last }.execute(connection).map(drop)
}
