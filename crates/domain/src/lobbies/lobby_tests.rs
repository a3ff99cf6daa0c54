//! One lobby and the clock: bots that come, the start, the end.

use super::test_arena::Arena;
use super::test_plays::*;
use super::*;

/// A lobby with one player, made in second 0.
fn waiting(event: Event) -> (Arena, Lobby) {
    let mut arena = Arena::of(vec![event]);
    let lobby = forming(&arena.accept(start("duel", "ann")));
    (arena, lobby)
}

fn duel() -> Event {
    event("duel", BoardMode::LobbyMatched)
}

#[test]
fn bots_drip_in_while_a_lobby_forms_and_fill_it_when_it_starts() {
    let (_, lobby) = waiting(duel());
    let bots: Vec<_> = [0, 9, 10, 20, 29].map(|now| lobby.bots_at(second(now)).len()).to_vec();
    assert_eq!(bots, [0, 0, 1, 2, 2]);
    assert_eq!(lobby.at(second(29)).status(), LobbyStatus::Forming);
    let started = lobby.at(second(30));
    assert_eq!((started.status(), started.started_at()), (LobbyStatus::Active, Some(second(30))));
    let since: Vec<_> = started.bots.iter().map(|bot| bot.since).collect();
    assert_eq!(since, [second(10), second(20), second(30)]);
    let closed = lobby.at(second(1_000));
    assert_eq!((closed.closed_at(), closed.started_at()), (Some(second(1_000)), Some(second(30))));
    let steps: Vec<_> = lobby.steps(second(2_000)).iter().map(Lobby::status).collect();
    assert_eq!(steps, [LobbyStatus::Active, LobbyStatus::Closed]);
}

#[test]
fn without_bots_a_lobby_starts_when_it_is_full_or_its_time_is_over() {
    let mut event = duel();
    (event.definition.board.fill_bots, event.definition.board.capacity) = (false, 2);
    let (mut arena, lobby) = waiting(event);
    assert_eq!(lobby.at(second(39)).status(), LobbyStatus::Forming);
    assert_eq!((lobby.at(second(40)).status(), lobby.at(second(40)).bots.len()), (LobbyStatus::Active, 0));
    let (full, applied) = changed(&arena.accept(join(lobby.id, "bob").at(5)));
    assert!(applied);
    assert_eq!(full.started_at(), Some(second(5)));
    let refusal = refused(arena.outcome(join(lobby.id, "cid").at(6)));
    assert_eq!(refusal, PlayRefusal::LobbyFull { capacity: 2 });
}

#[test]
fn a_lobby_that_does_not_wait_plays_at_once() {
    let mut event = duel();
    event.definition.board.fill_timeout_seconds = 0;
    let mut arena = Arena::of(vec![event]);
    let attempt = started(&arena.accept(start("duel", "ann").at(7)));
    let lobby = arena.lobby(attempt.lobby.unwrap());
    assert_eq!((lobby.started_at(), lobby.bots.len()), (Some(second(7)), 3));
}

#[test]
fn a_lobby_that_everybody_left_closes_and_never_starts() {
    let (mut arena, lobby) = waiting(duel());
    let (left, applied) = changed(&arena.accept(leave(lobby.id, "ann").at(15)));
    assert!(applied);
    assert_eq!((left.players, left.bots_at(second(15)).len()), (0, 1));
    let closed = left.at(second(40));
    assert_eq!((closed.status(), closed.started_at()), (LobbyStatus::Closed, None));
    assert_eq!((closed.bots.len(), closed.closed_at()), (0, Some(second(40))));
}

#[test]
fn a_lobby_whose_window_ends_first_closes_with_it() {
    let (mut arena, _) = waiting(duel());
    let late = forming(&arena.accept(start("duel", "bob").at(990)));
    assert_eq!(late.fill_by, Some(second(1_000)));
    let closed = late.at(second(1_000));
    assert_eq!((closed.status(), closed.closed_at()), (LobbyStatus::Closed, Some(second(1_000))));
}

#[test]
fn a_player_takes_the_place_of_the_last_bot_and_a_bot_that_of_a_player_who_leaves() {
    let mut arena = Arena::of(vec![duel()]);
    let lobby = pushed(&arena.accept(push("duel", "k", &["ann", "bob"])));
    assert_eq!((lobby.status(), lobby.fill_by), (LobbyStatus::Active, None));
    let numbers = |lobby: &Lobby| lobby.bots.iter().map(|bot| bot.number).collect::<Vec<_>>();
    assert_eq!(numbers(&lobby), [0, 1]);
    let (joined, _) = changed(&arena.accept(join(lobby.id, "cid").at(5)));
    assert_eq!((joined.players, numbers(&joined)), (3, vec![0]));
    let (again, applied) = changed(&arena.accept(join(lobby.id, "cid").at(6)));
    assert_eq!((again.players, applied), (3, false));
    let (left, _) = changed(&arena.accept(leave(lobby.id, "ann").at(7)));
    assert_eq!((left.players, numbers(&left)), (2, vec![0, 1]));
    assert_eq!(left.bots[1].since, second(7));
    let (nobody, applied) = changed(&arena.accept(leave(lobby.id, "ann").at(8)));
    assert_eq!((nobody.players, applied), (2, false));
}

#[test]
fn groups_play_from_the_first_player_on_and_a_full_one_is_followed_by_another() {
    let mut grouped = event("race", BoardMode::Grouped);
    grouped.definition.board.capacity = 2;
    let mut arena = Arena::of(vec![grouped]);
    let starts = ["ann", "bob", "cid", "ann"].map(|player| start("race", player)).to_vec();
    let attempts: Vec<_> = arena.settle(starts).outcomes.iter().map(started).collect();
    let lobbies: Vec<_> = attempts.iter().map(|attempt| attempt.lobby.unwrap()).collect();
    assert_eq!(lobbies[0], lobbies[1]);
    assert_ne!(lobbies[0], lobbies[2]);
    assert_eq!(lobbies[3], lobbies[0], "who has a group plays in it");
    assert_eq!((arena.lobby(lobbies[0]).bots.len(), arena.lobby(lobbies[2]).bots.len()), (0, 1));
    arena.apply(leave(lobbies[0], "bob").at(1));
    assert_eq!(started(&arena.accept(start("race", "dan").at(2))).lobby, Some(lobbies[0]), "the oldest with room");
    let next = started(&arena.accept(start("race", "ann").at(1_000)));
    assert_ne!(next.lobby, Some(lobbies[0]), "the next window has groups of its own");
}

#[test]
fn who_waits_is_in_one_lobby_and_plays_once_it_starts() {
    let (mut arena, lobby) = waiting(duel());
    assert_eq!(forming(&arena.accept(start("duel", "ann").at(3))).id, lobby.id);
    assert_eq!(arena.lobby(lobby.id).players, 1);
    let attempt = started(&arena.accept(start("duel", "ann").at(31)));
    assert_eq!((attempt.lobby, attempt.board, attempt.ends_at), (Some(lobby.id), lobby.id.0, second(1_000)));
}

#[test]
fn who_leaves_and_starts_in_one_batch_looks_for_a_lobby_anew() {
    let mut grouped = event("race", BoardMode::Grouped);
    grouped.definition.board.capacity = 2;
    let mut arena = Arena::of(vec![grouped]);
    let first = started(&arena.accept(start("race", "ann")));
    let lobby = first.lobby.unwrap();
    let outcomes = arena.settle(vec![leave(lobby, "ann").at(5), start("race", "ann").at(5)]).outcomes;
    let second_try = started(&outcomes[1]);
    assert_eq!((second_try.lobby, second_try.ends_at), (Some(lobby), second(1_000)));
    assert_eq!(arena.lobby(lobby).players, 1);
    assert_eq!(arena.attempt(first.id).ends_at, second(5), "what was before the leave is over");
    assert_eq!(arena.attempt(second_try.id).ends_at, second(1_000), "what came after it is not");
}
