//! Readers of the fields that requests about endpoints have in common.

use std::time::Duration;

use domain::webhooks::{Endpoint, EndpointId, EndpointUrl, EventNames, InvalidEndpointUrl, Webhooks};
use serde_json::value::RawValue;

use crate::body::{Body, Members};
use crate::elements;
use crate::field_errors::{Fault, FieldErrors};
use crate::fields::{self, InvalidText, InvalidTextField};
use crate::path::NamedPath;
use crate::problem::Problem;
use crate::webhook_refusals::note_target;

/// The most names that a list of events can have, each as often as one likes.
const NAMES_MAX: usize = 100;

/// The longest overlap of secrets, in seconds.
const OVERLAP_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// What is wrong with a request about an endpoint, and the URL that it names nevertheless.
pub(super) struct Wrong {
    pub(super) errors: FieldErrors,
    pub(super) url: Option<EndpointUrl>,
}

impl Wrong {
    /// The answer to it, which says of the URL as well what could only be found out by looking.
    pub(super) async fn told(self, webhooks: &Webhooks) -> Problem {
        let Self { mut errors, url } = self;
        if let Some(url) = url
            && let Err(refused) = webhooks.check(&url).await
        {
            note_target(&refused, &mut errors);
        }
        errors.into()
    }
}

/// Reads `sent`, the member `url`, as where an endpoint is.
pub(super) fn url(sent: Option<&RawValue>, errors: &mut FieldErrors) -> Option<EndpointUrl> {
    let read = |value| -> Result<EndpointUrl, InvalidTextField<InvalidEndpointUrl>> {
        EndpointUrl::try_new(&fields::text(value)?).map_err(InvalidTextField::Refused)
    };
    read(sent?).map_err(|refused| errors.add_as(Fault::WebhookUrl, "url", refused)).ok()
}

/// Reads `sent`, the member `events`, as names of events: a list of them, or one.
pub(super) fn event_names(sent: Option<&RawValue>, errors: &mut FieldErrors) -> Option<EventNames> {
    let sent = sent?;
    if !matches!(fields::text(sent), Err(InvalidText::NotAString)) {
        return event_name("events".to_owned(), sent, errors);
    }
    let mut refuse = |message: String| errors.add_as(Fault::EventNames, "events", message);
    let Some(elements) = elements::first_of(sent, NAMES_MAX + 1) else {
        refuse("must be an array of names of events".to_owned());
        return None;
    };
    if elements.is_empty() {
        refuse("must name at least one event, or \"*\" for all of them".to_owned());
        return None;
    }
    if NAMES_MAX < elements.len() {
        refuse(format!("must be at most {NAMES_MAX} names"));
        return None;
    }
    let names = elements.into_iter().enumerate();
    let names: Vec<_> = names.map(|(index, name)| event_name(format!("events[{index}]"), name, errors)).collect();
    names.into_iter().try_fold(EventNames::NONE, |all, names| Some(all.union(names?)))
}

fn event_name(path: String, sent: &RawValue, errors: &mut FieldErrors) -> Option<EventNames> {
    let read = || -> Result<EventNames, InvalidTextField<_>> {
        EventNames::parse([&*fields::text(sent)?]).map_err(InvalidTextField::Refused)
    };
    read().map_err(|refused| errors.add_as(Fault::EventNames, path, refused)).ok()
}

/// Reads the member `overlapSeconds`: for how long secrets that are replaced stay good.
pub(super) fn overlap(members: &Members<'_>, errors: &mut FieldErrors) -> Duration {
    let seconds = members.optional("overlapSeconds", fields::between(0..=OVERLAP_SECONDS_MAX), errors);
    seconds.map_or(Endpoint::ROTATION_OVERLAP, |seconds| Duration::from_secs(seconds.into()))
}

/// Reads the parameter `webhookId`, which comes next.
pub(super) fn webhook_id(path: &mut NamedPath<'_>, errors: &mut FieldErrors) -> Option<EndpointId> {
    path.uuid("webhookId", errors).map(EndpointId)
}

/// The endpoint that a request is about whose body says nothing.
pub(super) fn webhook_alone(path: &mut NamedPath<'_>, body: &Body) -> Result<EndpointId, Problem> {
    let mut errors = FieldErrors::default();
    let id = webhook_id(path, &mut errors);
    body.members(&mut errors);
    id.filter(|_| errors.is_empty()).ok_or(Problem::Invalid(errors))
}
