//! Short ways for the clauses on endpoints, events and deliveries.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptReport, Delivery, DeliveryId, DeliveryQuery, DeliveryStatus, Endpoint, EndpointEdit,
    EndpointId, EndpointRefusal, EventName, EventNames, FeedPosition, Replay, TakeDue, ToldEvent,
};
use serde_json::Value;

use super::lives::start;
use super::{Stores, World};
use crate::endpoints::{endpoint, endpoint_change, names, new_endpoint, take};

impl World {
    /// An endpoint of the world's realm that is told of `of`.
    pub(crate) async fn subscribe(&self, of: &[EventName]) -> Endpoint {
        self.stores.subscribe(self.realm, names(of)).await
    }

    /// An endpoint of the world's realm that is told of everything.
    pub(crate) async fn subscribe_to_all(&self) -> Endpoint {
        self.stores.subscribe(self.realm, EventNames::ALL).await
    }

    /// Changes an endpoint of the world's realm, a minute after the test starts.
    pub(crate) async fn edit(&self, id: EndpointId, edit: EndpointEdit) -> Endpoint {
        self.stores.edit(self.realm, id, edit).await.expect("it is not refused")
    }

    /// An endpoint of the world's realm as it is by now.
    pub(crate) async fn endpoint(&self, id: EndpointId) -> Endpoint {
        let found = self.stores.endpoints.endpoint(self.realm, id).await.expect("the store works");
        found.expect("there is such an endpoint")
    }

    /// All events of the world's realm that are kept, in the order of the feed.
    pub(crate) async fn told(&self) -> Vec<ToldEvent> {
        self.stores.told(self.realm).await
    }

    /// The names of all events of the world's realm that are kept, sorted.
    pub(crate) async fn told_names(&self) -> Vec<EventName> {
        self.stores.told_names(self.realm).await
    }

    /// The data of the events of that name, oldest first.
    pub(crate) async fn data_of(&self, name: EventName) -> Vec<Value> {
        let mut told = self.told().await;
        told.retain(|event| event.name == name);
        told.sort_by_key(|event| (event.at, event.id));
        told.iter().map(data).collect()
    }

    /// Takes all that is due at `now`.
    pub(crate) async fn take(&self, now: Timestamp) -> Vec<Assignment> {
        self.stores.take_all(now).await
    }

    /// A delivery of the world's realm, and its attempts.
    pub(crate) async fn delivery(&self, id: DeliveryId) -> (Delivery, Vec<Attempt>) {
        let found = self.stores.deliveries.delivery(self.realm, id).await.expect("the store works");
        found.expect("there is such a delivery")
    }

    /// All deliveries to an endpoint of the world's realm, newest first.
    pub(crate) async fn deliveries(&self, endpoint: EndpointId, status: Option<DeliveryStatus>) -> Vec<Delivery> {
        self.stores.deliveries_to(self.realm, endpoint, status).await
    }

    /// Queues deliveries again.
    pub(crate) async fn replay(&self, replay: &Replay) -> Option<u32> {
        self.stores.deliveries.replay(replay).await.expect("the store works")
    }

    /// Stores what became of attempts.
    pub(crate) async fn record(&self, reports: &[AttemptReport]) -> Vec<(RealmId, Endpoint)> {
        self.stores.outbox.record(reports).await.expect("the store works")
    }
}

impl Stores {
    /// An endpoint of `realm` that is told of `names`.
    pub(crate) async fn subscribe(&self, realm: RealmId, names: EventNames) -> Endpoint {
        let endpoint = endpoint(names);
        self.add_endpoint(realm, &endpoint).await;
        endpoint
    }

    /// Stores an endpoint.
    pub(crate) async fn add_endpoint(&self, realm: RealmId, endpoint: &Endpoint) {
        let created = self.endpoints.create_endpoint(&new_endpoint(realm, endpoint)).await;
        created.expect("the store works").expect("there is room for an endpoint");
    }

    /// Changes an endpoint, a minute after the test starts.
    pub(crate) async fn edit(
        &self,
        realm: RealmId,
        id: EndpointId,
        edit: EndpointEdit,
    ) -> Result<Endpoint, EndpointRefusal> {
        let change = endpoint_change(realm, id, Duration::from_secs(60), edit);
        self.endpoints.change_endpoint(&change).await.expect("the store works")
    }

    /// Publishes what happened, and takes nothing.
    pub(crate) async fn publish(&self, now: Timestamp) {
        let taken = self.take_due(&TakeDue { per_endpoint: 0, ..take(now) }).await;
        assert_eq!(taken, [], "who takes none of any endpoint takes nothing");
    }

    /// What `ask` takes.
    pub(crate) async fn take_due(&self, ask: &TakeDue) -> Vec<Assignment> {
        self.outbox.take_due(ask).await.expect("the store works")
    }

    /// Takes all that is due at `now`, as often as there is something.
    pub(crate) async fn take_all(&self, now: Timestamp) -> Vec<Assignment> {
        let (mut all, mut in_vain) = (Vec::new(), 0);
        // What is published in pieces may be nothing that anyone is told of: one look in vain is not the end.
        while in_vain < 2 {
            let taken = self.take_due(&take(now)).await;
            in_vain = if taken.is_empty() { in_vain + 1 } else { 0 };
            all.extend(taken);
        }
        all
    }

    /// All events of `realm` that are kept, in the order of the feed.
    pub(crate) async fn told(&self, realm: RealmId) -> Vec<ToldEvent> {
        let mut before = None;
        loop {
            self.publish(start()).await;
            let told = self.feed_after(realm, FeedPosition::default(), EventNames::ALL).await;
            if before == Some(told.len()) {
                return told;
            }
            before = Some(told.len());
        }
    }

    /// The names of all events of `realm` that are kept, sorted.
    pub(crate) async fn told_names(&self, realm: RealmId) -> Vec<EventName> {
        let mut names: Vec<_> = self.told(realm).await.iter().map(|event| event.name).collect();
        names.sort();
        names
    }

    /// All that the feed has past `after` by now.
    pub(crate) async fn feed_after(&self, realm: RealmId, after: FeedPosition, names: EventNames) -> Vec<ToldEvent> {
        let (mut all, mut after) = (Vec::new(), after);
        loop {
            let page = self.feed.feed(realm, after, names, 1_000).await.expect("the store works");
            all.extend(page.rows);
            after = all.last().map_or(after, |event: &ToldEvent| event.position);
            if !page.more {
                return all;
            }
        }
    }

    /// All deliveries to an endpoint, newest first.
    pub(crate) async fn deliveries_to(
        &self,
        realm: RealmId,
        endpoint: EndpointId,
        status: Option<DeliveryStatus>,
    ) -> Vec<Delivery> {
        let query = DeliveryQuery { realm, endpoint, status, after: None, limit: 1_000_000 };
        self.deliveries.deliveries(&query).await.expect("the store works").rows
    }
}

/// What is told of an event.
pub(crate) fn data(event: &ToldEvent) -> Value {
    serde_json::from_str(&event.data_json()).expect("data are JSON")
}

/// All of `expected` is in `found`, as it is there.
pub(crate) fn assert_says(found: &Value, expected: &Value) {
    let (Value::Object(said), Value::Object(expected)) = (found, expected) else { panic!("data are objects") };
    for (name, value) in expected {
        assert_eq!(said.get(name), Some(value), "{name} of {found}");
    }
}

/// The same of the first of several.
pub(crate) fn assert_first_says(found: &[Value], expected: &Value) {
    assert_says(found.first().expect("something is told"), expected);
}

/// What `data` says under that name; null when it says nothing.
pub(crate) fn said(data: &Value, name: &str) -> Value {
    data.get(name).cloned().unwrap_or(Value::Null)
}

/// The events that `assignments` tell, with the endpoints that they are for, sorted.
pub(crate) fn told_to(assignments: &[Assignment]) -> Vec<(EndpointId, EventName)> {
    let mut told: Vec<_> = assignments.iter().map(|taken| (taken.endpoint.id, taken.event.name)).collect();
    told.sort();
    told
}
