//! Leaderboards: scores that come in, and boards that are read by key and by id.

use domain::economy::Repeat;
use domain::lobbies::{
    Aggregation, BoardId, BoardMode, EventId, Leaderboard, LobbyId, MockEventStore, MockLeaderboardStore,
    MockLobbyReads, MockRankingReads, Place, Play, PlayAnswer, PlayRefusal, Rank, RankedPlayer, Ranking, RankingPage,
    RankingSlice, ResetCadence, Score, Segment, SortOrder, Windows,
};
use domain::players::PlayerId;
use serde_json::{Value, json};

use super::play::{
    answered, at, check_refusals, check_wrong_fields, detail, event, external, forming, leaderboard, pushed, score,
    uuid,
};
use super::world::{Reply, World, post, request};

const POINTS: &str = "/server/v1/leaderboards/points";
const SUBMIT: &str = "/server/v1/leaderboards/points/score";

fn ranking(leaderboard: &Leaderboard, segment: &str) -> Ranking {
    leaderboard.ranking(Segment::restore(segment.to_owned()), at(0))
}

fn scored(counted: Score, rank: Option<Rank>, repeat: Repeat) -> PlayAnswer {
    let leaderboard = leaderboard(ResetCadence::Weekly, true);
    let ranking = ranking(&leaderboard, "gold");
    PlayAnswer::Scored { leaderboard: Box::new(leaderboard), ranking, score: counted, rank, repeat }
}

#[actix_web::test]
async fn a_score_is_answered_with_what_counts_and_the_rank() {
    let body = r#"{"externalPlayerId":"ann","value":7310.5,"segment":"gold","idempotencyKey":"k"}"#;
    let rank = Some(Rank { rank: 21, players: 30 });
    let (reply, command) = answered(scored(score("7310.5"), rank, Repeat::First), post(SUBMIT, body)).await;
    insta::assert_snapshot!("score", reply.shown());
    let Play::Score(submission) = command.action else { panic!("{command:?}") };
    assert_eq!((submission.board.as_str(), &submission.player), ("points", &external("ann")));
    assert_eq!((submission.value, submission.segment.unwrap().as_str()), (score("7310.5"), "gold"));
    assert!(submission.once.is_some());
}

#[actix_web::test]
async fn a_repeated_score_says_so_and_has_no_rank_once_the_player_is_gone() {
    let body = r#"{"externalPlayerId":"ann","value":1}"#;
    let asked = post(SUBMIT, body).insert_header(("Idempotency-Key", "k"));
    let (reply, command) = answered(scored(score("1"), None, Repeat::Replay), asked).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(reply.json()["data"]["rank"], Value::Null);
    assert!(matches!(command.action, Play::Score(submission) if submission.once.is_some()));
}

#[actix_web::test]
async fn a_score_that_the_rules_refuse_says_why() {
    let refusals = vec![
        (PlayRefusal::LeaderboardNotFound, 404, "not_found", None),
        (PlayRefusal::PlayerNotFound, 404, "not_found", None),
        (PlayRefusal::LeaderboardDisabled, 409, "conflict", Some("leaderboard_disabled")),
        (PlayRefusal::ScoreLimit, 409, "conflict", Some("score_limit")),
        (PlayRefusal::SegmentRequired, 400, "validation_failed", None),
        (PlayRefusal::IdempotencyConflict, 409, "idempotency_conflict", None),
    ];
    check_refusals(SUBMIT, r#"{"externalPlayerId":"ann","value":1}"#, refusals).await;
}

#[actix_web::test]
async fn everything_that_is_wrong_with_a_score_or_a_read_is_said_at_once() {
    check_wrong_fields([
        (SUBMIT.to_owned(), String::new(), vec!["externalPlayerId", "value"]),
        (
            "/server/v1/leaderboards/-/score".to_owned(),
            r#"{"externalPlayerId":"","value":"7","segment":1,"idempotencyKey":""}"#.to_owned(),
            vec!["key", "externalPlayerId", "value", "segment", "idempotencyKey"],
        ),
        (SUBMIT.to_owned(), r#"{"externalPlayerId":"ann","value":1,"value":2}"#.to_owned(), vec!["value"]),
    ])
    .await;
    let routes = World::default().start().await;
    let asked = [
        (
            "leaderboards/-?segment=&period=soon&limit=201&externalId=%00&around=1",
            vec!["key", "segment", "period", "limit", "externalId", "around"],
        ),
        ("leaderboards/points?around=true", vec!["externalId"]),
        ("leaderboards/points?around=true&externalId=__merged_1", vec!["externalId"]),
        ("leaderboards/points?period=2026-06-08", vec!["period"]),
        ("event-leaderboards/x?limit=0&around=true", vec!["leaderboardId", "limit", "externalId"]),
        ("event-leaderboards/%FF", vec!["leaderboardId"]),
    ];
    for (path, wrong) in asked {
        let reply = routes.send(request("GET", &format!("/server/v1/{path}"))).await;
        assert_eq!(reply.wrong_fields(), wrong, "{path}: {reply:?}");
    }
}

fn ranked(rank: u64, name: &str, value: &str) -> RankedPlayer {
    let order_key = SortOrder::Descending.key_of(score(value));
    let place = Place { order_key, achieved_at: at(-60), player: PlayerId(uuid(u128::from(rank))) };
    RankedPlayer { rank, place, external_id: external(name) }
}

fn page() -> RankingPage {
    let entries = vec![ranked(1, "cid", "12.5"), ranked(2, "ann", "10"), ranked(3, "bob", "-0.25")];
    RankingPage { players: 3, own: entries.get(1).cloned(), entries }
}

fn world_of(leaderboard: Leaderboard, rankings: MockRankingReads) -> World {
    let mut leaderboards = MockLeaderboardStore::new();
    leaderboards
        .expect_leaderboard()
        .returning(move |_, key| Ok((leaderboard.key == *key).then(|| leaderboard.clone())));
    World { leaderboards, rankings, ..World::default() }
}

async fn get(world: World, path: &str) -> Reply {
    world.start().await.send(request("GET", path)).await
}

#[actix_web::test]
async fn a_leaderboard_is_read_from_the_top() {
    let mut rankings = MockRankingReads::new();
    let board = leaderboard(ResetCadence::Weekly, true);
    let expected = ranking(&board, "gold").id;
    rankings.expect_ranking_page().times(1).returning(move |_, id, slice, own| {
        assert_eq!((id, slice, own), (expected, &RankingSlice::Top(3), Some(external("ann"))));
        Ok(page())
    });
    let reply = get(world_of(board, rankings), &format!("{POINTS}?segment=gold&limit=3&externalId=ann")).await;
    insta::assert_snapshot!("leaderboard", reply.shown());
}

#[actix_web::test]
async fn a_leaderboard_that_is_never_reset_has_no_period_and_fifty_entries_are_asked_for() {
    let mut rankings = MockRankingReads::new();
    rankings.expect_ranking_page().returning(|_, _, slice, own| {
        assert_eq!((slice, own), (&RankingSlice::Top(50), None));
        Ok(RankingPage { own: None, ..page() })
    });
    let data = get(world_of(leaderboard(ResetCadence::Never, false), rankings), POINTS).await.json()["data"].clone();
    assert_eq!((&data["period"], &data["segment"], &data["self"]), (&json!(null), &json!(null), &json!(null)));
    assert_eq!(data["resetCadence"], "never");
    assert!(data["entries"].as_array().unwrap().iter().all(|entry| entry["isSelf"] == false));
}

#[actix_web::test]
async fn a_player_is_read_with_those_around_them() {
    let mut rankings = MockRankingReads::new();
    rankings.expect_ranking_page().returning(|_, _, slice, own| {
        assert_eq!((slice, own), (&RankingSlice::Around(external("ann"), 1), Some(external("ann"))));
        Ok(page())
    });
    let path = format!("{POINTS}?externalId=ann&around=true&limit=3");
    let data = get(world_of(leaderboard(ResetCadence::Never, false), rankings), &path).await.json()["data"].clone();
    let ranks: Vec<_> = data["entries"].as_array().unwrap().iter().map(|entry| entry["rank"].clone()).collect();
    assert_eq!((ranks, &data["self"]), (vec![json!(1), json!(2), json!(3)], &json!({ "rank": 2, "score": 10 })));
}

#[actix_web::test]
async fn an_earlier_period_is_named_by_any_instant_in_it() {
    let board = leaderboard(ResetCadence::Daily, false);
    let earlier = board.ranking(Segment::default(), at(-86_400)).id;
    let current = board.ranking(Segment::default(), at(0)).id;
    let cases = [
        ("2026-06-07T00:00:00.000Z", earlier, "2026-06-07T00:00:00.000Z"),
        ("2026-06-07T23:59:59Z", earlier, "2026-06-07T00:00:00.000Z"),
        ("2026-06-08T01:00:00%2B02:00", earlier, "2026-06-07T00:00:00.000Z"),
        ("current", current, "2026-06-08T00:00:00.000Z"),
    ];
    for (period, expected, began) in cases {
        let mut rankings = MockRankingReads::new();
        rankings.expect_ranking_page().returning(move |_, id, _, _| {
            assert_eq!(id, expected);
            Ok(RankingPage::default())
        });
        let reply = get(world_of(board.clone(), rankings), &format!("{POINTS}?period={period}")).await;
        assert_eq!(reply.json()["data"]["period"], began, "{period}");
    }
}

#[actix_web::test]
async fn a_leaderboard_that_is_not_there_or_has_other_segments_is_refused() {
    let world = |segmented| world_of(leaderboard(ResetCadence::Never, segmented), MockRankingReads::new());
    let unknown = get(world(false), "/server/v1/leaderboards/other").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
    assert_eq!(get(world(true), POINTS).await.wrong_fields(), ["segment"]);
    assert_eq!(get(world(false), &format!("{POINTS}?segment=gold")).await.wrong_fields(), ["segment"]);
}

fn by_id(id: u128, query: &str) -> String {
    format!("/server/v1/event-leaderboards/{}{query}", uuid(id))
}

fn world_with_lobby(lobby: domain::lobbies::Lobby) -> World {
    let mut lobbies = MockLobbyReads::new();
    lobbies.expect_lobby().returning(move |_, id| Ok((id == LobbyId(uuid(0x10B))).then(|| detail(lobby.clone()))));
    World { lobbies, ..World::default() }
}

#[actix_web::test]
async fn the_board_of_a_lobby_is_read_by_its_id() {
    let reply = get(world_with_lobby(pushed()), &by_id(0x10B, "?externalId=bob&limit=3")).await;
    insta::assert_snapshot!("lobby_board", reply.shown());
}

#[actix_web::test]
async fn a_player_of_a_lobby_is_read_with_those_around_them() {
    let board = |query: &'static str| async move {
        let data = get(world_with_lobby(pushed()), &by_id(0x10B, query)).await.json()["data"].clone();
        let ranks: Vec<u64> =
            data["entries"].as_array().unwrap().iter().map(|entry| entry["rank"].as_u64().unwrap()).collect();
        (ranks, data["self"]["rank"].as_u64())
    };
    let (_, own) = board("?externalId=ann").await;
    let own = own.unwrap();
    assert_eq!(board("?externalId=ann&around=true&limit=1").await, (vec![own], Some(own)));
    let near: Vec<u64> = (1..=4_u64).filter(|rank| rank.abs_diff(own) <= 1).collect();
    assert_eq!(board("?externalId=ann&around=true&limit=2").await, (near, Some(own)));
    assert_eq!(board("?externalId=nobody&around=true").await, (vec![], None));
    assert_eq!(board("?externalId=nobody").await, (vec![1, 2, 3, 4], None));
}

#[actix_web::test]
async fn a_board_is_final_when_its_lobby_is_closed() {
    for (lobby, finalized, reason) in [
        (forming(), false, Value::Null),
        (pushed(), false, Value::Null),
        (pushed().closed(at(-1)), true, json!("session_terminated")),
        (domain::lobbies::Lobby { ends_at: at(0), ..pushed() }, true, json!("window_closed")),
    ] {
        let data = get(world_with_lobby(lobby), &by_id(0x10B, "")).await.json()["data"].clone();
        assert_eq!((&data["finalized"], &data["finalizedReason"]), (&json!(finalized), &reason));
    }
}

/// A world in which no lobby has the id of a board, and `ranked` is a ranking of an event or of a leaderboard.
fn world_with_ranking(ranked: Ranking, mode: BoardMode, windows: Option<Windows>, board: Leaderboard) -> World {
    let (mut lobbies, mut rankings) = (MockLobbyReads::new(), MockRankingReads::new());
    let (mut events, mut leaderboards) = (MockEventStore::new(), MockLeaderboardStore::new());
    lobbies.expect_lobby().returning(|_, _| Ok(None));
    rankings.expect_ranking().returning(move |_, id| Ok((id == ranked.id).then(|| ranked.clone())));
    rankings.expect_ranking_page().returning(|_, _, _, _| Ok(page()));
    events.expect_event_by_id().returning(move |_, id| {
        let mut event = event(mode);
        event.definition.board.fill_bots = false;
        event.definition.windows = windows.clone().unwrap_or(event.definition.windows);
        Ok((id == EventId(uuid(0xE))).then_some(event))
    });
    leaderboards.expect_leaderboard_by_id().returning(move |_, id| Ok((id == board.id).then(|| board.clone())));
    World { lobbies, rankings, events, leaderboards, ..World::default() }
}

fn of_event() -> Ranking {
    let board = BoardId(uuid(0xE));
    Ranking::of(board, at(-600), Segment::default(), Aggregation::Best, SortOrder::Descending)
}

#[actix_web::test]
async fn the_board_of_an_events_window_is_read_by_its_id() {
    let path = format!("/server/v1/event-leaderboards/{}?externalId=ann", of_event().id.0);
    let points = || leaderboard(ResetCadence::Never, false);
    let reply = get(world_with_ranking(of_event(), BoardMode::Global, None, points()), &path).await;
    insta::assert_snapshot!("event_board", reply.shown());
    // The window ended, or the event has it no longer.
    for windows in [Windows::schedule(at(-600), 600, 600), Windows::schedule(at(60), 600, 600)] {
        let world = world_with_ranking(of_event(), BoardMode::GlobalSegmented, Some(windows.unwrap()), points());
        let data = get(world, &path).await.json()["data"].clone();
        assert_eq!((&data["mode"], &data["finalizedReason"]), (&json!("global_segmented"), &json!("window_closed")));
    }
    let unknown = get(world_with_ranking(of_event(), BoardMode::Global, None, points()), &by_id(5, "")).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
}

#[actix_web::test]
async fn the_board_of_a_leaderboards_period_is_read_by_its_id_too() {
    let board = leaderboard(ResetCadence::Daily, true);
    for (starts, finalized) in [(0, false), (-86_400, true)] {
        let ranked = board.ranking(Segment::restore("gold".to_owned()), at(starts));
        let path = format!("/server/v1/event-leaderboards/{}", ranked.id.0);
        let data =
            get(world_with_ranking(ranked, BoardMode::Global, None, board.clone()), &path).await.json()["data"].clone();
        assert_eq!((&data["mode"], &data["finalized"]), (&json!("global_segmented"), &json!(finalized)));
    }
}
