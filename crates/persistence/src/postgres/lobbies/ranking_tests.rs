//! Ranks and blocks beside sorted lists of the same places.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use domain::clock::Timestamp;
use domain::lobbies::{
    Aggregation, BoardId, Place, PlaceChange, Rank, RankedPlayer, Ranking, RankingId, RankingPage, RankingSlice,
    Segment, SortOrder,
};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use testcluster::TestDatabase;
use uuid::Uuid;

use super::blocks::{ENTRIES_MAX, SECTION_ENTRIES_MAX};
use super::{pages, ranking, ranks};
use crate::postgres::pool::{connect, execute};
use crate::postgres::{PostgresAddress, migrations};

const REALM: RealmId = RealmId(1);

/// A database with a realm and so many players, whose ids are 1, 2, ….
async fn database(players: u32) -> (TestDatabase, PostgresAddress) {
    let database = TestDatabase::empty(&testcluster::server_url()).await.expect("a database can be made");
    let address = PostgresAddress::parse(&database.url()).expect("the URL of a test's database");
    migrations::Migrations::of(&address).up().await.expect("migrated");
    let fill = "
        INSERT INTO studios VALUES (gen_random_uuid(), 's', 0);
        INSERT INTO games SELECT gen_random_uuid(), id, 'g', 0 FROM studios;
        INSERT INTO realms SELECT 1, id, 'sandbox' FROM games;
        INSERT INTO players SELECT 1, lpad(to_hex(n), 32, '0')::uuid, 'player-' || n, 0, 0 FROM generate_series(1, ";
    let mut connection = connection(&address).await;
    connection.batch_execute(&format!("{fill}{players}) AS n")).await.expect("filled");
    (database, address)
}

async fn connection(address: &PostgresAddress) -> AsyncPgConnection {
    connect(address, Duration::from_secs(60)).await.expect("connected")
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    /// From 0, less than `end`.
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 16) % u64::from(end)).expect("less than a number of its type")
    }
}

fn board(number: u128) -> Ranking {
    let (board, begin) = (BoardId(Uuid::from_u128(number)), Timestamp::from_unix_micros(0));
    Ranking::of(board, begin, Segment::default(), Aggregation::Best, SortOrder::Descending)
}

fn place(player: u32, order_key: u32, achieved_at: u32) -> Place {
    Place {
        order_key: i64::from(order_key),
        achieved_at: Timestamp::from_unix_micros(i64::from(achieved_at)),
        player: PlayerId(Uuid::from_u128(u128::from(player))),
    }
}

fn external_id(place: &Place) -> ExternalId {
    ExternalId::restore(format!("player-{}", place.player.0.as_u128()))
}

/// Does `changes` in a transaction of its own, which looks for itself where their players are. Answers the ranks afterwards
/// of those who are anywhere.
async fn change(connection: &AsyncPgConnection, after: &[(&Ranking, PlayerId, Option<Place>)]) -> Vec<Rank> {
    let rankings: Vec<&Ranking> = after.iter().map(|(ranking, ..)| *ranking).collect();
    let players: Vec<_> = after.iter().map(|(ranking, player, _)| (ranking.id, *player)).collect();
    execute(connection, "BEGIN").await.expect("begun");
    let before = ranking::places(connection, REALM, &players).await.expect("found");
    let changes = after.iter().zip(before).map(|((ranking, _, after), before)| PlaceChange {
        ranking: ranking.id,
        before,
        after: *after,
    });
    let (changes, now) = (changes.collect::<Vec<_>>(), Timestamp::EPOCH);
    let places: Vec<_> = after.iter().filter_map(|(ranking, _, place)| Some((ranking.id, (*place)?))).collect();
    ranking::lock_and_change(connection, REALM, &rankings, &changes, now).await.expect("changed");
    let found = ranks::ranks(connection, REALM, &places).await.expect("looked up");
    let ranks: Vec<Rank> = found.iter().copied().collect::<Option<_>>().expect("they are there");
    assert_eq!(ranks::ranks_by_now(connection, REALM, &places).await, Ok(found), "wherever they are");
    execute(connection, "COMMIT").await.expect("committed");
    ranks
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    player: Uuid,
    #[diesel(sql_type = BigInt)]
    order_key: i64,
    #[diesel(sql_type = BigInt)]
    achieved_at: i64,
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

async fn rows(connection: &mut AsyncPgConnection, ranking: RankingId, columns: &str) -> Vec<Row> {
    let order = "ORDER BY order_key, achieved_at, player";
    let query = format!("SELECT order_key, achieved_at, player, {columns} WHERE realm = 1 AND ranking = $1 {order}");
    sql_query(query).bind::<SqlUuid, _>(ranking.0).load(connection).await.expect("read")
}

/// Checks that the entries of a ranking are `expected`, that its blocks and its sections count them, and that a section begins
/// with a block. Answers how many blocks and how many sections it has.
async fn check(connection: &mut AsyncPgConnection, ranking: RankingId, expected: &BTreeSet<Place>) -> (usize, usize) {
    let key = |row: &Row| (row.order_key, row.achieved_at, row.player);
    let entries: Vec<_> = rows(connection, ranking, "1::bigint AS entries FROM ranking_entries").await;
    let entries: Vec<_> = entries.iter().map(key).collect();
    let expected: Vec<_> =
        expected.iter().map(|place| (place.order_key, place.achieved_at.unix_micros(), place.player.0)).collect();
    assert_eq!(entries, expected);
    let blocks: Vec<_> = rows(connection, ranking, "entries FROM ranking_blocks").await;
    let sections: Vec<_> = rows(connection, ranking, "entries FROM ranking_sections").await;
    let begin_sections: BTreeSet<_> = sections.iter().map(key).collect();
    assert!(begin_sections.is_subset(&blocks.iter().map(key).collect()));
    for (parts, entries_max) in [(&blocks, ENTRIES_MAX), (&sections, SECTION_ENTRIES_MAX)] {
        assert_eq!(key(&parts[0]), (i64::MIN, i64::MIN, Uuid::nil()));
        for (number, part) in parts.iter().enumerate() {
            let from = entries.partition_point(|entry| *entry < key(part));
            let until =
                parts.get(number + 1).map_or(entries.len(), |next| entries.partition_point(|entry| *entry < key(next)));
            assert_eq!(usize::try_from(part.entries), Ok(until - from));
            assert!(part.entries <= entries_max);
            assert!(0 < part.entries || begin_sections.contains(&key(part)));
        }
    }
    assert!(sections.iter().skip(1).all(|section| 0 < section.entries));
    (blocks.len(), sections.len())
}

/// A limit as a number of entries.
fn number(limit: i64) -> usize {
    usize::try_from(limit).expect("a small number")
}

fn rank_of(place: &Place, places: &BTreeSet<Place>) -> Rank {
    let number = |count: usize| u64::try_from(count).expect("a small number");
    Rank { rank: number(places.range(..place).count()) + 1, players: number(places.len()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranks_and_blocks_are_those_of_a_sorted_list_whatever_changes() {
    let (_database, address) = database(3_000).await;
    let mut connection = connection(&address).await;
    let mut dice = Dice(7);
    let rankings = [board(1), board(2)];
    let mut expected: [BTreeMap<PlayerId, Place>; 2] = Default::default();
    let (mut blocks_at_most, mut sections_at_most) = (0, 0);
    // First most of them come, then all move about, then most of them leave.
    for step in 0_u32..160 {
        let leaving = if step < 90 { 1 } else { 95 };
        let mut changes = BTreeMap::new();
        for _ in 0..(1 + dice.below(if step % 3 == 0 { 2 } else { 500 })) {
            let (which, player) = (usize::from(dice.below(4) == 0), 1 + dice.below(3_000));
            let after = (leaving <= dice.below(100)).then(|| place(player, dice.below(12), dice.below(40)));
            changes.insert((which, PlayerId(Uuid::from_u128(u128::from(player)))), after);
        }
        let after: Vec<_> =
            changes.iter().map(|((which, player), after)| (&rankings[*which], *player, *after)).collect();
        let ranks = change(&connection, &after).await;
        for ((which, player), after) in &changes {
            match after {
                Some(place) => drop(expected[*which].insert(*player, *place)),
                None => drop(expected[*which].remove(player)),
            }
        }
        let sorted = expected.clone().map(|places| places.into_values().collect::<BTreeSet<Place>>());
        let placed = changes.iter().filter_map(|((which, _), after)| Some((*which, (*after)?)));
        for (rank, (which, place)) in ranks.iter().zip(placed) {
            assert_eq!(*rank, rank_of(&place, &sorted[which]), "step {step}");
        }
        let looked_at = if step % 5 == 4 { rankings.iter().zip(&sorted) } else { [].iter().zip(&sorted) };
        for (ranking, places) in looked_at {
            let (blocks, sections) = check(&mut connection, ranking.id, places).await;
            (blocks_at_most, sections_at_most) = (blocks_at_most.max(blocks), sections_at_most.max(sections));
            // Neighbours are not both small, but where a section begins.
            let fit = sections + places.len() / number(ENTRIES_MAX / 8);
            assert!(blocks <= fit, "{blocks} blocks in {sections} sections of {} entries", places.len());
            let fit = 1 + places.len() / number(SECTION_ENTRIES_MAX / 8);
            assert!(sections <= fit, "{sections} sections of {} entries", places.len());
        }
    }
    assert!(100 <= blocks_at_most && 12 <= sections_at_most, "{blocks_at_most} blocks, {sections_at_most} sections");
    assert!(expected.iter().all(|places| places.len() < 1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_falls_out_of_a_block_that_nobody_is_left_in_leaves_no_block_behind() {
    let (_database, address) = database(4_000).await;
    let mut connection = connection(&address).await;
    let ranking = board(1);
    let all: BTreeSet<Place> = (1..=4_000).map(|player| place(player, player, 0)).collect();
    let coming: Vec<_> = all.iter().map(|place| (&ranking, place.player, Some(*place))).collect();
    change(&connection, &coming).await;
    assert_eq!(check(&mut connection, ranking.id, &all).await, (250, 31));
    let leaving: Vec<_> = all.iter().skip(1).map(|place| (&ranking, place.player, None)).collect();
    change(&connection, &leaving).await;
    assert_eq!(check(&mut connection, ranking.id, &all.iter().take(1).copied().collect()).await, (1, 1));
    change(&connection, &[(&ranking, PlayerId(Uuid::from_u128(1)), None)]).await;
    assert_eq!(check(&mut connection, ranking.id, &BTreeSet::new()).await, (1, 1));
    assert_eq!(
        change(&connection, &[(&ranking, PlayerId(Uuid::from_u128(9)), Some(place(9, 1, 1)))]).await,
        [Rank { rank: 1, players: 1 }]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_ranking_take_turns_and_count_exactly() {
    let (_database, address) = database(3_000).await;
    let shared = board(9);
    // Two that make a ranking at once may meet at its other unique index, upon which the whole transaction is attempted again
    // (`attempts.rs`). Here there is only the change itself.
    change(&connection(&address).await, &[(&shared, PlayerId(Uuid::from_u128(1)), Some(place(1, 0, 0)))]).await;
    let writers = (0..4_u32).map(|writer| {
        let (address, shared) = (address.clone(), shared.clone());
        tokio::spawn(async move {
            let (connection, own) = (connection(&address).await, board(u128::from(writer)));
            let mut dice = Dice(u64::from(writer) + 1);
            for _ in 0..40 {
                let mut changes = BTreeMap::new();
                for _ in 0..(1 + dice.below(60)) {
                    // Players of its own: in a batch their locks would be held.
                    let player = 1 + dice.below(750) * 4 + writer;
                    let after = (5 < dice.below(100)).then(|| place(player, dice.below(9), dice.below(9)));
                    changes.insert(PlayerId(Uuid::from_u128(u128::from(player))), after);
                }
                // Of several rankings, not all of them the same ones.
                let of = |ranking| changes.iter().map(move |(player, after)| (ranking, *player, *after));
                change(&connection, &of(&shared).chain(of(&own)).collect::<Vec<_>>()).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it did not panic");
    }
    let mut connection = connection(&address).await;
    let entries = rows(&mut connection, shared.id, "1::bigint AS entries FROM ranking_entries").await;
    let places = entries.iter().map(|row| Place {
        order_key: row.order_key,
        achieved_at: Timestamp::from_unix_micros(row.achieved_at),
        player: PlayerId(row.player),
    });
    let places: BTreeSet<Place> = places.collect();
    assert!(1_500 < places.len());
    let (blocks, sections) = check(&mut connection, shared.id, &places).await;
    assert!(50 < blocks && 6 < sections, "{blocks} blocks, {sections} sections");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_absolute_ranks_and_who_is_asked_about() {
    let (_database, address) = database(3_000).await;
    let connection = connection(&address).await;
    let (ranking, empty) = (board(1), board(2));
    let all: BTreeSet<Place> = (1..=2_999).map(|player| place(player, player / 7, 5)).collect();
    let coming: Vec<_> = all.iter().map(|place| (&ranking, place.player, Some(*place))).collect();
    change(&connection, &coming).await;
    let ranked = |number: usize| {
        let place = *all.iter().nth(number - 1).expect("there are so many");
        RankedPlayer { rank: rank_of(&place, &all).rank, place, external_id: external_id(&place) }
    };
    let named = |number: usize| ranked(number).external_id;
    let missing = ExternalId::restore("player-3000".to_owned());
    let page = async |ranking: &Ranking, slice, own: Option<&ExternalId>| {
        pages::page(&connection, REALM, ranking.id, &slice, own).await.expect("read")
    };
    let top = page(&ranking, RankingSlice::Top(3), Some(&named(2_000))).await;
    let of = |entries: Vec<RankedPlayer>, own| RankingPage { players: 2_999, entries, own };
    assert_eq!(top, of(vec![ranked(1), ranked(2), ranked(3)], Some(ranked(2_000))));
    let around = page(&ranking, RankingSlice::Around(named(1_500), 2), None).await;
    assert_eq!(around, of((1_498..=1_502).map(ranked).collect(), None));
    let first = page(&ranking, RankingSlice::Around(named(1), 1), Some(&named(1))).await;
    assert_eq!(first, of(vec![ranked(1), ranked(2)], Some(ranked(1))));
    let last = page(&ranking, RankingSlice::Around(named(2_999), 1), Some(&named(7))).await;
    assert_eq!(last, of(vec![ranked(2_998), ranked(2_999)], Some(ranked(7))));
    assert_eq!(page(&ranking, RankingSlice::Around(missing.clone(), 1), Some(&missing)).await, of(vec![], None));
    assert_eq!(
        page(&ranking, RankingSlice::Around(missing.clone(), 1), Some(&named(9))).await,
        of(vec![], Some(ranked(9)))
    );
    for slice in [RankingSlice::Top(9), RankingSlice::Around(named(1), 9)] {
        assert_eq!(page(&empty, slice, Some(&named(1))).await, RankingPage::default());
    }
}
