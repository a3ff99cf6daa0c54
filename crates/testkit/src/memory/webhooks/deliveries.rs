//! The port of deliveries that are read, and queued again.

use async_trait::async_trait;
use domain::economy::Page;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Attempt, Deliveries, Delivery, DeliveryId, DeliveryQuery, DeliveryStatus, EventName, NewDelivery, OutboxLag,
    Replay, ReplayRange,
};

use super::super::MemoryStore;
use super::{Outgoing, StoredDelivery};

/// How many attempts of a delivery are shown.
const ATTEMPTS_SHOWN: usize = 100;

#[async_trait]
impl Deliveries for MemoryStore {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
        let outgoing = &self.lock().books.outgoing;
        let newest_first = outgoing.deliveries.iter().rev().filter(|((of, _), _)| *of == query.realm);
        let asked = |delivery: &&Delivery| {
            delivery.endpoint == query.endpoint
                && outgoing.endpoint(query.realm, query.endpoint).is_some()
                && query.status.is_none_or(|status| delivery.status == status)
                && query.after.is_none_or(|after| delivery.id < after)
        };
        let rows = newest_first.map(|(_, stored)| &stored.delivery).filter(asked).cloned();
        Ok(Page::of(rows.collect(), query.limit))
    }

    async fn delivery(&self, realm: RealmId, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        let outgoing = &self.lock().books.outgoing;
        let stored = outgoing.deliveries.get(&(realm, id));
        let stored = stored.filter(|stored| outgoing.endpoint(realm, stored.delivery.endpoint).is_some());
        let Some(StoredDelivery { delivery, .. }) = stored else { return Ok(None) };
        let newest_first = outgoing.attempts.range((realm, id, 0)..=(realm, id, u32::MAX)).rev();
        let mut attempts: Vec<Attempt> =
            newest_first.take(ATTEMPTS_SHOWN).map(|(_, attempt)| attempt.clone()).collect();
        attempts.reverse();
        Ok(Some((delivery.clone(), attempts)))
    }

    async fn replay(&self, replay: &Replay) -> Result<Option<u32>, StoreError> {
        let books = &mut self.lock().books;
        let queued = match &replay.range {
            ReplayRange::One(id) => books.outgoing.replay_one(replay, *id),
            ReplayRange::Between { .. } => books.outgoing.replay_range(replay),
        };
        if queued.is_some() {
            books.save_audit(&replay.audit);
            self.bell.ring();
        }
        Ok(queued)
    }

    async fn lag(&self) -> Result<OutboxLag, StoreError> {
        let outgoing = &self.lock().books.outgoing;
        let waiting = outgoing.deliveries.iter().filter(|((realm, _), stored)| {
            let endpoint = outgoing.endpoint(*realm, stored.delivery.endpoint);
            endpoint.is_some_and(|endpoint| endpoint.disabled.is_none())
        });
        let due_at: Vec<_> = waiting.filter_map(|(_, stored)| stored.delivery.due_at).collect();
        let pending = u64::try_from(due_at.len()).expect("a test has few deliveries");
        let waiting = OutboxLag { pending, oldest_due_at: due_at.into_iter().min() };
        let new: Vec<_> = outgoing.events.values().filter(|stored| !stored.is_published).collect();
        let pending = u64::try_from(new.len()).expect("a test has few events");
        let oldest_due_at = new.iter().map(|stored| stored.event.at).min();
        Ok(waiting.plus(OutboxLag { pending, oldest_due_at }))
    }
}

impl Outgoing {
    fn replay_one(&mut self, replay: &Replay, id: DeliveryId) -> Option<u32> {
        self.endpoint(replay.realm, replay.endpoint)?;
        let stored = self.deliveries.get_mut(&(replay.realm, id))?;
        if stored.delivery.endpoint != replay.endpoint {
            return None;
        }
        // One that is being attempted just now is left to whoever attempts it.
        let is_queued = stored.delivery.status != DeliveryStatus::Pending || stored.claim.is_none();
        if is_queued {
            stored.requeue(replay.at);
        }
        Some(u32::from(is_queued))
    }

    fn replay_range(&mut self, replay: &Replay) -> Option<u32> {
        let subscribed = self.endpoint(replay.realm, replay.endpoint)?.events;
        let ReplayRange::Between { since, until, names, only_failed } = replay.range else { return None };
        let is_asked = |name: EventName| names.contains(name) && subscribed.contains(name);
        let oldest_first = self.events.iter().filter(|((of, _), _)| *of == replay.realm);
        let asked = oldest_first.map(|(_, stored)| &stored.event);
        let asked = asked.filter(|event| since <= event.at && event.at < until && is_asked(event.name));
        let deliveries = asked.map(|event| NewDelivery {
            realm: replay.realm,
            id: DeliveryId::of(replay.endpoint, event.id, event.at),
            endpoint: replay.endpoint,
            event: event.id,
            name: event.name,
            occurred_at: event.at,
        });
        let deliveries: Vec<NewDelivery> = deliveries.collect();
        let mut queued = 0;
        for new in deliveries {
            if queued == Replay::COUNT_MAX {
                break;
            }
            let known = self.deliveries.get_mut(&(replay.realm, new.id));
            let is_queued = match known {
                None => {
                    self.deliveries.insert((replay.realm, new.id), StoredDelivery::new(&new, replay.at));
                    true
                }
                Some(stored) => {
                    let again = match stored.delivery.status {
                        DeliveryStatus::Pending => false,
                        DeliveryStatus::Delivered => !only_failed,
                        DeliveryStatus::Failed => true,
                    };
                    if again {
                        stored.requeue(replay.at);
                    }
                    again
                }
            };
            queued += u32::from(is_queued);
        }
        Some(queued)
    }
}
