//! The migrations: up, down and up again, many processes at once, and a store that lacks them.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use persistence::postgres::{Migrations, PostgresOptions};
use testcluster::TestDatabase;

use crate::fixture::{PostgresFixture, address, stores};
use crate::outside::Outside;
use crate::schema;

async fn empty() -> TestDatabase {
    TestDatabase::empty(&testcluster::server_url()).await.expect("a database can be made for a test")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_migration_goes_up_and_down_and_up_again_to_the_same_schema() {
    let database = empty().await;
    let migrations = Migrations::of(&address(&database.url()));
    assert!(migrations.status().await.expect("known").iter().all(|state| !state.applied));
    let applied = migrations.up().await.expect("applied");
    assert!(!applied.is_empty());
    assert!(migrations.status().await.expect("known").iter().all(|state| state.applied));
    let up = schema::of_postgres(&database.url()).await;
    for name in applied.iter().rev() {
        assert_eq!(migrations.down().await.expect("reverted"), *name);
    }
    assert!(migrations.down().await.is_err(), "nothing is left to revert");
    assert_eq!(left_over(&database.url()).await, ["__diesel_schema_migrations"], "only the list of migrations is left");
    assert_eq!(migrations.up().await.expect("applied again"), applied);
    assert_eq!(schema::of_postgres(&database.url()).await, up);
    assert!(migrations.up().await.expect("nothing to do").is_empty());
}

/// Every table and sequence.
async fn left_over(url: &str) -> Vec<String> {
    let select =
        "SELECT relname AS text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')";
    Outside::connect(url).await.texts(select).await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_apply_each_migration_once() {
    let database = empty().await;
    let migrating = (0..8).map(|_| {
        let address = address(&database.url());
        tokio::spawn(async move { Migrations::of(&address).up().await.expect("applied by one of us").len() })
    });
    let mut applied = 0;
    for migrating in migrating.collect::<Vec<_>>() {
        applied += migrating.await.expect("no panic");
    }
    assert_eq!(applied, Migrations::of(&address(&database.url())).status().await.expect("known").len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migrated_database_is_empty() {
    let fixture = PostgresFixture::create().await;
    let mut outside = Outside::connect(&fixture.url()).await;
    let tables = "SELECT relname::text AS text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '\\_\\_diesel%'";
    let tables = outside.texts(tables).await;
    assert!(14 <= tables.len());
    for table in tables {
        let rows = outside.texts(&format!("SELECT count(*)::text AS text FROM {table}")).await;
        assert_eq!(rows, ["0"], "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_schema_is_behind_is_not_healthy() {
    let fixture = PostgresFixture::create().await;
    let store = || stores(&fixture.url(), PostgresOptions::default());
    assert!(store().health.check().await.is_ok());
    let mut outside = Outside::connect(&fixture.url()).await;
    let forget = diesel::sql_query(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    assert_eq!(forget.execute(&mut outside.connection).await, QueryResult::Ok(1));
    assert!(store().health.check().await.is_err());
}
