//! What is answered when events, lobbies and leaderboards say no. Belongs to [`crate::problem`], whose rules hold here.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use domain::economy::{Failure, Rejection};
use domain::lobbies::{ConfigurationRefusal, PlayFailure, PlayRefusal, Score};
use serde_json::{Value, json};

use crate::field_errors::FieldErrors;
use crate::problem::{Problem, sentence};

/// A no: all of the answer.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Option<Value>,
}

impl From<PlayFailure> for Problem {
    fn from(failure: PlayFailure) -> Self {
        match failure {
            PlayFailure::Refused(refusal) => refusal.into(),
            PlayFailure::Configuration(refusal) => refusal.into(),
            PlayFailure::RankingNotFound => not_found(sentence(&failure)),
            PlayFailure::Overloaded => Self::Failed(Failure::Overloaded),
            PlayFailure::Unknown => Self::Failed(Failure::Unknown),
            PlayFailure::Store(cause) => Self::Failed(Failure::Store(cause)),
        }
    }
}

impl From<PlayRefusal> for Problem {
    /// The verdict on every refusal. There is no `_` arm: a new one does not compile until someone chooses its answer.
    fn from(refusal: PlayRefusal) -> Self {
        let message = sentence(&refusal);
        match refusal {
            PlayRefusal::EventNotFound
            | PlayRefusal::LobbyNotFound
            | PlayRefusal::PlayerNotFound
            | PlayRefusal::AttemptNotFound
            | PlayRefusal::LeaderboardNotFound => not_found(message),
            PlayRefusal::EventDisabled => refused(StatusCode::CONFLICT, "event_disabled", message),
            PlayRefusal::NoActiveWindow => refused(StatusCode::CONFLICT, "no_active_window", message),
            PlayRefusal::AttemptFinished => refused(StatusCode::CONFLICT, "attempt_finished", message),
            PlayRefusal::WrongMode { mode } => {
                conflict(message, json!({ "reason": "lobby_wrong_mode", "mode": mode.as_str() }))
            }
            PlayRefusal::LobbyClosed { lobby } => {
                conflict(message, json!({ "reason": "lobby_closed", "lobbyId": lobby.0.to_string() }))
            }
            PlayRefusal::LobbyFull { capacity } => {
                conflict(message, json!({ "reason": "lobby_full", "capacity": capacity }))
            }
            PlayRefusal::LeaderboardDisabled => conflict(message, json!({ "reason": "leaderboard_disabled" })),
            PlayRefusal::ScoreLimit => conflict(message, json!({ "reason": "score_limit", "limit": Score::WHOLE_MAX })),
            PlayRefusal::UnknownMetrics { metrics } => {
                let names: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
                let message = format!("The event counts no such metric: {}", names.join(", ")).into();
                let (status, code, details) = (StatusCode::BAD_REQUEST, "invalid_metric", json!({ "metrics": names }));
                Self::Refused(Refused { status, code, message, details: Some(details) })
            }
            PlayRefusal::TooManyPlayers { capacity, .. } => {
                wrong("externalPlayerIds", &format!("must be at most {capacity}: the lobby has no more places"))
            }
            PlayRefusal::SegmentRequired => {
                let mut errors = FieldErrors::default();
                errors.missing("segment");
                errors.into()
            }
            PlayRefusal::SegmentUnexpected => wrong("segment", "must not be sent: this board has no segments"),
            PlayRefusal::IdempotencyConflict => Self::Failed(Failure::Rejected(Rejection::IdempotencyConflict)),
            PlayRefusal::PlayerBanned(banned) => Self::Failed(Failure::Rejected(Rejection::PlayerBanned(banned))),
        }
    }
}

impl From<ConfigurationRefusal> for Problem {
    fn from(refusal: ConfigurationRefusal) -> Self {
        match refusal {
            ConfigurationRefusal::KeyTaken => conflict(sentence(&refusal), json!({ "reason": "key_taken" })),
            ConfigurationRefusal::NotFound => not_found(sentence(&refusal)),
            ConfigurationRefusal::Invalid(parts) => {
                let mut errors = FieldErrors::default();
                parts.into_iter().for_each(|part| errors.add(part.path, part.message));
                errors.into()
            }
        }
    }
}

/// The answer that there is no such thing.
pub(crate) fn not_found(message: Cow<'static, str>) -> Problem {
    refused(StatusCode::NOT_FOUND, "not_found", message)
}

fn refused(status: StatusCode, code: &'static str, message: Cow<'static, str>) -> Problem {
    Problem::Refused(Refused { status, code, message, details: None })
}

/// The answer that it cannot be done with things as they are; `details` say why.
pub(crate) fn conflict(message: Cow<'static, str>, details: Value) -> Problem {
    Problem::Refused(Refused { status: StatusCode::CONFLICT, code: "conflict", message, details: Some(details) })
}

fn wrong(path: &str, message: &str) -> Problem {
    let mut errors = FieldErrors::default();
    errors.add(path, message);
    errors.into()
}
