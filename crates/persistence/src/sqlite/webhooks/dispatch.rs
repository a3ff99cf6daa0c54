//! Events that are new get their deliveries, and deliveries that are due are taken.
//!
//! All of it is short, however much waits: it runs on the writer thread, between batches of the ledger.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{
    Assignment, DeliveryId, Endpoint, EndpointId, EventNames, NewDelivery, OutboxEventId, Subscriber, TakeDue,
    Undispatched, fan_out,
};

use super::{endpoints, feed};
use crate::rows::StoredUuid;
use crate::rows::webhooks::{count, undispatched};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

/// How many events get their deliveries at once, over all realms: as many as are new, up to a number between these.
const PUBLISHED_MIN: i64 = 64;
const PUBLISHED_MAX: i64 = 256;

/// How many events get their deliveries for each delivery that may be taken: what nobody takes yet can wait where it is.
const PUBLISHED_FOR_EACH: i64 = 2;

/// How many of them at least of each realm that has new ones, so that none waits for another.
const PUBLISHED_OF_REALM: i64 = 16;

statement! {
    /// Realms with events that have no deliveries yet: past which place in the feed, and which is the last.
    Unpublished {} -> (BigInt, BigInt, BigInt)
    = "SELECT realm, published, last FROM outbox_positions WHERE published < last"
}

statement! {
    /// Events of a realm past a place in the feed.
    EventsPast { realm: i64 => BigInt, after: i64 => BigInt, limit: i64 => BigInt } -> (BigInt, Binary, Text, BigInt)
    = "SELECT position, id, name, occurred_at FROM outbox_events
        WHERE realm = ? AND position > ? ORDER BY position LIMIT ?"
}

statement! {
    /// Endpoints of a realm, as far as it matters for who is told what.
    Subscribers { realm: i64 => BigInt } -> (Binary, Text, Nullable<BigInt>)
    = "SELECT id, events, disabled_at FROM webhook_endpoints WHERE realm = ? AND removed_at IS NULL"
}

statement! {
    /// Queues a delivery unless it is there: a replay may have been faster.
    InsertDelivery<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, endpoint: &'a [u8] => Binary, event: &'a [u8] => Binary,
        name: &'a str => Text, occurred_at: i64 => BigInt, due_at: i64 => BigInt,
    }
    -> () = "INSERT INTO webhook_deliveries (realm, id, endpoint, event, name, occurred_at, status, attempts, tries, due_at)
        VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?) ON CONFLICT (realm, id) DO NOTHING"
}

statement! {
    /// Remembers up to which place in the feed events have their deliveries.
    SetPublished { published: i64 => BigInt, realm: i64 => BigInt }
    -> () = "UPDATE outbox_positions SET published = ? WHERE realm = ?"
}

statement! {
    /// Enabled endpoints, with the instant since when the oldest of their deliveries has been due by an instant. Walks the
    /// endpoints, which are few.
    DueEndpoints { now: i64 => BigInt } -> (BigInt, Binary, Nullable<BigInt>)
    = "SELECT e.realm, e.id, (SELECT d.due_at FROM webhook_deliveries d INDEXED BY webhook_deliveries_due
            WHERE d.realm = e.realm AND d.endpoint = e.id AND d.status = 'pending' AND d.due_at <= ?
            ORDER BY d.due_at LIMIT 1)
        FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND e.removed_at IS NULL"
}

statement! {
    /// Deliveries of an endpoint that are due, those that have been longest first.
    DueDeliveries<'a> { realm: i64 => BigInt, endpoint: &'a [u8] => Binary, now: i64 => BigInt, limit: i64 => BigInt }
    -> (BigInt, Binary, Binary, BigInt, BigInt)
    = "SELECT due_at, id, event, attempts, tries FROM webhook_deliveries INDEXED BY webhook_deliveries_due
        WHERE realm = ? AND endpoint = ? AND status = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?"
}

statement! {
    /// Takes a delivery.
    ClaimDelivery<'a> { until: i64 => BigInt, claim: &'a [u8] => Binary, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE webhook_deliveries SET due_at = ?, claim = ? WHERE realm = ? AND id = ?"
}

statement! {
    /// Gives a delivery up whose event is not kept any more.
    GiveUp<'a> { ended_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE webhook_deliveries SET status = 'failed', due_at = NULL, claim = NULL, ended_at = ?
        WHERE realm = ? AND id = ?"
}

/// Gives the next events that are new their deliveries, due at once, as many as it takes for `ask`; whether further ones are
/// left.
pub(super) fn publish(connection: &mut SqliteConnection, ask: &TakeDue) -> QueryResult<bool> {
    let behind = (Unpublished {}).load::<(i64, i64, i64)>(connection)?;
    let realms = i64::try_from(behind.len()).unwrap_or(i64::MAX).max(1);
    let published = (PUBLISHED_FOR_EACH * i64::from(ask.limit)).clamp(PUBLISHED_MIN, PUBLISHED_MAX);
    let share = (published / realms).max(PUBLISHED_OF_REALM);
    let mut more = false;
    for (realm, published, last) in behind {
        let rows = EventsPast { realm, after: published, limit: share }.load::<EventRow>(connection)?;
        let whole = rows.last().map(|(position, ..)| *position).filter(|_| is_full(&rows, share));
        let reached = whole.unwrap_or(last);
        publish_of(connection, RealmId(realm), rows, ask.now)?;
        exactly_one(SetPublished { published: reached, realm }.execute(connection)?)?;
        more |= reached < last;
    }
    Ok(more)
}

/// An event: its place in the feed, its id, its name, when it happened.
type EventRow = (i64, StoredUuid, String, i64);

fn is_full(rows: &[EventRow], limit: i64) -> bool {
    i64::try_from(rows.len()) == Ok(limit)
}

fn publish_of(
    connection: &mut SqliteConnection,
    realm: RealmId,
    rows: Vec<EventRow>,
    now: Timestamp,
) -> QueryResult<()> {
    let subscribers = Subscribers { realm: realm.0 }.load::<(StoredUuid, String, Option<i64>)>(connection)?;
    let subscribers = subscribers.into_iter().map(|(id, events, disabled_at)| Subscriber {
        realm,
        id: EndpointId(id.0),
        events: EventNames::restore(&events),
        is_disabled: disabled_at.is_some(),
    });
    let subscribers: Vec<Subscriber> = subscribers.collect();
    let events = rows.iter().filter_map(|(_, id, name, at)| undispatched(realm, (*id, name, *at)));
    let events: Vec<Undispatched> = events.collect();
    for delivery in fan_out(&events, &subscribers) {
        queue(connection, &delivery, now)?;
    }
    Ok(())
}

/// Queues `delivery` unless it is there, due at `due_at`.
pub(super) fn queue(connection: &mut SqliteConnection, delivery: &NewDelivery, due_at: Timestamp) -> QueryResult<()> {
    let statement = InsertDelivery {
        realm: delivery.realm.0,
        id: delivery.id.0.as_bytes(),
        endpoint: delivery.endpoint.0.as_bytes(),
        event: delivery.event.0.as_bytes(),
        name: delivery.name.as_str(),
        occurred_at: delivery.occurred_at.unix_micros(),
        due_at: due_at.unix_micros(),
    };
    statement.execute(connection).map(drop)
}

/// A delivery that is due. In the order in which they are taken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    due_at: i64,
    id: DeliveryId,
    realm: RealmId,
    endpoint: EndpointId,
    event: OutboxEventId,
    attempts: u32,
    tries: u32,
}

/// Takes deliveries that are due, as `ask` says. Numbers of players are still missing from them.
pub(super) fn take(connection: &mut SqliteConnection, ask: &TakeDue) -> QueryResult<Vec<Assignment>> {
    let mut known = Known::default();
    let mut assignments = Vec::new();
    for due in due(connection, ask)? {
        let (realm, id) = (due.realm.0, due.id.0.as_bytes().as_slice());
        match known.assignment(connection, &due, ask)? {
            Some(assignment) => {
                let claim = ClaimDelivery { until: ask.until.unix_micros(), claim: ask.claim.0.as_bytes(), realm, id };
                exactly_one(claim.execute(connection)?)?;
                assignments.push(assignment);
            }
            None => exactly_one(GiveUp { ended_at: ask.now.unix_micros(), realm, id }.execute(connection)?)?,
        }
    }
    Ok(assignments)
}

/// What is due and may be taken, those that have been longest first.
fn due(connection: &mut SqliteConnection, ask: &TakeDue) -> QueryResult<Vec<Due>> {
    let now = ask.now.unix_micros();
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
    let rows = DueEndpoints { now }.load::<(i64, StoredUuid, Option<i64>)>(connection)?;
    let endpoints = rows.into_iter().filter_map(|(realm, id, since)| Some((since?, RealmId(realm), EndpointId(id.0))));
    let mut endpoints: Vec<(i64, RealmId, EndpointId)> = endpoints.collect();
    endpoints.sort_unstable();
    let mut found: Vec<Due> = Vec::new();
    for (since, realm, endpoint) in endpoints {
        let held = ask.held.get(&(realm, endpoint)).copied().unwrap_or(0);
        let free = ask.per_endpoint.saturating_sub(held).min(ask.limit);
        // Endpoints that follow have nothing that has been due for longer than what was found.
        if limit <= found.len() && found.last().is_none_or(|last| last.due_at <= since) {
            break;
        }
        if free == 0 {
            continue;
        }
        let id = endpoint.0.as_bytes().as_slice();
        let statement = DueDeliveries { realm: realm.0, endpoint: id, now, limit: i64::from(free) };
        for (due_at, id, event, attempts, tries) in
            statement.load::<(i64, StoredUuid, StoredUuid, i64, i64)>(connection)?
        {
            let (id, event) = (DeliveryId(id.0), OutboxEventId(event.0));
            let attempts = count("number of attempts", attempts)?;
            let tries = count("number of attempts", tries)?;
            found.push(Due { due_at, id, realm, endpoint, event, attempts, tries });
        }
        found.sort_unstable();
        found.truncate(limit);
    }
    Ok(found)
}

/// What several deliveries have in common, read once.
#[derive(Default)]
struct Known {
    realms: BTreeMap<RealmId, Option<Realm>>,
    endpoints: BTreeMap<(RealmId, EndpointId), Option<Endpoint>>,
}

impl Known {
    /// The assignment of `due`; `None` when what it tells of is not kept any more.
    fn assignment(
        &mut self,
        connection: &mut SqliteConnection,
        due: &Due,
        ask: &TakeDue,
    ) -> QueryResult<Option<Assignment>> {
        let (Some(realm), Some(endpoint)) =
            (self.realm(connection, due.realm)?, self.endpoint(connection, due.realm, due.endpoint)?)
        else {
            return Ok(None);
        };
        let event = feed::find_in(connection, &realm, due.event)?;
        Ok(event.map(|event| Assignment {
            delivery: due.id,
            claim: ask.claim,
            attempts: due.attempts,
            tries: due.tries,
            endpoint,
            event,
            player_number: None,
        }))
    }

    fn realm(&mut self, connection: &mut SqliteConnection, id: RealmId) -> QueryResult<Option<Realm>> {
        if let Some(known) = self.realms.get(&id) {
            return Ok(*known);
        }
        let found = feed::realm(connection, id)?;
        self.realms.insert(id, found);
        Ok(found)
    }

    fn endpoint(
        &mut self,
        connection: &mut SqliteConnection,
        realm: RealmId,
        id: EndpointId,
    ) -> QueryResult<Option<Endpoint>> {
        if let Some(known) = self.endpoints.get(&(realm, id)) {
            return Ok(known.clone());
        }
        let found = endpoints::find(connection, realm, id)?;
        self.endpoints.insert((realm, id), found.clone());
        Ok(found)
    }
}
