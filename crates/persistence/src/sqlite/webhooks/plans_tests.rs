//! Every statement on events and deliveries, explained: none walks a table that grows, nor all that a realm has in one, and none
//! sorts.

use diesel::connection::SimpleConnection;
use diesel::debug_query;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::{deliveries, discard, dispatch, endpoints, expiry, feed, numbers, outbox, record, replay};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn sql(statement: &impl QueryFragment<Sqlite>) -> String {
    debug_query::<Sqlite, _>(statement).to_string()
}

fn explain(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let steps =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<Step>(connection).expect("it is explained");
    assert!(!steps.is_empty(), "{sql}");
    steps.into_iter().map(|step| step.detail).collect()
}

fn with_schema() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").expect("it opens");
    for migration in [
        include_str!("../../../../../migrations/sqlite/2026-11-21-000000_create_economy/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-000000_import_players/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-100000_player_lives/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-200000_play_lobbies/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-300000_create_webhooks/up.sql"),
    ] {
        connection.batch_execute(migration).expect("it applies");
    }
    connection
}

/// Statements that look for something by a key that does not grow with what is played.
fn statements_by_key() -> Vec<String> {
    let (realm, id, limit, at) = (1, [0_u8; 16].as_slice(), 1, 0);
    let (player, endpoint, delivery, before, after, last, claim) = (id, id, id, id, id, id, id);
    vec![
        sql(&outbox::LastPosition { realm }),
        sql(&outbox::IsStored { realm, id }),
        sql(&outbox::MoveEvents { target: id, realm, source: id }),
        sql(&outbox::EndOfEvents { realm, player, after, limit }),
        sql(&outbox::BlankWords { realm, player, after, last }),
        sql(&endpoints::FindEndpoint { realm, id }),
        sql(&endpoints::RemoveEndpoint { removed_at: at, updated_at: at, realm, id }),
        sql(&dispatch::EventsPast { realm, after: 0, limit }),
        sql(&dispatch::SetPublished { published: 0, realm }),
        sql(&dispatch::DueDeliveries { realm, endpoint, now: at, limit }),
        sql(&dispatch::ClaimDelivery { until: at, claim, realm, id }),
        sql(&dispatch::GiveUp { ended_at: at, realm, id }),
        sql(&numbers::FindNumber { realm, player }),
        sql(&record::UpdateProgress { status: "", due_at: None, ended_at: None, realm, id, claim }),
        sql(&deliveries::PageOfDeliveries { realm, endpoint, status: "", before, limit }),
        sql(&deliveries::FindDelivery { realm, id }),
        sql(&deliveries::FindStatus { realm, id }),
        sql(&deliveries::LatestAttempts { realm, delivery, limit }),
        sql(&replay::EventsBetween { realm, after, before, since: at, until: at, names: "", limit }),
        sql(&replay::Requeue { due_at: at, realm, id }),
        sql(&feed::FeedPage { realm, after: 0, names: "", limit }),
        sql(&feed::FindTold { realm, id }),
        sql(&feed::FindRealm { realm }),
        sql(&expiry::DeleteSweep { realm }),
        sql(&expiry::GivenNotices { realm, api_key: id }),
        sql(&discard::DeliveriesOf { realm, endpoint, limit }),
        sql(&discard::DeleteAttempts { realm, delivery }),
        sql(&discard::DeleteDelivery { realm, id }),
        sql(&discard::DeleteEndpoint { realm, id }),
        sql(&discard::DeleteOldAttempts { realm, of_realm: realm, before, limit }),
        sql(&discard::DeleteOldDeliveries { realm, of_realm: realm, before, limit }),
        sql(&discard::DeleteOldEvents { realm, of_realm: realm, before, limit }),
        crate::sqlite::economy::sql_of_expired(),
    ]
}

#[test]
fn every_statement_has_a_plan_that_touches_only_what_it_is_about() {
    let mut connection = with_schema();
    for statement in statements_by_key() {
        for step in explain(&mut connection, &statement) {
            let subquery = step.starts_with("LIST SUBQUERY") || step == "SCAN (subquery-1)";
            let walks = step.starts_with("SCAN") && !subquery && !step.contains("CONSTANT ROW");
            let by_realm = step.ends_with("(realm=?)") && !step.contains("INTEGER PRIMARY KEY");
            // The positions and sweeps of realms have no more rows than there are realms.
            let of_realms = step.contains("outbox_positions") || step.contains("grant_expiry_sweeps");
            assert!(!walks && (!by_realm || of_realms), "{step}\n{statement}");
            assert!(!step.contains("TEMP B-TREE"), "{step}\n{statement}");
        }
    }
}

#[test]
fn only_endpoints_positions_and_realms_are_walked() {
    let mut connection = with_schema();
    // A constant row is of no table, and a subquery is what its own steps find, up to its limit.
    let few = [
        "CONSTANT",
        "(subquery-1)",
        "e",
        "webhook_endpoints",
        "outbox_positions",
        "grant_expiry_sweeps",
        "realms",
        "player_numbers",
    ];
    let realm = 1;
    for statement in [
        sql(&outbox::WantedEvents { realm }),
        sql(&endpoints::EndpointsOfRealm { realm }),
        sql(&endpoints::CountEndpoints { realm }),
        sql(&dispatch::Unpublished {}),
        sql(&dispatch::Subscribers { realm }),
        sql(&dispatch::DueEndpoints { now: 0 }),
        sql(&deliveries::Lag { limit: 1 }),
        sql(&expiry::AllWanted {}),
        sql(&expiry::Sweeps {}),
        sql(&discard::AllRealms {}),
        sql(&discard::RemovedEndpoints {}),
        sql(&numbers::LastNumber { realm }),
    ] {
        for step in explain(&mut connection, &statement) {
            let walked = step.strip_prefix("SCAN ").or_else(|| step.strip_suffix("(realm=?)"));
            let walked = walked.map(|rest| rest.trim_start_matches("SEARCH "));
            let table = walked.and_then(|rest| rest.split(' ').next());
            assert!(table.is_none_or(|table| few.contains(&table)), "{step}\n{statement}");
            assert!(!step.contains("TEMP B-TREE"), "{step}\n{statement}");
        }
    }
}

#[test]
fn what_is_due_is_found_in_the_order_in_which_it_is_due() {
    let mut connection = with_schema();
    let endpoint = [0_u8; 16].as_slice();
    for statement in [
        sql(&dispatch::DueEndpoints { now: 0 }),
        sql(&dispatch::DueDeliveries { realm: 1, endpoint, now: 0, limit: 1 }),
        sql(&deliveries::Lag { limit: 1 }),
    ] {
        let plan = explain(&mut connection, &statement).join("\n");
        assert!(
            plan.contains("USING COVERING INDEX webhook_deliveries_due")
                || plan.contains("USING INDEX webhook_deliveries_due"),
            "{plan}"
        );
    }
    // The largest number of a realm is the end of an index.
    let plan = explain(&mut connection, &sql(&numbers::LastNumber { realm: 1 })).join("\n");
    assert!(plan.contains("INDEX sqlite_autoindex_player_numbers"), "{plan}");
}
