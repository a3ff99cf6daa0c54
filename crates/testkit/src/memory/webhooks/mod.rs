//! Endpoints, the outbox and deliveries as one value. Decides nothing.

mod deliveries;
mod endpoints;
mod expiries;
mod feed;
mod outbox;

use std::collections::{BTreeMap, BTreeSet};

use domain::clock::Timestamp;
use domain::keys::{ExpiryNotice, KeyId};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Attempt, ClaimId, Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, EventNames, FeedPosition,
    NewDelivery, OutboxEvent, OutboxEventId,
};

/// All that is told to studios, and to whom.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    endpoints: BTreeMap<(RealmId, EndpointId), StoredEndpoint>,
    events: BTreeMap<(RealmId, OutboxEventId), StoredEvent>,
    last: BTreeMap<RealmId, FeedPosition>,
    deliveries: BTreeMap<(RealmId, DeliveryId), StoredDelivery>,
    attempts: BTreeMap<(RealmId, DeliveryId, u32), Attempt>,
    numbers: BTreeMap<(RealmId, PlayerId), i64>,
    swept_until: BTreeMap<RealmId, Timestamp>,
    notices: BTreeSet<(RealmId, KeyId, ExpiryNotice)>,
}

/// An endpoint, and whether only what is left of it waits to be discarded.
#[derive(Debug)]
struct StoredEndpoint {
    endpoint: Endpoint,
    is_removed: bool,
}

/// An event, its place in the feed, and whether its deliveries were made.
#[derive(Debug)]
struct StoredEvent {
    event: OutboxEvent,
    position: FeedPosition,
    is_published: bool,
}

/// A delivery, and who attempts it.
#[derive(Debug)]
struct StoredDelivery {
    delivery: Delivery,
    tries: u32,
    claim: Option<ClaimId>,
}

impl StoredDelivery {
    /// A delivery that was never attempted.
    fn new(new: &NewDelivery, due_at: Timestamp) -> Self {
        let delivery = Delivery {
            id: new.id,
            endpoint: new.endpoint,
            event: new.event,
            name: new.name,
            status: DeliveryStatus::Pending,
            attempts: 0,
            due_at: Some(due_at),
            occurred_at: new.occurred_at,
            ended_at: None,
        };
        Self { delivery, tries: 0, claim: None }
    }

    /// Queues it once more, as if it were new.
    fn requeue(&mut self, due_at: Timestamp) {
        let Delivery { status, due_at: due, ended_at, .. } = &mut self.delivery;
        (*status, *due, *ended_at) = (DeliveryStatus::Pending, Some(due_at), None);
        (self.tries, self.claim) = (0, None);
    }
}

impl Outgoing {
    /// The events that some endpoint of `realm` is told of, or would be if it were enabled.
    pub(super) fn wanted(&self, realm: RealmId) -> EventNames {
        self.of_realm(realm).fold(EventNames::NONE, |wanted, endpoint| wanted.union(endpoint.events))
    }

    /// Keeps events that happened.
    pub(super) fn save_events<'a>(&mut self, events: impl IntoIterator<Item = &'a OutboxEvent>) {
        for event in events {
            assert!(self.add_event(event), "an event is inserted once");
        }
    }

    /// Makes the events that are kept of `source` those of `target`.
    pub(super) fn hand_over_events(&mut self, realm: RealmId, source: PlayerId, target: PlayerId) {
        let of_realm = self.events.iter_mut().filter(|((of, _), _)| *of == realm);
        for (_, stored) in of_realm.filter(|(_, stored)| stored.event.player == Some(source)) {
            stored.event.player = Some(target);
        }
    }

    /// Removes what was said in the events that are kept of `player`.
    pub(super) fn blank_words(&mut self, realm: RealmId, player: PlayerId) {
        let of_realm = self.events.iter_mut().filter(|((of, _), _)| *of == realm);
        for (_, stored) in of_realm.filter(|(_, stored)| stored.event.player == Some(player)) {
            stored.event.words = None;
        }
    }

    /// Keeps an event, unless it is known; whether it was not.
    fn add_event(&mut self, event: &OutboxEvent) -> bool {
        let key = (event.realm, event.id);
        if self.events.contains_key(&key) {
            return false;
        }
        let last = self.last.entry(event.realm).or_default();
        last.0 += 1;
        let position = *last;
        self.events.insert(key, StoredEvent { event: event.clone(), position, is_published: false });
        true
    }

    /// The endpoints of `realm` that were not removed, oldest first.
    fn of_realm(&self, realm: RealmId) -> impl DoubleEndedIterator<Item = &Endpoint> {
        let of_realm = self.endpoints.iter().filter(move |((of, _), _)| *of == realm);
        of_realm.filter(|(_, stored)| !stored.is_removed).map(|(_, stored)| &stored.endpoint)
    }

    /// The endpoint of that id, if it was not removed.
    fn endpoint(&self, realm: RealmId, id: EndpointId) -> Option<&Endpoint> {
        let stored = self.endpoints.get(&(realm, id)).filter(|stored| !stored.is_removed)?;
        Some(&stored.endpoint)
    }
}
