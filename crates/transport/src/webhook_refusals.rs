//! What is answered when webhooks and API keys say no. Belongs to [`crate::problem`], whose rules hold here.

use domain::economy::Failure;
use domain::keys::KeyError;
use domain::webhooks::{Endpoint, EndpointRefusal, TargetRefused, WebhookFailure};
use serde_json::json;

use crate::field_errors::{Fault, FieldErrors};
use crate::play_refusals::{conflict, not_found};
use crate::problem::{Problem, sentence};

impl From<WebhookFailure> for Problem {
    /// The verdict on every failure. There is no `_` arm: a new one does not compile until someone chooses its answer.
    fn from(failure: WebhookFailure) -> Self {
        let message = sentence(&failure);
        match failure {
            WebhookFailure::Refused(EndpointRefusal::NotFound) | WebhookFailure::DeliveryNotFound => not_found(message),
            WebhookFailure::Refused(EndpointRefusal::TooMany) => {
                conflict(message, json!({ "reason": "too_many_webhooks", "limit": Endpoint::COUNT_MAX }))
            }
            WebhookFailure::Refused(EndpointRefusal::NotInDialect) => {
                let mut errors = FieldErrors::default();
                errors.add_as(Fault::EventNames, "events", EndpointRefusal::NotInDialect);
                errors.into()
            }
            WebhookFailure::Target(refused) => {
                let mut errors = FieldErrors::default();
                note_target(&refused, &mut errors);
                errors.into()
            }
            WebhookFailure::Unreadable(_) => conflict(message, json!({ "reason": "secret_unreadable" })),
            WebhookFailure::Store(cause) => Self::Failed(Failure::Store(cause)),
        }
    }
}

/// Notes that a webhook may not be where it is to be.
pub(crate) fn note_target(refused: &TargetRefused, errors: &mut FieldErrors) {
    errors.add_as(Fault::WebhookUrl, "url", refused);
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let message = sentence(&error);
        match error {
            KeyError::NotFound => not_found(message),
            KeyError::Revoked => conflict(message, json!({ "reason": "revoked" })),
            KeyError::Expired => conflict(message, json!({ "reason": "expired" })),
            KeyError::Store(cause) => Self::Failed(Failure::Store(cause)),
        }
    }
}
