//! Every way a request can fail, and the one place that decides what each is answered; the refusals of events, lobbies and
//! leaderboards are in [`crate::play_refusals`], those of webhooks and keys in [`crate::webhook_refusals`].

mod documented;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use domain::economy::{Failure, Rejection};
use domain::keys::Denied;
use domain::limits::Standing;
use domain::players::{ExportInterruption, MergeRefusal};
use domain::store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub(crate) use self::documented::{
    AdminProblems, AdminWriteProblems, BulkProblems, GameReadProblems, GameWriteProblems, Problems, ReadProblems,
    WriteProblems,
};
use crate::field_errors::{Fault, FieldErrors};
use crate::instant::Instant;
use crate::limits::Limit;
use crate::over_limit::OverLimit;
use crate::play_refusals::Refused;
use crate::rate_limits;

/// After how many seconds a caller may try again when the server could not do its part.
const RETRY_AFTER_S: &str = "1";

/// Every way a request can fail.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The caller's key was refused.
    Denied(Denied),
    /// The caller's key is good, but for other routes.
    Forbidden,
    /// The caller's key has spent what it may in a minute.
    RateLimited(Standing),
    /// Some fields are wrong.
    Invalid(FieldErrors),
    /// It goes past one of the server's limits.
    OverLimit(OverLimit),
    /// A use case gave no answer.
    Failed(Failure),
    /// Events, lobbies, leaderboards, webhooks or keys said no.
    Refused(Refused),
    /// The store cannot be used.
    NotReady(StoreError),
    /// No route has this path.
    RouteNotFound,
    /// The route does not answer this method.
    MethodNotAllowed {
        /// The methods that it answers.
        allow: String,
    },
    /// What came is no request at all.
    NotHttp,
    /// What came is no handshake of TLS.
    NotHttps,
    /// A bug: a handler panicked.
    Panicked,
}

/// What a problem is answered: its status, its code and, where the published digest documents one, its KS code.
type Verdict = (StatusCode, &'static str, Option<&'static str>);

impl Problem {
    /// The verdict on every problem. There is no `_` arm: a new variant does not compile until someone chooses its status.
    fn verdict(&self) -> Verdict {
        match self {
            Self::Denied(Denied::Missing) => (StatusCode::UNAUTHORIZED, "unauthenticated", Some("KS-4001")),
            Self::Denied(Denied::Invalid | Denied::Revoked | Denied::Expired) => {
                (StatusCode::UNAUTHORIZED, "session_invalid", Some("KS-4002"))
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", Some("KS-4006")),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", Some("KS-4292")),
            Self::Invalid(fields) => {
                let error_code = match fields.fault() {
                    Fault::Missing => "KS-4102",
                    Fault::WebhookUrl => "KS-4106",
                    Fault::EventNames => "KS-4107",
                    Fault::Other => "KS-4101",
                };
                (StatusCode::BAD_REQUEST, "validation_failed", Some(error_code))
            }
            Self::OverLimit(over) => {
                let (status, code) = over.verdict();
                (status, code, None)
            }
            Self::NotHttp | Self::NotHttps => (StatusCode::BAD_REQUEST, "bad_request", None),
            Self::Failed(Failure::Rejected(Rejection::IdempotencyConflict)) => {
                (StatusCode::CONFLICT, "idempotency_conflict", None)
            }
            Self::Failed(Failure::Rejected(
                Rejection::InsufficientFunds { .. } | Rejection::BalanceLimit { .. } | Rejection::GrantExpired { .. },
            )) => (StatusCode::CONFLICT, "conflict", None),
            Self::Failed(Failure::Rejected(Rejection::PlayerBanned(_))) => {
                (StatusCode::FORBIDDEN, "player_banned", None)
            }
            Self::Failed(Failure::Unmergeable(
                MergeRefusal::SamePlayer
                | MergeRefusal::TargetBanned
                | MergeRefusal::TargetErased
                | MergeRefusal::BalanceLimit { .. },
            )) => (StatusCode::UNPROCESSABLE_ENTITY, "conflict", None),
            Self::Failed(Failure::ExportInterrupted(ExportInterruption::PlayerChanged)) => {
                (StatusCode::CONFLICT, "conflict", None)
            }
            Self::Failed(
                Failure::Rejected(Rejection::GrantNotFound)
                | Failure::PlayerNotFound
                | Failure::Unmergeable(MergeRefusal::SourceNotFound | MergeRefusal::TargetNotFound),
            )
            | Self::RouteNotFound => (StatusCode::NOT_FOUND, "not_found", None),
            Self::Refused(refused) => (refused.status, refused.code, None),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", None),
            Self::Denied(Denied::Store(StoreError::Overloaded))
            | Self::NotReady(StoreError::Overloaded)
            | Self::Failed(Failure::Overloaded | Failure::Store(StoreError::Overloaded)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "overloaded", None)
            }
            Self::Denied(Denied::Store(StoreError::Unavailable(_)))
            | Self::NotReady(StoreError::Unavailable(_))
            | Self::Failed(Failure::Unknown | Failure::Store(StoreError::Unavailable(_))) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", None)
            }
            Self::Failed(Failure::ExportInterrupted(ExportInterruption::EntriesMissing)) | Self::Panicked => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", None)
            }
        }
    }

    /// What a person is told.
    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Denied(Denied::Missing) => "Missing X-API-Key header".into(),
            Self::Denied(Denied::Invalid | Denied::Revoked | Denied::Expired) => "Invalid API key".into(),
            Self::Denied(Denied::Store(_)) => "The API key could not be checked; try again".into(),
            Self::Forbidden => "This API key does not open this route".into(),
            Self::RateLimited(standing) => {
                let (limit, seconds) = (standing.spending.limit, rate_limits::retry_after_s(standing));
                format!(
                    "This API key has too little left of its {limit} calls a minute; nothing was done, try again in {seconds} s"
                )
                .into()
            }
            Self::Invalid(fields) => match fields.fault() {
                Fault::WebhookUrl => "Invalid webhook URL".into(),
                Fault::EventNames => "Invalid webhook event types".into(),
                Fault::Missing | Fault::Other => fields.summary().into(),
            },
            Self::OverLimit(over) => over.to_string().into(),
            Self::NotHttp => "This is not a request that HTTP/1.1 allows".into(),
            Self::NotHttps => "This port speaks HTTPS; ask for https://".into(),
            Self::Failed(Failure::Rejected(rejection)) => sentence(rejection),
            Self::Failed(Failure::Unmergeable(refusal)) => sentence(refusal),
            Self::Failed(Failure::ExportInterrupted(interruption)) => sentence(interruption),
            Self::Failed(Failure::PlayerNotFound) => "There is no such player".into(),
            Self::Refused(refused) => refused.message.clone(),
            Self::Failed(Failure::Overloaded) => "Too many requests are waiting; nothing was done, try again".into(),
            Self::Failed(Failure::Unknown) => {
                "Whether the request took effect is unknown; repeat it with the same idempotency key".into()
            }
            Self::Failed(Failure::Store(_)) | Self::NotReady(_) => "The store is unavailable; try again".into(),
            Self::RouteNotFound => "There is no such route".into(),
            Self::MethodNotAllowed { .. } => "This route does not answer this method".into(),
            Self::Panicked => "Something went wrong on the server".into(),
        }
    }

    /// What a program can act on.
    fn details(&self) -> Option<Value> {
        match self {
            Self::Denied(Denied::Revoked) => Some(json!({ "reason": "revoked" })),
            Self::Denied(Denied::Expired) => Some(json!({ "reason": "expired" })),
            Self::RateLimited(standing) => Some(json!({
                "reason": "rate_limited", "bucket": standing.bucket.as_str(), "limit": standing.spending.limit,
                "retryAfterSeconds": rate_limits::retry_after_s(standing)
            })),
            Self::Invalid(fields) => {
                let fields = fields.as_slice().iter();
                let fields = fields.map(|field| json!({ "path": field.path, "message": field.message }));
                Some(json!({ "fields": fields.collect::<Vec<_>>() }))
            }
            Self::Failed(Failure::Rejected(rejection)) => rejection_details(rejection),
            Self::Failed(Failure::Unmergeable(refusal)) => merge_details(refusal),
            Self::Failed(Failure::ExportInterrupted(ExportInterruption::PlayerChanged)) => {
                Some(json!({ "reason": "player_changed" }))
            }
            Self::Refused(refused) => refused.details.clone(),
            Self::Denied(Denied::Missing | Denied::Invalid | Denied::Store(_))
            | Self::Forbidden
            | Self::OverLimit(_)
            | Self::NotHttp
            | Self::NotHttps
            | Self::Failed(
                Failure::PlayerNotFound
                | Failure::ExportInterrupted(ExportInterruption::EntriesMissing)
                | Failure::Overloaded
                | Failure::Unknown
                | Failure::Store(_),
            )
            | Self::NotReady(_)
            | Self::RouteNotFound
            | Self::MethodNotAllowed { .. }
            | Self::Panicked => None,
        }
    }

    /// What is said of it where it is not the whole answer, of the row of an import or at the end of an export: the same code
    /// and details as of a whole request.
    pub(crate) fn of_part(&self) -> ErrorBody {
        let (_, code, _) = self.verdict();
        // The message names every wrong field.
        if let Self::Invalid(fields) = self {
            return ErrorBody { code, message: fields.of_row().into(), details: None };
        }
        ErrorBody { code, message: self.message(), details: self.details() }
    }

    /// The status of its answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.verdict().0
    }

    /// The body of its answer.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body(None)).expect("a body of strings and numbers is JSON")
    }

    /// The limit that was met, if one was.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::OverLimit(over) => Some(over.limit()),
            Self::Denied(Denied::Store(StoreError::Overloaded))
            | Self::NotReady(StoreError::Overloaded)
            | Self::Failed(Failure::Overloaded | Failure::Store(StoreError::Overloaded)) => Some(Limit::Queue),
            Self::Denied(_)
            | Self::Forbidden
            | Self::RateLimited(_)
            | Self::Invalid(_)
            | Self::Failed(_)
            | Self::Refused(_)
            | Self::NotReady(_)
            | Self::RouteNotFound
            | Self::MethodNotAllowed { .. }
            | Self::NotHttp
            | Self::NotHttps
            | Self::Panicked => None,
        }
    }

    /// The answer. It says the id of the request where only an operator can say more, with the log.
    pub(crate) fn answer(&self, request_id: Option<&str>) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_S));
        }
        if let Self::RateLimited(standing) = self {
            response.insert_header((RETRY_AFTER, rate_limits::retry_after_s(standing)));
        }
        if let Self::MethodNotAllowed { allow } = self {
            response.insert_header((ALLOW, allow.as_str()));
        }
        if let Self::OverLimit(OverLimit::BodyTime { .. }) = self {
            // Where the next request begins is not known.
            response.force_close();
        }
        response.json(self.body(request_id.filter(|_| status == StatusCode::INTERNAL_SERVER_ERROR)))
    }

    fn body(&self, request_id: Option<&str>) -> ErrorResponse {
        let (_, code, error_code) = self.verdict();
        let (message, details) = match request_id {
            None => (self.message(), self.details()),
            Some(id) => {
                let mut details = self.details().unwrap_or_else(|| json!({}));
                if let Some(members) = details.as_object_mut() {
                    members.insert("requestId".to_owned(), id.into());
                }
                let message = format!("{}; the server's log says more under the request id {id}", self.message());
                (message.into(), Some(details))
            }
        };
        let error = ErrorBody { code, message: message.clone(), details };
        ErrorResponse { error, message, error_code }
    }
}

fn rejection_details(rejection: &Rejection) -> Option<Value> {
    match rejection {
        Rejection::InsufficientFunds { current, required } => Some(json!({
            "reason": "insufficient_funds", "current": current.get(), "required": required.get()
        })),
        Rejection::BalanceLimit { current, amount } => Some(json!({
            "reason": "balance_limit", "current": current.get(), "amount": amount.get(),
            "limit": domain::economy::INTEGER_MAX
        })),
        Rejection::GrantExpired { expires_at } => {
            Some(json!({ "reason": "grant_expired", "expiresAt": expires_at.map(Instant) }))
        }
        Rejection::IdempotencyConflict | Rejection::PlayerBanned(_) | Rejection::GrantNotFound => None,
    }
}

fn merge_details(refusal: &MergeRefusal) -> Option<Value> {
    let reason = match refusal {
        MergeRefusal::SourceNotFound | MergeRefusal::TargetNotFound => return None,
        MergeRefusal::SamePlayer => "same_player",
        MergeRefusal::TargetBanned => "target_banned",
        MergeRefusal::TargetErased => "target_deleted",
        MergeRefusal::BalanceLimit { asset, current, amount } => {
            return Some(json!({
                "reason": "balance_limit", "kind": asset.kind.view_name(), "key": asset.key.as_str(),
                "current": current.get(), "amount": amount.get(), "limit": domain::economy::INTEGER_MAX
            }));
        }
    };
    Some(json!({ "reason": reason }))
}

/// The text of an error, which begins with a lower-case letter, as a sentence.
pub(crate) fn sentence(error: &impl fmt::Display) -> Cow<'static, str> {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.into()
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message())
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Denied(denied) => denied.source(),
            Self::Failed(failure) => failure.source(),
            Self::NotReady(cause) => cause.source(),
            Self::Forbidden
            | Self::RateLimited(_)
            | Self::Invalid(_)
            | Self::OverLimit(_)
            | Self::NotHttp
            | Self::NotHttps
            | Self::Refused(_)
            | Self::RouteNotFound
            | Self::MethodNotAllowed { .. }
            | Self::Panicked => None,
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<OverLimit> for Problem {
    fn from(over: OverLimit) -> Self {
        Self::OverLimit(over)
    }
}

impl From<FieldErrors> for Problem {
    fn from(fields: FieldErrors) -> Self {
        Self::Invalid(fields)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.answer(None)
    }
}

/// Every failure of every route has this shape.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorResponse {
    error: ErrorBody,
    /// The same text as `error.message`, for clients that read it here.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    /// A `KS` code, where one is documented for this failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "KS-4101")]
    error_code: Option<&'static str>,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// Stable, for programs.
    #[schema(value_type = String, example = "conflict")]
    code: &'static str,
    /// For people.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    /// What a program can act on: `fields` for `validation_failed`, `reason` and figures for `conflict`, `requestId` for
    /// `internal_error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    details: Option<Value>,
}
