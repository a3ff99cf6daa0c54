//! Attempts: started, reported on, finished.

use domain::economy::Repeat;
use domain::lobbies::{
    Attempt, AttemptId, AttemptStatus, LobbyId, MetricKey, MockPlayStore, Play, PlayAnswer, PlayCommand, PlayRefusal,
    ProgressMode,
};
use domain::store::StoreError;
use serde_json::json;

use super::play::{
    answered, answering, at, attempt, check_refusals, check_wrong_fields, external, forming, key, score, uuid,
};
use super::world::{World, post};

const START: &str = "/server/v1/players/ann/events/race/start";
const PROGRESS: &str = "/server/v1/players/ann/events/race/attempts/00000000-0000-0000-0000-000000000a77/progress";
const FINISH: &str = "/server/v1/players/ann/events/race/attempts/00000000-0000-0000-0000-000000000a77/finish";

fn started(repeat: Repeat) -> PlayAnswer {
    let attempt = Attempt { metrics: Default::default(), score: score("0"), started_at: at(0), ..attempt() };
    PlayAnswer::Started { attempt: Box::new(attempt), repeat }
}

fn progressed(attempt: Attempt, repeat: Repeat) -> PlayAnswer {
    PlayAnswer::Progressed { attempt: Box::new(attempt), repeat }
}

#[actix_web::test]
async fn a_start_opens_an_attempt() {
    let body = json!({
        "playerContext": { "level": 7 }, "segment": "gold", "idempotencyKey": "k", "other": [],
    });
    let (reply, command) = answered(started(Repeat::First), post(START, body.to_string())).await;
    insta::assert_snapshot!("start", reply.shown());
    let Play::Start(start) = command.action else { panic!("{command:?}") };
    assert_eq!((&start.event, &start.player.external_id), (&key("race"), &external("ann")));
    assert_eq!((start.segment.unwrap().as_str(), start.once.is_some()), ("gold", true));
}

#[actix_web::test]
async fn a_start_needs_no_body() {
    for body in ["", "{}"] {
        let (reply, command) = answered(started(Repeat::First), post(START, body)).await;
        let Play::Start(start) = command.action else { panic!("{command:?}") };
        assert_eq!((reply.status, start.segment, start.once), (201, None, None));
    }
}

#[actix_web::test]
async fn a_repeated_start_says_so() {
    let (reply, _) = answered(started(Repeat::Replay), post(START, r#"{"idempotencyKey":"k"}"#)).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, Some("true")));
}

#[actix_web::test]
async fn a_player_whose_lobby_forms_is_told_to_wait_in_the_shape_of_an_error() {
    let (reply, _) = answered(PlayAnswer::Forming(Box::new(forming())), post(START, "{}")).await;
    insta::assert_snapshot!("start_forming", reply.shown());
}

#[actix_web::test]
async fn a_start_that_the_rules_refuse_says_why() {
    let refusals = vec![
        (PlayRefusal::EventNotFound, 404, "not_found", None),
        (PlayRefusal::EventDisabled, 409, "event_disabled", None),
        (PlayRefusal::NoActiveWindow, 409, "no_active_window", None),
        (PlayRefusal::SegmentRequired, 400, "validation_failed", None),
        (PlayRefusal::SegmentUnexpected, 400, "validation_failed", None),
        (PlayRefusal::LobbyClosed { lobby: LobbyId(uuid(1)) }, 409, "conflict", Some("lobby_closed")),
        (PlayRefusal::IdempotencyConflict, 409, "idempotency_conflict", None),
    ];
    check_refusals(START, "{}", refusals).await;
    for refusal in [PlayRefusal::SegmentRequired, PlayRefusal::SegmentUnexpected] {
        let (world, _) = answering(Err(refusal));
        assert_eq!(world.start().await.send(post(START, "{}")).await.wrong_fields(), ["segment"]);
    }
}

#[actix_web::test]
async fn progress_is_answered_with_the_attempt_right_after_it() {
    let body = r#"{"mode":"increment","metricValue":1e1,"metrics":{"laps":9.25,"coins":-0.125},
        "occurredAt":"2026-06-08T12:00:00+02:00","idempotencyKey":"k"}"#;
    let (reply, command) = answered(progressed(attempt(), Repeat::First), post(PROGRESS, body)).await;
    insta::assert_snapshot!("progress", reply.shown());
    assert!(reply.body.contains(r#""score":80.125"#) && reply.body.contains(r#""laps":9.25"#), "{}", reply.body);
    let Play::Progress(progress) = command.action else { panic!("{command:?}") };
    assert_eq!((&progress.event, &progress.player), (&key("race"), &external("ann")));
    assert_eq!((progress.attempt, progress.mode), (AttemptId(uuid(0xA77)), ProgressMode::Increment));
    let metric = |name, value| (MetricKey::try_new(name).unwrap(), score(value));
    assert_eq!(progress.primary, Some(score("10")));
    assert_eq!(progress.metrics, [metric("coins", "-0.125"), metric("laps", "9.25")]);
    assert!(progress.once.is_some());
}

#[actix_web::test]
async fn repeated_progress_says_so_and_shows_the_attempt_as_it_was() {
    // By now its time is over, which the first answer did not know.
    let then = Attempt { ends_at: at(-1), ..attempt() };
    let body = r#"{"mode":"set","metricValue":1,"idempotencyKey":"k"}"#;
    let (reply, _) = answered(progressed(then, Repeat::Replay), post(PROGRESS, body)).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, Some("true")));
    let shown = reply.json()["data"]["attempt"].clone();
    assert_eq!((&shown["status"], &shown["completedAt"]), (&json!("in_progress"), &json!(null)));
}

#[actix_web::test]
async fn scores_are_read_and_written_exactly() {
    for number in ["9007199254740991", "-9007199254740990.999", "0.001", "-7", "5.0", "0"] {
        let value = score(number);
        let body = format!(r#"{{"mode":"set","metricValue":{number}}}"#);
        let answer = progressed(Attempt { score: value, ..attempt() }, Repeat::First);
        let (reply, command) = answered(answer, post(PROGRESS, body)).await;
        let Play::Progress(progress) = command.action else { panic!("{command:?}") };
        assert_eq!(progress.primary, Some(value), "{number}");
        assert!(reply.body.contains(&format!(r#""score":{value},"#)), "{number}: {}", reply.body);
    }
}

#[actix_web::test]
async fn everything_that_is_wrong_with_a_start_or_progress_is_said_at_once() {
    let path = |rest: &str| format!("/server/v1/players/{rest}");
    let many: serde_json::Map<_, _> = (0..21).map(|number| (format!("m{number}"), json!(1))).collect();
    let many = json!({ "mode": "set", "metrics": many });
    let (start, progress) = (START.to_owned(), PROGRESS.to_owned());
    let on_progress = |body: &str, wrong| (progress.clone(), body.to_owned(), wrong);
    check_wrong_fields([
        (path("__merged_1/events/-/start"), "5".to_owned(), vec!["externalId", "eventKey", ""]),
        (
            start,
            r#"{"playerContext":[],"segment":"","idempotencyKey":7}"#.to_owned(),
            vec!["playerContext", "segment", "idempotencyKey"],
        ),
        (
            path("%00/events/a%2Fb/attempts/x/progress"),
            "{}".to_owned(),
            vec!["externalId", "eventKey", "attemptId", "mode", "metricValue"],
        ),
        (path("%00/events/-/attempts/x/finish"), "[]".to_owned(), vec!["externalId", "eventKey", "attemptId", ""]),
        on_progress(r#"{"mode":"set"}"#, vec!["metricValue"]),
        on_progress(r#"{"mode":"set","metricValue":null,"metrics":{}}"#, vec!["metricValue"]),
        on_progress(r#"{"mode":"add","metricValue":1}"#, vec!["mode"]),
        on_progress(
            r#"{"mode":1,"metricValue":"1","metrics":[],"occurredAt":"soon","idempotencyKey":""}"#,
            vec!["mode", "metricValue", "metrics", "occurredAt", "idempotencyKey"],
        ),
        on_progress(
            r#"{"mode":"set","metrics":{"a b":1,"laps":"8","laps":1,"x":0.0001,"y":1e99,"z":null}}"#,
            vec!["metrics.laps", "metrics.a b", "metrics.laps", "metrics.x", "metrics.y", "metrics.z"],
        ),
        on_progress(&many.to_string(), vec!["metrics"]),
    ])
    .await;
    for value in ["1.0001", "1e-4", "9007199254740992", "1e400", "true", "false", "null", "\"1e5\"", "[1]", "{\"e\":1}"]
    {
        check_wrong_fields([(
            "/server/v1/leaderboards/points/score".to_owned(),
            format!(r#"{{"externalPlayerId":"ann","value":{value}}}"#),
            vec!["value"],
        )])
        .await;
    }
}

#[actix_web::test]
async fn progress_that_the_rules_refuse_says_why() {
    let metrics = vec![MetricKey::try_new("coins").unwrap()];
    let refusals = vec![
        (PlayRefusal::EventNotFound, 404, "not_found", None),
        (PlayRefusal::PlayerNotFound, 404, "not_found", None),
        (PlayRefusal::AttemptNotFound, 404, "not_found", None),
        (PlayRefusal::AttemptFinished, 409, "attempt_finished", None),
        (PlayRefusal::UnknownMetrics { metrics }, 400, "invalid_metric", None),
        (PlayRefusal::ScoreLimit, 409, "conflict", Some("score_limit")),
        (PlayRefusal::IdempotencyConflict, 409, "idempotency_conflict", None),
    ];
    check_refusals(PROGRESS, r#"{"mode":"set","metricValue":1}"#, refusals).await;
}

#[actix_web::test]
async fn a_finished_attempt_says_how_it_ended() {
    let completed = Attempt { status: AttemptStatus::Completed, completed_at: Some(at(0)), ..attempt() };
    let (reply, command) = answered(PlayAnswer::Finished(Box::new(completed)), post(FINISH, "{}")).await;
    insta::assert_snapshot!("finish", reply.shown());
    let (event, player, attempt_id) = (key("race"), external("ann"), AttemptId(uuid(0xA77)));
    assert_eq!(command.action, Play::Finish { event, player, attempt: attempt_id });

    // Over by the clock, short of its targets, and nothing was stored of that.
    let expired = Attempt { has_target: true, ends_at: at(-5), ..attempt() };
    let (reply, _) = answered(PlayAnswer::Finished(Box::new(expired)), post(FINISH, "")).await;
    let data = reply.json()["data"].clone();
    assert_eq!((&data["outcome"], &data["attempt"]["status"]), (&json!("expired"), &json!("expired")));
    assert_eq!(data["attempt"]["completedAt"], "2026-06-08T11:59:55.000Z");
    check_refusals(FINISH, "{}", vec![(PlayRefusal::AttemptNotFound, 404, "not_found", None)]).await;
}

/// What keeps the request that is `path` and `body` from happening twice.
async fn once_of(path: &str, body: &str) -> domain::economy::Once {
    let answer = if path.ends_with("start") { started(Repeat::First) } else { progressed(attempt(), Repeat::First) };
    let (_, PlayCommand { action, .. }) = answered(answer, post(path, body.to_owned())).await;
    match action {
        Play::Start(start) => start.once.unwrap(),
        Play::Progress(progress) => progress.once.unwrap(),
        Play::Push(_)
        | Play::Join { .. }
        | Play::Leave { .. }
        | Play::Close { .. }
        | Play::Finish { .. }
        | Play::Score(_) => panic!("neither a start nor progress"),
    }
}

#[actix_web::test]
async fn one_request_may_be_spelt_in_many_ways_and_another_is_another() {
    let body = r#"{"mode":"set","metricValue":5,"idempotencyKey":"k"}"#;
    let once = once_of(PROGRESS, body).await;
    for same in [
        r#"{"metricValue":5.0,"idempotencyKey":"k","mode":"set"}"#,
        r#"{"metricValue":50e-1,"mode":"\u0073et","metrics":null,"idempotencyKey":"k"}"#,
    ] {
        assert_eq!(once_of(PROGRESS, same).await, once, "{same}");
    }
    let others = [
        (PROGRESS.to_owned(), r#"{"mode":"set","metricValue":5.001,"idempotencyKey":"k"}"#),
        (
            PROGRESS.to_owned(),
            r#"{"mode":"set","metricValue":5,"occurredAt":"2026-06-08T12:00:00Z","idempotencyKey":"k"}"#,
        ),
        (PROGRESS.replace("/ann/", "/bob/"), body),
        (PROGRESS.replace("/race/", "/duel/"), body),
        (PROGRESS.replace("a77", "a78"), body),
        (START.to_owned(), body),
    ];
    for (path, body) in others {
        let other = once_of(&path, body).await;
        assert_eq!(other.key, once.key);
        assert_ne!(other.fingerprint, once.fingerprint, "{path} {body}");
    }
}

#[actix_web::test]
async fn a_start_whose_outcome_is_unknown_asks_to_be_repeated() {
    let mut play = MockPlayStore::new();
    play.expect_settle_play().returning(|_, _| Err(StoreError::unavailable("secret cause")));
    let reply = World { play, ..World::default() }.start().await.send(post(START, "{}")).await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "unavailable", Some("1")));
    assert!(!reply.body.contains("secret cause"));
}
