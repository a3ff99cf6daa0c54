//! The store is a file: it has one server at a time, is where it is said to be, and can be copied.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::harness::program::{Home, Purser};

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused_and_told_of_the_first() {
    let purser = Purser::start().await;
    let second = purser.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    let line = second.refused(1);
    assert!(line.contains(&purser.process().to_string()), "it names the other process: {line}");
    purser.api().credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
}

#[tokio::test]
async fn the_schema_is_not_taken_from_under_a_running_server() {
    let purser = Purser::start().await;
    purser.run(&["migrate", "down"]).await.refused(1);
    purser.api().credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
}

#[tokio::test]
async fn without_a_store_only_what_makes_one_works() {
    let home = Home::new().await;
    let realm = ["--studio", "demo", "--game", "demo", "--env", "sandbox", "--permissions", "admin"];
    let issue = [&["keys", "issue"][..], &realm].concat();
    for arguments in
        [&["verify"][..], &["keys", "list"], &["studio", "list"], &["game", "list"], &["migrate", "status"], &issue]
    {
        home.run(arguments).await.refused(1);
        assert!(!home.store().data().exists(), "{arguments:?} left something behind");
    }
    let ended = home.run(&["migrate", "up"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let created = [&issue[..], &["--create", "--json"]].concat();
    let ended = home.run(&created).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn without_any_argument_it_serves_a_store_in_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_purser"))
        .env_clear()
        .env("PURSER_LISTEN", "127.0.0.1:0")
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
        if line.contains("curl") {
            break;
        }
    }
    assert!(said.contains("./purser-data/purser.sqlite3") && said.contains("ks_sandbox_"), "{said}");
    assert!(folder.path().join("purser-data/purser.sqlite3").exists());
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_stops_the_start_with_one_line() {
    let home = Home::new().await;
    std::fs::write(home.path().join("file"), "text").unwrap();
    let ended = home.run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "file"]).await;
    assert!(ended.refused(1).contains("file"), "{ended:?}");
    std::fs::create_dir(home.store().data()).unwrap();
    std::fs::write(home.store().data().join("purser.sqlite3"), "this is no database, whatever its name says").unwrap();
    let ended = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(ended.refused(1).contains("purser.sqlite3"), "{ended:?}");
}

#[tokio::test]
async fn a_stopped_server_leaves_one_file_with_everything_in_it() {
    let mut purser = Purser::start().await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    purser.stop().await;
    let data = purser.home().store().data();
    let copied = tempfile::tempdir().unwrap();
    std::fs::copy(data.join("purser.sqlite3"), copied.path().join("purser.sqlite3")).unwrap();
    let url = format!("sqlite:{}", copied.path().join("purser.sqlite3").display());
    let ended = purser.run(&["verify", "--database-url", &url]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("1 accounts and 1 entries"), "{ended:?}");
}
