//! The port of events that are kept.

use async_trait::async_trait;
use domain::economy::Page;
use domain::store::StoreError;
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{EventFeed, EventNames, FeedPosition, OutboxEventId, ToldEvent};

use super::super::{MemoryStore, State};
use super::StoredEvent;

#[async_trait]
impl EventFeed for MemoryStore {
    async fn feed(
        &self,
        realm: RealmId,
        after: FeedPosition,
        names: EventNames,
        limit: u32,
    ) -> Result<Page<ToldEvent>, StoreError> {
        let state = &*self.lock();
        let of_realm = state.books.outgoing.events.iter().filter(|((of, _), _)| *of == realm);
        let asked = |stored: &&StoredEvent| after < stored.position && names.contains(stored.event.name);
        let mut told: Vec<ToldEvent> =
            of_realm.map(|(_, stored)| stored).filter(asked).map(|stored| state.told(stored)).collect();
        told.sort_by_key(|event| event.position);
        Ok(Page::of(told, limit))
    }

    async fn event_told(&self, realm: RealmId, id: OutboxEventId) -> Result<Option<ToldEvent>, StoreError> {
        let state = &*self.lock();
        Ok(state.books.outgoing.events.get(&(realm, id)).map(|stored| state.told(stored)))
    }
}

impl State {
    /// `stored` as it is told now.
    pub(super) fn told(&self, stored: &StoredEvent) -> ToldEvent {
        let StoredEvent { event, position, .. } = stored;
        let called = |player| self.books.called(event.realm, player).expect("a player is never forgotten");
        ToldEvent {
            realm: self.realm(event.realm),
            position: *position,
            id: event.id,
            name: event.name,
            at: event.at,
            player: event.player.map(|player| (player, called(player))),
            data: event.data.clone(),
            words: event.words.clone(),
        }
    }

    fn realm(&self, id: RealmId) -> Realm {
        *self.realms.iter().find(|realm| realm.id == id).expect("events are of realms that are known")
    }
}
