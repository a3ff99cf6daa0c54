//! A stranger types one command, pastes what it prints, and has 500 gold.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::api::{Api, Reply};
use crate::harness::program::{Home, Purser, key_in};

/// The command in a banner, from `curl` to its end.
fn printed_command(banner: &str) -> &str {
    let start = banner.find("curl ").unwrap_or_else(|| panic!("no curl: {banner}"));
    banner[start..].split("\n\n").next().unwrap()
}

/// What a shell makes of a `curl` command, word by word. There need be no curl: the shell is told to print its words.
async fn words_of(command: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\0' \"$@\"; }}\n{command}");
    let output = Command::new("sh").args(["-c", &script]).output().await.expect("sh runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Does what curl does with these words.
async fn sent(api: &Api, words: &[String]) -> Reply {
    let (mut method, mut url, mut headers, mut body) = (None, None, Vec::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-sS" => {}
            "-X" => method = words.next(),
            "-H" => headers.push(words.next().unwrap().split_once(": ").unwrap()),
            "-d" => body = words.next(),
            other => assert!(other.starts_with("http://") && url.replace(other).is_none(), "{other}"),
        }
    }
    let path = url.unwrap().splitn(4, '/').nth(3).unwrap();
    assert_eq!(method.unwrap(), "POST");
    let mut request = api.bare(Method::POST, &format!("/{path}")).body(body.unwrap().clone());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    Reply::to(request).await.unwrap()
}

#[tokio::test]
async fn the_first_run_prints_a_command_that_credits_500_gold_however_often_it_is_pasted() {
    let purser = Purser::start().await;
    let banner = purser.out();
    for line in [
        format!("API   http://{}/server/v1", purser.address()),
        format!("Docs  http://{}/docs", purser.address()),
        format!("Data  {}", purser.home().store().shown()),
    ] {
        assert!(banner.contains(&line), "{line}: {banner}");
    }
    assert_eq!(banner.matches(purser.key()).count(), 2, "once by itself and once in the command: {banner}");

    let words = words_of(printed_command(&banner)).await;
    assert!(words.iter().any(|word| word.starts_with(&format!("http://{}/", purser.address()))), "{words:?}");
    let api = purser.api();
    let first = sent(&api, &words).await;
    assert_eq!(first.ok(200), json!({ "data": { "economyKey": "gold", "balance": 500, "applied": true } }));
    let second = sent(&api, &words).await;
    assert_eq!(second.ok(200), json!({ "data": { "economyKey": "gold", "balance": 500, "applied": false } }));
    assert_eq!(api.balance("player-1", "gold").await, Some(500));
}

#[tokio::test]
async fn the_key_of_the_first_run_has_the_published_form_and_opens_the_sandbox() {
    let purser = Purser::start().await;
    let random = purser.key().strip_prefix("ks_sandbox_").unwrap();
    assert!(random.len() == 48 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{random}");
    let ping = purser.api().get("ping").await.ok(200);
    assert_eq!((&ping["ok"], &ping["apiKey"]["environment"]), (&json!(true), &json!("test")), "{ping}");
    let listed = purser.must_json(&["keys", "list", "--json"]).await;
    let keys = listed.as_array().unwrap();
    assert_eq!(keys.len(), 1, "never a live key unasked: {listed}");
    assert_eq!((&keys[0]["studio"], &keys[0]["game"]), (&json!("demo"), &json!("demo")));
    assert_eq!(keys[0]["environment"], "sandbox");
}

#[tokio::test]
async fn a_second_start_prints_no_key_and_keeps_the_balance() {
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    purser.api().credit("player-1", "gold", json!({ "amount": 500 })).await.ok(200);
    purser.stop().await;
    purser.restart().await;
    assert_eq!(key_in(&purser.out()), None, "{}", purser.out());
    assert!(!purser.out().contains("curl"), "{}", purser.out());
    assert_eq!(purser.api_with(&key).balance("player-1", "gold").await, Some(500));
    let listed = purser.must_json(&["keys", "list", "--json"]).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}

#[tokio::test]
async fn no_demo_makes_no_studio_and_no_key() {
    let purser = Purser::start_with(&["--no-demo"]).await;
    assert_eq!(key_in(&purser.out()), None, "{}", purser.out());
    assert!(!purser.out().contains("curl"), "{}", purser.out());
    assert_eq!(purser.must_json(&["keys", "list", "--json"]).await, Value::Array(Vec::new()));
    assert_eq!(purser.must_json(&["studio", "list", "--json"]).await, Value::Array(Vec::new()));
}

#[tokio::test]
async fn no_key_is_in_the_store_or_in_the_log() {
    let mut purser = Purser::start_with(&["--log", "trace"]).await;
    let printed = purser.key().to_owned();
    let issued = purser.issue("other", "live", "server_integration").await["key"].as_str().unwrap().to_owned();
    for key in [&printed, &issued] {
        let api = purser.api_with(key);
        api.credit("p", "gold", json!({ "amount": 5, "idempotencyKey": "k" })).await.ok(200);
        api.credit("p", "gold", json!({ "amount": "five" })).await.error(400, "validation_failed", Some("KS-4101"));
        let by_bearer = api.bare(Method::GET, "/server/v1/players/p/wallet").bearer_auth(key);
        Reply::to(by_bearer).await.unwrap().ok(200);
        api.get("nowhere").await.error(404, "not_found", None);
    }
    let secrets = [&printed, &issued].map(|key| {
        let random = key.rsplit('_').next().unwrap();
        [key.clone(), random[10..42].to_owned()]
    });
    for secret in secrets.as_flattened() {
        assert_eq!(purser.home().store().places_with(secret).await, [""; 0], "while it runs");
    }
    let ended = purser.stop().await;
    assert!(ended.err.contains("TRACE"), "the log holds all there is to log");
    for secret in secrets.as_flattened() {
        assert_eq!(purser.home().store().places_with(secret).await, [""; 0], "after it ran");
        assert!(!ended.err.contains(secret.as_str()), "the log has a key: {}", line_with(&ended.err, secret));
    }
    // The search finds what is there.
    assert!(!purser.home().store().places_with("first run").await.is_empty());
}

fn line_with<'t>(text: &'t str, part: &str) -> &'t str {
    text.lines().find(|line| line.contains(part)).unwrap_or_default()
}

#[tokio::test]
async fn a_taken_port_stops_the_start_with_one_line() {
    let home = Home::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = home.run(&["serve", "--listen", &address]).await;
    assert!(ended.refused(1).contains(&address), "{ended:?}");
    drop(taken);
    // The first run is still to come: the key was not spent on a start that failed.
    let purser = Purser::start_in(home, &[]).await;
    assert!(purser.key().starts_with("ks_sandbox_"));
}
