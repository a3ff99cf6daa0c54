//! Rows of endpoints, events and deliveries, and what is stored of what the domain decided about them.

use std::borrow::Cow;
use std::time::Duration;

use diesel::Queryable;
use diesel::result::Error;
use domain::audit_log::{AuditAction, AuditEntry};
use domain::clock::Timestamp;
use domain::economy::Actor;
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use domain::text::{FreeText, JsonObject};
use domain::webhooks::{
    Attempt, AttemptOutcome, AttemptReport, Delivery, DeliveryId, DeliveryStatus, Dialect, DisabledReason, Endpoint,
    EndpointId, EndpointUrl, EventName, EventNames, FeedPosition, OutboxEventId, Rotating, Sealed, ToldEvent,
    Undispatched, Verdict,
};
use uuid::{Builder, Uuid};

use super::{StoredUuid, named, time, time_if_any, unreadable};

/// Who disables endpoints, where nobody asked for it.
const DISABLER: &str = "purser";

/// An endpoint in five groups: what it is, whether it is told anything, its secret, its callback key, its times.
pub(crate) type EndpointRow = (
    (StoredUuid, String, String, String, String),
    (Option<String>, Option<i64>, Option<i64>),
    (Vec<u8>, Option<Vec<u8>>, Option<i64>),
    (Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>),
    (i64, i64),
);

/// Reads an endpoint back.
pub(crate) fn endpoint_of(row: EndpointRow) -> Result<Endpoint, Error> {
    let ((id, url, description, dialect, events), (reason, disabled_at, failing_since), secret, key, times) = row;
    let (current, previous, until) = secret;
    let (key, previous_key, key_until) = key;
    let reason = reason.map(|reason| named("reason for disabling", &reason, DisabledReason::parse)).transpose()?;
    Ok(Endpoint {
        id: EndpointId(id.0),
        url: EndpointUrl::restore(url),
        description: FreeText::restore(description),
        dialect: named("dialect", &dialect, Dialect::parse)?,
        events: EventNames::restore(&events),
        disabled: reason.zip(time_if_any(disabled_at)),
        failing_since: time_if_any(failing_since),
        secret: rotating(current, previous, until),
        callback_key: key.map(|key| rotating(key, previous_key, key_until)),
        created_at: time(times.0),
        updated_at: time(times.1),
    })
}

fn rotating(current: Vec<u8>, previous: Option<Vec<u8>>, until: Option<i64>) -> Rotating {
    Rotating { current: Sealed(current), previous: previous.map(Sealed).zip(time_if_any(until)) }
}

/// The columns of a secret: the newest, the one before, until when that is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretColumns<'a> {
    /// The newest; `None` where there is no such secret.
    pub(crate) current: Option<&'a [u8]>,
    /// The one before.
    pub(crate) previous: Option<&'a [u8]>,
    /// Until when that is good.
    pub(crate) until: Option<i64>,
}

impl<'a> SecretColumns<'a> {
    /// What is stored of `secret`.
    pub(crate) fn of(secret: Option<&'a Rotating>) -> Self {
        let previous = secret.and_then(|secret| secret.previous.as_ref());
        Self {
            current: secret.map(|secret| secret.current.0.as_slice()),
            previous: previous.map(|(sealed, _)| sealed.0.as_slice()),
            until: previous.map(|(_, until)| until.unix_micros()),
        }
    }
}

/// The columns of whether an endpoint is told anything: why not, since when not, since when it has failed.
pub(crate) fn trouble_columns(endpoint: &Endpoint) -> (Option<&'static str>, Option<i64>, Option<i64>) {
    let (reason, at) = endpoint.disabled.unzip();
    let micros = |at: Option<Timestamp>| at.map(Timestamp::unix_micros);
    (reason.map(DisabledReason::as_str), micros(at), micros(endpoint.failing_since))
}

/// The realm of a number: its studio, its game, its environment.
pub(crate) type RealmRow = (StoredUuid, StoredUuid, String);

/// Reads the realm `id` back.
pub(crate) fn realm_of((studio, game, environment): RealmRow, id: RealmId) -> Result<Realm, Error> {
    let environment = named("environment", &environment, Environment::parse)?;
    Ok(Realm { id, studio: StudioId(studio.0), game: GameId(game.0), environment })
}

/// An event in three groups: the event, whom it is of and what they are called now, what is told.
pub(crate) type ToldRow =
    ((Option<i64>, StoredUuid, String, i64), (Option<StoredUuid>, Option<String>), (String, Option<String>));

/// Reads an event of `realm` back. One that is not published may have no place in the feed yet; it is told with the first.
pub(crate) fn told_event(row: ToldRow, realm: &Realm) -> Result<ToldEvent, Error> {
    let ((position, id, name, at), (player, external_id), (data, words)) = row;
    Ok(ToldEvent {
        realm: *realm,
        position: FeedPosition(position.unwrap_or_default()),
        id: OutboxEventId(id.0),
        name: named("name of an event", &name, EventName::parse)?,
        at: time(at),
        player: player.map(|player| PlayerId(player.0)).zip(external_id.map(ExternalId::restore)),
        data: JsonObject::restore(data),
        words: words.map(JsonObject::restore),
    })
}

/// The name of an event, its id and when it happened: as far as it matters for who is told of it. `None` when only a later version
/// knows its name, which this one cannot tell and must not have in the way of the rest.
pub(crate) fn undispatched(realm: RealmId, (id, name, at): (StoredUuid, &str, i64)) -> Option<Undispatched> {
    Some(Undispatched { realm, id: OutboxEventId(id.0), name: EventName::parse(name)?, at: time(at) })
}

/// A delivery.
#[derive(Queryable)]
pub(crate) struct DeliveryRow {
    id: StoredUuid,
    endpoint: StoredUuid,
    event: StoredUuid,
    name: String,
    status: String,
    attempts: i64,
    due_at: Option<i64>,
    occurred_at: i64,
    ended_at: Option<i64>,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = Error;

    fn try_from(row: DeliveryRow) -> Result<Self, Error> {
        Ok(Self {
            id: DeliveryId(row.id.0),
            endpoint: EndpointId(row.endpoint.0),
            event: OutboxEventId(row.event.0),
            name: named("name of an event", &row.name, EventName::parse)?,
            status: named("status of a delivery", &row.status, DeliveryStatus::parse)?,
            attempts: count("number of attempts", row.attempts)?,
            due_at: time_if_any(row.due_at),
            occurred_at: time(row.occurred_at),
            ended_at: time_if_any(row.ended_at),
        })
    }
}

/// An attempt.
#[derive(Queryable)]
pub(crate) struct AttemptRow {
    number: i64,
    attempted_at: i64,
    took: i64,
    answer_status: Option<i64>,
    answer_body: Option<String>,
    retry_after: Option<i64>,
    error: Option<String>,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = Error;

    fn try_from(row: AttemptRow) -> Result<Self, Error> {
        let outcome = match (row.answer_status, row.answer_body) {
            (Some(status), Some(body)) => AttemptOutcome::Answered {
                status: u16::try_from(status).map_err(|_| unreadable("HTTP status", &status.to_string()))?,
                body,
                retry_after: row.retry_after.map(duration),
            },
            (_, _) => AttemptOutcome::Failed { error: row.error.unwrap_or_default() },
        };
        let number = count("number of an attempt", row.number)?;
        Ok(Self { number, at: time(row.attempted_at), took: duration(row.took), outcome })
    }
}

/// The columns of what came back of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct OutcomeColumns<'a> {
    /// The HTTP status of the answer.
    pub(crate) answer_status: Option<i64>,
    /// The beginning of its body.
    pub(crate) answer_body: Option<Cow<'a, str>>,
    /// How long it asks to wait, in microseconds.
    pub(crate) retry_after: Option<i64>,
    /// Why there was none.
    pub(crate) error: Option<Cow<'a, str>>,
}

impl<'a> OutcomeColumns<'a> {
    /// What is stored of `outcome`. NUL, which PostgreSQL cannot store in text and nobody can read anyway, is replaced.
    pub(crate) fn of(outcome: &'a AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Answered { status, body, retry_after } => Self {
                answer_status: Some(i64::from(*status)),
                answer_body: Some(without_nul(body)),
                retry_after: retry_after.map(micros),
                error: None,
            },
            AttemptOutcome::Failed { error } => {
                Self { answer_status: None, answer_body: None, retry_after: None, error: Some(without_nul(error)) }
            }
        }
    }
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The columns of how far a delivery is: its status, when it is due, when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProgressColumns {
    /// The name of its status.
    pub(crate) status: &'static str,
    /// When it is due.
    pub(crate) due_at: Option<i64>,
    /// When it ended.
    pub(crate) ended_at: Option<i64>,
}

impl ProgressColumns {
    /// What is stored of the delivery after `report`. It ends when its last attempt ended.
    pub(crate) fn after(report: &AttemptReport) -> Self {
        let ended_at = Some(report.attempt.at.plus(report.attempt.took).unix_micros());
        match report.verdict {
            Verdict::Delivered => Self { status: DeliveryStatus::Delivered.as_str(), due_at: None, ended_at },
            Verdict::Exhausted | Verdict::Gone => {
                Self { status: DeliveryStatus::Failed.as_str(), due_at: None, ended_at }
            }
            Verdict::Retry { at } => {
                let (status, due_at) = (DeliveryStatus::Pending.as_str(), Some(at.unix_micros()));
                Self { status, due_at, ended_at: None }
            }
        }
    }
}

/// Whether `report` may change its endpoint: only then is the endpoint looked at.
pub(crate) fn concerns_endpoint(report: &AttemptReport) -> bool {
    report.was_failing || report.verdict != Verdict::Delivered
}

/// The entry in the audit log of `after` having been disabled by one of `reports`, if `before` was not.
pub(crate) fn disabling(
    realm: RealmId,
    before: &Endpoint,
    after: &Endpoint,
    reports: &[&AttemptReport],
) -> Option<AuditEntry> {
    let (reason, at) = after.disabled.filter(|_| before.disabled.is_none())?;
    let report = reports.iter().find(|report| report.attempt.at == at && report.verdict != Verdict::Delivered)?;
    let entry = AuditEntry::new(realm, report.audit, at, Actor::new(DISABLER), AuditAction::WebhookDisable);
    let details = serde_json::json!({ "webhookId": after.id.0, "reason": reason.as_str() });
    Some(AuditEntry { details: Some(JsonObject::restore(details.to_string())), ..entry })
}

/// The smallest id that an event or a delivery of an event of the millisecond of `at` can have.
pub(crate) fn first_id_of(at: Timestamp) -> Uuid {
    Builder::from_unix_timestamp_millis(u64::try_from(at.unix_millis()).unwrap_or(0), &[0; 10]).into_uuid()
}

/// An id before all that an event of the millisecond of `at` can have.
pub(crate) fn before_all_of(at: Timestamp) -> Uuid {
    Uuid::from_u128(first_id_of(at).as_u128().saturating_sub(1))
}

/// An id after all that an event before `until` can have, as far as ids know: they know the millisecond.
pub(crate) fn after_all_before(until: Timestamp) -> Uuid {
    first_id_of(until.plus(Duration::from_millis(1)))
}

/// The names in `names` that this version knows.
pub(crate) fn known_names(names: EventNames) -> impl Iterator<Item = &'static str> {
    EventName::ALL.into_iter().filter(move |name| names.contains(*name)).map(EventName::as_str)
}

/// The names in `names` that this version knows, each between spaces: what a statement looks a name up in.
pub(crate) fn between_spaces(names: EventNames) -> String {
    known_names(names).fold(" ".to_owned(), |all, name| all + name + " ")
}

/// What is in both sets, as far as this version knows it.
pub(crate) fn in_both(some: EventNames, others: EventNames) -> EventNames {
    EventName::ALL.into_iter().filter(|name| some.contains(*name) && others.contains(*name)).collect()
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Reads [`micros`] back.
pub(crate) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A number of things that cannot be many.
pub(crate) fn count(what: &'static str, number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| unreadable(what, &number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_an_instant_is_before_all_of_it_and_after_all_before() {
        let at = Timestamp::from_unix_micros(1_772_366_400_123_456);
        let before = Timestamp::from_unix_micros(1_772_366_400_122_999);
        let id = |at: Timestamp, byte: u8| {
            let millis = u64::try_from(at.unix_millis()).expect("after 1970");
            Builder::from_unix_timestamp_millis(millis, &[byte; 10]).into_uuid()
        };
        assert!(first_id_of(at) <= id(at, 0) && id(at, 0) < id(at, 255));
        assert!(id(before, 255) < first_id_of(at));
    }

    #[test]
    fn the_ids_of_a_range_lie_between_its_ends() {
        let at = Timestamp::from_unix_micros(1_772_366_400_123_456);
        let until = at.plus(Duration::from_micros(1));
        assert!(before_all_of(at) < first_id_of(at));
        let last = Builder::from_unix_timestamp_millis(1_772_366_400_123, &[255; 10]).into_uuid();
        assert!(last < after_all_before(until));
    }

    #[test]
    fn nul_is_replaced_in_what_came_back() {
        let answered = |body: &str| AttemptOutcome::Answered { status: 500, body: body.into(), retry_after: None };
        assert_eq!(OutcomeColumns::of(&answered("a\0b")).answer_body.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(OutcomeColumns::of(&answered("a b")).answer_body.as_deref(), Some("a b"));
        let failed = AttemptOutcome::Failed { error: "\0".into() };
        assert_eq!(OutcomeColumns::of(&failed).error.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn names_are_found_between_spaces() {
        let names = EventNames::parse(["player.banned", "grant.created"]).expect("names");
        assert_eq!(between_spaces(names), " grant.created player.banned ");
        assert!(between_spaces(EventNames::ALL).contains(" wallet.changed "));
        assert_eq!(between_spaces(EventNames::NONE), " ");
    }
}
