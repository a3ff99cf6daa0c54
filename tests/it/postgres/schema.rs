//! The schema is changed when an operator says so, once, however many say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::api::Reply;
use crate::harness::program::{Home, Purser, key_in};
use crate::postgres::store::Store;

/// A home with a database that has no schema.
async fn without_schema() -> Arc<Home> {
    Arc::new(Home::with(Store::empty().await, tempfile::tempdir().unwrap()))
}

#[tokio::test]
async fn many_who_migrate_an_empty_database_at_once_apply_each_migration_once() {
    let home = without_schema().await;
    let pending = home.run(&["migrate", "status"]).await;
    assert_eq!(pending.code, Some(0), "{pending:?}");
    let names: Vec<&str> = pending.out.lines().map(|line| line.strip_prefix("pending  ").unwrap()).collect();
    assert!(!names.is_empty());

    let mut running = JoinSet::new();
    for _ in 0..8 {
        let home = Arc::clone(&home);
        running.spawn(async move { home.run(&["migrate", "up"]).await });
    }
    let mut applied: BTreeMap<String, usize> = BTreeMap::new();
    for ended in running.join_all().await {
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        for name in ended.out.lines().filter_map(|line| line.strip_prefix("applied  ")) {
            *applied.entry(name.to_owned()).or_default() += 1;
        }
    }
    let once: BTreeMap<String, usize> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
    assert_eq!(applied, once);
    assert_eq!(home.run(&["migrate", "up"]).await.out, "nothing to apply\n");
}

#[tokio::test]
async fn a_database_that_lacks_migrations_is_refused_with_what_to_do_until_somebody_migrates() {
    let home = without_schema().await;
    let realm = ["--studio", "demo", "--game", "demo", "--env", "sandbox", "--permissions", "admin"];
    let issue = [&["keys", "issue", "--create"][..], &realm].concat();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["verify"], &["keys", "list"], &issue] {
        let ended = home.run(arguments).await;
        let line = ended.refused(1);
        assert!(line.contains("purser migrate up") && line.contains("--migrate"), "{arguments:?}: {line}");
    }
    let status = home.run(&["migrate", "status"]).await;
    assert!(status.out.lines().all(|line| line.starts_with("pending")), "nobody changed it: {status:?}");

    let purser = Purser::start_in(home, &["--migrate"]).await;
    purser.api().credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    assert!(purser.must(&["migrate", "status"]).await.lines().all(|line| line.starts_with("applied")));
}

#[tokio::test]
async fn two_that_serve_and_migrate_an_empty_database_at_once_both_start_and_one_prints_a_key() {
    let home = without_schema().await;
    let start = || Purser::start_in(Arc::clone(&home), &["--migrate"]);
    let (first, second) = tokio::join!(start(), start());
    let printed: Vec<String> = [&first, &second].iter().filter_map(|purser| key_in(&purser.out())).collect();
    let [key] = &printed[..] else { panic!("one key: {} and {}", first.out(), second.out()) };
    for purser in [&first, &second] {
        purser.api_with(key).credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    }
    let listed = first.must_json(&["keys", "list", "--json"]).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(first.verified().await, (1, 2));
}

#[tokio::test]
async fn a_server_whose_schema_is_taken_away_is_not_ready_until_it_is_back() {
    let purser = Purser::start().await;
    let api = purser.api();
    let ready = async || Reply::to(api.bare(Method::GET, "/readyz")).await.unwrap();
    ready().await.ok(200);
    purser.must(&["migrate", "down"]).await;
    let reply = ready().await;
    reply.error(503, "unavailable", None);
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    purser.must(&["migrate", "up"]).await;
    ready().await.ok(200);
}
