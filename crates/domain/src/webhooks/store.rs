//! The ports behind which endpoints, the outbox and deliveries are kept, and those that reach a studio's servers.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use super::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, Delivery, DeliveryId, DeliveryStatus, Endpoint,
    EndpointChange, EndpointId, EndpointRefusal, EndpointUrl, EventNames, FeedPosition, NewEndpoint, OutboxEventId,
    Prepared, Sealed, ToldEvent,
};
use crate::audit_log::AuditEntry;
use crate::clock::Timestamp;
use crate::economy::Page;
use crate::store::StoreError;
use crate::tenancy::RealmId;

/// Keeps endpoints. Each change is one transaction, audit entry included.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait EndpointStore: Send + Sync {
    /// Stores a new endpoint; refused with [`EndpointRefusal::TooMany`] when the realm has [`Endpoint::COUNT_MAX`].
    async fn create_endpoint(&self, new: &NewEndpoint) -> Result<Result<(), EndpointRefusal>, StoreError>;

    /// Changes an endpoint as [`EndpointChange::decide`] says of the stored one, which nobody else changes in between. The
    /// endpoint after it, or as it was if it was removed, with all that waits for it.
    async fn change_endpoint(&self, change: &EndpointChange) -> Result<Result<Endpoint, EndpointRefusal>, StoreError>;

    /// The endpoint of that id.
    async fn endpoint(&self, realm: RealmId, id: EndpointId) -> Result<Option<Endpoint>, StoreError>;

    /// All endpoints of a realm, newest first. At most [`Endpoint::COUNT_MAX`].
    async fn endpoints(&self, realm: RealmId) -> Result<Vec<Endpoint>, StoreError>;
}

/// What a dispatcher can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeDue {
    /// The present instant.
    pub now: Timestamp,
    /// Until when what is taken is nobody else's.
    pub until: Timestamp,
    /// Names this taking.
    pub claim: ClaimId,
    /// At most so many of one endpoint, together with those that the dispatcher has of it already.
    pub per_endpoint: u32,
    /// How many it has already.
    pub held: BTreeMap<(RealmId, EndpointId), u32>,
    /// At most so many in all.
    pub limit: u32,
}

/// The outbox: events that were stored with what they tell of, and who has still to be told.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Waits until this process has stored something that may be due. Never misses one since the last wait ended; may end
    /// for nothing.
    async fn rung(&self);

    /// Publishes events that are new ([`super::fan_out`]; each gets its place in the feed and its deliveries), then takes
    /// deliveries that are due, those that have been longest first, of enabled endpoints. Of several processes that take at
    /// once, each gets others. What is taken and not reported on by `until` is due again.
    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Assignment>, StoreError>;

    /// Stores what became of attempts: each in the log, its delivery, and its endpoint as [`Endpoint::after`] says. A report
    /// under a claim that is no longer the delivery's changes the log only. Answers the endpoints that were disabled by it.
    async fn record(&self, reports: &[AttemptReport]) -> Result<Vec<(RealmId, Endpoint)>, StoreError>;

    /// Stores the events of what time alone did by `now`: grants that expired unclaimed, and API keys that will expire
    /// ([`crate::keys::ExpiryNotice`]); at most about `limit` of them. Each is told once, whoever tells. Answers how many it
    /// stored.
    async fn tell_expiries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Removes what happened before `before`, and what is left of removed endpoints, at most about `limit` rows at once;
    /// how many it removed.
    async fn discard(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;
}

/// How the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxLag {
    /// How many deliveries of enabled endpoints wait, and how many events whose deliveries are yet to be made; of each,
    /// counted up to [`OutboxLag::COUNT_MAX`].
    pub pending: u64,
    /// Since when the oldest of those has been due; an event is at once.
    pub oldest_due_at: Option<Timestamp>,
}

impl OutboxLag {
    /// How far is counted. To count a queue of any length would hold up who works on it.
    pub const COUNT_MAX: u32 = 100_000;

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        let oldest = [self.oldest_due_at, other.oldest_due_at].into_iter().flatten().min();
        Self { pending: self.pending.saturating_add(other.pending), oldest_due_at: oldest }
    }
}

/// Which page of an endpoint's deliveries is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// The realm.
    pub realm: RealmId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Only those that are this.
    pub status: Option<DeliveryStatus>,
    /// Only those older than this one.
    pub after: Option<DeliveryId>,
    /// At most so many.
    pub limit: u32,
}

/// Which events are to be delivered once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayRange {
    /// That of one delivery.
    One(DeliveryId),
    /// All that happened from one instant on and before another, as far as they are kept and the endpoint is told of them;
    /// those that still wait are left alone.
    Between {
        /// From this one on.
        since: Timestamp,
        /// Before this one.
        until: Timestamp,
        /// Only those of these names.
        names: EventNames,
        /// Only those that were given up, or never queued.
        only_failed: bool,
    },
}

/// Events to be delivered once more to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The realm.
    pub realm: RealmId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// When it was asked: they are due at once.
    pub at: Timestamp,
    /// Which.
    pub range: ReplayRange,
    /// Its entry in the audit log.
    pub audit: AuditEntry,
}

impl Replay {
    /// The most events that one request queues again.
    pub const COUNT_MAX: u32 = 10_000;
}

/// Reads deliveries, and queues them again.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// A page of an endpoint's deliveries, newest first.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery>, StoreError>;

    /// A delivery with its latest attempts, oldest first, at most 100.
    async fn delivery(&self, realm: RealmId, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError>;

    /// Queues deliveries again, the oldest first, at most [`Replay::COUNT_MAX`]; how many. `None` when there is no such
    /// delivery. The audit entry is stored with it.
    async fn replay(&self, replay: &Replay) -> Result<Option<u32>, StoreError>;

    /// How the outbox stands, in all realms.
    async fn lag(&self) -> Result<OutboxLag, StoreError>;
}

/// Reads events that are kept.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait EventFeed: Send + Sync {
    /// Events of a realm in the order in which they became known, of these names: those past `after`, at most `limit`. An
    /// event that becomes known later comes after all that were there, so that a reader who goes on from the last one misses
    /// none.
    async fn feed(
        &self,
        realm: RealmId,
        after: FeedPosition,
        names: EventNames,
        limit: u32,
    ) -> Result<Page<ToldEvent>, StoreError>;

    /// The event of that id.
    async fn event_told(&self, realm: RealmId, id: OutboxEventId) -> Result<Option<ToldEvent>, StoreError>;
}

/// Why a URL may not be called, in words for the person who configured it, such as "resolves to 10.0.0.1, which is private".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct TargetRefused(pub String);

/// Reaches a studio's servers.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Courier: Send + Sync {
    /// Whether `url` may be called: its scheme, its host, and every address that its host's name has now.
    async fn check(&self, url: &EndpointUrl) -> Result<(), TargetRefused>;

    /// Sends `prepared` to `url`, once. The address that is dialled is checked again, at the moment of dialling; redirects
    /// are not followed; it takes at most [`Attempt::TIMEOUT`]. What came back, and how long it took.
    async fn deliver(&self, url: &EndpointUrl, prepared: Prepared) -> (AttemptOutcome, Duration);
}

/// A sealed secret cannot be read: the installation's secret is another one than when it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the endpoint's secret was sealed with another installation secret; rotate it")]
pub struct Unreadable;

/// Seals secrets so that they can be stored.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Vault: Send + Sync {
    /// Seals `secret` as that of `endpoint`, with 24 bytes that were never used before.
    fn seal(&self, endpoint: EndpointId, secret: &str, nonce: [u8; 24]) -> Sealed;

    /// What was sealed as that of `endpoint`.
    fn open(&self, endpoint: EndpointId, sealed: &Sealed) -> Result<String, Unreadable>;

    /// The token that stands for a player towards one endpoint: always the same, and nobody else can make it.
    fn token(&self, endpoint: EndpointId, player: crate::players::PlayerId) -> String;
}

/// Wakes this process's dispatcher when something that may be due was stored. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Bell(std::sync::Arc<tokio::sync::Notify>);

impl Bell {
    /// Rings it. To be called after the commit.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until it rings, or does not wait if it rang since the last wait.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}
