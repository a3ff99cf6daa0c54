//! Builders of endpoints, and of what is done with them and their deliveries.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::Actor;
use domain::ids::Ids;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, DeliveryId, Dialect, Endpoint, EndpointChange,
    EndpointEdit, EndpointId, EndpointUrl, EventName, EventNames, NewEndpoint, Replay, ReplayRange, Rotating, Sealed,
    TakeDue, Verdict,
};

use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::text;

/// Until when what a test takes is nobody else's, unless it says otherwise: so long after it was taken.
const LEASE: Duration = Duration::from_secs(30);

/// An endpoint that is told of `names` in JSON, made at [`START`].
pub fn endpoint(names: EventNames) -> Endpoint {
    let at = start_of_tests();
    Endpoint {
        id: EndpointId(SequentialIds.next(at)),
        url: endpoint_url("https://studio.example/hooks"),
        description: text("economy to warehouse"),
        dialect: Dialect::Json,
        events: names,
        disabled: None,
        failing_since: None,
        secret: Rotating::new(sealed()),
        callback_key: None,
        created_at: at,
        updated_at: at,
    }
}

/// An endpoint that is told of every change of a holding as Kongregate tells it.
pub fn form_endpoint() -> Endpoint {
    let callback_key = Some(Rotating::new(sealed()));
    Endpoint { dialect: Dialect::Kongregate, callback_key, ..endpoint(Dialect::Kongregate.speaks_of()) }
}

/// A set of names of events.
pub fn names(names: &[EventName]) -> EventNames {
    names.iter().copied().collect()
}

/// The URL of an endpoint.
pub fn endpoint_url(url: &str) -> EndpointUrl {
    EndpointUrl::try_new(url).expect("the test gives a URL that is allowed")
}

/// A secret that no other endpoint has, sealed.
pub fn sealed() -> Sealed {
    Sealed(SequentialIds.random().to_vec())
}

/// What stores `endpoint`.
pub fn new_endpoint(realm: RealmId, endpoint: &Endpoint) -> NewEndpoint {
    let audit = audit(realm, endpoint.created_at, AuditAction::WebhookCreate);
    NewEndpoint { realm, endpoint: endpoint.clone(), audit }
}

/// What changes an endpoint, so long after [`START`].
pub fn endpoint_change(realm: RealmId, id: EndpointId, after: Duration, edit: EndpointEdit) -> EndpointChange {
    let at = start_of_tests().plus(after);
    let audit = audit(realm, at, edit.action());
    EndpointChange { realm, id, at, edit, audit }
}

/// An edit that enables or disables an endpoint.
pub fn enabled(enabled: bool) -> EndpointEdit {
    EndpointEdit::Revise { url: None, description: None, events: None, enabled: Some(enabled) }
}

/// An edit that changes of what an endpoint is told.
pub fn subscribed(events: EventNames) -> EndpointEdit {
    EndpointEdit::Revise { url: None, description: None, events: Some(events), enabled: None }
}

/// Takes all that is due at `now`, for half a minute.
pub fn take(now: Timestamp) -> TakeDue {
    TakeDue {
        now,
        until: now.plus(LEASE),
        claim: ClaimId(SequentialIds.next(now)),
        per_endpoint: 1_000_000,
        held: BTreeMap::new(),
        limit: 1_000_000,
    }
}

/// That the next attempt of `assignment`, begun at `at`, came to `verdict`; with an answer that fits.
pub fn report(assignment: &Assignment, at: Timestamp, verdict: Verdict) -> AttemptReport {
    let (status, body) = match verdict {
        Verdict::Delivered => (204, ""),
        Verdict::Retry { .. } | Verdict::Exhausted => (503, "try later"),
        Verdict::Gone => (410, "gone"),
    };
    let outcome = AttemptOutcome::Answered { status, body: body.to_owned(), retry_after: None };
    AttemptReport {
        realm: assignment.event.realm.id,
        endpoint: assignment.endpoint.id,
        delivery: assignment.delivery,
        claim: assignment.claim,
        attempt: Attempt { number: assignment.attempts + 1, at, took: Duration::from_millis(12), outcome },
        verdict,
        was_failing: assignment.endpoint.failing_since.is_some(),
        audit: AuditId(SequentialIds.next(at)),
    }
}

/// Queues one delivery again, at `at`.
pub fn replay_one(realm: RealmId, endpoint: EndpointId, at: Timestamp, delivery: DeliveryId) -> Replay {
    replay(realm, endpoint, at, ReplayRange::One(delivery))
}

/// Queues all that happened from `since` on and before `until` again, at `until`.
pub fn replay_between(realm: RealmId, endpoint: EndpointId, since: Timestamp, until: Timestamp) -> Replay {
    let (names, only_failed) = (EventNames::ALL, false);
    replay(realm, endpoint, until, ReplayRange::Between { since, until, names, only_failed })
}

fn replay(realm: RealmId, endpoint: EndpointId, at: Timestamp, range: ReplayRange) -> Replay {
    Replay { realm, endpoint, at, range, audit: audit(realm, at, AuditAction::WebhookReplay) }
}

fn audit(realm: RealmId, at: Timestamp, action: AuditAction) -> AuditEntry {
    AuditEntry::new(realm, AuditId(SequentialIds.next(at)), at, Actor::new("ka_sandbox_test000000"), action)
}

fn start_of_tests() -> Timestamp {
    Timestamp::from_unix_micros(START)
}
