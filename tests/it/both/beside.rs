//! Two processes on one store: one serves, and every other command works beside it.

use serde_json::{Value, json};

use crate::harness::program::Purser;

/// The names of the members of an object, in order.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Whether this is a time as the wire has it: ISO-8601 in UTC with milliseconds.
fn is_time(value: &Value) -> bool {
    let pattern = "0000-00-00T00:00:00.000Z";
    value.as_str().is_some_and(|text| {
        let fits =
            |(found, pattern): (char, char)| if pattern == '0' { found.is_ascii_digit() } else { found == pattern };
        text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
    })
}

#[tokio::test]
async fn a_killed_server_does_not_keep_the_next_one_out() {
    let mut purser = Purser::start().await;
    purser.kill().await;
    purser.restart().await;
    purser.stop().await;
}

#[tokio::test]
async fn studios_and_games_are_made_and_listed_beside_a_running_server() {
    let purser = Purser::start().await;
    let studio = purser.must_json(&["studio", "create", "acme", "--json"]).await;
    assert_eq!(studio["name"], "acme");
    let game = purser.must_json(&["game", "create", "--studio", "acme", "chess", "--json"]).await;
    assert_eq!((&game["name"], &game["studio"], &game["studioId"]), (&json!("chess"), &json!("acme"), &studio["id"]));
    let studios = purser.must_json(&["studio", "list", "--json"]).await;
    let listed: Vec<&Value> = studios.as_array().unwrap().iter().map(|studio| &studio["name"]).collect();
    assert_eq!(listed, ["demo", "acme"]);
    let games = purser.must_json(&["game", "list", "--json"]).await;
    let listed: Vec<&Value> = games.as_array().unwrap().iter().map(|game| &game["name"]).collect();
    assert_eq!(listed, ["demo", "chess"]);
    for table in [["studio", "list"], ["game", "list"]] {
        assert!(purser.must(&table).await.contains("acme"), "{table:?}");
    }
    purser.run(&["studio", "create", "acme"]).await.refused(1);
    purser.run(&["game", "create", "--studio", "acme", "chess"]).await.refused(1);
    purser.run(&["game", "create", "--studio", "nobody", "chess"]).await.refused(1);
    purser.run(&["studio", "create", "Not a slug"]).await.refused(2);
}

#[tokio::test]
async fn a_key_issued_beside_a_running_server_has_the_agreed_shape_and_works_at_once() {
    let purser = Purser::start().await;
    let realm = ["keys", "issue", "--studio", "demo", "--game", "demo", "--json", "--name", "backend"];
    for (env, prefix, expires) in [("sandbox", "ks_sandbox_", true), ("live", "kp_prod_", false)] {
        let mut arguments = [&realm[..], &["--env", env, "--permissions", "server_integration"]].concat();
        if expires {
            arguments.extend(["--expires-in", "90d"]);
        }
        let issued = purser.must_json(&arguments).await;
        let expected = ["environment", "expiresAt", "id", "key", "permissionSet", "prefix"];
        assert_eq!(names(&issued), expected, "{issued}");
        assert_eq!((&issued["environment"], &issued["permissionSet"]), (&json!(env), &json!("server_integration")));
        let key = issued["key"].as_str().unwrap();
        assert!(key.len() == prefix.len() + 48 && key.starts_with(prefix), "{issued}");
        assert_eq!(issued["prefix"], key[..prefix.len() + 10], "{issued}");
        assert_eq!(is_time(&issued["expiresAt"]), expires, "{issued}");
        assert_eq!(issued["expiresAt"].is_null(), !expires, "{issued}");

        let ping = purser.api_with(key).get("ping").await.ok(200);
        assert_eq!((&ping["apiKey"]["id"], &ping["apiKey"]["prefix"]), (&issued["id"], &issued["prefix"]));
    }
    let listed = purser.must(&["keys", "list", "--json"]).await;
    let keys: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(keys.as_array().map(Vec::len), Some(3));
    assert!(keys.as_array().unwrap().iter().all(|key| key.get("key").is_none()), "{listed}");
    assert!(!listed.contains(purser.key()) && !purser.must(&["keys", "list"]).await.contains(purser.key()));
}

#[tokio::test]
async fn a_key_for_a_game_that_does_not_exist_is_refused_unless_it_is_to_be_created() {
    let purser = Purser::start().await;
    let key = ["keys", "issue", "--env", "sandbox", "--permissions", "server_integration"];
    for realm in [["--studio", "demo", "--game", "new"], ["--studio", "new", "--game", "demo"]] {
        let arguments = [&key[..], &realm].concat();
        let ended = purser.run(&arguments).await;
        assert!(ended.refused(1).contains("--create"), "{ended:?}");
        purser.must_json(&[&arguments[..], &["--create", "--json"]].concat()).await;
        purser.must_json(&[&arguments[..], &["--json"]].concat()).await;
    }
}

#[tokio::test]
async fn the_books_are_verified_and_the_migrations_shown_beside_a_running_server() {
    let purser = Purser::start().await;
    purser.api().credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    assert_eq!(purser.verified().await, (1, 1));
    for arguments in [&["migrate", "status"][..], &["migrate"]] {
        let out = purser.must(arguments).await;
        assert!(out.lines().count() >= 1 && out.lines().all(|line| line.starts_with("applied")), "{out}");
    }
    assert_eq!(purser.must(&["migrate", "up"]).await, "nothing to apply\n");
    purser.api().credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
}
