//! Who is asking: the check of API keys, the route that tells a backend whether its key works, and those by which operators
//! hand keys out and take them back.

mod caller;
mod change_key;
mod issue_key;
mod list_keys;
mod ping;
mod revoke_key;
mod rotate_key;
mod views;

pub(crate) use caller::{AdminCaller, BulkCaller, Caller, GameCaller, GameParams};

use std::fmt;

use domain::clock::Timestamp;
use domain::limits::RateLimit;
use domain::lobbies::Revised;
use serde_json::value::RawValue;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::body::Members;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::InvalidInstant;

/// The routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(ping::ping)
        .service(issue_key::issue_key)
        .service(list_keys::list_keys)
        .service(change_key::change_key)
        .service(rotate_key::rotate_key)
        .service(revoke_key::revoke_key);
}

/// Why a field was refused as an instant to come.
enum NotToCome {
    /// It is no instant.
    Invalid(InvalidInstant),
    /// It has passed.
    Passed,
}

impl fmt::Display for NotToCome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(formatter),
            Self::Passed => formatter.write_str("must be in the future"),
        }
    }
}

/// Reads a field as an instant after `now`.
fn future(now: Timestamp) -> impl FnOnce(&RawValue) -> Result<Timestamp, NotToCome> {
    move |value| {
        let at = fields::instant(value).map_err(NotToCome::Invalid)?;
        if now < at { Ok(at) } else { Err(NotToCome::Passed) }
    }
}

/// Reads what is said of the limits of a key, which is its own limit of server calls.
fn server_api_limit(members: &Members<'_>, errors: &mut FieldErrors) -> Revised<RateLimit> {
    let Some(limits) = members.object("rateLimits", errors) else { return Revised::Kept };
    match limits.revised("serverApiPerMinute", fields::between(0..=RateLimit::MAX), errors) {
        Revised::Kept => Revised::Kept,
        Revised::Removed => Revised::Removed,
        Revised::Set(per_minute) => RateLimit::try_new(per_minute).map_or(Revised::Kept, Revised::Set),
    }
}
