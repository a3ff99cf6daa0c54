//! An event as it waits in the outbox: what happened, in the words of the wire, and how it is told.
//!
//! It is stored by the transaction that it tells of, and only if somebody wants it. What a person wrote, and what a player was
//! called before they were erased or merged, is kept apart from the facts ([`OutboxEvent::words`]), so that an erasure can
//! remove it. What a player is called now is looked up when the event is told.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::EventName;
use crate::clock::Timestamp;
use crate::players::{ExternalId, PlayerId};
use crate::tenancy::{Realm, RealmId};
use crate::text::JsonObject;

/// Names one event. A UUID of version 7 that follows from what happened: the same thing cannot be told under two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxEventId(pub Uuid);

impl OutboxEventId {
    /// The id of `name` having happened to `subject` at `at`. Of one subject each name happens once.
    pub fn of(name: EventName, at: Timestamp, subject: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(name.as_str()).chain_update([0]).chain_update(subject).finalize();
        Self(ordered(at, &digest))
    }
}

/// A UUID of version 7 whose time part is `at`, and whose random part is the beginning of `digest`.
pub(super) fn ordered(at: Timestamp, digest: &[u8]) -> Uuid {
    let mut random = [0; 10];
    random.iter_mut().zip(digest).for_each(|(byte, from)| *byte = *from);
    let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// An event to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// The realm.
    pub realm: RealmId,
    /// Its id.
    pub id: OutboxEventId,
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub player: Option<PlayerId>,
    /// The facts of it. Never holds anything personal.
    pub data: JsonObject,
    /// What was said of it, and what the player was called then; part of `data` when it is told. Blanked when the player is
    /// erased.
    pub words: Option<JsonObject>,
}

impl OutboxEvent {
    /// That `name` happened to `subject`, of which nothing is said yet.
    pub fn new(realm: RealmId, name: EventName, at: Timestamp, subject: &[u8], data: Map<String, Value>) -> Self {
        let id = OutboxEventId::of(name, at, subject);
        let data = JsonObject::restore(Value::Object(data).to_string());
        Self { realm, id, name, at, player: None, data, words: None }
    }

    /// The same of `player`.
    #[must_use]
    pub fn of_player(self, player: PlayerId) -> Self {
        Self { player: Some(player), ..self }
    }

    /// The same with what is said of it; values that are null say nothing.
    #[must_use]
    pub fn saying<const N: usize>(self, words: [(&'static str, Option<&str>); N]) -> Self {
        let said: Map<String, Value> =
            words.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect();
        let words = (!said.is_empty()).then(|| JsonObject::restore(Value::Object(said).to_string()));
        Self { words, ..self }
    }
}

/// A place in the order in which a realm's events became known. Gaps are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedPosition(pub i64);

/// An event as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldEvent {
    /// Whose it is.
    pub realm: Realm,
    /// Its place in the feed.
    pub position: FeedPosition,
    /// Its id.
    pub id: OutboxEventId,
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// To whom, and what the studio calls them now.
    pub player: Option<(PlayerId, ExternalId)>,
    /// The facts of it.
    pub data: JsonObject,
    /// What was said of it.
    pub words: Option<JsonObject>,
}

impl ToldEvent {
    /// What is known of it, as one JSON object: whom it is of, the facts, and what was said of it. What a player was called
    /// then, where it was kept, takes the place of what they are called now.
    pub fn data_json(&self) -> String {
        let mut all = Map::new();
        if let Some((id, external_id)) = &self.player {
            all.insert("playerId".to_owned(), Value::from(id.0.to_string()));
            all.insert("externalPlayerId".to_owned(), Value::from(external_id.as_str()));
        }
        for part in [Some(&self.data), self.words.as_ref()].into_iter().flatten() {
            if let Ok(Value::Object(part)) = serde_json::from_str(part.as_json()) {
                all.extend(part);
            }
        }
        Value::Object(all).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::{Environment, GameId, StudioId};

    const AT: Timestamp = Timestamp::EPOCH;

    #[test]
    fn the_id_of_an_event_follows_from_what_happened() {
        let at = AT.plus(std::time::Duration::from_millis(1_700_000_000_123));
        let id = OutboxEventId::of(EventName::GrantCreated, at, b"subject");
        assert_eq!(id, OutboxEventId::of(EventName::GrantCreated, at, b"subject"));
        assert_ne!(id, OutboxEventId::of(EventName::GrantClaimed, at, b"subject"));
        assert_ne!(id, OutboxEventId::of(EventName::GrantCreated, at, b"another"));
        assert_eq!(id.0.get_version_num(), 7);
        let (seconds, nanos) = id.0.get_timestamp().expect("version 7 has a time").to_unix();
        assert_eq!((seconds, nanos), (1_700_000_000, 123_000_000));
    }

    #[test]
    fn what_a_player_was_called_then_takes_the_place_of_what_they_are_called_now() {
        let player = PlayerId(Uuid::nil());
        let facts = Map::from_iter([("erased".to_owned(), Value::from(true))]);
        let event = OutboxEvent::new(RealmId(1), EventName::PlayerDeleted, AT, b"x", facts)
            .of_player(player)
            .saying([("externalPlayerId", Some("p-1")), ("reason", None)]);
        let realm = Realm {
            id: RealmId(1),
            studio: StudioId(Uuid::nil()),
            game: GameId(Uuid::nil()),
            environment: Environment::Sandbox,
        };
        let told = ToldEvent {
            realm,
            position: FeedPosition(1),
            id: event.id,
            name: event.name,
            at: event.at,
            player: Some((player, ExternalId::restore("__deleted_1__".to_owned()))),
            data: event.data,
            words: event.words,
        };
        let id = Uuid::nil();
        assert_eq!(told.data_json(), format!(r#"{{"erased":true,"externalPlayerId":"p-1","playerId":"{id}"}}"#));
    }
}
