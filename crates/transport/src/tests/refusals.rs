//! Every way a request can fail: its status, its code, its body.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{Amount, Asset, AssetKey, AssetKind, Balance, Failure, INTEGER_MAX, Rejection};
use domain::keys::{Denied, KeyError};
use domain::limits::{Bucket, Spending, Standing};
use domain::lobbies::{BoardMode, ConfigurationRefusal, InvalidPart, LobbyId, MetricKey, PlayFailure, PlayRefusal};
use domain::players::{ExportInterruption, MergeRefusal, PlayerBanned};
use domain::store::StoreError;
use domain::webhooks::{EndpointRefusal, TargetRefused, Unreadable, WebhookFailure};
use serde_json::json;
use uuid::Uuid;

use super::world::{StoreMood, World, now, post, request};
use crate::field_errors::FieldErrors;
use crate::over_limit::OverLimit;
use crate::problem::Problem;

const SECONDS: Duration = Duration::from_secs(30);
const CREDIT: &str = "/server/v1/players/p-1/wallet/gold/credit";

fn fields(missing: bool) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.missing("amount");
    if !missing {
        errors.add("reason", "must be a string");
    }
    errors
}

/// A budget that is used up for a while.
fn limited() -> Standing {
    let (resets_after, retry_after) = (Duration::from_secs(61), Duration::from_micros(12_345_678));
    let spending = Spending { admitted: false, limit: 6_000, remaining: 0, resets_after, retry_after };
    Standing { bucket: Bucket::ServerApi, at: Timestamp::EPOCH, spending }
}

/// One of each. A new variant must be added here by whoever gives it a status.
fn every_problem() -> Vec<Problem> {
    let cause = || StoreError::unavailable("secret cause");
    let rejected = |rejection| Problem::Failed(Failure::Rejected(rejection));
    let unmergeable = |refusal| Problem::Failed(Failure::Unmergeable(refusal));
    let (current, amount) = (Balance::restore(30), Amount::try_new(50).unwrap());
    let asset = Asset { kind: AssetKind::Item, key: AssetKey::restore("sword".to_owned()) };
    vec![
        Problem::Denied(Denied::Missing),
        Problem::Denied(Denied::Invalid),
        Problem::Denied(Denied::Revoked),
        Problem::Denied(Denied::Expired),
        Problem::Denied(Denied::Store(StoreError::Overloaded)),
        Problem::Denied(Denied::Store(cause())),
        Problem::Forbidden,
        Problem::Invalid(fields(true)),
        Problem::Invalid(fields(false)),
        OverLimit::BodySize { bytes_max: 1024 * 1024 }.into(),
        OverLimit::BodySize { bytes_max: 8 * 1024 * 1024 }.into(),
        OverLimit::BodyTime { time_max: SECONDS }.into(),
        OverLimit::HeadTime { time_max: SECONDS }.into(),
        OverLimit::Head.into(),
        OverLimit::Headers { count_max: 64 }.into(),
        OverLimit::HeadersSize { bytes_max: 32 * 1024 }.into(),
        OverLimit::Uri { bytes_max: 8 * 1024 }.into(),
        OverLimit::Streams { count_max: 256 }.into(),
        OverLimit::RequestTime { time_max: SECONDS }.into(),
        Problem::NotHttp,
        Problem::NotHttps,
        rejected(Rejection::IdempotencyConflict),
        rejected(Rejection::InsufficientFunds { current, required: amount }),
        rejected(Rejection::BalanceLimit { current: Balance::restore(INTEGER_MAX), amount }),
        rejected(Rejection::PlayerBanned(PlayerBanned)),
        rejected(Rejection::GrantNotFound),
        rejected(Rejection::GrantExpired { expires_at: Some(now()) }),
        Problem::Failed(Failure::PlayerNotFound),
        unmergeable(MergeRefusal::SourceNotFound),
        unmergeable(MergeRefusal::TargetNotFound),
        unmergeable(MergeRefusal::SamePlayer),
        unmergeable(MergeRefusal::TargetBanned),
        unmergeable(MergeRefusal::TargetErased),
        unmergeable(MergeRefusal::BalanceLimit { asset, current, amount }),
        Problem::Failed(Failure::ExportInterrupted(ExportInterruption::PlayerChanged)),
        Problem::Failed(Failure::ExportInterrupted(ExportInterruption::EntriesMissing)),
        Problem::Failed(Failure::Overloaded),
        Problem::Failed(Failure::Unknown),
        Problem::Failed(Failure::Store(cause())),
        Problem::NotReady(StoreError::Overloaded),
        Problem::NotReady(cause()),
        Problem::RateLimited(limited()),
        Problem::RouteNotFound,
        Problem::MethodNotAllowed { allow: "POST".to_owned() },
        Problem::Panicked,
    ]
}

/// What webhooks and keys say no with, one of each, like [`every_problem`].
fn every_webhook_and_key_failure() -> Vec<(String, Problem)> {
    let webhooks = [
        WebhookFailure::Refused(EndpointRefusal::NotFound),
        WebhookFailure::Refused(EndpointRefusal::TooMany),
        WebhookFailure::Refused(EndpointRefusal::NotInDialect),
        WebhookFailure::Target(TargetRefused("resolves to 10.0.0.1, which is private".to_owned())),
        WebhookFailure::DeliveryNotFound,
        WebhookFailure::Unreadable(Unreadable),
        WebhookFailure::Store(StoreError::unavailable("secret cause")),
    ];
    let keys = [
        KeyError::NotFound,
        KeyError::Revoked,
        KeyError::Expired,
        KeyError::Store(StoreError::unavailable("secret cause")),
    ];
    let webhooks = webhooks.into_iter().map(|failure| (format!("{failure:?}"), failure.into()));
    webhooks.chain(keys.into_iter().map(|error| (format!("{error:?}"), error.into()))).collect()
}

/// One of each, like [`every_problem`].
fn every_play_failure() -> Vec<PlayFailure> {
    let refused = [
        PlayRefusal::IdempotencyConflict,
        PlayRefusal::EventNotFound,
        PlayRefusal::EventDisabled,
        PlayRefusal::WrongMode { mode: BoardMode::Global },
        PlayRefusal::NoActiveWindow,
        PlayRefusal::TooManyPlayers { capacity: 4, players: 5 },
        PlayRefusal::LobbyNotFound,
        PlayRefusal::LobbyClosed { lobby: LobbyId(Uuid::from_u128(0x10B)) },
        PlayRefusal::LobbyFull { capacity: 4 },
        PlayRefusal::PlayerNotFound,
        PlayRefusal::AttemptNotFound,
        PlayRefusal::AttemptFinished,
        PlayRefusal::UnknownMetrics { metrics: ["laps", "coins"].map(|key| MetricKey::try_new(key).unwrap()).into() },
        PlayRefusal::ScoreLimit,
        PlayRefusal::LeaderboardNotFound,
        PlayRefusal::LeaderboardDisabled,
        PlayRefusal::SegmentRequired,
        PlayRefusal::SegmentUnexpected,
        PlayRefusal::PlayerBanned(PlayerBanned),
    ];
    let parts = vec![InvalidPart::new("name", "must be short"), InvalidPart::new("metrics[1].key", "must differ")];
    let configuration =
        [ConfigurationRefusal::KeyTaken, ConfigurationRefusal::NotFound, ConfigurationRefusal::Invalid(parts)];
    let others = [
        PlayFailure::RankingNotFound,
        PlayFailure::Overloaded,
        PlayFailure::Unknown,
        PlayFailure::Store(StoreError::unavailable("secret cause")),
    ];
    let refused = refused.into_iter().map(PlayFailure::from).chain(configuration.into_iter().map(PlayFailure::from));
    refused.chain(others).collect()
}

async fn shown(problem: &Problem) -> String {
    let response = actix_web::ResponseError::error_response(problem);
    let status = response.status().as_u16();
    let retry = response.headers().get("retry-after").map_or("", |_| ", retry");
    let body = actix_web::body::to_bytes(response.into_body()).await.ok().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(!body.to_string().contains("secret cause"), "a cause is for the log");
    format!("{status}{retry} {body}")
}

#[actix_web::test]
async fn every_failure_of_play_has_its_status_code_and_body() {
    let mut table = String::new();
    for failure in every_play_failure() {
        let name = format!("{failure:?}");
        table.push_str(&format!("{name}\n  {}\n", shown(&failure.into()).await));
    }
    insta::assert_snapshot!(table);
}

#[actix_web::test]
async fn every_failure_of_webhooks_and_keys_has_its_status_code_and_body() {
    let mut table = String::new();
    for (name, problem) in every_webhook_and_key_failure() {
        table.push_str(&format!("{name}\n  {}\n", shown(&problem).await));
    }
    insta::assert_snapshot!(table);
}

#[actix_web::test]
async fn every_problem_has_its_status_code_and_body() {
    let mut table = String::new();
    for problem in every_problem() {
        table.push_str(&format!("{problem:?}\n  {}\n", shown(&problem).await));
    }
    insta::assert_snapshot!(table);
}

#[actix_web::test]
async fn an_overdraft_is_a_conflict_with_figures() {
    let routes = World::default().start().await;
    routes.send(post(CREDIT, r#"{"amount":30}"#)).await;
    let asked = post("/server/v1/players/p-1/wallet/gold/debit", r#"{"amount":50,"idempotencyKey":"k"}"#);
    insta::assert_snapshot!("insufficient_funds", routes.send(asked).await.shown());
}

#[actix_web::test]
async fn a_balance_past_the_top_is_a_conflict_with_figures() {
    let routes = World::default().start().await;
    let most = json!({ "amount": INTEGER_MAX }).to_string();
    assert_eq!(routes.send(post(CREDIT, most)).await.status, 200);
    insta::assert_snapshot!("balance_limit", routes.send(post(CREDIT, r#"{"amount":1}"#)).await.shown());
}

#[actix_web::test]
async fn a_write_whose_outcome_is_unknown_asks_to_be_repeated() {
    let routes = World { mood: StoreMood::Fails, ..World::default() }.start().await;
    insta::assert_snapshot!("unknown_outcome", routes.send(post(CREDIT, r#"{"amount":1}"#)).await.shown());
}

#[actix_web::test]
async fn a_full_queue_is_overloaded() {
    let routes = World { mood: StoreMood::NeverAnswers, queue_depth: 1, ..World::default() }.start().await;
    let credit = || routes.send(post(CREDIT, r#"{"amount":1}"#));
    // The first is in the store, the second waits, and one of the rest finds the queue full.
    let mut waiting = futures_util::future::select_all((0..4).map(|_| Box::pin(credit())));
    let (refused, _, _) = (&mut waiting).await;
    insta::assert_snapshot!("overloaded", refused.shown());
}

#[actix_web::test]
async fn a_panic_is_an_internal_error_and_the_next_request_is_served() {
    // A mock that expects nothing panics when it is asked.
    let routes = World::default().start().await;
    let reply = routes.send(request("GET", "/server/v1/players/p-1/wallet")).await;
    insta::assert_snapshot!("panicked", reply.shown());
    assert_eq!(routes.send(post(CREDIT, r#"{"amount":1}"#)).await.status, 200);
}
