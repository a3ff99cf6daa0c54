//! The port of the outbox.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::audit_log::{AuditAction, AuditEntry};
use domain::clock::Timestamp;
use domain::economy::Actor;
use domain::players::PlayerId;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::JsonObject;
use domain::webhooks::{
    Assignment, AttemptReport, DeliveryId, DeliveryStatus, Dialect, Endpoint, EndpointId, Outbox, Subscriber, TakeDue,
    Undispatched, Verdict, fan_out, reports_by_endpoint,
};
use serde_json::json;
use uuid::Uuid;

use super::super::{MemoryStore, State};
use super::{Outgoing, StoredDelivery};

#[async_trait]
impl Outbox for MemoryStore {
    async fn rung(&self) {
        self.bell.rung().await;
    }

    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Assignment>, StoreError> {
        let state = &mut *self.lock();
        state.books.outgoing.publish(ask.now);
        let due = state.books.outgoing.due(ask);
        Ok(due.into_iter().filter_map(|(realm, id)| state.assign(realm, id, ask)).collect())
    }

    async fn record(&self, reports: &[AttemptReport]) -> Result<Vec<(RealmId, Endpoint)>, StoreError> {
        let books = &mut self.lock().books;
        let counted: Vec<AttemptReport> = reports.iter().filter(|report| books.outgoing.log(report)).cloned().collect();
        let mut disabled = Vec::new();
        for ((realm, id), reports) in reports_by_endpoint(&counted) {
            let is_concerned = |report: &&AttemptReport| report.was_failing || report.verdict != Verdict::Delivered;
            let stored = books.outgoing.endpoint(realm, id).filter(|_| reports.iter().any(is_concerned));
            let Some((before, after)) =
                stored.and_then(|stored| Some((stored.clone(), stored.after(reports.iter().copied())?)))
            else {
                continue;
            };
            books.outgoing.set_endpoint(realm, &after);
            if before.disabled.is_none() && after.disabled.is_some() {
                books.save_audit(&disabling(realm, &after, &reports));
                disabled.push((realm, after));
            }
        }
        Ok(disabled)
    }

    async fn tell_expiries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let told = self.lock().tell_expiries(now, limit);
        if 0 < told {
            self.bell.ring();
        }
        Ok(told)
    }

    async fn discard(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        Ok(self.lock().books.outgoing.discard(before, usize::try_from(limit).unwrap_or(usize::MAX)))
    }
}

/// That `endpoint` was disabled by one of `reports`.
fn disabling(realm: RealmId, endpoint: &Endpoint, reports: &[&AttemptReport]) -> AuditEntry {
    let (reason, at) = endpoint.disabled.expect("only an endpoint that was disabled is told of");
    let by = reports.iter().find(|report| report.attempt.at == at).expect("one of them disabled it");
    let entry = AuditEntry::new(realm, by.audit, at, Actor::new("purser"), AuditAction::WebhookDisable);
    let details = json!({ "webhookId": endpoint.id.0, "reason": reason.as_str() });
    AuditEntry { details: Some(JsonObject::restore(details.to_string())), ..entry }
}

impl State {
    /// Gives a delivery to whoever asks; `None` when its event is no longer kept.
    fn assign(&mut self, realm: RealmId, id: DeliveryId, ask: &TakeDue) -> Option<Assignment> {
        let stored = self.books.outgoing.deliveries.get(&(realm, id))?;
        let event = self.told(self.books.outgoing.events.get(&(realm, stored.delivery.event))?);
        let outgoing = &mut self.books.outgoing;
        let stored = outgoing.deliveries.get_mut(&(realm, id))?;
        (stored.delivery.due_at, stored.claim) = (Some(ask.until), Some(ask.claim));
        let (attempts, tries) = (stored.delivery.attempts, stored.tries);
        let endpoint = stored.delivery.endpoint;
        let endpoint = outgoing.endpoint(realm, endpoint)?.clone();
        let numbered = event.player.as_ref().filter(|_| endpoint.dialect == Dialect::Kongregate);
        let player_number = numbered.map(|(player, _)| outgoing.number_of(realm, *player));
        Some(Assignment { delivery: id, claim: ask.claim, attempts, tries, endpoint, event, player_number })
    }
}

impl Outgoing {
    /// Makes the deliveries of events that are new.
    fn publish(&mut self, now: Timestamp) {
        let mut new: Vec<_> = self.events.values_mut().filter(|stored| !stored.is_published).collect();
        new.sort_by_key(|stored| stored.position);
        let mut events = Vec::new();
        for stored in new {
            stored.is_published = true;
            let event = &stored.event;
            events.push(Undispatched { realm: event.realm, id: event.id, name: event.name, at: event.at });
        }
        let endpoints = self.endpoints.iter().filter(|(_, stored)| !stored.is_removed);
        let subscribers = endpoints.map(|((realm, id), stored)| Subscriber {
            realm: *realm,
            id: *id,
            events: stored.endpoint.events,
            is_disabled: stored.endpoint.disabled.is_some(),
        });
        let subscribers: Vec<_> = subscribers.collect();
        for delivery in fan_out(&events, &subscribers) {
            // A replay may have queued it before it was published.
            let place = self.deliveries.entry((delivery.realm, delivery.id));
            place.or_insert_with(|| StoredDelivery::new(&delivery, now));
        }
    }

    /// The deliveries that may be taken.
    fn due(&self, ask: &TakeDue) -> Vec<(RealmId, DeliveryId)> {
        let is_enabled = |realm: RealmId, endpoint: EndpointId| {
            self.endpoint(realm, endpoint).is_some_and(|endpoint| endpoint.disabled.is_none())
        };
        let due = self.deliveries.iter().filter_map(|((realm, id), stored)| {
            let due_at = stored.delivery.due_at.filter(|due_at| *due_at <= ask.now)?;
            let endpoint = stored.delivery.endpoint;
            is_enabled(*realm, endpoint).then_some((due_at, *id, *realm, endpoint))
        });
        let mut longest_first: Vec<_> = due.collect();
        longest_first.sort();
        let mut held: BTreeMap<(RealmId, EndpointId), u32> = ask.held.clone();
        let mut taken = Vec::new();
        for (_, id, realm, endpoint) in longest_first {
            let held = held.entry((realm, endpoint)).or_default();
            if *held < ask.per_endpoint && taken.len() < usize::try_from(ask.limit).unwrap_or(usize::MAX) {
                *held += 1;
                taken.push((realm, id));
            }
        }
        taken
    }

    /// The number that stands for `player`.
    fn number_of(&mut self, realm: RealmId, player: PlayerId) -> i64 {
        let of_realm = self.numbers.iter().filter(|((of, _), _)| *of == realm);
        let last = of_realm.map(|(_, number)| *number).max().unwrap_or(0);
        *self.numbers.entry((realm, player)).or_insert(last + 1)
    }

    /// Logs an attempt, and moves its delivery on unless another has taken it since; whether it did.
    fn log(&mut self, report: &AttemptReport) -> bool {
        let AttemptReport { realm, delivery, attempt, .. } = report;
        let Some(stored) = self.deliveries.get_mut(&(*realm, *delivery)) else { return false };
        self.attempts.entry((*realm, *delivery, attempt.number)).or_insert_with(|| attempt.clone());
        if stored.claim != Some(report.claim) {
            return false;
        }
        let (status, due_at) = match report.verdict {
            Verdict::Delivered => (DeliveryStatus::Delivered, None),
            Verdict::Retry { at } => (DeliveryStatus::Pending, Some(at)),
            Verdict::Exhausted | Verdict::Gone => (DeliveryStatus::Failed, None),
        };
        let ended_at = due_at.is_none().then(|| attempt.at.plus(attempt.took));
        let delivery = &mut stored.delivery;
        (delivery.status, delivery.due_at, delivery.ended_at) = (status, due_at, ended_at);
        delivery.attempts = attempt.number;
        (stored.tries, stored.claim) = (stored.tries + 1, None);
        true
    }

    fn set_endpoint(&mut self, realm: RealmId, after: &Endpoint) {
        let stored = self.endpoints.get_mut(&(realm, after.id)).expect("an endpoint that is changed is known");
        stored.endpoint = after.clone();
    }

    /// Forgets what happened before `before` and what is left of removed endpoints.
    fn discard(&mut self, before: Timestamp, limit: usize) -> u32 {
        let is_old = |id: Uuid| id.get_timestamp().is_some_and(|at| millis(at) < before.unix_millis());
        let removed: Vec<_> =
            self.endpoints.iter().filter(|(_, stored)| stored.is_removed).map(|(key, _)| *key).collect();
        let attempts = self.attempts.keys().filter(|(realm, id, _)| {
            let delivery = self.deliveries.get(&(*realm, *id));
            is_old(id.0) || delivery.is_none_or(|of| removed.contains(&(*realm, of.delivery.endpoint)))
        });
        let attempts: Vec<_> = attempts.copied().take(limit).collect();
        let mut left = limit - attempts.len();
        let deliveries = self
            .deliveries
            .iter()
            .filter(|((realm, id), stored)| is_old(id.0) || removed.contains(&(*realm, stored.delivery.endpoint)));
        let deliveries: Vec<_> = deliveries.map(|(key, _)| *key).take(left).collect();
        left -= deliveries.len();
        let events: Vec<_> = self.events.keys().filter(|(_, id)| is_old(id.0)).copied().take(left).collect();
        left -= events.len();
        for key in &attempts {
            self.attempts.remove(key);
        }
        for key in &deliveries {
            self.deliveries.remove(key);
        }
        for key in &events {
            self.events.remove(key);
        }
        let is_empty = |(realm, id): &(RealmId, EndpointId)| {
            !self.deliveries.iter().any(|((of, _), stored)| (*of, stored.delivery.endpoint) == (*realm, *id))
        };
        let endpoints: Vec<_> = removed.into_iter().filter(is_empty).take(left).collect();
        for key in &endpoints {
            self.endpoints.remove(key);
        }
        let rows = attempts.len() + deliveries.len() + events.len() + endpoints.len();
        u32::try_from(rows).expect("a test has few rows")
    }
}

/// The milliseconds in the time part of an id.
fn millis(at: uuid::Timestamp) -> i64 {
    let (seconds, nanos) = at.to_unix();
    i64::try_from(seconds).expect("a test is of our time") * 1_000 + i64::from(nanos / 1_000_000)
}
