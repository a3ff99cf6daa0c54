//! What becomes of what was played when players are merged or erased, and what profiles and exports show of it.

use std::time::Duration;

use domain::lobbies::{
    Aggregation, BoardMode, Event, Lobby, LobbyId, LobbyStatus, PlayCounts, RankingId, Scored, Segment,
};
use domain::players::{EraseOutcome, Erased, PlayerId};
use tokio::time::timeout;

use super::World;
use super::lives::start as beginning;
use super::play_ways::{pushed, ranks, scored, second, started};
use crate::commands::credit;
use crate::lives::{erase, merge};
use crate::play_drafts::{increment, join, leaderboard, leave, points, push, score, start};

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

fn summed(event: &mut Event) {
    event.definition.board.aggregation = Aggregation::Sum;
}

async fn known(world: &World, players: &[&str]) {
    let drafts: Vec<_> = players.iter().map(|player| credit(player, "gold", 1)).collect();
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
}

/// An attempt of `player` that comes to `value` at second `at`.
async fn reached(world: &World, event: &str, player: &str, value: i64, at: u64) -> RankingId {
    let attempt = started(&world.played(&start(event, player).after_seconds(at)).await);
    world.played(&increment(event, player, attempt.id, value).after_seconds(at)).await;
    RankingId(attempt.board)
}

fn scored_in(detail: &domain::lobbies::LobbyDetail, player: PlayerId) -> Option<Scored> {
    detail.participants.iter().find(|(of, _)| of.player == player).expect("the player is in it").0.scored
}

/// Lobbies, attempts and places of the source are the target's, exactly as they were, and they are counted.
pub async fn what_was_played_becomes_the_targets(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    known(&world, &["old", "new"]).await;
    let lobby = pushed(&world.played(&push("duel", "k", &["old", "other"])).await);
    reached(&world, "duel", "old", 7, 1).await;
    let ranking = reached(&world, "cup", "old", 9, 2).await;
    let (before, detail, page) =
        (world.attempts("old").await, world.lobby(lobby.id).await, world.top(ranking, 9).await);
    let merged = world.merge_now(&merge("old", "new").after(MINUTE)).await;
    assert_eq!(merged.counts.play, PlayCounts { attempts: 2, lobbies: 1, rankings: 1 });
    let world = world.reopened().await;
    let target = merged.merge.target;
    let after = world.attempts("new").await;
    let expected: Vec<_> =
        before.into_iter().map(|attempt| domain::lobbies::Attempt { player: target, ..attempt }).collect();
    assert_eq!(after, expected);
    let now = world.lobby(lobby.id).await;
    assert_eq!((&now.lobby, now.participants.len()), (&detail.lobby, 2), "nothing of the lobby itself changed");
    let score = Scored { score: points(7), achieved_at: second(1) };
    assert_eq!(scored_in(&now, target), Some(score));
    let top = world.top(ranking, 9).await;
    assert_eq!((top.players, ranks(&top.entries)), (1, vec![(1, "new")]));
    let places = [&page, &top].map(|page| page.entries.first().map(|it| (it.place.order_key, it.place.achieved_at)));
    assert_eq!(places, [Some((-9_000, second(2))); 2]);
    let left = world.stores.records.attempts_of(world.realm, merged.merge.source, None, 9).await;
    assert_eq!(left.expect("the store works"), []);
    let attempt = after.first().expect("two attempts");
    world.played(&increment("cup", "new", attempt.id, 1).after_seconds(90)).await;
    let again = world.merge(&merge("old", "new").after(MINUTE)).await.expect("a repeat is answered");
    assert_eq!((again.earlier, again.counts.play), (true, PlayCounts::default()));
}

/// A lobby that both are in has one of them afterwards, with what counts of both, and a bot in the other place.
pub async fn a_lobby_that_both_are_in_keeps_one_entry(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, summed).await;
    let lobby = pushed(&world.played(&push("duel", "k", &["old", "new", "other"])).await);
    let waiting = pushed(&world.played(&push("duel", "silent", &["new", "old"])).await);
    world.played(&leave(waiting.id, "other")).await;
    for (player, value, at) in [("old", 4, 1), ("new", 3, 2)] {
        let attempt = started(&world.played(&start("duel", player).after_seconds(at)).await);
        let board = LobbyId(attempt.board);
        assert_eq!(board, waiting.id, "a player plays in the newest lobby that they are in");
        world.played(&increment("duel", player, attempt.id, value).after_seconds(at)).await;
    }
    let merged = world.merge_now(&merge("old", "new").after(MINUTE)).await;
    assert_eq!(merged.counts.play, PlayCounts { attempts: 1, lobbies: 2, rankings: 0 });
    let world = world.reopened().await;
    let target = merged.merge.target;
    for (before, players, scored) in [(lobby, 2, None), (waiting, 1, Some(points(7)))] {
        let detail = world.lobby(before.id).await;
        let Lobby { capacity, bots, version, .. } = &detail.lobby;
        assert_eq!(
            (detail.lobby.players, detail.participants.len()),
            (players, usize::try_from(players).expect("few"))
        );
        assert_eq!(usize::try_from(*capacity - players).expect("few"), bots.len(), "bots fill it again");
        assert!(before.version < *version);
        assert_eq!(scored_in(&detail, target).map(|scored| scored.score), scored);
        assert!(detail.participants.iter().all(|(of, _)| of.player != merged.merge.source));
    }
    assert_eq!(world.attempts("new").await.len(), 2);
}

/// A ranking that both are in has one of them afterwards, with what counts of both, and ranks without a gap.
pub async fn a_ranking_that_both_are_in_keeps_one_place(world: World) {
    known(&world, &["old", "new", "other", "last"]).await;
    let aggregations = [(Aggregation::Best, 9), (Aggregation::Latest, 4), (Aggregation::Sum, 13)];
    let mut rankings = Vec::new();
    for (aggregation, counts) in aggregations {
        let mut board = leaderboard(aggregation.as_str());
        board.definition.aggregation = aggregation;
        world.stores.add_board(world.realm, &board).await;
        for (player, value, at) in [("old", 9, 1), ("new", 4, 2), ("other", 10, 3), ("last", -5, 4)] {
            world.played(&score(aggregation.as_str(), player, value).after_seconds(at)).await;
        }
        rankings.push((board.ranking(Segment::default(), second(0)).id, counts));
    }
    let merged = world.merge_now(&merge("old", "new").after(MINUTE)).await;
    assert_eq!(merged.counts.play, PlayCounts { attempts: 0, lobbies: 0, rankings: 3 });
    let world = world.reopened().await;
    for (ranking, counts) in rankings {
        let page = world.top(ranking, 10).await;
        let own = page.entries.iter().find(|entry| entry.external_id.as_str() == "new").expect("the target is in it");
        assert_eq!((page.players, own.place.order_key), (3, -counts * 1_000));
        assert_eq!(page.entries.iter().map(|entry| entry.rank).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(page.entries.is_sorted_by_key(|entry| entry.place));
    }
    let (_, counted, rank) = scored(&world.played(&score("sum", "new", 1).after_seconds(99)).await);
    assert_eq!((counted, rank.map(|rank| (rank.rank, rank.players))), (points(14), Some((1, 3))));
}

/// A merge that touches a lobby which the clock moved on stores and tells that, so that no sweep tells it again.
pub async fn a_merge_moves_a_lobby_on_that_is_due(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let waiting = super::play_ways::forming(&world.played(&start("duel", "old")).await);
    world.played(&start("duel", "new")).await;
    world.merge_now(&merge("old", "new").after(MINUTE)).await;
    let stored = world.lobby(waiting.id).await.lobby;
    assert_eq!((stored.status(), stored.players, stored.bots.len()), (LobbyStatus::Active, 1, 3));
    assert_eq!(stored.started_at(), Some(second(20)));
    assert_eq!(world.stores.sweep(second(60), 100).await, []);
}

/// Scores, starts and joins go on at another handle while players merge: nothing is lost and nobody is left behind.
pub async fn play_goes_on_while_players_merge(world: World) {
    world.add_event("cup", BoardMode::Global, summed).await;
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let mut board = leaderboard("board");
    board.definition.aggregation = Aggregation::Sum;
    world.stores.add_board(world.realm, &board).await;
    let other = world.second().await;
    for round in 0..5 {
        let players = [format!("old-{round}"), format!("new-{round}")];
        let names: Vec<_> = players.iter().map(String::as_str).collect();
        known(&world, &names).await;
        let lobby = pushed(&world.played(&push("duel", &format!("k{round}"), &[])).await).id;
        let mut writers = tokio::task::JoinSet::new();
        for (stores, player) in [world.stores.clone(), other.clone()].into_iter().zip(players.clone()) {
            let realm = world.realm;
            writers.spawn(async move {
                let mut counted = 0;
                for number in 0..6 {
                    // A score makes nobody: once the source is merged, nobody has its id.
                    let draft = score("board", &player, 1).keyed(&format!("{player}-{number}"));
                    counted += i64::from(stores.play_one(realm, &draft).await.is_ok());
                    if number == 3 {
                        stores.play_one(realm, &join(lobby, &player)).await.expect("there is room");
                        stores.play_one(realm, &start("cup", &player)).await.expect("it is open");
                    }
                }
                counted
            });
        }
        let [old, new] = &players;
        let merging = merge(old, new);
        let merging = world.stores.merge(world.realm, &merging);
        timeout(STUCK, merging).await.expect("a merge is not held up for ever").expect("both are known");
        let counted: i64 = timeout(STUCK, writers.join_all()).await.expect("nobody waits for ever").iter().sum();
        if world.stores.profile(world.realm, old).await.is_some() {
            world.merge_now(&merge(old, new)).await;
        }
        let page = world.top(board.ranking(Segment::default(), second(0)).id, 100).await;
        let own = page.entries.iter().find(|entry| entry.external_id.as_str() == new).expect("it scored");
        assert_eq!(own.place.order_key, -counted * 1_000);
        assert_eq!(page.players, round + 1, "whoever was merged has no place");
        let detail = world.lobby(lobby).await;
        assert_eq!((detail.lobby.players, detail.participants.len()), (1, 1));
        assert_eq!(detail.lobby.bots.len(), 3);
        assert_eq!(world.attempts(new).await.len(), 2);
    }
}

/// An erasure counts what the player had played; boards and lobbies stay and show the placeholder.
pub async fn boards_show_the_placeholder_of_an_erased_player(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    let lobby = pushed(&world.played(&push("duel", "k", &["jane-4711", "p2"])).await).id;
    reached(&world, "duel", "jane-4711", 7, 1).await;
    let ranking = reached(&world, "cup", "jane-4711", 9, 2).await;
    reached(&world, "cup", "p2", 5, 3).await;
    let outcome = world.erase(&erase("jane-4711")).await;
    let EraseOutcome::Erased(Erased { erasure, play }) = outcome else { panic!("nobody was erased: {outcome:?}") };
    assert_eq!(play, PlayCounts { attempts: 2, lobbies: 1, rankings: 1 });
    let world = world.reopened().await;
    let placeholder = erasure.placeholder();
    let page = world.top(ranking, 10).await;
    assert_eq!(ranks(&page.entries), [(1, placeholder.as_str()), (2, "p2")]);
    let detail = world.lobby(lobby).await;
    assert!(detail.participants.iter().any(|(of, name)| of.player == erasure.player && *name == placeholder));
    assert!(!format!("{page:?} {detail:?}").contains("jane-4711"));
    assert_eq!((detail.lobby.players, detail.participants.len()), (2, 2));
    let slice = domain::lobbies::RankingSlice::Around(crate::tenants::external_id("jane-4711"), 5);
    let around = world.stores.slice(world.realm, ranking, &slice, Some("jane-4711")).await;
    assert_eq!((around.players, around.entries.len(), around.own), (2, 0, None));
    let fresh = started(&world.played(&start("cup", "jane-4711").after_seconds(9)).await);
    assert_ne!(fresh.player, erasure.player, "the id starts anew");
}

/// A profile counts attempts and lobbies and shows the newest of them.
pub async fn a_profile_shows_what_was_played(world: World) {
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let mut lobbies = Vec::new();
    for number in 0..7_u64 {
        let draft = push("duel", &format!("k{number}"), &["p1", "p2"]).after_seconds(number);
        lobbies.insert(0, pushed(&world.played(&draft).await));
        world.played(&start("cup", "p1").after_seconds(number)).await;
    }
    let attempt = started(&world.played(&start("duel", "p1").after_seconds(8)).await);
    world.played(&increment("duel", "p1", attempt.id, 3).after_seconds(9)).await;
    let profile = world.known("p1").await;
    assert_eq!((profile.attempts, profile.lobbies), (8, 7));
    let attempts = world.attempts("p1").await;
    assert_eq!(attempts.len(), 8);
    assert_eq!(profile.recent_attempts, attempts.get(..5).expect("eight"));
    let shown: Vec<_> = profile.recent_lobbies.iter().map(|membership| membership.lobby.id).collect();
    assert_eq!(shown, lobbies.iter().take(5).map(|lobby| lobby.id).collect::<Vec<_>>());
    let newest = profile.recent_lobbies.first().expect("five");
    let scored = Scored { score: points(3), achieved_at: second(9) };
    assert_eq!((newest.joined_at, newest.scored), (second(6), Some(scored)));
    let other = world.known("p2").await;
    assert_eq!((other.attempts, other.lobbies), (0, 7));
    known(&world, &["p3"]).await;
    let nothing = world.known("p3").await;
    assert_eq!((nothing.attempts, nothing.lobbies), (0, 0));
    assert_eq!((nothing.recent_attempts.len(), nothing.recent_lobbies.len()), (0, 0));
    assert_eq!(profile.player.created_at, beginning());
}

/// Pages of attempts, lobbies and rankings of a player follow each other and are all of them.
pub async fn pages_of_what_was_played_follow_each_other(world: World) {
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    for number in 0..5_u64 {
        let lobby = push("duel", &format!("k{number}"), &["p1", "p2"]).after_seconds(number);
        world.played(&lobby).await;
        world.play(&[start("cup", "p1"), start("cup", "p2")].map(|draft| draft.after_seconds(number))).await;
        let name = format!("board-{number}");
        world.stores.add_board(world.realm, &leaderboard(&name)).await;
        world.play(&[score(&name, "p1", 5).after_seconds(number), score(&name, "p2", 6)]).await;
    }
    let (realm, records) = (world.realm, &world.stores.records);
    let player = world.known("p1").await.player.id;
    let all = world.attempts("p1").await;
    assert_eq!(all.len(), 5);
    assert!(all.iter().rev().is_sorted_by_key(|attempt| attempt.id));
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = records.attempts_of(realm, player, after, 2).await.expect("the store works");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        read.extend(page);
    }
    assert_eq!(read, all);
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = records.lobbies_of(realm, player, after, 2).await.expect("the store works");
        let Some(last) = page.last() else { break };
        after = Some(last.lobby.id);
        read.extend(page);
    }
    assert_eq!(read, records.lobbies_of(realm, player, None, 100).await.expect("the store works"));
    assert_eq!(read.len(), 5);
    assert!(read.iter().rev().is_sorted_by_key(|membership| membership.lobby.id));
    for membership in &read {
        assert_eq!(membership.lobby, world.lobby(membership.lobby.id).await.lobby);
    }
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = records.rankings_of(realm, player, after, 2).await.expect("the store works");
        let Some(last) = page.last() else { break };
        after = Some(last.ranking.id);
        read.extend(page);
    }
    assert_eq!(read.len(), 5);
    assert!(read.is_sorted_by_key(|membership| membership.ranking.id));
    for membership in &read {
        let stored = world.stores.rankings.ranking(realm, membership.ranking.id).await.expect("the store works");
        assert_eq!(stored.as_ref(), Some(&membership.ranking));
        assert_eq!(membership.score, points(5));
    }
    assert_eq!(records.attempts_of(world.other_realms[0], player, None, 9).await.expect("the store works"), []);
    assert_eq!(records.lobbies_of(world.other_realms[0], player, None, 9).await.expect("the store works"), []);
    assert_eq!(records.rankings_of(world.other_realms[0], player, None, 9).await.expect("the store works"), []);
}
