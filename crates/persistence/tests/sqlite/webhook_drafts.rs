//! Endpoints, takings and reports, as the tests here write them.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::Actor;
use domain::ids::Ids;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, Dialect, Endpoint, EndpointChange, EndpointEdit,
    EndpointId, EndpointUrl, EventNames, FeedPosition, NewEndpoint, Replay, ReplayRange, Rotating, Sealed, TakeDue,
    ToldEvent, Verdict,
};
use testkit::contract::World;
use testkit::{START, SequentialIds, text};

/// So many seconds after the start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(START).plus(Duration::from_secs(seconds))
}

/// Names of events.
pub(crate) fn names(names: &str) -> EventNames {
    EventNames::parse(names.split(' ')).expect("the test gives names of events")
}

/// A new endpoint that is told of `events`.
pub(crate) fn endpoint(dialect: Dialect, events: &str) -> Endpoint {
    let secret = |text: &[u8]| Rotating::new(Sealed(text.to_vec()));
    Endpoint {
        id: EndpointId(SequentialIds.next(at(0))),
        url: EndpointUrl::try_new("https://example.com/hook").expect("a URL"),
        description: text("back end"),
        dialect,
        events: names(events),
        disabled: None,
        failing_since: None,
        secret: secret(b"sealed"),
        callback_key: (dialect == Dialect::Kongregate).then(|| secret(b"key")),
        created_at: at(0),
        updated_at: at(0),
    }
}

/// An entry of the audit log.
pub(crate) fn audited(realm: RealmId, action: AuditAction) -> AuditEntry {
    AuditEntry::new(realm, AuditId(SequentialIds.next(at(0))), at(0), Actor::new("command_line"), action)
}

/// Stores an endpoint of the world's realm that is told of `events`.
pub(crate) async fn subscribe(world: &World, dialect: Dialect, events: &str) -> Endpoint {
    let endpoint = endpoint(dialect, events);
    let audit = audited(world.realm, AuditAction::WebhookCreate);
    let new = NewEndpoint { realm: world.realm, endpoint: endpoint.clone(), audit };
    world.stores.endpoints.create_endpoint(&new).await.expect("the store works").expect("not too many");
    endpoint
}

/// Changes an endpoint of the world's realm.
pub(crate) async fn edit(world: &World, id: EndpointId, edit: EndpointEdit) -> Endpoint {
    let audit = audited(world.realm, edit.action());
    let change = EndpointChange { realm: world.realm, id, at: at(9), edit, audit };
    world.stores.endpoints.change_endpoint(&change).await.expect("the store works").expect("it is there")
}

/// Enables or disables an endpoint.
pub(crate) fn enabled(enabled: bool) -> EndpointEdit {
    EndpointEdit::Revise { url: None, description: None, events: None, enabled: Some(enabled) }
}

/// A taking of as much as there is, for a minute.
pub(crate) fn ask(seconds: u64) -> TakeDue {
    TakeDue {
        now: at(seconds),
        until: at(seconds + 60),
        claim: ClaimId(SequentialIds.next(at(seconds))),
        per_endpoint: 1_000,
        held: BTreeMap::new(),
        limit: 1_000,
    }
}

/// Takes what is due.
pub(crate) async fn take(world: &World, seconds: u64) -> Vec<Assignment> {
    world.stores.outbox.take_due(&ask(seconds)).await.expect("the store works")
}

/// What came of attempting `assignment`.
pub(crate) fn report(assignment: &Assignment, seconds: u64, verdict: Verdict) -> AttemptReport {
    let outcome = match verdict {
        Verdict::Delivered => AttemptOutcome::Answered { status: 204, body: "ok".to_owned(), retry_after: None },
        Verdict::Gone => {
            AttemptOutcome::Answered { status: 410, body: String::new(), retry_after: Some(Duration::from_secs(7)) }
        }
        Verdict::Retry { .. } | Verdict::Exhausted => AttemptOutcome::Failed { error: "timed out".to_owned() },
    };
    let attempt =
        Attempt { number: assignment.attempts + 1, at: at(seconds), took: Duration::from_micros(1_234), outcome };
    AttemptReport {
        realm: assignment.event.realm.id,
        endpoint: assignment.endpoint.id,
        delivery: assignment.delivery,
        claim: assignment.claim,
        attempt,
        verdict,
        was_failing: assignment.endpoint.failing_since.is_some(),
        audit: AuditId(SequentialIds.next(at(seconds))),
    }
}

/// Stores what came of attempts; the endpoints that were disabled by it.
pub(crate) async fn record(world: &World, reports: &[AttemptReport]) -> Vec<(RealmId, Endpoint)> {
    world.stores.outbox.record(reports).await.expect("the store works")
}

/// A replay for an endpoint of the world's realm.
pub(crate) async fn replay(world: &World, endpoint: EndpointId, seconds: u64, range: ReplayRange) -> Option<u32> {
    let audit = audited(world.realm, AuditAction::WebhookReplay);
    let replay = Replay { realm: world.realm, endpoint, at: at(seconds), range, audit };
    world.stores.deliveries.replay(&replay).await.expect("the store works")
}

/// All events of the world's realm.
pub(crate) async fn feed(world: &World) -> Vec<ToldEvent> {
    let page = world.stores.feed.feed(world.realm, FeedPosition(0), EventNames::ALL, 10_000).await;
    page.expect("the store works").rows
}
