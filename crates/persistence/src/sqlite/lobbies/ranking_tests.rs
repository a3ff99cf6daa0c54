//! Rankings against a sorted list of their places.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::{
    Aggregation, BoardId, Place, PlaceChange, Rank, Ranking, RankingPage, RankingSlice, Segment, SortOrder,
};
use domain::players::{ExternalId, Player, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::parts::{Level, Part, Start};
use super::{ranking, standings};
use crate::sqlite::players;

const REALM: RealmId = RealmId(1);

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn signed_below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(micros)
}

fn external_id(player: PlayerId) -> ExternalId {
    ExternalId::restore(player.0.to_string())
}

/// A row of blocks or sections.
#[derive(QueryableByName)]
struct StoredPart {
    #[diesel(sql_type = BigInt)]
    order_key: i64,
    #[diesel(sql_type = BigInt)]
    achieved_at: i64,
    #[diesel(sql_type = Binary)]
    player: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

/// A number.
#[derive(QueryableByName)]
struct Entries {
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

/// A ranking as stored, and all places in it.
struct Twins {
    connection: SqliteConnection,
    ranking: Ranking,
    places: Vec<Place>,
}

impl Twins {
    fn new() -> Self {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        for migration in [
            include_str!("../../../../../migrations/sqlite/2026-11-21-000000_create_economy/up.sql"),
            include_str!("../../../../../migrations/sqlite/2026-11-22-000000_import_players/up.sql"),
            include_str!("../../../../../migrations/sqlite/2026-11-22-100000_player_lives/up.sql"),
            include_str!("../../../../../migrations/sqlite/2026-11-22-200000_play_lobbies/up.sql"),
            include_str!("../../../../../migrations/sqlite/2026-11-22-210000_section_rankings/up.sql"),
        ] {
            connection.batch_execute(migration).unwrap();
        }
        // The players are numbers here.
        connection.batch_execute("PRAGMA foreign_keys = OFF").unwrap();
        let (board, order) = (BoardId(Uuid::from_u128(7)), SortOrder::Descending);
        let ranking = Ranking::of(board, at(0), Segment::default(), Aggregation::Best, order);
        ranking::begin(&mut connection, REALM, &ranking, at(1)).unwrap();
        Self { connection, ranking, places: Vec::new() }
    }

    fn change(&mut self, before: Option<Place>, after: Option<Place>) {
        if let Some(before) = &before {
            let index = self.places.binary_search(before).unwrap();
            self.places.remove(index);
        }
        if let Some(after) = after {
            let index = self.places.binary_search(&after).unwrap_err();
            self.places.insert(index, after);
        }
        let change = PlaceChange { ranking: self.ranking.id, before, after };
        ranking::apply(&mut self.connection, REALM, &change).unwrap();
    }

    /// The parts of one level, in order.
    fn parts(&mut self, level: Level) -> Vec<Part> {
        let table = match level {
            Level::Blocks => "ranking_blocks",
            Level::Sections => "ranking_sections",
        };
        let rows = diesel::sql_query(format!(
            "SELECT order_key, achieved_at, player, entries FROM {table} ORDER BY order_key, achieved_at, player"
        ));
        let rows = rows.load::<StoredPart>(&mut self.connection).unwrap();
        let start = |row: &StoredPart| Start {
            order_key: row.order_key,
            achieved_at: row.achieved_at,
            player: Uuid::from_slice(&row.player).unwrap(),
        };
        rows.into_iter().map(|row| Part { start: start(&row), entries: row.entries }).collect()
    }

    /// The number of entries of each block, in order.
    fn blocks(&mut self) -> Vec<i64> {
        self.parts(Level::Blocks).into_iter().map(|block| block.entries).collect()
    }

    /// Every section starts where a block does, has what its blocks have, and has a fitting size; and so have the blocks, but
    /// those that sections start with, which have at most a fitting size.
    fn parts_agree(&mut self) {
        let (blocks, sections) = (self.parts(Level::Blocks), self.parts(Level::Sections));
        let starts: Vec<Start> = sections.iter().map(|section| section.start).collect();
        for (level, parts) in [(Level::Blocks, &blocks), (Level::Sections, &sections)] {
            let entries: i64 = parts.iter().map(|part| part.entries).sum();
            assert_eq!(entries, i64::try_from(self.places.len()).unwrap());
            assert_eq!(parts[0].start, Start::FIRST);
            assert!(parts.iter().all(|part| part.entries <= level.entries_max()), "{parts:?}");
            let mut later = parts.iter().skip(1);
            let may_be_small = |part: &Part| level == Level::Blocks && starts.contains(&part.start);
            assert!(later.all(|part| level.entries_min() <= part.entries || may_be_small(part)), "{parts:?}");
        }
        for (index, section) in sections.iter().enumerate() {
            let next = starts.get(index + 1);
            let of_it = |block: &&Part| section.start <= block.start && next.is_none_or(|next| block.start < *next);
            let of_it: Vec<&Part> = blocks.iter().filter(of_it).collect();
            assert_eq!(of_it[0].start, section.start);
            assert_eq!(of_it.iter().map(|block| block.entries).sum::<i64>(), section.entries);
        }
    }

    fn agree(&mut self) {
        let players = u64::try_from(self.places.len()).unwrap();
        assert_eq!(standings::count_players(&mut self.connection, REALM, self.ranking.id), Ok(players));
        let step = self.places.len() / 50 + 1;
        for (rank, place) in (1..).zip(&self.places).step_by(step) {
            let found = standings::rank(&mut self.connection, REALM, self.ranking.id, place);
            assert_eq!(found, Ok(Rank { rank, players }));
        }
        let ranks: Vec<Rank> = (1..=players).map(|rank| Rank { rank, players }).collect();
        assert_eq!(standings::ranks(&mut self.connection, REALM, self.ranking.id, &self.places), Ok(ranks));
        self.parts_agree();
    }

    fn page(&mut self, slice: &RankingSlice, own: Option<&ExternalId>) -> RankingPage {
        standings::page(&mut self.connection, REALM, self.ranking.id, slice, own).unwrap()
    }
}

#[test]
fn ranks_are_those_of_a_sorted_list_however_players_come_move_and_leave() {
    let mut numbers = Numbers(20_261_122);
    let mut twins = Twins::new();
    twins.connection.batch_execute("BEGIN").unwrap();
    // Grows, moves about and shrinks; many scores and times are equal.
    for (inserts, moves, removals) in [(3_000, 0, 0), (3_000, 3_000, 500), (0, 2_000, 4_000), (0, 100, 1_499)] {
        let mut kinds = [inserts, moves, removals];
        while let left @ 1.. = kinds.iter().sum::<u64>() {
            let mut drawn = numbers.below(left);
            let kind = kinds.iter().position(|count| {
                let here = drawn < *count;
                drawn = drawn.saturating_sub(*count);
                here
            });
            kinds[kind.unwrap()] -= 1;
            let player = PlayerId(Uuid::from_u64_pair(numbers.below(u64::MAX), numbers.below(u64::MAX)));
            let mut place = |player| {
                let (order_key, achieved_at) = (-numbers.signed_below(40), at(numbers.signed_below(5)));
                Place { order_key, achieved_at, player }
            };
            if kind == Some(0) {
                let after = place(player);
                twins.change(None, Some(after));
                continue;
            }
            let after = place(player);
            let index = numbers.below(u64::try_from(twins.places.len()).unwrap());
            let before = twins.places[usize::try_from(index).unwrap()];
            let after = (kind == Some(1)).then_some(Place { player: before.player, ..after });
            twins.change(Some(before), after);
        }
        twins.agree();
        if inserts != 0 {
            assert!(2 < twins.parts(Level::Sections).len(), "it was cut");
        }
    }
    assert_eq!(twins.places.len(), 1);
    assert_eq!(twins.blocks(), [1], "it was joined");
    assert_eq!(twins.parts(Level::Sections).len(), 1, "as were the sections");
}

#[test]
fn players_who_stay_behind_a_moving_crowd_do_not_keep_a_block_each() {
    let mut twins = Twins::new();
    twins.connection.batch_execute("BEGIN").unwrap();
    let place = |day: u64, player: u64| Place {
        order_key: i64::try_from(day * 10_000 + player).unwrap(),
        achieved_at: at(0),
        player: PlayerId(Uuid::from_u64_pair(0, player)),
    };
    (0..3_000).for_each(|player| twins.change(None, Some(place(0, player))));
    for day in 1..6 {
        for player in day * 2..3_000 {
            twins.change(Some(place(day - 1, player)), Some(place(day, player)));
        }
    }
    twins.agree();
}

#[test]
fn a_change_of_a_place_that_is_not_taken_is_refused() {
    let mut twins = Twins::new();
    let place = |order_key| Place { order_key, achieved_at: at(0), player: PlayerId(Uuid::from_u128(1)) };
    twins.change(None, Some(place(1)));
    let ranking = twins.ranking.id;
    for (before, after) in [(Some(place(2)), Some(place(3))), (Some(place(2)), None), (None, Some(place(3)))] {
        let change = PlaceChange { ranking, before, after };
        assert!(ranking::apply(&mut twins.connection, REALM, &change).is_err(), "{change:?}");
    }
    twins.agree();
    assert_eq!(ranking::find_place(&mut twins.connection, REALM, ranking, place(1).player), Ok(Some(place(1))));
}

#[test]
fn a_page_has_its_players_with_their_ranks() {
    let mut twins = Twins::new();
    for number in 1..=7 {
        let id = PlayerId(Uuid::from_u128(number));
        let player =
            Player { id, external_id: external_id(id), created_at: at(0), last_seen_at: at(0), banned_at: None };
        players::insert(&mut twins.connection, REALM, &player).unwrap();
        let order_key = i64::try_from(number).unwrap();
        twins.change(None, Some(Place { order_key, achieved_at: at(0), player: id }));
    }
    let id = |number| external_id(PlayerId(Uuid::from_u128(number)));
    let ranks = |page: &RankingPage| {
        page.entries.iter().for_each(|entry| assert_eq!(entry.external_id, id(u128::from(entry.rank))));
        page.entries.iter().map(|entry| entry.rank).collect::<Vec<_>>()
    };
    let top = twins.page(&RankingSlice::Top(3), Some(&id(6)));
    assert_eq!((ranks(&top), top.players), (vec![1, 2, 3], 7));
    assert_eq!(top.own.map(|own| (own.rank, own.external_id)), Some((6, id(6))));
    for (centre, expected) in [(4, vec![2, 3, 4, 5, 6]), (1, vec![1, 2, 3]), (7, vec![5, 6, 7])] {
        let page = twins.page(&RankingSlice::Around(id(centre), 2), Some(&id(centre)));
        assert_eq!(ranks(&page), expected);
        assert_eq!(page.own.map(|own| own.external_id), Some(id(centre)));
    }
    let stranger = twins.page(&RankingSlice::Around(id(8), 2), Some(&id(8)));
    assert_eq!(stranger, RankingPage { players: 7, entries: Vec::new(), own: None });
}

#[test]
fn a_ranking_begins_once() {
    let mut twins = Twins::new();
    let ranking = twins.ranking.clone();
    twins.change(None, Some(Place { order_key: 1, achieved_at: at(0), player: PlayerId(Uuid::from_u128(1)) }));
    ranking::begin(&mut twins.connection, REALM, &ranking, at(2)).unwrap();
    twins.agree();
    assert_eq!(twins.blocks(), [1]);
}

#[test]
fn a_ranking_that_had_blocks_before_there_were_sections_gets_them() {
    let mut twins = Twins::new();
    // As the program before left them: larger blocks than today's, some of them empty, of two rankings.
    let fill = "
        DROP TABLE ranking_sections;
        DELETE FROM ranking_blocks;
        WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 69)
        INSERT INTO ranking_blocks SELECT 1, ranking, CASE n WHEN 0 THEN -9223372036854775808 ELSE n END,
            CASE n WHEN 0 THEN -9223372036854775808 ELSE 5 END, zeroblob(16), CASE n % 7 WHEN 0 THEN 0 ELSE 1000 - n END
            FROM numbers CROSS JOIN (SELECT zeroblob(16) AS ranking UNION ALL SELECT randomblob(16))";
    twins.connection.batch_execute(fill).unwrap();
    let migration = include_str!("../../../../../migrations/sqlite/2026-11-22-210000_section_rankings/up.sql");
    twins.connection.batch_execute(migration).unwrap();
    let of_each = "DELETE FROM ranking_blocks WHERE ranking <> zeroblob(16);
        DELETE FROM ranking_sections WHERE ranking <> zeroblob(16)";
    let count = "SELECT count(*) AS entries FROM ranking_sections GROUP BY ranking";
    let counts: Vec<i64> = {
        let rows = diesel::sql_query(count).load::<Entries>(&mut twins.connection).unwrap();
        rows.into_iter().map(|row| row.entries).collect()
    };
    twins.connection.batch_execute(of_each).unwrap();
    let (blocks, sections) = (twins.parts(Level::Blocks), twins.parts(Level::Sections));
    let number = i64::try_from(sections.len()).unwrap();
    assert_eq!(counts, [number, number], "each ranking has its own");
    assert!((6..=8).contains(&number), "{number}");
    assert_eq!(sections[0].start, Start::FIRST);
    let starts: Vec<Start> = sections.iter().map(|section| section.start).collect();
    for (section, next) in sections.iter().zip(starts.iter().skip(1).map(Some).chain([None])) {
        let of_it = |block: &&Part| section.start <= block.start && next.is_none_or(|next| block.start < *next);
        let of_it: Vec<&Part> = blocks.iter().filter(of_it).collect();
        assert_eq!(of_it[0].start, section.start);
        assert_eq!(of_it.iter().map(|block| block.entries).sum::<i64>(), section.entries);
        assert!(section.entries < 9_200, "{section:?}");
    }
}
