//! Deliveries and their attempts as those who configure webhooks see them.

use std::time::Duration;

use domain::webhooks::{Attempt, AttemptOutcome, Delivery, DeliveryStatus, ToldEvent, envelope};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::event_schemas::EventEnvelope;
use crate::economy::JsonView;
use crate::instant::Instant;

/// The parameter of every route about one delivery.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct DeliveryParams {
    /// The delivery's id.
    #[param(rename = "deliveryId", format = Uuid)]
    delivery_id: String,
}

/// A delivery: one event for one webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryView {
    /// Its id.
    id: String,
    /// The id of the event: the `id` of the envelope, the same at every attempt.
    event_id: String,
    /// What it tells of.
    #[schema(value_type = String, example = "wallet.changed")]
    event_name: &'static str,
    /// How far it is.
    #[schema(value_type = DeliveryStatusName)]
    status: &'static str,
    /// How often it was attempted.
    attempts: u32,
    /// When the next attempt is due; null when there is none.
    #[schema(required = true)]
    next_attempt_at: Option<Instant>,
    /// When the event happened.
    occurred_at: Instant,
    /// When it arrived or was given up; null while it waits.
    #[schema(required = true)]
    ended_at: Option<Instant>,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.0.to_string(),
            event_id: delivery.event.0.to_string(),
            event_name: delivery.name.as_str(),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.due_at.filter(|_| delivery.status == DeliveryStatus::Pending).map(Instant),
            occurred_at: Instant(delivery.occurred_at),
            ended_at: delivery.ended_at.map(Instant),
        }
    }
}

/// A delivery with all that is known of it.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryResponse {
    data: WholeDeliveryView,
}

/// A delivery, its event and its attempts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WholeDeliveryView {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// The envelope as the next attempt would send it; null when the event is no longer kept.
    #[schema(required = true, value_type = Option<EventEnvelope>)]
    event: Option<JsonView>,
    /// The latest attempts, oldest first, at most 100.
    attempt_log: Vec<DeliveryAttemptView>,
}

impl From<(Delivery, Option<ToldEvent>, Vec<Attempt>)> for DeliveryResponse {
    fn from((delivery, event, attempts): (Delivery, Option<ToldEvent>, Vec<Attempt>)) -> Self {
        let next = delivery.attempts.saturating_add(1);
        let data = WholeDeliveryView {
            delivery: DeliveryView::from(&delivery),
            event: event.map(|event| enveloped(&event, Some(next))),
            attempt_log: attempts.into_iter().map(DeliveryAttemptView::from).collect(),
        };
        Self { data }
    }
}

/// The envelope of `event`, of the attempt of that number if it is one of an attempt.
pub(super) fn enveloped(event: &ToldEvent, attempt: Option<u32>) -> JsonView {
    JsonView(domain::text::JsonObject::restore(envelope(event, attempt)))
}

/// An attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryAttemptView {
    /// The how many-eth it was, from 1.
    number: u32,
    /// When it began.
    at: Instant,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    #[serde(flatten)]
    answer: AnswerView,
}

impl From<Attempt> for DeliveryAttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            number: attempt.number,
            at: Instant(attempt.at),
            duration_ms: millis(attempt.took),
            answer: attempt.outcome.into(),
        }
    }
}

/// What came back of an attempt.
#[derive(Serialize, ToSchema)]
pub(super) struct AnswerView {
    /// The HTTP status of the answer; null when there was none.
    #[schema(required = true, minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// The beginning of the answer's body, at most 1 KiB; null when there was no answer.
    #[schema(required = true)]
    body: Option<String>,
    /// Why there was no answer; null when there was one.
    #[schema(required = true, example = "timed out after 10 s")]
    error: Option<String>,
}

impl From<AttemptOutcome> for AnswerView {
    fn from(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Answered { status, body, retry_after: _ } => {
                Self { status: Some(status), body: Some(body), error: None }
            }
            AttemptOutcome::Failed { error } => Self { status: None, body: None, error: Some(error) },
        }
    }
}

/// The answer to a replay.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplayResponse {
    data: ReplayView,
}

/// What was queued again.
#[derive(Serialize, ToSchema)]
struct ReplayView {
    /// How many deliveries are due now.
    queued: u32,
}

impl ReplayResponse {
    /// That so many deliveries were queued.
    pub(super) fn of(queued: u32) -> Self {
        Self { data: ReplayView { queued } }
    }
}

/// `duration` in whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How far a delivery is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum DeliveryStatusName {
    /// It will be attempted, the first time or again.
    Pending,
    /// It arrived.
    Delivered,
    /// It was given up.
    Failed,
}
