//! Merges: what two players scored is what one has.

use proptest::prelude::*;
use uuid::Uuid;

use super::test_arena::Arena;
use super::test_plays::*;
use super::*;
use crate::economy::test_books::REALM;
use crate::players::PlayerId;
use crate::webhooks::EventNames;

/// Merges the player named `source` into the one named `target` at second 60.
fn merge(arena: &mut Arena, source: &str, target: &str) -> PlayMergeEffect {
    let [source, target] = [source, target].map(|name| arena.player(name).unwrap().id);
    let participants = arena.participants.values().filter(|it| it.player == source);
    let lobbies = participants.map(|it| MergedLobby {
        lobby: arena.lobby(it.lobby).clone(),
        source: *it,
        target: arena.participants.get(&(REALM, it.lobby, target)).copied(),
    });
    let places = arena.places.iter().filter(|((_, _, player), _)| *player == source);
    let rankings = places.map(|((_, ranking, _), place)| MergedRanking {
        ranking: arena.rankings[&(REALM, *ranking)].clone(),
        source: *place,
        target: arena.places.get(&(REALM, *ranking, target)).copied(),
    });
    let view = PlayMergeView { attempts: 0, lobbies: lobbies.collect(), rankings: rankings.collect() };
    let (effect, _) = view.merged_into(REALM, target, second(60), EventNames::NONE);
    for change in &effect.lobbies {
        let known = arena.lobbies.insert((REALM, change.lobby.id), change.lobby.clone());
        assert_eq!(known.map(|known| known.version), change.version_before);
    }
    effect.participants.iter().for_each(|change| arena.save_participant(change));
    for (_, change) in &effect.places {
        let player = change.before.or(change.after).unwrap().player;
        let key = (REALM, change.ranking, player);
        let known = match change.after {
            Some(after) => arena.places.insert(key, after),
            None => arena.places.remove(&key),
        };
        assert_eq!(known, change.before);
    }
    arena.told.extend(effect.transitions.iter().copied());
    effect
}

fn scored(arena: &mut Arena, event: &str, player: &str, value: i64, at: u64) -> Attempt {
    let attempt = started(&arena.accept(start(event, player).at(at)));
    progressed(&arena.accept(progress(event, player, attempt.id, ProgressMode::Set, value).at(at)))
}

#[test]
fn a_lobby_that_both_are_in_keeps_one_of_them_and_a_bot_takes_the_place() {
    let mut duel = event("duel", BoardMode::LobbyMatched);
    duel.definition.board.aggregation = Aggregation::Sum;
    let mut arena = Arena::of(vec![duel]);
    let lobby = pushed(&arena.accept(push("duel", "k", &["old", "new", "cid"])));
    scored(&mut arena, "duel", "old", 4, 10);
    scored(&mut arena, "duel", "new", 3, 20);
    let effect = merge(&mut arena, "old", "new");
    let after = arena.lobby(lobby.id);
    assert_eq!((after.players, after.bots.len(), after.capacity), (2, 2, 4));
    assert_eq!(arena.scored(lobby.id, "new"), Some(Scored { score: points(7), achieved_at: second(20) }));
    assert_eq!(arena.scored(lobby.id, "old"), None);
    assert_eq!(arena.detail(REALM, lobby.id).board(second(61)).len(), 4);
    assert_eq!((effect.participants.len(), effect.lobbies.len()), (2, 1));
}

#[test]
fn a_lobby_that_only_the_source_is_in_is_the_targets_as_it_was() {
    let mut arena = Arena::of(vec![event("duel", BoardMode::LobbyMatched)]);
    let lobby = pushed(&arena.accept(push("duel", "k", &["old"])));
    arena.apply(push("duel", "other", &["new"]));
    scored(&mut arena, "duel", "old", 4, 10);
    let before = arena.lobby(lobby.id).clone();
    let effect = merge(&mut arena, "old", "new");
    assert_eq!((arena.lobby(lobby.id), effect.lobbies), (&before, vec![]));
    assert_eq!(arena.scored(lobby.id, "new"), Some(Scored { score: points(4), achieved_at: second(10) }));
}

#[test]
fn a_lobby_that_the_clock_moved_on_is_told_by_the_merge_that_touches_it() {
    let mut arena = Arena::of(vec![event("duel", BoardMode::LobbyMatched)]);
    let lobby = forming(&arena.accept(start("duel", "old")));
    arena.apply(start("duel", "new").at(1));
    let effect = merge(&mut arena, "old", "new");
    let told: Vec<_> = effect.transitions.iter().map(|step| (step.status, step.at)).collect();
    assert_eq!(told, [(LobbyStatus::Active, second(20))]);
    let after = arena.lobby(lobby.id);
    assert_eq!((after.status(), after.players, after.bots.len()), (LobbyStatus::Active, 1, 3));
    assert_eq!(arena.sweep(second(60)), []);
}

proptest! {
    #[test]
    fn what_counts_after_a_merge_is_what_would_count_of_one_player(
        scores in proptest::collection::vec((any::<bool>(), -9_i64..9), 2..8),
        aggregation in prop_oneof![Just(Aggregation::Best), Just(Aggregation::Latest), Just(Aggregation::Sum)],
    ) {
        let arena = || Arena::of(vec![event("cup", BoardMode::Global)]).with_board(leaderboard("board", aggregation));
        let (mut two, mut one) = (arena(), arena());
        for arena in [&mut two, &mut one] {
            arena.apply(start("cup", "old"));
            arena.apply(start("cup", "new"));
        }
        for ((is_old, value), at) in scores.into_iter().zip(1_u64..) {
            // All different: a score that does not change keeps its time, and with it does not count as a later one.
            let value = 10 * value + i64::try_from(at).unwrap();
            two.apply(score("board", if is_old { "old" } else { "new" }, value).at(at));
            one.apply(score("board", "new", value).at(at));
        }
        merge(&mut two, "old", "new");
        let places = |arena: &Arena| {
            let new = arena.player("new").unwrap().id;
            assert!(arena.places.keys().all(|(_, _, player)| *player == new));
            let anonymous = |place: &Place| Place { player: PlayerId(Uuid::nil()), ..*place };
            arena.places.values().map(anonymous).map(|place| place.order_key).collect::<Vec<_>>()
        };
        prop_assert_eq!(places(&two), places(&one));
    }
}
