//! For the tests of this module: endpoints, attempts and what becomes of them.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::audit_log::AuditId;
use crate::clock::Timestamp;
use crate::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use crate::text::FreeText;

pub(super) const HOUR: u64 = 60 * 60;

/// So many seconds after the tests begin.
pub(super) fn second(number: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_772_366_400_000_000).plus(Duration::from_secs(number))
}

pub(super) fn realm() -> Realm {
    Realm {
        id: RealmId(7),
        studio: StudioId(Uuid::from_u128(1)),
        game: GameId(Uuid::from_u128(2)),
        environment: Environment::Sandbox,
    }
}

pub(super) fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

pub(super) fn names(names: &[EventName]) -> EventNames {
    names.iter().copied().collect()
}

/// An endpoint that is told of everything in its dialect.
pub(super) fn endpoint(number: u128, dialect: Dialect) -> Endpoint {
    let key = Rotating::new(sealed("key"));
    Endpoint {
        id: EndpointId(Uuid::from_u128(number)),
        url: EndpointUrl::try_new("https://studio.example/hooks").unwrap(),
        description: FreeText::try_new("hooks").unwrap(),
        dialect,
        events: dialect.speaks_of(),
        disabled: None,
        failing_since: None,
        secret: Rotating::new(sealed("secret")),
        callback_key: (dialect == Dialect::Kongregate).then_some(key),
        created_at: second(0),
        updated_at: second(0),
    }
}

pub(super) fn answered(status: u16, retry_after: Option<u64>) -> AttemptOutcome {
    let retry_after = retry_after.map(Duration::from_secs);
    AttemptOutcome::Answered { status, body: String::new(), retry_after }
}

pub(super) fn failed() -> AttemptOutcome {
    AttemptOutcome::Failed { error: "timed out after 10 s".to_owned() }
}

/// That an attempt at `endpoint`, begun at second `at`, came to `verdict`.
pub(super) fn report(endpoint: &Endpoint, at: u64, verdict: Verdict) -> AttemptReport {
    AttemptReport {
        realm: realm().id,
        endpoint: endpoint.id,
        delivery: DeliveryId(Uuid::nil()),
        claim: ClaimId(Uuid::nil()),
        attempt: Attempt { number: 1, at: second(at), took: Duration::ZERO, outcome: answered(200, None) },
        verdict,
        was_failing: false,
        audit: AuditId(Uuid::nil()),
    }
}
