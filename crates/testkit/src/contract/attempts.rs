//! Attempts: started, reported, ended, and repeated.

use std::time::Duration;

use domain::economy::Repeat;
use domain::lobbies::{
    Aggregation, Attempt, AttemptId, AttemptStatus, BoardMode, Event, Metric, PlayAnswer, PlayRefusal, RankingId,
    Score, Scored, SortOrder,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::World;
use super::play_ways::{progressed, pushed, ranks, second, started};
use crate::lives::ban;
use crate::play_drafts::{
    PlayDraft, close, finish, increment, leave, metric_key, points, push, score, set_metrics, start,
};

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);

fn summed(event: &mut Event) {
    event.definition.board.aggregation = Aggregation::Sum;
}

fn ended(answer: &PlayAnswer) -> Attempt {
    let PlayAnswer::Finished(attempt) = answer else { panic!("not an end: {answer:?}") };
    (**attempt).clone()
}

/// An attempt as it was started, reported and ended is there after a reopen, in a lobby and on a ranking.
pub async fn attempts_come_back_exactly(world: World) {
    let metric = |name: &str, target, cap| Metric { key: metric_key(name), target, cap, weight: Score::restore(1_500) };
    let lapped = |event: &mut Event| {
        event.definition.metrics =
            vec![metric("laps", Some(points(9)), None), metric("coins:gold", None, Some(points(2)))];
    };
    world.add_event("race", BoardMode::Grouped, lapped).await;
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    let race = started(&world.played(&start("race", "p1").keyed("k").after_seconds(1)).await);
    let cup = started(&world.played(&start("cup", "p1").after_seconds(2)).await);
    assert!(race.has_target && !cup.has_target);
    assert_eq!((cup.lobby, race.lobby.map(|lobby| lobby.0)), (None, Some(race.board)));
    assert_eq!(world.attempts("p1").await, [cup.clone(), race.clone()]);
    let draft = set_metrics("race", "p1", race.id, &[("laps", 3), ("coins:gold", 7)]).after_seconds(3);
    let reported = progressed(&world.played(&draft).await);
    assert_eq!(reported.score, Score::restore(7_500));
    let ended_cup = ended(&world.played(&finish("cup", "p1", cup.id).after_seconds(4)).await);
    assert_eq!((ended_cup.status, ended_cup.completed_at), (AttemptStatus::Completed, Some(second(4))));
    let world = world.reopened().await;
    assert_eq!(world.attempts("p1").await, [ended_cup, reported.clone()]);
    let draft = set_metrics("race", "p1", race.id, &[("laps", 9)]).after_seconds(5);
    let done = progressed(&world.played(&draft).await);
    assert_eq!((done.status, done.completed_at), (AttemptStatus::Completed, Some(second(5))));
    assert_eq!(done.metrics.len(), 2, "what was reported before stays");
    assert_eq!(world.attempts("p1").await.last(), Some(&done));
    assert_eq!(world.play_one(&draft).await, Err(PlayRefusal::AttemptFinished));
}

/// Increments from many callers at two handles add up exactly, in the attempt, in its lobby and on its ranking.
pub async fn concurrent_increments_add_up(world: World) {
    world.add_event("race", BoardMode::Grouped, summed).await;
    world.add_event("cup", BoardMode::Global, summed).await;
    let race = started(&world.played(&start("race", "p1")).await);
    let cups = [started(&world.played(&start("cup", "p1")).await), started(&world.played(&start("cup", "p1")).await)];
    let other = world.second().await;
    let mut reporting = JoinSet::new();
    for (number, stores) in (0..12_u64).zip([world.stores.clone(), other].iter().cycle().cloned()) {
        let realm = world.realm;
        let drafts: Vec<PlayDraft> = cups
            .iter()
            .map(|cup| increment("cup", "p1", cup.id, 1))
            .chain([increment("race", "p1", race.id, 2).keyed(&format!("r{number}"))])
            .map(|draft| draft.after_seconds(number))
            .collect();
        reporting.spawn(async move {
            for draft in drafts {
                stores.play_one(realm, &draft).await.expect("it is not refused");
            }
        });
    }
    timeout(STUCK, reporting.join_all()).await.expect("nobody waits for ever");
    let scores: Vec<_> = world.attempts("p1").await.iter().map(|attempt| attempt.score).collect();
    assert_eq!(scores, [points(12), points(12), points(24)]);
    let lobby = world.lobby(race.lobby.expect("a group")).await;
    let scored: Vec<_> = lobby.participants.iter().map(|(of, _)| of.scored.map(|scored| scored.score)).collect();
    assert_eq!(scored, [Some(points(24))]);
    let board = cups.first().expect("two").board;
    let places = world.top(RankingId(board), 10).await.entries;
    let scores: Vec<_> = places.iter().map(|entry| SortOrder::Descending.score_of(entry.place.order_key)).collect();
    assert_eq!(scores, [points(24)], "both attempts count once each");
}

/// A start and progress under a key happen once, also across a reopen, and are answered as they were.
pub async fn repeats_are_answered_as_they_were_across_a_reopen(world: World) {
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    let first = started(&world.played(&start("cup", "p1").keyed("s")).await);
    let report = increment("cup", "p1", first.id, 5).keyed("p").after_seconds(1);
    let reported = progressed(&world.played(&report).await);
    world.played(&increment("cup", "p1", first.id, 5).after_seconds(2)).await;
    world.played(&finish("cup", "p1", first.id).after_seconds(3)).await;
    let before = world.attempts("p1").await;
    let world = world.reopened().await;
    let again = world.play(&[start("cup", "p1").keyed("s").after_seconds(9), report.clone().after_seconds(9)]).await;
    let [Ok(start_again), Ok(report_again)] = again.as_slice() else { panic!("both are answered: {again:?}") };
    assert_eq!(start_again, &PlayAnswer::Started { attempt: Box::new(first.clone()), repeat: Repeat::Replay });
    assert_eq!(report_again, &PlayAnswer::Progressed { attempt: Box::new(reported), repeat: Repeat::Replay });
    assert_eq!(world.attempts("p1").await, before);
    let others = [start("cup", "p2").keyed("s"), increment("cup", "p1", first.id, 6).keyed("p")];
    for outcome in world.play(&others).await {
        assert_eq!(outcome, Err(PlayRefusal::IdempotencyConflict));
    }
    assert_eq!(world.stores.profile(world.realm, "p2").await, None);
}

/// The same keyed start and progress at two handles at once happen once.
pub async fn the_same_start_and_progress_at_two_handles_happen_once(world: World) {
    world.add_event("race", BoardMode::Grouped, summed).await;
    let other = world.second().await;
    for round in 0..8 {
        let player = format!("p{round}");
        let draft = start("race", &player).keyed(&format!("s{round}"));
        let answers = at_once(&world, &other, &draft).await;
        let [one, two] = answers.map(|answer| started(&answer));
        assert_eq!(one, two);
        let draft = increment("race", &player, one.id, 3).keyed(&format!("p{round}"));
        let [one, two] = at_once(&world, &other, &draft).await.map(|answer| progressed(&answer));
        assert_eq!(one, two);
        let scores: Vec<_> = world.attempts(&player).await.iter().map(|attempt| attempt.score).collect();
        assert_eq!(scores, [points(3)]);
    }
}

async fn at_once(world: &World, other: &super::Stores, draft: &PlayDraft) -> [PlayAnswer; 2] {
    let realm = world.realm;
    let tasks = [world.stores.clone(), other.clone()].map(|stores| {
        let draft = draft.clone();
        tokio::spawn(async move { stores.play_one(realm, &draft).await.expect("it is not refused") })
    });
    let [one, two] = tasks;
    let both = async { [one.await.expect("it is answered"), two.await.expect("it is answered")] };
    timeout(STUCK, both).await.expect("nobody waits for ever")
}

/// Attempts end with a lobby that is closed, and for a player who leaves; other attempts go on.
pub async fn attempts_end_early_with_their_lobby_or_place(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let lobby = pushed(&world.played(&push("duel", "k", &["p1", "p2"])).await);
    let one = started(&world.played(&start("duel", "p1").after_seconds(1)).await);
    let two = started(&world.played(&start("duel", "p2").after_seconds(1)).await);
    assert_eq!((one.lobby, one.ends_at), (Some(lobby.id), lobby.ends_at));
    world.played(&increment("duel", "p1", one.id, 7).after_seconds(2)).await;
    world.played(&increment("duel", "p2", two.id, 8).after_seconds(2)).await;
    world.played(&leave(lobby.id, "p1").after_seconds(3)).await;
    let left = world.attempts("p1").await;
    let ends: Vec<_> = left.iter().map(|attempt| (attempt.ends_at, attempt.completed_at(second(9)))).collect();
    assert_eq!(ends, [(second(3), Some(second(3)))]);
    let late = world.play_one(&increment("duel", "p1", one.id, 1).after_seconds(4)).await;
    assert_eq!(late, Err(PlayRefusal::AttemptFinished));
    world.played(&increment("duel", "p2", two.id, 1).after_seconds(4)).await;
    world.played(&close(lobby.id).after_seconds(5)).await;
    let world = world.reopened().await;
    let ends: Vec<_> = world.attempts("p2").await.iter().map(|attempt| attempt.ends_at).collect();
    assert_eq!(ends, [second(5)]);
    let late = world.play_one(&increment("duel", "p2", two.id, 1).after_seconds(5)).await;
    assert_eq!(late, Err(PlayRefusal::AttemptFinished));
    let scored: Vec<_> = world.lobby(lobby.id).await.participants.iter().map(|(of, _)| of.scored).collect();
    assert_eq!(scored, [Some(Scored { score: points(9), achieved_at: second(4) })], "the ranks stay");
}

/// In one batch too, what a player started before leaving is over and what they start after it is not.
pub async fn a_start_after_leaving_in_one_batch_goes_on(world: World) {
    world.add_event("race", BoardMode::Grouped, |_| {}).await;
    let stored = started(&world.played(&start("race", "p1")).await);
    let lobby = stored.lobby.expect("a group");
    let drafts = [start("race", "p1"), leave(lobby, "p1"), start("race", "p1")].map(|draft| draft.after_seconds(5));
    assert!(world.play(&drafts).await.iter().all(Result::is_ok));
    let attempts = world.attempts("p1").await;
    let ends: Vec<_> = attempts.iter().map(|attempt| attempt.ends_at).collect();
    assert_eq!(ends, [stored.ends_at, second(5), second(5)]);
    let last = attempts.first().expect("three attempts").id;
    world.played(&increment("race", "p1", last, 1).after_seconds(6)).await;
    assert_eq!(world.lobby(lobby).await.participants.len(), 1);
}

/// A refused start, progress or end leaves no trace and consumes no key.
pub async fn refused_attempts_leave_no_trace(world: World) {
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    world.add_event("off", BoardMode::Global, |event| event.definition.enabled = false).await;
    let nobody = AttemptId(uuid::Uuid::nil());
    let refused = world
        .play(&[
            start("off", "p1").keyed("k"),
            start("none", "p1").keyed("k"),
            start("cup", "p1").in_segment("gold").keyed("k"),
            increment("cup", "p1", nobody, 1).keyed("k"),
            finish("cup", "p1", nobody),
            score("board", "p1", 1).keyed("k"),
        ])
        .await;
    let expected = [
        PlayRefusal::EventDisabled,
        PlayRefusal::EventNotFound,
        PlayRefusal::SegmentUnexpected,
        PlayRefusal::PlayerNotFound,
        PlayRefusal::PlayerNotFound,
        PlayRefusal::LeaderboardNotFound,
    ];
    assert_eq!(refused, expected.map(Err));
    assert_eq!(world.stores.profile(world.realm, "p1").await, None);
    let attempt = started(&world.played(&start("cup", "p1").keyed("k")).await);
    let progress = increment("cup", "p2", attempt.id, 1).keyed("k");
    assert_eq!(world.play_one(&progress).await, Err(PlayRefusal::PlayerNotFound));
    world.played(&increment("cup", "p1", attempt.id, 1).keyed("k")).await;
}

/// The next batch knows of a ban: the player's client may not start or report, the studio's backend may.
pub async fn a_banned_players_client_does_not_play(world: World) {
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    let attempt = started(&world.played(&start("cup", "p1")).await);
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    let outcomes = world
        .play(&[
            start("cup", "p1").by_client(),
            increment("cup", "p1", attempt.id, 1).by_client(),
            increment("cup", "p1", attempt.id, 1),
            finish("cup", "p1", attempt.id).by_client(),
        ])
        .await;
    let refused: Vec<_> = outcomes.iter().map(|outcome| matches!(outcome, Err(PlayRefusal::PlayerBanned(_)))).collect();
    assert_eq!(refused, [true, true, false, false]);
    let page = world.top(RankingId(attempt.board), 10).await;
    assert_eq!(ranks(&page.entries), [(1, "p1")]);
}
