//! Rankings: who is where among many, at once and under load.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::BATCH_MAX;
use domain::lobbies::{
    Aggregation, BoardMode, Leaderboard, Place, PlayAnswer, PlayBatch, PlayRefusal, Rank, RankedPlayer, RankingId,
    RankingPage, RankingSlice, ResetCadence, Score, SortOrder,
};
use domain::queue::Turn;
use domain::tenancy::RealmId;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::play_ways::{ranks, scored, second, started};
use super::{Stores, World};
use crate::commands::credit;
use crate::lanes::start_play_lanes;
use crate::lives::merge;
use crate::play_drafts::{PlayDraft, exact_score, increment, leaderboard, points, score, start};
use crate::tenants::external_id;

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);

async fn board(world: &World, name: &str, change: impl FnOnce(&mut Leaderboard)) -> Leaderboard {
    let mut board = leaderboard(name);
    change(&mut board);
    world.stores.add_board(world.realm, &board).await;
    board
}

/// Makes players `p0`, `p1` and so on, whom a score does not make.
async fn players(stores: &Stores, realm: RealmId, count: usize) {
    let drafts: Vec<_> = (0..count).map(|number| credit(&format!("p{number}"), "gold", 1)).collect();
    for part in drafts.chunks(BATCH_MAX) {
        assert!(stores.settle(realm, part).await.iter().all(Result::is_ok));
    }
}

/// A number below `limit` (SplitMix64).
fn below(state: &mut u64, limit: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % limit
}

/// A score is answered with what counts and with the rank that it makes; a better one moves up.
pub async fn a_score_is_answered_with_its_rank(world: World) {
    let board = board(&world, "board", |_| {}).await;
    players(&world.stores, world.realm, 3).await;
    let steps = [
        (score("board", "p0", 5), 5, 1, 1),
        (score("board", "p1", 7).after_seconds(1), 7, 1, 2),
        (score("board", "p2", 5).after_seconds(2), 5, 3, 3),
        (score("board", "p0", 6).after_seconds(3), 6, 2, 3),
        (score("board", "p1", 1).after_seconds(4), 7, 1, 3),
        (score("board", "p2", 9).after_seconds(5), 9, 1, 3),
    ];
    for (draft, counts, rank, players) in steps {
        let (ranking, score, found) = scored(&world.played(&draft).await);
        assert_eq!((score, found), (points(counts), Some(Rank { rank, players })), "{draft:?}");
        assert_eq!(ranking.board, board.id);
    }
    let world = world.reopened().await;
    let ranking = board.ranking(domain::lobbies::Segment::default(), second(0));
    assert_eq!(
        world.stores.rankings.ranking(world.realm, ranking.id).await.expect("the store works"),
        Some(ranking.clone())
    );
    let page = world.top(ranking.id, 10).await;
    assert_eq!((page.players, ranks(&page.entries)), (3, vec![(1, "p2"), (2, "p1"), (3, "p0")]));
    let place = page.entries.first().expect("three").place;
    let player = world.known("p2").await.player.id;
    assert_eq!(place, Place { order_key: -9_000, achieved_at: second(5), player });
    let unknown = world.play_one(&score("board", "nobody", 5)).await;
    assert_eq!(unknown, Err(PlayRefusal::PlayerNotFound));
}

/// Ranks that are looked up late are those of where the players are by then: of who moved on since as well, and none of who is
/// no longer there.
pub async fn ranks_are_those_of_now_whatever_became_of_the_places(world: World) {
    drop(board(&world, "board", |_| {}).await);
    drop(board(&world, "other", |_| {}).await);
    players(&world.stores, world.realm, 4).await;
    let drafts = [score("board", "p0", 3), score("board", "p1", 5), score("other", "p1", 1), score("board", "p2", 7)];
    let batch = PlayBatch::new(drafts.iter().map(|draft| draft.in_realm(world.realm)).collect());
    let stored = world.stores.play.settle_play(&batch, Turn::default()).await.expect("the store works");
    let unanswered = stored.outcomes.iter().map(|outcome| scored(outcome.as_ref().expect("it is not refused")).2);
    assert!(unanswered.eq([None; 4]), "nothing is looked up before the batch is stored");
    let ranks = async || world.stores.play.ranks(&stored.ranks).await.expect("the store works");
    let rank = |rank, players| Some(Rank { rank, players });
    assert_eq!(ranks().await, [rank(3, 3), rank(2, 3), rank(1, 1), rank(1, 3)]);
    world.played(&score("board", "p0", 6).after_seconds(1)).await;
    assert_eq!(ranks().await, [rank(2, 3), rank(3, 3), rank(1, 1), rank(1, 3)]);
    world.merge_now(&merge("p2", "p3").after(Duration::from_secs(2))).await;
    assert_eq!(ranks().await, [rank(2, 3), rank(3, 3), rank(1, 1), None]);
    assert_eq!(world.stores.play.ranks(&[]).await.expect("the store works"), []);
}

/// Scores come back to the thousandth, at both ends of their range, and of one microsecond the lesser id is first.
pub async fn scores_come_back_exactly(world: World) {
    let up = board(&world, "laps", |board| board.definition.order = SortOrder::Ascending).await;
    players(&world.stores, world.realm, 6).await;
    let top = Score::WHOLE_MAX * 1_000;
    let scores = [top, -top, 1, -1, 0, 1].map(Score::restore);
    let drafts: Vec<_> =
        scores.iter().enumerate().map(|(number, value)| exact_score("laps", &format!("p{number}"), *value)).collect();
    assert!(world.play(&drafts).await.iter().all(Result::is_ok));
    let ranking = up.ranking(domain::lobbies::Segment::default(), second(0));
    let page = world.top(ranking.id, 10).await;
    let read: Vec<_> = page.entries.iter().map(|entry| SortOrder::Ascending.score_of(entry.place.order_key)).collect();
    assert_eq!(read, [-top, -1, 0, 1, 1, top].map(Score::restore));
    assert!(page.entries.is_sorted_by_key(|entry| entry.place), "ties go by time, then by player");
    let ids = page.entries.iter().skip(3).take(2).map(|entry| entry.place.player).collect::<Vec<_>>();
    assert!(ids.is_sorted(), "p2 and p5 scored at the same microsecond");
}

/// What a leaderboard counts of several scores: the best, the latest, or all of them.
pub async fn a_leaderboard_counts_the_best_the_latest_or_the_sum(world: World) {
    players(&world.stores, world.realm, 1).await;
    let cases = [
        ("best", Aggregation::Best, SortOrder::Descending, 9, 1),
        ("least", Aggregation::Best, SortOrder::Ascending, -4, 2),
        ("latest", Aggregation::Latest, SortOrder::Descending, 3, 3),
        ("sum", Aggregation::Sum, SortOrder::Descending, 13, 3),
    ];
    for (name, aggregation, order, counts, at) in cases {
        let board = board(&world, name, |board| {
            (board.definition.aggregation, board.definition.order) = (aggregation, order);
        });
        let ranking = board.await.ranking(domain::lobbies::Segment::default(), second(0));
        let drafts: Vec<_> =
            [5, 9, -4, 3].into_iter().zip(0..).map(|(value, at)| score(name, "p0", value).after_seconds(at)).collect();
        let outcomes = world.play(&drafts).await;
        let last = outcomes.last().expect("four").as_ref().expect("it is not refused");
        let (_, counted, rank) = scored(last);
        assert_eq!((counted, rank), (points(counts), Some(Rank { rank: 1, players: 1 })), "{name}");
        let page = world.top(ranking.id, 10).await;
        let place = page.entries.first().expect("one").place;
        assert_eq!((place.order_key, place.achieved_at), (order.key_of(points(counts)), second(at)), "{name}");
    }
}

/// A few thousand players with few different scores, changed again and again: ranks, slices and places are those of a sorted
/// list.
pub async fn ranks_of_thousands_are_those_of_a_sorted_list(world: World) {
    const PLAYERS: usize = 2_000;
    let board = board(&world, "board", |board| board.definition.aggregation = Aggregation::Latest).await;
    let ranking = board.ranking(domain::lobbies::Segment::default(), second(0)).id;
    players(&world.stores, world.realm, PLAYERS).await;
    let mut state = 7;
    let mut latest = BTreeMap::<String, (Score, Timestamp)>::new();
    for round in 0..12_u64 {
        let drafts: Vec<(String, Score, PlayDraft)> = (0..BATCH_MAX)
            .map(|number| {
                // At first everybody, a part of them in ascending order; then whoever it is.
                let player = match round {
                    0..4 => usize::try_from(round).expect("small") * BATCH_MAX + number,
                    _ => usize::try_from(below(&mut state, 2_000)).expect("small"),
                };
                let player = format!("p{}", player % PLAYERS);
                let value = match round {
                    0 => points(i64::try_from(number).expect("small")),
                    _ => Score::restore(i64::try_from(below(&mut state, 400)).expect("small") * 250 - 20_000),
                };
                let draft = exact_score("board", &player, value).after_seconds(round);
                (player, value, draft)
            })
            .collect();
        let commands: Vec<_> = drafts.iter().map(|(_, _, draft)| draft.clone()).collect();
        assert!(world.play(&commands).await.iter().all(Result::is_ok));
        for (player, value, _) in drafts {
            let known = latest.entry(player).or_insert((value, second(round)));
            if known.0 != value {
                *known = (value, second(round));
            }
        }
    }
    let top = world.top(ranking, 10_000).await;
    assert_eq!((top.players, top.entries.len()), (2_000, PLAYERS));
    let numbers: Vec<u64> = top.entries.iter().map(|entry| entry.rank).collect();
    assert_eq!(numbers, (1..=2_000).collect::<Vec<_>>());
    assert!(top.entries.is_sorted_by_key(|entry| entry.place));
    for RankedPlayer { place, external_id, .. } in &top.entries {
        let (score, at) = latest.get(external_id.as_str()).expect("everybody scored");
        assert_eq!((place.order_key, place.achieved_at), (SortOrder::Descending.key_of(*score), *at), "{external_id}");
    }
    for place in [0, 1, 499, 500, 1_000, 1_990, 1_999] {
        let centre: &RankedPlayer = top.entries.get(place).expect("two thousand");
        let slice = RankingSlice::Around(centre.external_id.clone(), 10);
        let own = top.entries.get(1_234).expect("two thousand");
        let page = world.stores.slice(world.realm, ranking, &slice, Some(own.external_id.as_str())).await;
        let near = top.entries.iter().filter(|entry| entry.rank.abs_diff(centre.rank) <= 10);
        let expected = RankingPage { players: 2_000, entries: near.cloned().collect(), own: Some(own.clone()) };
        assert_eq!(page, expected);
    }
    let rank = |player: &str| top.entries.iter().find(|entry| entry.external_id.as_str() == player).map(|it| it.rank);
    for player in ["p0", "p77", "p1999"] {
        let (value, _) = latest.get(player).expect("everybody scored");
        let (_, _, found) = scored(&world.played(&exact_score("board", player, *value).after_seconds(99)).await);
        assert_eq!(found.map(|found| (found.rank, found.players)), rank(player).map(|rank| (rank, 2_000)));
    }
    assert_eq!(world.top(ranking, 10_000).await, top, "the same score again moves nobody");
    assert_eq!(ranks(&world.top(ranking, 3).await.entries), ranks(top.entries.get(..3).expect("two thousand")));
}

/// Every segment and every period is ranked on its own, and an old period stays as it was.
pub async fn segments_and_periods_are_ranked_apart(world: World) {
    let board = board(&world, "board", |board| {
        (board.definition.segmented, board.definition.reset) = (true, ResetCadence::Daily);
    });
    let board = board.await;
    players(&world.stores, world.realm, 4).await;
    let day = 86_400;
    let drafts = [
        score("board", "p0", 1).in_segment("gold"),
        score("board", "p1", 2).in_segment("gold"),
        score("board", "p1", 9).in_segment("Gold"),
        score("board", "p2", 3).in_segment("größe 🦀"),
        score("board", "p0", 4).in_segment("gold").after_seconds(day),
        score("board", "p3", 5).in_segment("gold").after_seconds(day),
    ];
    let outcomes = world.play(&drafts).await;
    let found: Vec<_> = outcomes
        .iter()
        .map(|outcome| scored(outcome.as_ref().expect("it is not refused")).2.expect("a rank"))
        .map(|rank| (rank.rank, rank.players))
        .collect();
    assert_eq!(found, [(2, 2), (1, 2), (1, 1), (1, 1), (2, 2), (1, 2)], "as they stand once the batch is stored");
    assert_eq!(world.play_one(&score("board", "p0", 4)).await, Err(PlayRefusal::SegmentRequired));
    let segment = |name: &str| domain::lobbies::Segment::try_new(name).expect("a segment that is allowed");
    let cases = [
        ("gold", 0, vec![(1, "p1"), (2, "p0")]),
        ("Gold", 0, vec![(1, "p1")]),
        ("größe 🦀", 0, vec![(1, "p2")]),
        ("gold", day, vec![(1, "p3"), (2, "p0")]),
        ("Gold", day, vec![]),
    ];
    for (name, at, expected) in cases {
        let ranking = board.ranking(segment(name), second(at));
        let page = world.top(ranking.id, 10).await;
        assert_eq!(ranks(&page.entries), expected, "{name} on day {at}");
        let stored = world.stores.rankings.ranking(world.realm, ranking.id).await.expect("the store works");
        assert_eq!(stored.is_some(), !expected.is_empty());
        assert!(stored.is_none_or(|stored| stored == ranking));
    }
}

/// Nobody is around who is not in a ranking, nor in a ranking that nobody has been in.
pub async fn a_ranking_without_somebody_is_empty_around_them(world: World) {
    let board = board(&world, "board", |_| {}).await;
    players(&world.stores, world.realm, 2).await;
    let ranking = board.ranking(domain::lobbies::Segment::default(), second(0)).id;
    let nothing = RankingPage::default();
    let around = |name: &str| RankingSlice::Around(external_id(name), 3);
    assert_eq!(world.stores.slice(world.realm, ranking, &around("p0"), Some("p0")).await, nothing);
    assert_eq!(world.top(ranking, 5).await, nothing);
    world.played(&score("board", "p0", 5)).await;
    let page = world.stores.slice(world.realm, ranking, &around("p1"), Some("p1")).await;
    assert_eq!(page, RankingPage { players: 1, ..RankingPage::default() });
    let page = world.stores.slice(world.realm, ranking, &around("nobody"), Some("p0")).await;
    assert_eq!((page.players, page.entries.len(), page.own.map(|own| own.rank)), (1, 0, Some(1)));
    let page = world.stores.slice(world.realm, ranking, &RankingSlice::Top(0), None).await;
    assert_eq!(page, RankingPage { players: 1, ..RankingPage::default() });
    assert_eq!(world.stores.rankings.ranking(world.realm, RankingId(uuid::Uuid::nil())).await.expect("read"), None);
}

/// Scores of the same players at two handles at once: sums are exact, everybody is ranked once, without gaps.
pub async fn concurrent_scores_add_up_and_rank(world: World) {
    const PLAYERS: usize = 12;
    let board = board(&world, "board", |board| board.definition.aggregation = Aggregation::Sum).await;
    players(&world.stores, world.realm, PLAYERS).await;
    let other = world.second().await;
    let mut scoring = JoinSet::new();
    for (number, stores) in (0..8_usize).zip([world.stores.clone(), other].iter().cycle().cloned()) {
        let realm = world.realm;
        scoring.spawn(async move {
            for round in 0..4 {
                let players = (0..PLAYERS).map(|player| (player * (number + 1) + round) % PLAYERS);
                let value = |player: usize| i64::try_from(player).expect("small");
                let drafts: Vec<_> =
                    players.map(|player| score("board", &format!("p{player}"), value(player))).collect();
                assert!(stores.play(realm, &drafts).await.outcomes.iter().all(Result::is_ok));
            }
        });
    }
    timeout(STUCK, scoring.join_all()).await.expect("nobody waits for ever");
    let mut expected = BTreeMap::<usize, i64>::new();
    for number in 0..8 {
        for round in 0..4 {
            for player in (0..PLAYERS).map(|player| (player * (number + 1) + round) % PLAYERS) {
                *expected.entry(player).or_default() += i64::try_from(player).expect("small");
            }
        }
    }
    let page = world.top(board.ranking(domain::lobbies::Segment::default(), second(0)).id, 100).await;
    let numbers: Vec<u64> = page.entries.iter().map(|entry| entry.rank).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    assert!(page.entries.is_sorted_by_key(|entry| entry.place));
    for (player, sum) in expected {
        let name = format!("p{player}");
        let entry = page.entries.iter().find(|entry| entry.external_id.as_str() == name).expect("everybody scored");
        assert_eq!(entry.place.order_key, -sum * 1_000, "{name}");
    }
}

/// Batches of one lane that begin while others are on their way to the disk lose nothing of them: sums are exact, and groups are
/// full before the next one is made.
pub async fn batches_of_a_lane_see_those_before_them(world: World) {
    const PLAYERS: usize = 8;
    let board = board(&world, "board", |board| board.definition.aggregation = Aggregation::Sum).await;
    let race = world.add_event("race", BoardMode::Grouped, |_| {}).await;
    players(&world.stores, world.realm, PLAYERS).await;
    let queue = start_play_lanes(&world.stores.play, 1);
    let mut playing = JoinSet::new();
    for turn in 0..40 {
        for player in 0..PLAYERS {
            let (queue, realm) = (queue.clone(), world.realm);
            let plays = [
                score("board", &format!("p{player}"), 1).in_realm(realm),
                start("race", &format!("newcomer-{turn}-{player}")).in_realm(realm),
            ];
            playing.spawn(async move {
                for play in plays {
                    assert!(queue.submit(play).await.is_ok_and(|outcome| outcome.is_ok()));
                }
            });
        }
        tokio::task::yield_now().await;
    }
    timeout(STUCK, playing.join_all()).await.expect("nobody waits for ever");
    let page = world.top(board.ranking(domain::lobbies::Segment::default(), second(0)).id, 100).await;
    let sums: Vec<i64> = page.entries.iter().map(|entry| entry.place.order_key).collect();
    assert_eq!(sums, [-40_000; PLAYERS]);
    let groups = world.stores.lobbies(world.realm, race.id, None, second(1)).await;
    assert!(groups.iter().all(|group| group.players == 4), "{groups:?}");
    assert_eq!(groups.len(), 40 * PLAYERS / 4);
}

/// A score under a key counts once, also at two handles and across a reopen, and is answered with what it came to.
pub async fn a_repeated_score_counts_once(world: World) {
    let board = board(&world, "board", |board| board.definition.aggregation = Aggregation::Sum).await;
    players(&world.stores, world.realm, 2).await;
    let other = world.second().await;
    let draft = score("board", "p0", 5).keyed("k");
    let mut asking = JoinSet::new();
    for stores in [world.stores.clone(), other] {
        let (realm, draft) = (world.realm, draft.clone());
        asking.spawn(async move { stores.play_one(realm, &draft).await.expect("it is not refused") });
    }
    for answer in timeout(STUCK, asking.join_all()).await.expect("nobody waits for ever") {
        assert_eq!(scored(&answer).1, points(5));
    }
    world.play(&[score("board", "p0", 3), score("board", "p1", 100)]).await;
    let world = world.reopened().await;
    let (_, counted, rank) = scored(&world.played(&draft.clone().after_seconds(60)).await);
    assert_eq!((counted, rank), (points(5), Some(Rank { rank: 2, players: 2 })), "what it came to, and the rank now");
    let conflict = world.play_one(&score("board", "p0", 6).keyed("k")).await;
    assert_eq!(conflict, Err(PlayRefusal::IdempotencyConflict));
    let page = world.top(board.ranking(domain::lobbies::Segment::default(), second(0)).id, 10).await;
    let keys: Vec<_> = page.entries.iter().map(|entry| entry.place.order_key).collect();
    assert_eq!(keys, [-100_000, -8_000]);
}

/// A key names one score and one progress in each realm.
pub async fn keys_of_scores_are_of_their_realm_and_operation(world: World) {
    let [there, _] = world.other_realms;
    world.add_event("cup", BoardMode::Global, |_| {}).await;
    board(&world, "board", |_| {}).await;
    world.stores.add_board(there, &leaderboard("board")).await;
    players(&world.stores, world.realm, 1).await;
    players(&world.stores, there, 1).await;
    let attempt = started(&world.played(&start("cup", "p0").keyed("k")).await);
    world.played(&increment("cup", "p0", attempt.id, 1).keyed("k")).await;
    world.played(&score("board", "p0", 5).keyed("k")).await;
    let other = world.stores.play_one(there, &score("board", "p0", 6).keyed("k")).await.expect("it is not refused");
    let (ranking, counted, rank) = scored(&other);
    assert_eq!((counted, rank), (points(6), Some(Rank { rank: 1, players: 1 })));
    let PlayAnswer::Scored { repeat, .. } = other else { panic!("a score is answered as one") };
    assert_eq!(repeat, domain::economy::Repeat::First);
    assert_eq!(world.top(ranking.id, 5).await, RankingPage::default(), "it is the other realm's");
    assert_eq!(world.stores.rankings.ranking(world.realm, ranking.id).await.expect("the store works"), None);
}
