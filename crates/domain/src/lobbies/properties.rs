//! What holds of every batch and at every time, whatever is in it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::test_arena::Arena;
use super::test_plays::*;
use super::*;
use crate::clock::Timestamp;
use crate::economy::PlayerKey;
use crate::economy::Repeat;
use crate::economy::test_books::{REALM, external_id};
use crate::webhooks::{EventName, EventNames, occurrences};

/// One request as drawn: small numbers, so that players, lobbies and idempotency keys meet.
#[derive(Debug, Clone)]
struct Ask {
    /// How many seconds after the one before.
    pause: u64,
    player: usize,
    key: Option<(u8, u8)>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Push(u8, Vec<usize>, Option<(u32, bool)>),
    /// Into one of the lobbies that the requests before may have made; the others likewise.
    Join(usize),
    Leave(usize),
    Close(usize),
    Start(usize),
    Progress(usize, ProgressMode, i64),
    Finish(usize),
    Score(i64),
}

const PLAYERS: [&str; 4] = ["p0", "p1", "p2", "p3"];
const EVENTS: [&str; 5] = ["matched", "bare", "hasty", "grouped", "global"];

/// Lobbies with bots, without, and that do not wait; groups; everybody.
fn arena() -> Arena {
    let mut events: Vec<Event> = Vec::new();
    let modes = [BoardMode::LobbyMatched, BoardMode::LobbyMatched, BoardMode::LobbyMatched, BoardMode::Grouped];
    let aggregations = [Aggregation::Best, Aggregation::Sum, Aggregation::Latest, Aggregation::Sum, Aggregation::Sum];
    for ((name, mode), aggregation) in
        EVENTS.into_iter().zip(modes.into_iter().chain([BoardMode::Global])).zip(aggregations)
    {
        let mut event = event(name, mode);
        event.definition.board.aggregation = aggregation;
        match name {
            "bare" => (event.definition.board.fill_bots, event.definition.board.capacity) = (false, 3),
            "hasty" => event.definition.board.fill_timeout_seconds = 0,
            _ => {}
        }
        events.push(event);
    }
    Arena::of(events).with_board(leaderboard("board", Aggregation::Sum))
}

fn whats() -> impl Strategy<Value = What> {
    let modes = prop_oneof![Just(ProgressMode::Set), Just(ProgressMode::Increment)];
    let players = subsequence((0..PLAYERS.len()).collect::<Vec<_>>(), 1..=3);
    let size = proptest::option::of((2_u32..6, any::<bool>()));
    prop_oneof![
        1 => (0_u8..4, players, size).prop_map(|(key, players, size)| What::Push(key, players, size)),
        3 => (0_usize..20).prop_map(What::Join),
        4 => (0_usize..20).prop_map(What::Leave),
        1 => (0_usize..20).prop_map(What::Close),
        8 => (0_usize..EVENTS.len()).prop_map(What::Start),
        6 => (0_usize..20, modes, -3_i64..9).prop_map(|(of, mode, value)| What::Progress(of, mode, value)),
        1 => (0_usize..20).prop_map(What::Finish),
        2 => (-3_i64..9).prop_map(What::Score),
    ]
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let pauses = prop_oneof![6 => 0_u64..12, 1 => 30_u64..60, 1 => 400_u64..700];
    let keys = proptest::option::of((0_u8..3, 0_u8..2));
    let ask = (pauses, 0..PLAYERS.len(), keys, whats()).prop_map(|(pause, player, key, what)| Ask {
        pause,
        player,
        key,
        what,
    });
    vec(ask, 0..20)
}

/// The commands that `asks` stand for. Nobody knows an attempt before its start was answered: what is reported is of the
/// attempts that the first `known` of them start.
fn commands(asks: &[Ask], known: usize) -> Vec<PlayCommand> {
    let mut commands: Vec<PlayCommand> = Vec::new();
    let mut at = 0;
    for ask in asks {
        at += ask.pause;
        let player = PLAYERS[ask.player];
        let lobby = |of: usize| {
            let made: Vec<_> = commands.iter().filter_map(PlayCommand::lobby_id).collect();
            made.get(of.checked_rem(made.len()).unwrap_or(0)).copied().unwrap_or(LobbyId(uuid::Uuid::nil()))
        };
        let attempt = |of: usize| {
            let known = commands.iter().take(known).filter_map(PlayCommand::attempt_id);
            let known: Vec<_> = known.collect();
            let nobody = (key("global"), external_id(player), AttemptId(uuid::Uuid::nil()));
            known.get(of.checked_rem(known.len()).unwrap_or(0)).cloned().unwrap_or(nobody)
        };
        let command = match &ask.what {
            What::Push(key, players, size) => {
                let players: Vec<_> = players.iter().map(|number| PLAYERS[*number]).collect();
                let command = push(EVENTS[0], &format!("key-{key}"), &players);
                size.map_or(command.clone(), |(capacity, bots)| command.sized(capacity, bots))
            }
            What::Join(of) => join(lobby(*of), player),
            What::Leave(of) => leave(lobby(*of), player),
            What::Close(of) => close(lobby(*of)),
            What::Start(event) => keyed(start(EVENTS[*event], player), ask.key, ask.player),
            What::Progress(of, mode, value) => {
                let (event, player, attempt) = attempt(*of);
                keyed(progress(event.as_str(), player.as_str(), attempt, *mode, *value), ask.key, *of)
            }
            What::Finish(of) => {
                let (event, player, attempt) = attempt(*of);
                finish(event.as_str(), player.as_str(), attempt)
            }
            What::Score(value) => keyed(score("board", player, *value), ask.key, ask.player),
        };
        commands.push(command.at(at));
    }
    commands
}

fn keyed(command: PlayCommand, key: Option<(u8, u8)>, who: usize) -> PlayCommand {
    match key {
        Some((key, body)) => command.keyed(&format!("key-{key}-{who}"), body),
        None => command,
    }
}

/// A history, and a batch that knows it.
fn history_and_batch() -> impl Strategy<Value = (Vec<PlayCommand>, Vec<PlayCommand>)> {
    (asks(), asks()).prop_map(|(history, batch)| {
        let mut all = commands(&[history.clone(), batch].concat(), history.len());
        let batch = all.split_off(history.len());
        (all, batch)
    })
}

/// `arena()` in which `commands` were settled one at a time.
fn played(commands: Vec<PlayCommand>) -> Arena {
    let mut arena = arena();
    commands.into_iter().for_each(|command| drop(arena.outcome(command)));
    arena
}

/// Answers without what counts how often something was stored.
fn unversioned(outcome: PlayOutcome) -> PlayOutcome {
    let strip = |lobby: Box<Lobby>| Box::new(Lobby { version: 0, ..*lobby });
    outcome.map(|answer| match answer {
        PlayAnswer::Pushed { lobby, repeat } => PlayAnswer::Pushed { lobby: strip(lobby), repeat },
        PlayAnswer::Lobby { lobby, applied } => PlayAnswer::Lobby { lobby: strip(lobby), applied },
        PlayAnswer::Forming(lobby) => PlayAnswer::Forming(strip(lobby)),
        PlayAnswer::Started { .. }
        | PlayAnswer::Progressed { .. }
        | PlayAnswer::Finished(_)
        | PlayAnswer::Scored { .. } => answer,
    })
}

/// Whether no batch looks past a lobby that it would find alone: a look finds one open lobby of a window, and one that a
/// player is in.
fn is_found_whole(arena: &Arena) -> bool {
    arena.lobbies.iter().all(|((realm, _), lobby)| {
        let mut players = PLAYERS.iter().map(|name| PlayerKey { realm: *realm, external_id: external_id(name) });
        arena.open_lobbies(*realm, lobby.event, lobby.window).len() <= 1
            && players.all(|key| arena.memberships(&key, lobby.event, lobby.window).len() <= 1)
    })
}

fn far() -> Timestamp {
    second(1_000_000)
}

proptest! {
    #[test]
    fn a_batch_equals_the_same_commands_one_at_a_time((history, batch) in history_and_batch()) {
        let mut together = played(history);
        if !is_found_whole(&together) {
            return Ok(());
        }
        let mut apart = together.clone();
        let outcomes: Vec<_> = together.settle(batch.clone()).outcomes.into_iter().map(unversioned).collect();
        let one_by_one: Vec<_> = batch.into_iter().map(|command| unversioned(apart.outcome(command))).collect();
        prop_assert_eq!(outcomes, one_by_one);
        prop_assert_eq!(together.unversioned(), apart.unversioned());
    }

    #[test]
    fn deciding_again_decides_the_same((history, batch) in history_and_batch()) {
        let arena = played(history);
        let batch = PlayBatch::new(batch);
        prop_assert_eq!(batch.settle(arena.look(&batch)), batch.settle(arena.look(&batch)));
    }

    #[test]
    fn players_and_bots_never_exceed_the_capacity_and_nothing_goes_back(
        asks in asks(), sweeps in vec(any::<bool>(), 20),
    ) {
        let mut arena = arena();
        let mut before = BTreeMap::<LobbyId, (LobbyStatus, usize)>::new();
        for (command, sweep) in commands(&asks, asks.len()).into_iter().zip(sweeps) {
            let at = command.at;
            if sweep {
                arena.sweep(at);
            }
            drop(arena.outcome(command));
            for ((realm, id), stored) in &arena.lobbies {
                let (lobby, bots) = (stored.at(at), stored.bots_at(at));
                let [players, capacity] = [lobby.players, lobby.capacity].map(|count| usize::try_from(count).unwrap());
                prop_assert!(players + bots.len() <= capacity);
                prop_assert!(bots.windows(2).all(|pair| pair[0].number < pair[1].number), "bots are numbered");
                let seen = before.insert(*id, (lobby.status(), bots.len()));
                let (status, count) = seen.unwrap_or((LobbyStatus::Forming, 0));
                prop_assert!(status <= lobby.status());
                prop_assert!(lobby.status() != LobbyStatus::Forming || count <= bots.len());
                let board = arena.detail(*realm, *id).board(at);
                prop_assert_eq!(board.len(), players + bots.len());
            }
        }
    }

    /// Of several servers one may be ahead of the others.
    #[test]
    fn what_is_stored_never_goes_back_nor_exceeds_the_capacity_whatever_clocks_say(
        asks in asks(), skews in vec(0_u64..120, 20),
    ) {
        let mut arena = arena();
        let mut before = BTreeMap::<LobbyId, LobbyStatus>::new();
        for (command, skew) in commands(&asks, asks.len()).into_iter().zip(skews) {
            let at = command.at.since(second(0)).as_secs() + skew;
            drop(arena.outcome(command.at(at)));
            for (id, lobby) in arena.lobbies.values().map(|lobby| (lobby.id, lobby)) {
                let bots = u32::try_from(lobby.bots.len()).unwrap();
                prop_assert!(lobby.players + bots <= lobby.capacity);
                let seen = before.insert(id, lobby.status());
                prop_assert!(seen.is_none_or(|seen| seen <= lobby.status()));
            }
        }
        arena.sweep(far());
        for lobby in arena.lobbies.values() {
            let told = arena.told.iter().filter(|step| step.lobby == lobby.id).map(|step| step.status);
            let told: Vec<_> = told.collect();
            prop_assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", told);
            prop_assert_eq!(told.last(), Some(&LobbyStatus::Closed));
        }
    }

    #[test]
    fn a_lobby_that_was_swept_reads_like_one_that_was_not(
        asks in asks(), pauses in vec(0_u64..300, 1..8), reads in vec(0_u64..3_000, 1..6),
    ) {
        let arena = played(commands(&asks, asks.len()));
        let mut swept = arena.clone();
        let mut at = 0;
        for pause in pauses {
            at += pause;
            swept.sweep(second(at));
        }
        for read in reads.into_iter().map(|read| second(at + read)) {
            for (realm, id) in arena.lobbies.keys() {
                let (one, other) = (arena.detail(*realm, *id), swept.detail(*realm, *id));
                let by_now = |detail: &LobbyDetail| Lobby { version: 0, ..detail.lobby.at(read) };
                prop_assert_eq!(by_now(&one), by_now(&other));
                prop_assert_eq!(one.lobby.bots_at(read), other.lobby.bots_at(read));
                prop_assert_eq!(one.board(read), other.board(read));
            }
        }
    }

    #[test]
    fn every_step_of_a_lobby_is_told_exactly_once(asks in asks(), sweeps in vec(any::<bool>(), 20)) {
        let mut arena = arena();
        for (command, sweep) in commands(&asks, asks.len()).into_iter().zip(sweeps) {
            if sweep {
                arena.sweep(command.at);
            }
            drop(arena.outcome(command));
        }
        arena.sweep(far());
        prop_assert_eq!(arena.sweep(far()), vec![]);
        for lobby in arena.lobbies.values() {
            let told = arena.told.iter().filter(|step| step.lobby == lobby.id);
            let told: Vec<_> = told.map(|step| (step.status, step.at)).collect();
            let mut expected = vec![(LobbyStatus::Forming, lobby.created_at)];
            expected.extend(lobby.started_at().map(|at| (LobbyStatus::Active, at)));
            expected.extend(lobby.closed_at().map(|at| (LobbyStatus::Closed, at)));
            prop_assert_eq!(lobby.status(), LobbyStatus::Closed);
            prop_assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_repeat_changes_nothing_and_is_answered_the_same((history, batch) in history_and_batch()) {
        let mut arena = played(history);
        for command in batch {
            let is_keyed = match &command.action {
                Play::Push(_) => true,
                Play::Start(start) => start.once.is_some(),
                Play::Progress(progress) => progress.once.is_some(),
                Play::Score(score) => score.once.is_some(),
                Play::Join { .. } | Play::Leave { .. } | Play::Close { .. } | Play::Finish { .. } => false,
            };
            let at = command.at;
            let outcome = arena.outcome(command.clone());
            let waits = matches!(outcome, Ok(PlayAnswer::Forming(_)));
            if !is_keyed || outcome.is_err() || waits {
                continue;
            }
            let before = arena.clone();
            let again = arena.settle(vec![command]);
            prop_assert_eq!(&arena, &before);
            prop_assert_eq!(&again.transitions, &vec![]);
            match (outcome.unwrap(), again.outcomes[0].clone().unwrap()) {
                (PlayAnswer::Pushed { lobby, .. }, PlayAnswer::Pushed { lobby: known, repeat }) => {
                    prop_assert_eq!((lobby.id, repeat), (known.id, Repeat::Replay));
                    prop_assert_eq!(*known, arena.lobby(lobby.id).at(at));
                }
                (PlayAnswer::Started { attempt, .. }, PlayAnswer::Started { attempt: known, repeat })
                | (PlayAnswer::Progressed { attempt, .. }, PlayAnswer::Progressed { attempt: known, repeat }) => {
                    prop_assert_eq!((attempt, repeat), (known, Repeat::Replay));
                }
                (PlayAnswer::Scored { score, .. }, PlayAnswer::Scored { score: known, repeat, .. }) => {
                    prop_assert_eq!((score, repeat), (known, Repeat::Replay));
                }
                (first, second) => prop_assert!(false, "{first:?} is no answer like {second:?}"),
            }
        }
    }

    /// But what the clock has done to a lobby that was looked at may be stored with the refusal.
    #[test]
    fn a_refused_command_leaves_no_trace((history, batch) in history_and_batch()) {
        let mut arena = played(history);
        for command in batch {
            let (before, at) = (arena.clone(), command.at);
            let settlement = arena.settle(vec![command]);
            if settlement.outcomes[0].is_ok() {
                continue;
            }
            for change in &settlement.lobbies {
                let known = &before.lobbies[&(REALM, change.lobby.id)];
                prop_assert_eq!(&change.lobby, &Lobby { version: known.version + 1, ..known.at(at) });
                prop_assert_ne!(known, &known.at(at));
            }
            let PlaySettlement { outcomes, lobbies, transitions, events, .. } = settlement.clone();
            // What the clock did is stored and told, whoever comes by.
            prop_assert_eq!(events.len(), transitions.len());
            let by_the_clock = PlaySettlement { outcomes, lobbies, transitions, events, ..PlaySettlement::default() };
            prop_assert_eq!(by_the_clock, settlement);
        }
    }

    #[test]
    fn the_same_key_is_the_same_lobby_however_pushes_interleave(
        keys in vec(0_u8..4, 1..30), cuts in vec(1_usize..6, 30), pauses in vec(0_u64..40, 30),
    ) {
        let mut arena = arena();
        let mut lobbies = BTreeMap::<u8, LobbyId>::new();
        let mut waiting = keys.as_slice();
        for (cut, at) in cuts.into_iter().zip(pauses) {
            let (now, later) = waiting.split_at(cut.min(waiting.len()));
            waiting = later;
            let commands = now.iter().map(|key| push(EVENTS[0], &format!("key-{key}"), &["p1", "p2"]).at(at)).collect();
            for (key, outcome) in now.iter().zip(arena.settle(commands).outcomes) {
                let lobby = pushed(&outcome).id;
                prop_assert_eq!(*lobbies.entry(*key).or_insert(lobby), lobby);
            }
        }
        prop_assert_eq!(arena.lobbies.len(), lobbies.len());
    }

    /// Of every player's attempts at an event: what counts is what the attempts brought.
    #[test]
    fn sums_are_the_sums_of_attempts_while_nobody_leaves((history, batch) in history_and_batch()) {
        let stay = |command: &PlayCommand| !matches!(command.action, Play::Leave { .. } | Play::Push(_));
        let arena = played(history.into_iter().chain(batch).filter(stay).collect());
        let mut sums = BTreeMap::<_, i64>::new();
        for attempt in arena.attempts.values() {
            *sums.entry((attempt.board, attempt.player)).or_default() += attempt.score.thousandths();
        }
        for ((_, ranking, player), place) in &arena.places {
            let ranking = &arena.rankings[&(REALM, *ranking)];
            if arena.events.iter().any(|event| event.id.0 == ranking.board.0) {
                let score = ranking.order.score_of(place.order_key).thousandths();
                prop_assert_eq!(sums.get(&(ranking.id.0, *player)), Some(&score));
            }
        }
        for participant in arena.participants.values() {
            let lobby = arena.lobby(participant.lobby);
            if let (Aggregation::Sum, Some(scored)) = (lobby.aggregation, participant.scored) {
                prop_assert_eq!(sums.get(&(lobby.id.0, participant.player)), Some(&scored.score.thousandths()));
            }
        }
    }

    /// What is told never decides anything: whatever is wanted, the same is stored, and of the events exactly those.
    #[test]
    fn what_is_told_changes_nothing_else((history, batch) in history_and_batch(), name in 0..EventName::ALL.len()) {
        let arena = played(history);
        let batch = PlayBatch::new(batch);
        let everything = batch.settle(arena.look(&batch));
        for wanted in [EventNames::NONE, EventNames::NONE.with(EventName::ALL[name])] {
            let mut seen = arena.look(&batch);
            seen.put_wanted(REALM, wanted);
            let events = everything.events.iter().filter(|event| wanted.contains(event.name)).cloned().collect();
            prop_assert_eq!(batch.settle(seen), PlaySettlement { events, ..everything.clone() });
        }
    }

    /// Of lobbies and players, exactly what is stored is told, each under an id of its own.
    #[test]
    fn every_move_of_a_lobby_and_every_new_player_is_an_event(asks in asks()) {
        let mut arena = arena();
        let mut ids = BTreeSet::new();
        for command in commands(&asks, asks.len()) {
            let settlement = arena.settle(vec![command]);
            let (of_players, of_lobbies): (Vec<_>, Vec<_>) =
                settlement.events.iter().partition(|event| event.name == EventName::PlayerRegistered);
            let players: Vec<_> = settlement.new_players.iter().map(|(_, player)| Some(player.id)).collect();
            prop_assert_eq!(of_players.iter().map(|event| event.player).collect::<Vec<_>>(), players);
            let moves = settlement.transitions.iter().map(|step| (occurrences::move_to(step.status), step.at));
            let told = of_lobbies.iter().map(|event| (event.name, event.at));
            prop_assert_eq!(told.collect::<Vec<_>>(), moves.collect::<Vec<_>>());
            for event in &settlement.events {
                prop_assert!(ids.insert(event.id), "{event:?} is told twice");
            }
        }
    }
}
