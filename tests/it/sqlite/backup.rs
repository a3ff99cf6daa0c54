//! Backups of the embedded store: made beside a server that goes on writing, and used instead of what was lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::slice;
use std::sync::atomic::Ordering;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::load::Load;
use crate::harness::program::{Home, Purser};
use crate::store::Store;

const CONNECTIONS: usize = 8;

/// How many credits are known to have been acknowledged before the backup began.
const BEFORE: usize = 60;

/// A folder for a backup that can be served from: with the store's name for its data.
struct Elsewhere(TempDir);

impl Elsewhere {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> String {
        self.0.path().join("data").display().to_string()
    }

    async fn home(self) -> Home {
        Home::with(Store::create(self.0.path()).await, self.0)
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_backup_made_under_load_has_all_that_was_acknowledged_before_and_can_be_served() {
    let purser = Purser::start().await;
    let api = purser.api();
    let load = Load::start(slice::from_ref(&api), CONNECTIONS, "load");
    let credit = |number: usize| json!({ "amount": 1, "idempotencyKey": format!("before-{number}") });
    for number in 0..BEFORE {
        api.credit(&format!("early-{}", number % 7), "gold", credit(number)).await.ok(200);
    }
    let at_first = load.progress().acknowledged.load(Ordering::Relaxed);
    let elsewhere = Elsewhere::new();
    let made = purser.must_json(&["backup", "--to", &elsewhere.data(), "--with-secret", "--json"]).await;
    assert!(at_first < load.progress().acknowledged.load(Ordering::Relaxed), "credits went on meanwhile");
    load.stop().await;

    let file = Path::new(made["path"].as_str().unwrap());
    assert_eq!(made["bytes"], file.metadata().unwrap().len());
    let secret = Path::new(made["secret"].as_str().unwrap());
    assert_eq!((mode(file), mode(secret)), (0o600, 0o600));
    assert_eq!(fs::read(secret).unwrap(), fs::read(purser.home().store().data().join("purser.secret")).unwrap());

    let restored = Purser::start_in(elsewhere.home().await, &[]).await;
    let (accounts, entries) = restored.verified().await;
    assert_eq!((&made["accounts"], &made["entries"]), (&json!(accounts), &json!(entries)));
    let old = restored.api_with(purser.key());
    for number in 0..BEFORE {
        let again = old.credit(&format!("early-{}", number % 7), "gold", credit(number)).await.data(200);
        assert_eq!(again["applied"], false, "before-{number} is in the backup");
    }
    old.credit("early-0", "gold", json!({ "amount": 1 })).await.ok(200);
}

#[tokio::test]
async fn a_backup_without_the_secret_is_not_served_by_accident() {
    let purser = Purser::start().await;
    purser.api().credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    let elsewhere = Elsewhere::new();
    let said = purser.must(&["backup", "--to", &elsewhere.data()]).await;
    assert!(said.contains("without the installation's secret"), "{said}");
    let home = elsewhere.home().await;
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(refused.refused(1).contains("another secret"), "{refused:?}");
    let restored = Purser::start_in(home, &["--accept-new-secret"]).await;
    assert_eq!(restored.api_with(purser.key()).balance("p", "gold").await, Some(5));
}

#[tokio::test]
async fn what_was_erased_before_a_backup_is_not_in_it() {
    let purser = Purser::start().await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5, "reason": "a-secret-of-the-player" })).await.ok(200);
    api.post("players/p/delete", &json!({})).await.ok(200);
    let elsewhere = Elsewhere::new();
    purser.must(&["backup", "--to", &elsewhere.data()]).await;
    let home = elsewhere.home().await;
    assert_eq!(home.store().places_with("a-secret-of-the-player").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_one_that_cannot_be_made_leaves_nothing() {
    let purser = Purser::start().await;
    let elsewhere = Elsewhere::new();
    let to = elsewhere.data();
    purser.must(&["backup", "--to", &to]).await;
    let first = fs::read(Path::new(&to).join("purser.sqlite3")).unwrap();
    purser.api().credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    for options in [&["backup", "--to", &to][..], &["backup", "--to", &to, "--with-secret"]] {
        assert!(purser.run(options).await.refused(1).contains("overwrites nothing"), "{options:?}");
    }
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    assert!(fs::read(Path::new(&to).join("purser.sqlite3")).unwrap() == first, "it is as it was");

    let file = purser.home().path().join("file");
    fs::write(&file, "text").unwrap();
    let into_a_file = file.join("below").display().to_string();
    purser.run(&["backup", "--to", &into_a_file]).await.refused(1);
    let elsewhere = Elsewhere::new();
    let secret = "00ff".repeat(16);
    let to = elsewhere.data();
    let (options, given) = (["backup", "--to", &to, "--with-secret"], [("PURSER_SECRET", secret.as_str())]);
    let refused = purser.home().run_with(&options, &given).await;
    assert!(refused.refused(1).contains("PURSER_SECRET"), "{refused:?}");
    assert!(!Path::new(&elsewhere.data()).exists());
    Home::new().await.run(&["backup", "--to", &elsewhere.data()]).await.refused(1);
    assert!(!Path::new(&elsewhere.data()).exists());
    purser.run(&["backup"]).await.refused(2);
}
