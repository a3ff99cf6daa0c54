//! Boards: unique ranks, ties, bots among players, and slices that are parts of the whole.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::test_arena::Arena;
use super::test_plays::*;
use super::*;
use crate::clock::Timestamp;
use crate::economy::test_books::external_id;
use crate::players::PlayerId;

/// Who an entry is of, its rank and its score.
fn plain(entries: &[BoardEntry]) -> Vec<(u64, String, Option<String>)> {
    let name = |contender: &Contender| match contender {
        Contender::Player { external_id, .. } => external_id.as_str().to_owned(),
        Contender::Bot { number, .. } => format!("bot {number}"),
    };
    let plain = entries.iter().map(|it| (it.rank, name(&it.contender), it.score.map(|score| score.to_string())));
    plain.collect()
}

fn of(entries: &[(u64, &str, Option<&str>)]) -> Vec<(u64, String, Option<String>)> {
    entries.iter().map(|(rank, name, score)| (*rank, (*name).to_owned(), score.map(str::to_owned))).collect()
}

/// A lobby of ann, bob, cid and two bots with five points; ann and bob score seconds apart.
fn lobby_of(order: SortOrder, scores: &[(&str, i64, u64)]) -> LobbyDetail {
    let mut event = event("duel", BoardMode::LobbyMatched);
    (event.definition.board.order, event.definition.board.capacity) = (order, 5);
    event.definition.board.bots = Some(bots_with(5));
    let mut arena = Arena::of(vec![event]);
    let lobby = pushed(&arena.accept(push("duel", "k", &["ann", "bob", "cid"])));
    for (player, value, at) in scores {
        let attempt = started(&arena.accept(start("duel", player).at(*at)));
        arena.apply(progress("duel", player, attempt.id, ProgressMode::Set, *value).at(*at));
    }
    arena.apply(close(lobby.id).at(50));
    arena.detail(crate::economy::test_books::REALM, lobby.id)
}

#[test]
fn of_equal_scores_the_first_is_ahead_and_players_are_ahead_of_bots() {
    let detail = lobby_of(SortOrder::Descending, &[("bob", 5, 10), ("ann", 5, 11)]);
    let board = plain(&detail.board(second(40)));
    let expected = [
        (1, "bob", Some("5")),
        (2, "ann", Some("5")),
        (3, "bot 0", Some("5")),
        (4, "bot 1", Some("5")),
        (5, "cid", Some("0")),
    ];
    assert_eq!(board, of(&expected));
}

#[test]
fn where_less_is_better_who_has_no_score_comes_last() {
    let detail = lobby_of(SortOrder::Ascending, &[("bob", 4, 10), ("ann", 6, 11)]);
    let board = plain(&detail.board(second(40)));
    let expected = [
        (1, "bob", Some("4")),
        (2, "bot 0", Some("5")),
        (3, "bot 1", Some("5")),
        (4, "ann", Some("6")),
        (5, "cid", None),
    ];
    assert_eq!(board, of(&expected));
}

#[test]
fn ten_thousand_reads_of_a_moment_are_equal_and_a_closed_board_is_final() {
    let mut arena = Arena::of(vec![event("duel", BoardMode::LobbyMatched)]);
    let lobby = pushed(&arena.accept(push("duel", "k", &["ann", "bob"]))).id;
    let detail = |arena: &Arena| arena.detail(crate::economy::test_books::REALM, lobby);
    let running = detail(&arena);
    let board = running.board(second(321));
    for _ in 0..10_000 {
        assert_eq!(running.board(second(321)), board);
    }
    assert_ne!(board, running.board(second(640)), "bots make progress");
    let swept_never = running.board(second(5_000));
    assert_eq!(running.board(second(1_000)), swept_never);
    arena.sweep(second(3_000));
    assert_eq!(detail(&arena).board(second(9_000)), swept_never);
}

#[test]
fn a_board_around_somebody_who_is_not_on_it_is_empty() {
    let (ranking, bots) = (ranking(SortOrder::Descending), bots(SortOrder::Descending));
    let page = RankingPage { players: 3, entries: Vec::new(), own: None };
    let slice = RankingSlice::Around(external_id("nobody"), 5);
    assert_eq!(RankingBoard::mixed(ranking, page, &slice, bots.as_ref(), &[]).entries, []);
}

/// A ranking of a leaderboard without an end.
fn ranking(order: SortOrder) -> Ranking {
    board(order, 0).ranking(Segment::default(), second(0))
}

fn board(order: SortOrder, fill_bots_to: u32) -> Leaderboard {
    let id = BoardId(Uuid::from_u128(7));
    let board = Leaderboard { id, ..leaderboard("board", Aggregation::Best) };
    let steps = [0, 2, 4, 4, 6]
        .map(|score| serde_json::json!({ "type": "single", "block": { "type": "complete", "score": score } }));
    let plan = serde_json::json!({ "behaviours": steps });
    let bots = Some(crate::text::JsonObject::restore(plan.to_string()));
    Leaderboard { definition: LeaderboardDefinition { order, fill_bots_to, bots, ..board.definition }, ..board }
}

fn bots(order: SortOrder) -> Option<RankingBots> {
    RankingBots::of_leaderboard(&board(order, 12), &ranking(order), second(60))
}

/// The page of a store that ranks by sorting.
fn page(ranked: &[RankedPlayer], slice: &RankingSlice, own: &str) -> RankingPage {
    let find = |name: &str| ranked.iter().find(|player| player.external_id.as_str() == name).cloned();
    let entries = match slice {
        RankingSlice::Top(count) => ranked.iter().take(usize::try_from(*count).unwrap()).cloned().collect(),
        RankingSlice::Around(name, count) => find(name.as_str()).map_or_else(Vec::new, |centre| {
            let near = |player: &&RankedPlayer| player.rank.abs_diff(centre.rank) <= u64::from(*count);
            ranked.iter().filter(near).cloned().collect()
        }),
    };
    RankingPage { players: u64::try_from(ranked.len()).unwrap(), entries, own: find(own) }
}

fn orders() -> impl Strategy<Value = SortOrder> {
    prop_oneof![Just(SortOrder::Ascending), Just(SortOrder::Descending)]
}

proptest! {
    #[test]
    fn every_slice_with_bots_is_that_part_of_all_players_and_bots_sorted(
        order in orders(), scores in vec((0_i64..7, 0_i64..3), 0..16),
        centre in 0_usize..17, count in 0_u32..8, own in 0_usize..17,
    ) {
        let mut places: Vec<Place> = scores.iter().zip(1_u128..).map(|((score, at), player)| Place {
            order_key: order.key_of(points(*score)),
            achieved_at: Timestamp::from_unix_micros(*at),
            player: PlayerId(Uuid::from_u128(player)),
        }).collect();
        places.sort();
        let name = |player: PlayerId| external_id(&format!("p{}", player.0.as_u128()));
        let ranked: Vec<RankedPlayer> = places.iter().zip(1..)
            .map(|(place, rank)| RankedPlayer { rank, place: *place, external_id: name(place.player) }).collect();
        let visible: Vec<Score> = places.iter().map(|place| order.score_of(place.order_key)).collect();
        let bots = bots(order);
        // Naive: the whole board at once, then sorted by what is documented.
        let top = RankingSlice::Top(100);
        let everybody = page(&ranked, &top, "nobody");
        let whole = RankingBoard::mixed(ranking(order), everybody, &top, bots.as_ref(), &visible).entries;
        let times: BTreeMap<_, _> = places.iter().map(|place| (place.player, place.achieved_at)).collect();
        let key = |entry: &BoardEntry| {
            let order_key = order.key_of(entry.score.unwrap());
            match &entry.contender {
                Contender::Player { id, .. } => (order_key, false, Some(times[id]), id.0.as_u128()),
                Contender::Bot { number, .. } => (order_key, true, None, u128::from(*number)),
            }
        };
        let mut sorted = whole.clone();
        sorted.sort_by_key(key);
        prop_assert_eq!(&sorted, &whole);
        let ranks: Vec<u64> = whole.iter().map(|entry| entry.rank).collect();
        prop_assert_eq!(ranks, (1..=u64::try_from(whole.len()).unwrap()).collect::<Vec<_>>());
        prop_assert_eq!(whole.len(), scores.len().max(12));
        let own = format!("p{own}");
        let find = |name: &str| whole.iter().find(|entry| matches!(&entry.contender,
            Contender::Player { external_id, .. } if external_id.as_str() == name)).cloned();
        for slice in [RankingSlice::Top(count), RankingSlice::Around(external_id(&format!("p{centre}")), count)] {
            let page = page(&ranked, &slice, &own);
            let part = RankingBoard::mixed(ranking(order), page, &slice, bots.as_ref(), &visible);
            let expected: Vec<BoardEntry> = match &slice {
                RankingSlice::Top(count) => whole.iter().take(usize::try_from(*count).unwrap()).cloned().collect(),
                RankingSlice::Around(name, count) => find(name.as_str()).map_or_else(Vec::new, |centre| {
                    let near = |entry: &&BoardEntry| entry.rank.abs_diff(centre.rank) <= u64::from(*count);
                    whole.iter().filter(near).cloned().collect()
                }),
            };
            prop_assert_eq!(part.entries, expected);
            prop_assert_eq!(part.own, find(&own));
        }
        for place in &places {
            let score = order.score_of(place.order_key);
            let ahead = bots.as_ref().unwrap().ahead_of(order, everybody_count(&ranked), &visible, score);
            let rank = ranked.iter().find(|player| player.place == *place).unwrap().rank + ahead;
            prop_assert_eq!(find(name(place.player).as_str()).unwrap().rank, rank);
        }
    }
}

fn everybody_count(ranked: &[RankedPlayer]) -> u64 {
    u64::try_from(ranked.len()).unwrap()
}
