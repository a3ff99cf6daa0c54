//! Endpoints, the outbox and deliveries in PostgreSQL.
//!
//! Events are stored by the transactions that they tell of ([`outbox`]). Any number of processes publish them and take what is
//! due ([`dispatch`], [`publish`]) and store what became of it ([`record`]); these transactions need not be on the disk when they
//! are committed, because what a crash loses of them is done once more, under the same ids. They have connections of their own:
//! a batch never waits for one of theirs.

pub(super) mod deliveries;
pub(super) mod discard;
pub(super) mod dispatch;
pub(super) mod endpoints;
pub(super) mod expiry;
pub(super) mod feed;
pub(super) mod numbers;
pub(super) mod outbox;
pub(super) mod publish;
pub(super) mod record;
pub(super) mod replay;

use std::time::Duration;

use async_trait::async_trait;
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptReport, Deliveries, Delivery, DeliveryId, DeliveryQuery, Endpoint, EndpointChange,
    EndpointEdit, EndpointId, EndpointRefusal, EndpointStore, EventFeed, EventNames, FeedPosition, NewEndpoint, Outbox,
    OutboxEventId, OutboxLag, Replay, TakeDue, ToldEvent,
};
use scoped_futures::ScopedFutureExt;
use tokio::time::sleep;

use super::{PostgresStore, audit_log};

/// Connections that take deliveries and store what became of them: while one is being answered, the other is used.
pub(super) const CONNECTIONS: usize = 2;

/// After how long it is looked again for events that somebody else was about to publish, or had locked.
const HELD_UP_FOR: Duration = Duration::from_millis(10);

#[async_trait]
impl EndpointStore for PostgresStore {
    async fn create_endpoint(&self, new: &NewEndpoint) -> Result<Result<(), EndpointRefusal>, StoreError> {
        let write = self.lanes.write(
            |connection| endpoints::load_realm(connection, new.realm).scope_boxed(),
            |connection, ()| endpoints::create(connection, new).scope_boxed(),
            |connection, created: &Result<(), EndpointRefusal>| {
                audit_log::is_kept(connection, created.is_ok().then_some(&new.audit)).scope_boxed()
            },
        );
        write.await
    }

    async fn change_endpoint(&self, change: &EndpointChange) -> Result<Result<Endpoint, EndpointRefusal>, StoreError> {
        let write = self.lanes.write(
            |connection| endpoints::load(connection, change).scope_boxed(),
            |connection, stored| endpoints::decided(connection, change, stored).scope_boxed(),
            |connection, changed: &Result<Endpoint, EndpointRefusal>| {
                audit_log::is_kept(connection, changed.is_ok().then_some(&change.audit)).scope_boxed()
            },
        );
        let changed = write.await?;
        if let (Ok(_), EndpointEdit::Revise { enabled: Some(true), .. }) = (&changed, &change.edit) {
            // What waited for it is due.
            self.bell.ring();
        }
        Ok(changed)
    }

    async fn endpoint(&self, realm: RealmId, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.readers.read(|connection| endpoints::find(connection, realm, id).scope_boxed()).await
    }

    async fn endpoints(&self, realm: RealmId) -> Result<Vec<Endpoint>, StoreError> {
        self.readers.read(|connection| endpoints::of_realm(connection, realm).scope_boxed()).await
    }
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn rung(&self) {
        self.bell.rung().await;
    }

    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Assignment>, StoreError> {
        let write = self.couriers.write_lightly(
            |connection| dispatch::look(connection, ask).scope_boxed(),
            |connection, look| dispatch::take(connection, ask, look).scope_boxed(),
        );
        let taken = write.await?;
        if taken.is_held_up {
            let bell = self.bell.clone();
            tokio::spawn(async move {
                sleep(HELD_UP_FOR).await;
                bell.ring();
            });
        } else if taken.is_more {
            self.bell.ring();
        }
        Ok(taken.assignments)
    }

    async fn record(&self, reports: &[AttemptReport]) -> Result<Vec<(RealmId, Endpoint)>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let write = self.couriers.write_lightly(
            |connection| record::load(connection, reports).scope_boxed(),
            |connection, loaded| record::store(connection, reports, loaded).scope_boxed(),
        );
        write.await
    }

    async fn tell_expiries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let told = expiry::tell(self, now, limit).await?;
        if 0 < told {
            self.bell.ring();
        }
        Ok(told)
    }

    async fn discard(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        discard::discard(self, before, limit).await
    }
}

#[async_trait]
impl Deliveries for PostgresStore {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
        self.readers.read(|connection| deliveries::page(connection, query).scope_boxed()).await
    }

    async fn delivery(&self, realm: RealmId, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        self.readers.view(|connection| deliveries::find_with_attempts(connection, realm, id).scope_boxed()).await
    }

    async fn replay(&self, replay: &Replay) -> Result<Option<u32>, StoreError> {
        let write = self.lanes.write(
            |connection| replay::load(connection, replay).scope_boxed(),
            |connection, subject| replay::store(connection, replay, subject).scope_boxed(),
            |connection, queued: &Option<u32>| {
                audit_log::is_kept(connection, queued.is_some().then_some(&replay.audit)).scope_boxed()
            },
        );
        let queued = write.await?;
        // Also if nothing was queued: nobody published meanwhile.
        self.bell.ring();
        Ok(queued)
    }

    async fn lag(&self) -> Result<OutboxLag, StoreError> {
        self.readers.read(|connection| deliveries::lag(connection).scope_boxed()).await
    }
}

#[async_trait]
impl EventFeed for PostgresStore {
    async fn feed(
        &self,
        realm: RealmId,
        after: FeedPosition,
        names: EventNames,
        limit: u32,
    ) -> Result<Page<ToldEvent>, StoreError> {
        self.readers.view(|connection| feed::page(connection, realm, after, names, limit).scope_boxed()).await
    }

    async fn event_told(&self, realm: RealmId, id: OutboxEventId) -> Result<Option<ToldEvent>, StoreError> {
        self.readers.view(|connection| feed::find(connection, realm, id).scope_boxed()).await
    }
}
