//! Settings that only PostgreSQL has, and a database that cannot be used.

use serde_json::json;

use crate::harness::program::{Home, Purser, Serving, key_in, program};
use crate::postgres::store::Store;

#[tokio::test]
async fn a_bad_option_stops_the_start_with_one_line() {
    let home = Home::new().await;
    for (arguments, named) in [
        (&["serve", "--lanes", "0"][..], "--lanes"),
        (&["serve", "--lanes", "many"], "--lanes"),
        (&["serve", "--read-connections", "0"], "--read-connections"),
        (&["serve", "--database-url", "postgres://root:hunter2@db:port/x"], "database URL"),
        (&["serve", "--database-url", "postgres://root:hunter2@db/x?sslmode=prefer"], "sslmode"),
    ] {
        let ended = home.run(arguments).await;
        let line = ended.refused(2);
        assert!(line.contains(named), "{arguments:?}: it names what is wrong: {line}");
        assert!(!line.contains("hunter2"), "it does not repeat what may be secret: {line}");
    }
}

#[tokio::test]
async fn a_file_says_all_that_a_server_needs_to_know_of_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::empty().await;
    let settings = format!(
        "listen = \"127.0.0.1:0\"\ndatabase_url = \"{}\"\nmigrate = true\nlanes = 2\nread_connections = 3\nno_demo = true\n",
        store.url()
    );
    std::fs::write(folder.path().join("purser.toml"), settings).unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--config", "purser.toml"]);
    let serving = Serving::of(command).await;
    assert!(serving.out().contains(&format!("Data  {}", store.shown())), "{}", serving.out());
    assert_eq!(key_in(&serving.out()), None);
    drop(serving);
    let home = Home::with(store, folder);
    for (wrong, named) in [
        ("lanes = 0\n", "lanes"),
        ("read_connections = 0\n", "read_connections"),
        ("lanes = \"two\"\n", "line 1"),
        ("migrate = 1\n", "line 1"),
    ] {
        std::fs::write(home.path().join("purser.toml"), wrong).unwrap();
        let ended = home.run(&["serve", "--config", "purser.toml"]).await;
        assert!(ended.refused(2).contains(named), "{wrong}: {ended:?}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_stops_the_start_with_one_line_that_keeps_its_secret() {
    let store = Store::empty().await;
    let (server, database) = store.url().rsplit_once('/').unwrap();
    let (_, address) = server.split_once('@').unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [
        format!("postgres://purser:hunter2@{address}/{database}"),
        format!("postgres://nobody:hunter2@{address}/{database}"),
        format!("postgres://purser:hunter2@{free}/{database}"),
        format!("{server}/there_is_none"),
    ] {
        let home = Home::with(Store::at(url.clone()), tempfile::tempdir().unwrap());
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["verify"], &["migrate", "up"]] {
            let ended = home.run(arguments).await;
            let line = ended.refused(1);
            assert!(line.contains(&home.store().shown()), "it names the database: {line}");
            let secret = url.split('@').next().unwrap().rsplit(':').next().unwrap();
            assert!(!line.contains(secret), "it does not show the password: {line}");
        }
    }
}

#[tokio::test]
async fn one_lane_and_one_reading_connection_are_enough() {
    let purser = Purser::start_with(&["--lanes", "1", "--read-connections", "1"]).await;
    let api = purser.api();
    for player in ["p", "q", "r"] {
        api.credit(player, "gold", json!({ "amount": 5 })).await.ok(200);
        assert_eq!(api.balance(player, "gold").await, Some(5));
    }
    assert_eq!(purser.verified().await, (3, 3));
}
