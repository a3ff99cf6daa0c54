//! Endpoints, the outbox and deliveries in SQLite.
//!
//! An event is stored by the transaction that it tells of, which also gives it its place in the feed: with one writer, later
//! places become visible later. What is done about deliveries after that shares the writer with everybody else, so each call
//! does a bounded piece, and a commit that may be lost without harm does not wait for the disk.

mod deliveries;
mod discard;
mod dispatch;
mod endpoints;
mod expiry;
mod feed;
mod numbers;
mod outbox;
#[cfg(test)]
mod plans_tests;
mod record;
mod replay;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptReport, Deliveries, Delivery, DeliveryId, DeliveryQuery, Endpoint, EndpointChange,
    EndpointId, EndpointRefusal, EndpointStore, EventFeed, EventNames, FeedPosition, NewEndpoint, Outbox,
    OutboxEventId, OutboxLag, Replay, TakeDue, ToldEvent,
};

pub(super) use outbox::{blank_all, blank_piece, move_events, store, wanted};

use super::{SqliteStore, connection};
use crate::detached::detached;

impl SqliteStore {
    /// Runs `work` in one write transaction, and wakes the dispatcher after the commit if `work` says, beside its answer, that
    /// it stored something that may be due. That happens on the writer thread, so whoever asked may be gone.
    pub(super) async fn write_and_ring<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<(T, bool)> + Send + 'static,
    ) -> Result<T, StoreError> {
        let bell = self.bell.clone();
        let job = move |connection: &mut SqliteConnection| {
            let (answer, rings) = connection::write(connection, work)?;
            if rings {
                bell.ring();
            }
            Ok(answer)
        };
        self.writer.run(job).await
    }
}

#[async_trait]
impl EndpointStore for SqliteStore {
    async fn create_endpoint(&self, new: &NewEndpoint) -> Result<Result<(), EndpointRefusal>, StoreError> {
        let new = new.clone();
        let write = move |connection: &mut SqliteConnection| endpoints::create(connection, &new);
        self.writer.run(move |connection| connection::write(connection, write)).await
    }

    async fn change_endpoint(&self, change: &EndpointChange) -> Result<Result<Endpoint, EndpointRefusal>, StoreError> {
        let change = change.clone();
        let write = move |connection: &mut SqliteConnection| {
            let changed = endpoints::change(connection, &change)?;
            // What waited for an endpoint that is enabled again is due.
            let rings = changed.as_ref().is_ok_and(|endpoint| endpoint.disabled.is_none());
            Ok((changed, rings))
        };
        self.write_and_ring(write).await
    }

    async fn endpoint(&self, realm: RealmId, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.readers.run(move |connection| endpoints::find(connection, realm, id)).await
    }

    async fn endpoints(&self, realm: RealmId) -> Result<Vec<Endpoint>, StoreError> {
        self.readers.run(move |connection| endpoints::of_realm(connection, realm)).await
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn rung(&self) {
        self.bell.rung().await;
    }

    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Assignment>, StoreError> {
        let (ask, bell) = (ask.clone(), self.bell.clone());
        let job = move |connection: &mut SqliteConnection| {
            let work = |connection: &mut SqliteConnection| {
                let more = dispatch::publish(connection, &ask)?;
                Ok((dispatch::take(connection, &ask)?, more))
            };
            // What is lost of it is done again.
            let (mut assignments, more) = connection::write_lightly(connection, work)?;
            numbers::complete(connection, &mut assignments)?;
            if more {
                bell.ring();
            }
            Ok(assignments)
        };
        self.writer.run(job).await
    }

    async fn record(&self, reports: &[AttemptReport]) -> Result<Vec<(RealmId, Endpoint)>, StoreError> {
        let reports = reports.to_vec();
        // What is lost of it is attempted again, under the same id.
        let write = move |connection: &mut SqliteConnection| record::record(connection, reports);
        self.writer.run(move |connection| connection::write_lightly(connection, write)).await
    }

    async fn tell_expiries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.tell_what_expired(now, limit).await
    }

    async fn discard(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let write = move |connection: &mut SqliteConnection| discard::discard(connection, before, limit);
        self.writer.run(move |connection| connection::write_lightly(connection, write)).await
    }
}

#[async_trait]
impl Deliveries for SqliteStore {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError> {
        let query = *query;
        let read = move |connection: &mut SqliteConnection| deliveries::page(connection, &query);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn delivery(&self, realm: RealmId, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        let read = move |connection: &mut SqliteConnection| deliveries::with_attempts(connection, realm, id);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn replay(&self, replay: &Replay) -> Result<Option<u32>, StoreError> {
        // On a task of its own: a caller who goes away must not leave half of what the audit log says.
        let (store, replay) = (self.clone(), replay.clone());
        detached(async move { store.replay_in_pieces(replay).await }).await
    }

    async fn lag(&self) -> Result<OutboxLag, StoreError> {
        self.readers.run(deliveries::lag).await
    }
}

#[async_trait]
impl EventFeed for SqliteStore {
    async fn feed(
        &self,
        realm: RealmId,
        after: FeedPosition,
        names: EventNames,
        limit: u32,
    ) -> Result<Page<ToldEvent>, StoreError> {
        let read = move |connection: &mut SqliteConnection| feed::page(connection, realm, after, names, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn event_told(&self, realm: RealmId, id: OutboxEventId) -> Result<Option<ToldEvent>, StoreError> {
        let read = move |connection: &mut SqliteConnection| feed::find(connection, realm, id);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }
}
