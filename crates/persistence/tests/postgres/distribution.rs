//! Distribution by realm, as far as it can be tried without the extension: functions that stand in for its own, keep its
//! rules about keys and references, and remember what they were asked.

use persistence::migrations::MigrationError;
use persistence::postgres::{Migrations, PostgresOptions};
use testcluster::TestDatabase;
use testkit::contract::{World, run};
use testkit::credit;

use crate::fixture::{PostgresFixture, address, stores};
use crate::outside::Outside;
use crate::schema;

/// What Citus documents: a distributed table's unique keys hold the distribution column; its references go to reference
/// tables, or hold the column and go to tables that lie with it; and none may stand between a moved table and another.
const STAND_IN: &str = "
    CREATE SCHEMA citus;
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, citus', current_database()); END $$;
    SET search_path = citus, public;
    CREATE TABLE pg_dist_partition (logicalrel regclass PRIMARY KEY, partition_column text, colocated text);
    CREATE FUNCTION refuse_references(moved regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND (conrelid = moved OR confrelid = moved)) THEN
            RAISE EXCEPTION '% has a reference', moved;
        END IF;
    END $$;
    CREATE FUNCTION create_reference_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM refuse_references(table_name);
        INSERT INTO pg_dist_partition VALUES (table_name, NULL, NULL);
    END $$;
    CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text, colocate_with text)
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM refuse_references(table_name);
        IF EXISTS (SELECT FROM pg_index i WHERE i.indrelid = table_name AND i.indisunique AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = table_name AND a.attname = distribution_column
                AND a.attnum = ANY (i.indkey))) THEN
            RAISE EXCEPTION 'a unique key of % lacks %', table_name, distribution_column;
        END IF;
        INSERT INTO pg_dist_partition VALUES (table_name, distribution_column, colocate_with);
    END $$";

#[tokio::test(flavor = "multi_thread")]
async fn without_the_extension_nothing_is_distributed_and_nothing_changed() {
    let fixture = PostgresFixture::create().await;
    let before = schema::of_postgres(&fixture.url()).await;
    let refused = Migrations::of(&address(&fixture.url())).distribute().await;
    assert!(matches!(refused, Err(MigrationError::NoCitus)), "{refused:?}");
    assert_eq!(schema::of_postgres(&fixture.url()).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_migrated_is_not_distributed() {
    let database = TestDatabase::empty(&testcluster::server_url()).await.expect("a database can be made for a test");
    Outside::connect(&database.url()).await.execute(STAND_IN).await;
    let refused = Migrations::of(&address(&database.url())).distribute().await;
    assert!(matches!(refused, Err(MigrationError::Pending(_))), "{refused:?}");
}

#[test]
fn the_directory_is_copied_and_the_rest_lies_together_by_realm() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(PostgresFixture::create());
    let url = fixture.url();
    run(async { fixture }, async |world: World| {
        assert!(world.settle_one(&credit("p", "gold", 1)).await.is_ok());
        let before = schema::of_postgres(&url).await;
        let mut outside = Outside::connect(&url).await;
        outside.execute(STAND_IN).await;
        for _ in 0..2 {
            Migrations::of(&address(&url)).distribute().await.expect("distributed");
        }
        let moved =
            "SELECT logicalrel::text || coalesce(' by ' || partition_column || ' with ' || colocated, '') AS text
            FROM pg_dist_partition ORDER BY partition_column NULLS FIRST, logicalrel::text";
        let expected = [
            "api_keys",
            "games",
            "installation",
            "realms",
            "studios",
            "accounts by realm with players",
            "api_key_notices by realm with players",
            "attempts by realm with players",
            "audit_log by realm with players",
            "closed_accounts by realm with players",
            "entries by realm with players",
            "events by realm with players",
            "grant_expiry_sweeps by realm with players",
            "grants by realm with players",
            "leaderboards by realm with players",
            "lobbies by realm with players",
            "lobby_participants by realm with players",
            "outbox_events by realm with players",
            "outbox_positions by realm with players",
            "player_erasures by realm with players",
            "player_imports by realm with players",
            "player_merges by realm with players",
            "player_numbers by realm with players",
            "players by realm with none",
            "ranking_blocks by realm with players",
            "ranking_entries by realm with players",
            "ranking_sections by realm with players",
            "rankings by realm with players",
            "score_requests by realm with players",
            "webhook_attempts by realm with players",
            "webhook_deliveries by realm with players",
            "webhook_endpoints by realm with players",
        ];
        assert_eq!(outside.texts(moved).await, expected);
        assert_eq!(schema::of_postgres(&url).await, before);
        let reopened = stores(&url, PostgresOptions::default());
        let settled = reopened.settle_one(world.realm, &credit("p", "gold", 2)).await;
        assert!(settled.is_ok());
        assert_eq!(world.gold("p").await, Some(3));
    });
}
