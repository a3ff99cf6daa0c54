//! Every statement on events, lobbies and rankings, explained: none walks a table, nor all that a realm has in one, and none
//! sorts.

use diesel::connection::SimpleConnection;
use diesel::debug_query;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::{
    attempts, blocks, configuration, lobby, merging, participants, parts, ranking, reads, records, requests, standings,
    sweep,
};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn sql(statement: &impl QueryFragment<Sqlite>) -> String {
    debug_query::<Sqlite, _>(statement).to_string()
}

fn explain(connection: &mut SqliteConnection, sql: &str) -> String {
    let steps =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<Step>(connection).expect("it is explained");
    steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
}

fn with_schema() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").expect("it opens");
    for migration in [
        include_str!("../../../../../migrations/sqlite/2026-11-21-000000_create_economy/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-000000_import_players/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-100000_player_lives/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-200000_play_lobbies/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-210000_section_rankings/up.sql"),
    ] {
        connection.batch_execute(migration).expect("it applies");
    }
    connection
}

fn ranking_statements() -> Vec<String> {
    let (realm, id, order_key, achieved_at, limit, entries) = (1, [0_u8; 16].as_slice(), 0, 0, 1, 1);
    let (ranking, player) = (id, id);
    vec![
        sql(&parts::BlockOf { realm, ranking, order_key, achieved_at, player }),
        sql(&parts::SectionOf { realm, ranking, order_key, achieved_at, player }),
        sql(&parts::BlockBefore { realm, ranking, order_key, achieved_at, player }),
        sql(&parts::SectionBefore { realm, ranking, order_key, achieved_at, player }),
        sql(&parts::UpdateBlock { entries, realm, ranking, order_key, achieved_at, player }),
        sql(&parts::UpdateSection { entries, realm, ranking, order_key, achieved_at, player }),
        sql(&parts::DeleteBlock { realm, ranking, order_key, achieved_at, player }),
        sql(&parts::DeleteSection { realm, ranking, order_key, achieved_at, player }),
        sql(&blocks::PlaceAfter { realm, ranking, order_key, achieved_at, player, entries }),
        sql(&blocks::BlocksFrom { realm, ranking, order_key, achieved_at, player, limit }),
        sql(&ranking::FindRanking { realm, id }),
        sql(&ranking::FindEntry { realm, ranking, player }),
        sql(&ranking::MoveEntry {
            order_key,
            achieved_at,
            realm,
            ranking,
            player,
            order_key_before: 0,
            achieved_at_before: 0,
        }),
        sql(&ranking::DeleteEntry { realm, ranking, player, order_key, achieved_at }),
        sql(&standings::SumSections { order_key, achieved_at, player, realm, ranking }),
        sql(&standings::AllSections { realm, ranking }),
        sql(&standings::SumBlocks {
            realm,
            ranking,
            from_order_key: 0,
            from_achieved_at: 0,
            from_player: id,
            order_key,
            achieved_at,
            player,
        }),
        sql(&standings::CountEntries {
            realm,
            ranking,
            from_order_key: 0,
            from_achieved_at: 0,
            from_player: id,
            order_key,
            achieved_at,
            player,
        }),
        sql(&standings::TopEntries { realm, ranking, limit }),
        sql(&standings::EntriesBefore { realm, ranking, order_key, achieved_at, player, limit }),
        sql(&standings::EntriesAfter { realm, ranking, order_key, achieved_at, player, limit }),
    ]
}

fn configuration_statements() -> Vec<String> {
    let (realm, id, key, limit, definition) = (1, [0_u8; 16].as_slice(), "", 1, "");
    let (before, version, version_before, updated_at) = (id, 2, 1, 0);
    vec![
        sql(&configuration::FindEvent { realm, key }),
        sql(&configuration::FindEventById { realm, id }),
        sql(&configuration::PageOfEvents { realm, before, limit }),
        sql(&configuration::UpdateEvent { definition, version, updated_at, realm, id, version_before }),
        sql(&configuration::FindLeaderboard { realm, key }),
        sql(&configuration::FindLeaderboardById { realm, id }),
        sql(&configuration::PageOfLeaderboards { realm, before, limit }),
        sql(&configuration::UpdateLeaderboard { definition, version, updated_at, realm, id, version_before }),
    ]
}

fn lobby_statements() -> Vec<String> {
    let (realm, id, key, limit) = (1, [0_u8; 16].as_slice(), "", 1);
    let (event, window, lobby, player, before) = (id, id, id, id, id);
    vec![
        sql(&lobby::FindLobby { realm, id }),
        sql(&lobby::FindLobbyOfKey { realm, key }),
        sql(&lobby::FindOpenLobby { realm, event, window }),
        sql(&lobby::FindMembership { realm, player, oldest: id, event, window }),
        sql(&lobby::UpdateLobby {
            bots: "",
            participants: 0,
            status: "",
            started_at: None,
            closed_at: None,
            due_at: None,
            is_open: false,
            version: 2,
            realm,
            id,
            version_before: 1,
        }),
        sql(&sweep::DueLobbies { now: 0, limit }),
        sql(&reads::PageOfLobbies { realm, event, before, limit }),
        sql(&reads::PageOfLiveLobbies { realm, event, before, limit }),
        sql(&participants::FindParticipant { realm, lobby, player }),
        sql(&participants::FindParticipants { realm, lobby }),
        sql(&participants::UpdateParticipant { joined_at: 0, score: None, achieved_at: None, realm, lobby, player }),
        sql(&participants::DeleteParticipant { realm, lobby, player }),
    ]
}

fn play_statements() -> Vec<String> {
    let (realm, id, limit) = (1, [0_u8; 16].as_slice(), 1);
    let (player, lobby, key, before, after, target, source) = (id, id, id, id, id, id, id);
    vec![
        sql(&attempts::FindAttempt { realm, id }),
        sql(&attempts::FindAttemptOnce { realm, key }),
        sql(&attempts::PageOfAttempts { realm, player, before, limit }),
        sql(&attempts::UpdateAttempt { metrics: "", score: 0, completed_at: None, status: "", realm, id }),
        sql(&attempts::EndAttempts { ends_at: 0, realm, lobby, later_than: 0, player: None }),
        sql(&requests::FindRequest { realm, operation: "", key }),
        sql(&records::LobbiesOfPlayer { realm, player, before, limit }),
        sql(&records::RankingsOfPlayer { realm, player, after, limit }),
        sql(&records::CountPlay {
            realm,
            player,
            realm_of_lobbies: realm,
            of_lobbies: player,
            realm_of_rankings: realm,
            of_rankings: player,
        }),
        sql(&merging::MoveAttempts { target, realm, source }),
    ]
}

#[test]
fn every_statement_has_a_plan_that_touches_only_what_it_is_about() {
    let mut connection = with_schema();
    let statements = [ranking_statements(), configuration_statements(), lobby_statements(), play_statements()];
    for statement in statements.concat() {
        let plan = explain(&mut connection, &statement);
        assert!(!plan.is_empty(), "{statement}");
        for step in plan.lines() {
            let walks = step.starts_with("SCAN") && !step.contains("CONSTANT ROW");
            assert!(!walks && !step.ends_with("(realm=?)"), "{step}\n{statement}");
            assert!(!step.contains("TEMP B-TREE"), "{step}\n{statement}");
        }
    }
}

#[test]
fn what_lies_before_or_after_a_place_is_read_from_there_on() {
    let mut connection = with_schema();
    let statements = ranking_statements();
    let mut ranges =
        statements.iter().filter(|statement| statement.contains("player) ") && !statement.contains("FILTER"));
    assert!(ranges.all(|statement| explain(&mut connection, statement).contains("(order_key,achieved_at,player)")));
}
