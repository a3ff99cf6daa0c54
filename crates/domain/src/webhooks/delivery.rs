//! Deliveries: one event for one endpoint, attempted until it arrives or there is no point in going on.
//!
//! What becomes of a delivery after an attempt is a function of how often it was tried and what came back. Nothing waits: when
//! the next attempt is due is a time that is stored.

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::outbox_event::ordered;
use super::{Endpoint, EndpointId, EventName, EventNames, OutboxEventId, ToldEvent};
use crate::audit_log::AuditId;
use crate::clock::Timestamp;
use crate::tenancy::RealmId;

/// Names one delivery. A UUID of version 7 that follows from the event and the endpoint: no event is queued for one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub Uuid);

impl DeliveryId {
    /// The delivery to `endpoint` of the event `id` of the instant `at`.
    pub fn of(endpoint: EndpointId, id: OutboxEventId, at: Timestamp) -> Self {
        Self(ordered(at, &Sha256::new().chain_update(endpoint.0.as_bytes()).chain_update(id.0.as_bytes()).finalize()))
    }
}

/// Names one taking of deliveries by one process. What another process has taken since is not this one's to report on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub Uuid);

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryStatus {
    /// It will be attempted, the first time or again.
    Pending,
    /// It arrived.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name used in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A delivery as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// The event.
    pub event: OutboxEventId,
    /// What it tells of.
    pub name: EventName,
    /// How far it is.
    pub status: DeliveryStatus,
    /// How often it was attempted.
    pub attempts: u32,
    /// When the next attempt is due; of one that was taken, when it is due for another taker.
    pub due_at: Option<Timestamp>,
    /// When the event happened.
    pub occurred_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What came back of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// An answer.
    Answered {
        /// Its HTTP status, 100 to 999.
        status: u16,
        /// The beginning of its body, at most [`Attempt::BODY_BYTES_MAX`] bytes, as far as it is text.
        body: String,
        /// How long to wait before the next attempt, as it asks.
        retry_after: Option<Duration>,
    },
    /// None: why, in words for a person, at most 500 characters.
    Failed {
        /// Such as "timed out after 10 s" or "the name resolves to 10.0.0.1, which is not allowed".
        error: String,
    },
}

/// One attempt of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The how many-eth it is, from 1: the `deliveryAttempt` of the envelope.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What came back.
    pub outcome: AttemptOutcome,
}

impl Attempt {
    /// How much of an answer is read and kept, in bytes.
    pub const BODY_BYTES_MAX: usize = 1_024;

    /// How long an attempt may take.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// It is attempted again.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// It was attempted often enough.
    Exhausted,
    /// It is given up: the endpoint says that it is no more.
    Gone,
}

/// How long after each failed attempt the next one follows: ten attempts within about three days.
pub const RETRY_DELAYS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// The longest wait that an answer may ask for: a day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Verdict {
    /// What becomes of a delivery of which this was the attempt number `tries` (from 1) since it was queued, ended at `now`.
    ///
    /// A wait is never shorter than the schedule says, and up to a fifth longer by `jitter` (0 ..= 255), so that many that
    /// failed together do not come back together. An answer may ask for a longer one, up to [`RETRY_AFTER_MAX`].
    pub fn of(outcome: &AttemptOutcome, tries: u32, now: Timestamp, jitter: u8) -> Self {
        let retry_after = match outcome {
            AttemptOutcome::Answered { status: 200..=299, .. } => return Self::Delivered,
            AttemptOutcome::Answered { status: 410, .. } => return Self::Gone,
            AttemptOutcome::Answered { retry_after, .. } => *retry_after,
            AttemptOutcome::Failed { .. } => None,
        };
        let made = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(delay) = RETRY_DELAYS.get(made) else { return Self::Exhausted };
        let delay = *delay + *delay * u32::from(jitter) / (5 * 255);
        let asked = retry_after.unwrap_or(Duration::ZERO).min(RETRY_AFTER_MAX);
        Self::Retry { at: now.plus(delay.max(asked)) }
    }
}

/// A delivery that a process has taken, to attempt it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The delivery.
    pub delivery: DeliveryId,
    /// By which taking.
    pub claim: ClaimId,
    /// How often it was attempted before.
    pub attempts: u32,
    /// How often since it was queued, the first time or for a replay.
    pub tries: u32,
    /// To whom.
    pub endpoint: Endpoint,
    /// What is told.
    pub event: ToldEvent,
    /// The number that stands for its player towards endpoints of [`super::Dialect::Kongregate`]: positive, never changed,
    /// of one player in a realm. `None` for other endpoints, and events of nobody.
    pub player_number: Option<i64>,
}

/// An attempt that was made, and what becomes of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptReport {
    /// The realm.
    pub realm: RealmId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The taking under which it was attempted: nothing is stored if another has taken it since.
    pub claim: ClaimId,
    /// The attempt.
    pub attempt: Attempt,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Whether the endpoint was failing when the delivery was taken: only then must a success be noted on it.
    pub was_failing: bool,
    /// The id of the entry in the audit log, should the endpoint be disabled by it.
    pub audit: AuditId,
}

/// An event that nobody has been assigned to yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undispatched {
    /// The realm.
    pub realm: RealmId,
    /// The event.
    pub id: OutboxEventId,
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
}

/// A delivery to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDelivery {
    /// The realm.
    pub realm: RealmId,
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// The event.
    pub event: OutboxEventId,
    /// What it tells of.
    pub name: EventName,
    /// When that happened.
    pub occurred_at: Timestamp,
}

/// An endpoint as far as it matters for who is told what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscriber {
    /// The realm.
    pub realm: RealmId,
    /// The endpoint.
    pub id: EndpointId,
    /// Of what it is told.
    pub events: EventNames,
    /// Whether it is disabled: then events are kept for it, and not delivered.
    pub is_disabled: bool,
}

/// Who is told of `events`: each subscriber that is not disabled, once. In the order of the events.
pub fn fan_out(events: &[Undispatched], subscribers: &[Subscriber]) -> Vec<NewDelivery> {
    let wants = |subscriber: &&Subscriber, event: &Undispatched| {
        subscriber.realm == event.realm && !subscriber.is_disabled && subscriber.events.contains(event.name)
    };
    let told = events.iter().flat_map(|event| {
        let subscribers = subscribers.iter().filter(move |subscriber| wants(subscriber, event));
        subscribers.map(|subscriber| NewDelivery {
            realm: event.realm,
            id: DeliveryId::of(subscriber.id, event.id, event.at),
            endpoint: subscriber.id,
            event: event.id,
            name: event.name,
            occurred_at: event.at,
        })
    });
    told.collect()
}
