//! Readers of the parts of an event.

use domain::lobbies::{EventDefinition, Metric, MetricKey, Score, Span, Windows};
use serde_json::value::RawValue;

use super::shared_fields::{accepted, check_sent_name};
use crate::body::Members;
use crate::field_errors::FieldErrors;
use crate::fields::{self, InvalidTextField};

/// The most seconds of a schedule: what every client's integers hold.
const SECONDS_MAX: u32 = 2_147_483_647;

/// The board of an event, as far as it was sent.
#[derive(Default)]
pub(super) struct SentBoard {
    pub(super) capacity: Option<u32>,
    pub(super) fill_bots: Option<bool>,
    pub(super) fill_timeout_seconds: Option<u32>,
}

impl SentBoard {
    /// What `board`, the object of that name, says.
    pub(super) fn of(board: &Members<'_>, errors: &mut FieldErrors) -> Self {
        let capacities = fields::between(1..=EventDefinition::CAPACITY_MAX);
        let timeouts = fields::between(0..=EventDefinition::FILL_TIMEOUT_SECONDS_MAX);
        Self {
            capacity: board.optional("capacity", capacities, errors),
            fill_bots: board.optional("fillBots", fields::boolean, errors),
            fill_timeout_seconds: board.optional("fillTimeoutSeconds", timeouts, errors),
        }
    }
}

/// When an event can be played; `None` when nothing was said of it, and after noting what is wrong.
pub(super) fn windows(members: &Members<'_>, errors: &mut FieldErrors) -> Option<Windows> {
    let (are_listed, are_scheduled) = (members.has("windows"), members.has("schedule"));
    if are_listed && are_scheduled {
        errors.add("schedule", "must not be sent together with windows");
    }
    let listed = if are_listed { listed(members, errors) } else { None };
    let scheduled = if are_scheduled { scheduled(members, errors) } else { None };
    listed.or(scheduled)
}

fn listed(members: &Members<'_>, errors: &mut FieldErrors) -> Option<Windows> {
    let elements = members.elements_up_to("windows", Windows::COUNT_MAX, "must be an array of windows", errors)?;
    let read = elements.into_iter().enumerate().map(|(index, element)| {
        let window = members.element("windows", index, element, errors)?;
        let starts_at = window.required("startsAt", fields::instant, errors);
        let ends_at = window.required("endsAt", fields::instant, errors);
        Some(Span { starts_at: starts_at?, ends_at: ends_at? })
    });
    let read: Vec<Option<Span>> = read.collect();
    if let Some(spans) = read.iter().copied().collect() {
        return accepted(Windows::explicit(spans), errors);
    }
    // Whether they overlap cannot be told. What can be told of each alone is.
    for (index, span) in read.into_iter().enumerate().filter_map(|(index, span)| Some((index, span?))) {
        for part in Windows::explicit(vec![span]).err().unwrap_or_default() {
            errors.add(format!("windows[{index}].endsAt"), part.message);
        }
    }
    None
}

fn scheduled(members: &Members<'_>, errors: &mut FieldErrors) -> Option<Windows> {
    let schedule = members.object("schedule", errors)?;
    let starts_at = schedule.required("startsAt", fields::instant, errors);
    let every_seconds = schedule.required("everySeconds", fields::between(1..=SECONDS_MAX), errors);
    let length_seconds = schedule.required("lengthSeconds", fields::between(1..=SECONDS_MAX), errors);
    accepted(Windows::schedule(starts_at?, every_seconds?, length_seconds?), errors)
}

/// What is counted; `None` when nothing was said of it, and after noting that it is no array. In place of each metric that
/// cannot be read stands another.
pub(super) fn metrics(members: &Members<'_>, errors: &mut FieldErrors) -> Option<Vec<Metric>> {
    if !members.has("metrics") {
        return None;
    }
    let most = EventDefinition::METRICS_MAX;
    let elements = members.elements_up_to("metrics", most, "must be an array of metrics", errors)?;
    let read = elements.into_iter().enumerate().map(|(index, element)| metric(members, index, element, errors));
    Some(read.collect())
}

fn metric(members: &Members<'_>, index: usize, element: &RawValue, errors: &mut FieldErrors) -> Metric {
    let one = Score::from_thousandths_clamped(1_000);
    // No metric can be called that, so it is there once.
    let unread = MetricKey::restore(format!(" {index}"));
    let Some(metric) = members.element("metrics", index, element, errors) else {
        return Metric { key: unread, target: None, cap: None, weight: one };
    };
    let keys = |value| MetricKey::try_new(&fields::text(value)?).map_err(InvalidTextField::Refused);
    Metric {
        key: metric.required("key", keys, errors).unwrap_or(unread),
        target: metric.optional("target", fields::score, errors),
        cap: metric.optional("cap", fields::score, errors),
        weight: metric.optional("scoreWeight", fields::score, errors).unwrap_or(one),
    }
}

/// Notes what the rules find wrong with these parts of an event, whatever its others are.
pub(super) fn check_parts(name: Option<&str>, metrics: Option<&[Metric]>, errors: &mut FieldErrors) {
    check_sent_name(name, errors);
    metrics.and_then(|metrics| accepted(EventDefinition::check_metrics(metrics), errors));
}
