//! What tests rely on when they share a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testcluster::{Cluster, Options, Programs, TestDatabase, server_url};
use tokio::task::JoinSet;

use crate::sessions::{connect, number};

/// A template's name that no other test and no other run uses.
async fn unique_name() -> String {
    let row = connect(&server_url()).await.query_one("SELECT replace(gen_random_uuid()::text, '-', '')", &[]).await;
    format!("testcluster_{}", row.unwrap().get::<_, String>(0))
}

async fn forget(template: &str) {
    let client = connect(&server_url()).await;
    client.batch_execute(&format!("DROP DATABASE {template}")).await.unwrap();
}

async fn exists(name: &str) -> bool {
    let client = connect(&server_url()).await;
    client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.unwrap().is_some()
}

async fn prepare(url: &str) -> Result<(), tokio_postgres::Error> {
    connect(url).await.batch_execute("CREATE TABLE coins (amount bigint NOT NULL); INSERT INTO coins VALUES (7)").await
}

#[tokio::test]
async fn a_database_is_a_copy_and_goes_with_its_value_whoever_is_connected() {
    let template = unique_name().await;
    let database = TestDatabase::create(&server_url(), &template, prepare).await.unwrap();
    let client = connect(&database.url()).await;
    assert_eq!(number(&client, "SELECT amount FROM coins").await, 7);
    let name = database.name().to_owned();
    drop(database);
    assert!(!exists(&name).await);
    forget(&template).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_made_once_by_whoever_comes_first() {
    let template = unique_name().await;
    let prepared = Arc::new(AtomicUsize::new(0));
    let mut tests = JoinSet::new();
    for _ in 0..8 {
        let (template, prepared) = (template.clone(), Arc::clone(&prepared));
        let made = async move || {
            let count = async |url: &str| {
                prepared.fetch_add(1, Ordering::SeqCst);
                prepare(url).await
            };
            let database = TestDatabase::create(&server_url(), &template, count).await.unwrap();
            connect(&database.url()).await.batch_execute("DELETE FROM coins").await.unwrap();
        };
        tests.spawn_blocking(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(made())
        });
    }
    tests.join_all().await;
    assert_eq!(prepared.load(Ordering::SeqCst), 1);
    forget(&template).await;
}

#[tokio::test]
async fn a_preparation_that_fails_leaves_no_template_and_the_next_begins_anew() {
    let template = unique_name().await;
    let half_way = async |url: &str| {
        prepare(url).await.unwrap();
        Err("the second half is missing")
    };
    let failure = TestDatabase::create(&server_url(), &template, half_way).await.unwrap_err();
    assert_eq!(failure.to_string(), format!("cannot prepare the template {template}"));
    assert!(!exists(&template).await);
    TestDatabase::create(&server_url(), &template, prepare).await.unwrap();
    assert!(!exists(&format!("{template}_unfinished")).await);
    forget(&template).await;
}

#[tokio::test]
async fn a_connection_that_the_preparation_left_open_does_not_matter() {
    let template = unique_name().await;
    let mut left_open = None;
    let prepare = async |url: &str| {
        left_open = Some(connect(url).await);
        Ok::<(), tokio_postgres::Error>(())
    };
    TestDatabase::create(&server_url(), &template, prepare).await.unwrap();
    assert!(left_open.is_some());
    forget(&template).await;
}

#[tokio::test]
async fn a_database_that_a_killed_test_left_an_hour_ago_goes_when_a_template_is_made() {
    // A server of its own, or the templates of other tests would clean up in the middle of this one.
    let cluster = Cluster::start(&Programs::find().unwrap(), Options::shared()).unwrap();
    let server = cluster.url("postgres");
    let client = connect(&server).await;
    let recent = TestDatabase::empty(&server).await.unwrap();
    client.batch_execute("CREATE DATABASE purser_test_0_used").await.unwrap();
    client.batch_execute("CREATE DATABASE purser_test_0_unused").await.unwrap();
    let _user = connect(&cluster.url("purser_test_0_used")).await;
    let _first = TestDatabase::create(&server, "template", prepare).await.unwrap();
    let left = "SELECT count(*) FROM pg_database WHERE datname = $1";
    for (name, expected) in [(recent.name(), 1), ("purser_test_0_used", 1), ("purser_test_0_unused", 0)] {
        assert_eq!(client.query_one(left, &[&name]).await.unwrap().get::<_, i64>(0), expected, "{name}");
    }
}
