//! Backups of a PostgreSQL database are made with PostgreSQL's own programs, as docs/operations.md says.

use std::fs;
use std::slice;

use serde_json::json;
use testcluster::Programs;
use tokio::process::Command;

use crate::harness::load::Load;
use crate::harness::program::{Home, Purser};
use crate::postgres::store::Store;

/// Runs one of PostgreSQL's programs.
async fn run(program: &str, arguments: &[&str]) {
    let path = Programs::find().expect("PostgreSQL's programs").path(program);
    let output = Command::new(path).args(arguments).output().await.expect("it starts");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_command_for_the_embedded_store_says_which_one_to_use_instead() {
    let purser = Purser::start().await;
    let refused = purser.run(&["backup", "--to", "backup"]).await;
    let line = refused.refused(1);
    assert!(line.contains("pg_dump --format=custom") && line.contains("docs/operations.md"), "{line}");
    let url = purser.home().store().url();
    let password = url.split('@').next().unwrap().rsplit(':').next().unwrap();
    assert!(!line.contains(password), "it shows no password: {line}");
    assert!(!purser.home().path().join("backup").exists());
}

#[tokio::test]
async fn a_dump_made_under_load_has_all_that_was_acknowledged_before_and_can_be_served() {
    let purser = Purser::start().await;
    let api = purser.api();
    let load = Load::start(slice::from_ref(&api), 8, "load");
    let credit = |number: usize| json!({ "amount": 1, "idempotencyKey": format!("before-{number}") });
    for number in 0..40 {
        api.credit(&format!("early-{}", number % 7), "gold", credit(number)).await.ok(200);
    }
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("purser.dump").display().to_string();
    let url = purser.home().store().url();
    run("pg_dump", &["--format=custom", &format!("--file={dump}"), &format!("--dbname={url}")]).await;
    load.stop().await;

    let store = Store::empty().await;
    let to = store.url().to_owned();
    run("pg_restore", &["--exit-on-error", "--no-owner", &format!("--dbname={to}"), &dump]).await;
    fs::create_dir(folder.path().join("purser-data")).unwrap();
    let secret = purser.home().path().join("purser-data/purser.secret");
    fs::copy(secret, folder.path().join("purser-data/purser.secret")).unwrap();
    let restored = Purser::start_in(Home::with(store, folder), &[]).await;
    restored.verified().await;
    let old = restored.api_with(purser.key());
    for number in 0..40 {
        let again = old.credit(&format!("early-{}", number % 7), "gold", credit(number)).await.data(200);
        assert_eq!(again["applied"], false, "before-{number} is in the dump");
    }
    old.credit("early-0", "gold", json!({ "amount": 1 })).await.ok(200);
}
