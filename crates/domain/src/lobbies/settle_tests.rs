//! The rules of pushes, attempts and scores, one by one.

use super::test_arena::Arena;
use super::test_plays::*;
use super::*;
use crate::economy::Repeat;
use crate::economy::test_books::REALM;

fn arena() -> Arena {
    let modes = [("duel", BoardMode::LobbyMatched), ("race", BoardMode::Grouped), ("cup", BoardMode::Global)];
    let mut events: Vec<Event> = modes.into_iter().map(|(name, mode)| event(name, mode)).collect();
    events.push(event("league", BoardMode::GlobalSegmented));
    let metric = |name: &str, target, cap, weight| Metric { key: metric_key(name), target, cap, weight };
    let mut laps = event("laps", BoardMode::Global);
    laps.definition.metrics = vec![
        metric("laps", Some(points(3)), None, points(10)),
        metric("coins", Some(points(5)), Some(points(6)), Score::restore(500)),
        metric("falls", None, None, points(-1)),
    ];
    events.push(laps);
    Arena::of(events).with_board(leaderboard("board", Aggregation::Best))
}

fn ban(arena: &mut Arena, name: &str) {
    let player = arena.players.values_mut().find(|player| player.external_id.as_str() == name).unwrap();
    player.banned_at = Some(second(0));
}

#[test]
fn pushes_are_refused_for_the_first_reason_that_holds() {
    let crowd = ["a", "b", "c", "d", "e"];
    let mut arena = arena();
    arena.events[0].definition.windows = Windows::schedule(second(0), 1_000, 100).unwrap();
    arena.apply(push("duel", "known", &["ann"]));
    let other_event = arena.outcome(push("race", "known", &crowd).at(500));
    assert_eq!(refused(other_event), PlayRefusal::IdempotencyConflict);
    assert_eq!(refused(arena.outcome(push("nothing", "known", &crowd))), PlayRefusal::EventNotFound);
    arena.events[1].definition.enabled = false;
    assert_eq!(refused(arena.outcome(push("race", "new", &crowd))), PlayRefusal::EventDisabled);
    let mode = refused(arena.outcome(push("cup", "new", &crowd)));
    assert_eq!(mode, PlayRefusal::WrongMode { mode: BoardMode::Global });
    assert_eq!(refused(arena.outcome(push("duel", "new", &crowd).at(100))), PlayRefusal::NoActiveWindow);
    let many = PlayRefusal::TooManyPlayers { capacity: 4, players: 5 };
    assert_eq!(refused(arena.outcome(push("duel", "new", &crowd))), many);
    assert_eq!(arena.players.len(), 1, "nobody was made by a refusal");
    assert_eq!(pushed(&arena.accept(push("duel", "new", &crowd).sized(5, false))).players, 5);
    arena.events[0].definition.enabled = false;
    let PlayAnswer::Pushed { lobby, repeat } = arena.accept(push("duel", "known", &crowd).at(500)).unwrap() else {
        panic!("a push is answered as one");
    };
    assert_eq!((lobby.status(), lobby.players, repeat), (LobbyStatus::Closed, 1, Repeat::Replay), "as it is now");
}

#[test]
fn starts_are_refused_for_the_first_reason_that_holds() {
    let mut arena = arena();
    arena.events[0].definition.windows = Windows::schedule(second(10), 1_000, 100).unwrap();
    arena.apply(start("cup", "ann").keyed("k", 1));
    assert_eq!(refused(arena.outcome(start("nothing", "ann").keyed("k", 2))), PlayRefusal::IdempotencyConflict);
    assert_eq!(refused(arena.outcome(start("nothing", "ann"))), PlayRefusal::EventNotFound);
    assert_eq!(refused(arena.outcome(start("duel", "ann").in_segment("x"))), PlayRefusal::NoActiveWindow);
    assert_eq!(refused(arena.outcome(start("cup", "ann").in_segment("x"))), PlayRefusal::SegmentUnexpected);
    assert_eq!(refused(arena.outcome(start("league", "ann"))), PlayRefusal::SegmentRequired);
    arena.events[0].definition.enabled = false;
    assert_eq!(refused(arena.outcome(start("duel", "ann"))), PlayRefusal::EventDisabled);
    ban(&mut arena, "ann");
    let banned = refused(arena.outcome(start("nothing", "ann").by_client()));
    assert!(matches!(banned, PlayRefusal::PlayerBanned(_)), "{banned:?}");
    arena.apply(start("cup", "ann"));
}

#[test]
fn progress_is_refused_for_the_first_reason_that_holds() {
    let mut arena = arena();
    let attempt = started(&arena.accept(start("laps", "ann"))).id;
    started(&arena.accept(start("cup", "bob")));
    let set = |event: &str, player: &str| progress(event, player, attempt, ProgressMode::Set, 1);
    arena.apply(set("laps", "ann").keyed("k", 1));
    assert_eq!(refused(arena.outcome(set("nothing", "zoe").keyed("k", 2))), PlayRefusal::IdempotencyConflict);
    assert_eq!(refused(arena.outcome(set("nothing", "zoe"))), PlayRefusal::EventNotFound);
    assert_eq!(refused(arena.outcome(set("laps", "zoe"))), PlayRefusal::PlayerNotFound);
    assert_eq!(refused(arena.outcome(set("laps", "bob"))), PlayRefusal::AttemptNotFound, "it is somebody else's");
    assert_eq!(refused(arena.outcome(set("cup", "ann"))), PlayRefusal::AttemptNotFound, "it is at another event");
    let unknown = |at| set("laps", "ann").of_metrics(&[("laps", 1), ("jumps", 2)]).at(at);
    let metrics = vec![metric_key("jumps")];
    assert_eq!(refused(arena.outcome(unknown(999))), PlayRefusal::UnknownMetrics { metrics });
    assert_eq!(refused(arena.outcome(unknown(1_000))), PlayRefusal::AttemptFinished);
    let huge = progress("laps", "ann", attempt, ProgressMode::Set, Score::WHOLE_MAX);
    assert_eq!(refused(arena.outcome(huge)), PlayRefusal::ScoreLimit);
    ban(&mut arena, "ann");
    let banned = refused(arena.outcome(set("laps", "ann").by_client()));
    assert!(matches!(banned, PlayRefusal::PlayerBanned(_)), "{banned:?}");
}

#[test]
fn scores_are_refused_for_the_first_reason_that_holds() {
    let mut arena = arena();
    arena.apply(start("cup", "ann"));
    arena.apply(score("board", "ann", 5).keyed("k", 1));
    assert_eq!(refused(arena.outcome(score("nothing", "zoe", 5).keyed("k", 2))), PlayRefusal::IdempotencyConflict);
    assert_eq!(refused(arena.outcome(score("nothing", "zoe", 5))), PlayRefusal::LeaderboardNotFound);
    assert_eq!(refused(arena.outcome(score("board", "zoe", 5).in_segment("x"))), PlayRefusal::SegmentUnexpected);
    assert_eq!(refused(arena.outcome(score("board", "zoe", 5))), PlayRefusal::PlayerNotFound);
    arena.leaderboards[0].definition.enabled = false;
    assert_eq!(refused(arena.outcome(score("board", "zoe", 5))), PlayRefusal::LeaderboardDisabled);
    arena.apply(score("board", "ann", 5).keyed("k", 1));
    arena.leaderboards[0].definition.segmented = true;
    assert_eq!(refused(arena.outcome(score("board", "ann", 5))), PlayRefusal::SegmentRequired);
}

#[test]
fn lobbies_that_are_over_or_unknown_are_not_joined_left_or_closed_again() {
    let mut arena = arena();
    let lobby = pushed(&arena.accept(push("duel", "k", &["ann"]))).id;
    let unknown = LobbyId(uuid::Uuid::nil());
    for command in [join(unknown, "bob"), leave(unknown, "ann"), close(unknown)] {
        assert_eq!(refused(arena.outcome(command)), PlayRefusal::LobbyNotFound);
    }
    assert!(changed(&arena.accept(close(lobby).at(5))).1);
    let (again, applied) = changed(&arena.accept(close(lobby).at(6)));
    assert_eq!((again.closed_at(), applied), (Some(second(5)), false));
    assert_eq!(refused(arena.outcome(join(lobby, "bob").at(6))), PlayRefusal::LobbyClosed { lobby });
    assert_eq!(refused(arena.outcome(leave(lobby, "ann").at(6))), PlayRefusal::LobbyClosed { lobby });
    assert!(!changed(&arena.accept(join(lobby, "ann").at(6))).1, "who is in it need not join");
    assert!(!changed(&arena.accept(leave(lobby, "bob").at(6))).1, "who is not in it need not leave");
}

#[test]
fn metrics_are_set_or_added_capped_and_weighed() {
    let mut arena = arena();
    let attempt = started(&arena.accept(start("laps", "ann"))).id;
    let report = |mode, values: &[(&str, i64)]| progress("laps", "ann", attempt, mode, 0).of_metrics(values);
    let of = |arena: &mut Arena, mode, values: &[(&str, i64)]| {
        let attempt = progressed(&arena.accept(report(mode, values)));
        (attempt.score.to_string(), attempt.status)
    };
    let playing = |score: &str| (score.to_owned(), AttemptStatus::InProgress);
    assert_eq!(of(&mut arena, ProgressMode::Increment, &[("laps", 1), ("coins", 2)]), playing("11"));
    assert_eq!(of(&mut arena, ProgressMode::Increment, &[("coins", 9), ("falls", 2)]), playing("11"));
    let coins = arena.attempt(attempt).metrics[&metric_key("coins")];
    assert_eq!((coins.raw, coins.counted), (points(11), points(6)), "past its cap it does not count");
    assert_eq!(of(&mut arena, ProgressMode::Set, &[("falls", 0)]), playing("13"));
    assert_eq!(of(&mut arena, ProgressMode::Set, &[("laps", 2)]), playing("23"), "the others stay");
    let done = of(&mut arena, ProgressMode::Increment, &[("laps", 1)]);
    assert_eq!(done, ("33".to_owned(), AttemptStatus::Completed), "all targets are reached");
    assert_eq!(arena.attempt(attempt).completed_at, Some(second(0)));
    assert_eq!(refused(arena.outcome(report(ProgressMode::Set, &[("laps", 9)]))), PlayRefusal::AttemptFinished);
}

#[test]
fn an_attempt_ends_with_its_window_completed_or_short_of_its_targets() {
    let mut arena = arena();
    let attempts = ["laps", "cup"].map(|event| started(&arena.accept(start(event, "ann"))));
    let standing = |attempt: &Attempt, now| (attempt.status_at(second(now)), attempt.completed_at(second(now)));
    assert_eq!(standing(&attempts[0], 999), (AttemptStatus::InProgress, None));
    assert_eq!(standing(&attempts[0], 1_000), (AttemptStatus::Expired, Some(second(1_000))));
    assert_eq!(standing(&attempts[1], 1_500), (AttemptStatus::Completed, Some(second(1_000))));
    for (event, attempt, status) in
        [("laps", &attempts[0], AttemptStatus::Expired), ("cup", &attempts[1], AttemptStatus::Completed)]
    {
        for at in [7, 9] {
            let outcome = arena.accept(finish(event, "ann", attempt.id).at(at));
            let Ok(PlayAnswer::Finished(ended)) = outcome else { panic!("not an end: {outcome:?}") };
            assert_eq!((ended.status, ended.completed_at), (status, Some(second(7))), "the first end counts");
        }
    }
    let late = progress("cup", "ann", attempts[1].id, ProgressMode::Set, 1).at(8);
    assert_eq!(refused(arena.outcome(late)), PlayRefusal::AttemptFinished);
}

#[test]
fn attempts_end_with_a_lobby_that_is_closed_and_for_a_player_who_leaves() {
    let mut arena = arena();
    let lobby = pushed(&arena.accept(push("duel", "k", &["ann", "bob"]))).id;
    let attempts = ["ann", "bob"].map(|player| started(&arena.accept(start("duel", player).at(1))));
    assert!(attempts.iter().all(|attempt| attempt.lobby == Some(lobby)), "who was pushed plays there");
    let report =
        |player, index: usize, at| progress("duel", player, attempts[index].id, ProgressMode::Increment, 5).at(at);
    arena.apply(report("ann", 0, 2));
    arena.apply(leave(lobby, "ann").at(3));
    assert_eq!(arena.scored(lobby, "ann"), None);
    assert_eq!(refused(arena.outcome(report("ann", 0, 4))), PlayRefusal::AttemptFinished);
    arena.apply(report("bob", 1, 4));
    arena.apply(close(lobby).at(5));
    assert_eq!(refused(arena.outcome(report("bob", 1, 5))), PlayRefusal::AttemptFinished);
    assert_eq!(arena.attempt(attempts[1].id).completed_at(second(9)), Some(second(5)));
    assert_eq!(arena.scored(lobby, "bob").map(|scored| scored.score), Some(points(5)), "the ranks stay");
}

#[test]
fn lobbies_and_rankings_count_the_best_the_latest_or_the_sum_of_attempts() {
    for (aggregation, expected) in [(Aggregation::Best, 9), (Aggregation::Latest, 4), (Aggregation::Sum, 13)] {
        for mode in [BoardMode::Grouped, BoardMode::Global] {
            let mut played = event("race", mode);
            played.definition.board.aggregation = aggregation;
            let mut arena = Arena::of(vec![played]);
            for (reports, at) in [([3, 9], 1), ([2, 4], 5)] {
                let attempt = started(&arena.accept(start("race", "ann").at(at)));
                for value in reports {
                    arena.apply(progress("race", "ann", attempt.id, ProgressMode::Set, value).at(at));
                }
            }
            let scored = match mode {
                BoardMode::Grouped => arena.participants.values().next().unwrap().scored.unwrap().score,
                BoardMode::Global | BoardMode::GlobalSegmented | BoardMode::LobbyMatched => {
                    SortOrder::Descending.score_of(arena.places.values().next().unwrap().order_key)
                }
            };
            assert_eq!(scored, points(expected), "{aggregation:?} {mode:?}");
        }
    }
}

#[test]
fn a_repeat_under_the_same_key_is_answered_as_it_was() {
    let mut arena = arena();
    let first = started(&arena.accept(start("cup", "ann").keyed("s", 1)));
    let report = |at| progress("cup", "ann", first.id, ProgressMode::Increment, 5).keyed("p", 1).at(at);
    let reported = progressed(&arena.accept(report(1)));
    arena.apply(progress("cup", "ann", first.id, ProgressMode::Increment, 5).at(2));
    arena.apply(finish("cup", "ann", first.id).at(3));
    assert_eq!(started(&arena.accept(start("cup", "ann").keyed("s", 1).at(9))), first);
    assert_eq!(progressed(&arena.accept(report(9))), reported);
    assert_eq!(arena.attempt(first.id).score, points(10));
    arena.apply(score("board", "ann", 5).keyed("b", 1));
    arena.apply(score("board", "ann", 8));
    let settlement = arena.settle(vec![score("board", "ann", 5).keyed("b", 1), score("board", "ann", 9)]);
    let Ok(PlayAnswer::Scored { score: counted, repeat, .. }) = &settlement.outcomes[0] else { panic!("not a score") };
    assert_eq!((*counted, *repeat), (points(5), Repeat::Replay));
    let wanted: Vec<_> = settlement.ranks.iter().map(|wanted| wanted.place.order_key).collect();
    assert_eq!(wanted, [-9_000, -9_000], "a rank is that of the place which the player has by now");
}

#[test]
fn who_is_met_is_made_once_and_seen_coarsely() {
    let mut arena = arena();
    let settlement = arena.settle(vec![push("duel", "k", &["ann", "bob"]), start("cup", "ann"), start("race", "ann")]);
    assert_eq!(settlement.new_players.len(), 2);
    let ann = arena.player("ann").unwrap().clone();
    assert_eq!(started(&settlement.outcomes[1]).player, ann.id);
    arena.apply(start("cup", "ann").at(1_000_000));
    assert_eq!(arena.player("ann").unwrap().last_seen_at, second(1_000_000));
}

#[test]
fn realms_share_no_keys_players_or_lobbies() {
    let mut arena = arena();
    let other = crate::tenancy::RealmId(2);
    let push_there = push("duel", "k", &["ann"]).in_realm(other);
    let outcomes = arena.settle(vec![push("duel", "k", &["ann"]), push_there]).outcomes;
    let (here, there) = (pushed(&outcomes[0]).id, pushed(&outcomes[1]).id);
    assert_ne!(here, there);
    assert!(arena.lobbies.contains_key(&(REALM, here)) && arena.lobbies.contains_key(&(other, there)));
    assert_eq!(refused(arena.outcome(join(here, "bob").in_realm(other))), PlayRefusal::LobbyNotFound);
    assert_eq!(arena.players.len(), 2);
}
