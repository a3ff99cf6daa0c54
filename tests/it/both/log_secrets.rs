//! However much is logged, no line holds what only its owner may know.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Api, Reply};
use crate::harness::program::Purser;
use crate::harness::receiver::Receiver;

/// All that our crates say, and nearly all that others do.
const EVERYTHING: &str =
    "debug,purser=trace,transport=trace,domain=trace,persistence=trace,outbound=trace,server=trace,importer=trace";

/// The installation's secret.
const INSTALLATION: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";

/// What is written in bodies, paths and headers of these tests, and nowhere else.
const PLAYER: &str = "player-of-the-log-test";
const REASON: &str = "a reason of the log test";
const METADATA: &str = "metadata-of-the-log-test";
const GARBAGE: &str = "{\"amount\": garbage-of-the-log-test";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}"))
}

/// The password in the URL of a database, if it has one.
fn password(purser: &Purser) -> Option<String> {
    let variables = purser.home().store().variables();
    let url = variables.iter().find(|(name, _)| *name == "PURSER_DATABASE_URL")?.1.to_str()?.to_owned();
    let (_, password) = url.split_once('@')?.0.rsplit_once(':')?;
    Some(password.to_owned())
}

/// Requests of every kind with `key`, some of which are refused.
async fn use_it(api: &Api) {
    let credit = format!("players/{PLAYER}/wallet/gold/credit");
    let body = json!({ "amount": 5, "reason": REASON, "metadata": { "note": METADATA }, "idempotencyKey": "k-1" });
    api.post(&credit, &body).await;
    api.post(&credit, &json!({ "amount": -5, "reason": REASON })).await;
    api.post(&format!("players/{PLAYER}/wallet/gold/debit"), &json!({ "amount": 500, "reason": REASON })).await;
    api.post(&format!("players/{PLAYER}/ban"), &json!({ "reason": REASON })).await;
    let rows =
        json!({ "rows": [{ "externalId": PLAYER, "economyKey": "gold", "amount": 3, "idempotencyKey": "m-1" }] });
    api.post("migrate/wallets", &rows).await;
    for path in ["", "/wallet", "/ledger", "/export?format=ndjson"] {
        api.get(&format!("players/{PLAYER}{path}")).await;
    }
    let sent = api.request(Method::POST, &credit).header("content-type", "application/json").body(GARBAGE);
    drop(Reply::to(sent).await.expect("the server answers"));
    // Where a key does not belong.
    let key = api.key();
    for path in [format!("/server/v1/ping?apiKey={key}"), format!("/{key}"), format!("/server/v1/players/{key}")] {
        drop(Reply::to(api.bare(Method::GET, &path)).await.expect("the server answers"));
    }
    let named = api.keyed(Method::GET, "/server/v1/ping").header("X-Request-Id", key);
    assert_ne!(Reply::to(named).await.expect("the server answers").header("x-request-id"), Some(key));
    let twice = api.keyed(Method::GET, "/server/v1/ping").bearer_auth(format!("{key}x"));
    drop(Reply::to(twice).await.expect("the server answers"));
}

#[tokio::test]
async fn no_line_of_the_log_holds_a_key_a_secret_a_password_or_a_body() {
    let options = ["--webhook-allow", "127.0.0.1", "--log", EVERYTHING, "--secret", INSTALLATION];
    let mut purser = Purser::start_with(&options).await;
    let receiver = Receiver::start().await;
    let issued = purser
        .run(&[
            "--secret",
            INSTALLATION,
            "keys",
            "issue",
            "--studio",
            "demo",
            "--game",
            "demo",
            "--env",
            "sandbox",
            "--permissions",
            "admin",
            "--json",
        ])
        .await;
    let issued: Value = serde_json::from_str(&issued.out).unwrap_or_else(|_| panic!("{issued:?}"));
    let admin = purser.api_with(text(&issued, "key"));
    let game = purser.api().get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
    let ask = async |method: Method, path: &str, body: &Value| {
        let request = admin.keyed(method, &format!("/admin/v1/games/{game}/{path}")).json(body);
        Reply::to(request).await.expect("the server answers")
    };
    let mut secrets = vec![purser.key().to_owned(), text(&issued, "key").to_owned(), INSTALLATION.to_owned()];
    for (format, path) in [("json", "/hooks"), ("kongregate", "/callback")] {
        let hook = json!({ "url": receiver.url(path), "events": ["wallet.changed"], "format": format });
        let made = ask(Method::POST, "webhooks", &hook).await.data(201);
        let rotate = format!("webhooks/{}/rotate-secret", text(&made, "id"));
        let rotated = ask(Method::POST, &rotate, &json!({})).await.data(200);
        ask(Method::POST, &format!("webhooks/{}/ping", text(&made, "id")), &json!({})).await;
        let shown = [&made, &rotated].into_iter().flat_map(|shown| [&shown["secret"], &shown["callbackApiKey"]]);
        secrets.extend(shown.filter_map(Value::as_str).map(str::to_owned));
    }
    let made = json!({ "name": "short-lived", "permissionSet": "server_integration" });
    let made = ask(Method::POST, "keys", &made).await.data(201);
    let revoked = text(&made, "key").to_owned();
    use_it(&purser.api()).await;
    use_it(&purser.api_with(&revoked)).await;
    let id = made["id"].as_str().or(made["apiKey"]["id"].as_str()).unwrap();
    ask(Method::POST, &format!("keys/{id}/revoke"), &json!({ "reason": REASON })).await;
    use_it(&purser.api_with(&revoked)).await;
    use_it(&admin).await;
    use_it(&purser.api_with(&format!("ks_sandbox_{}", "z".repeat(48)))).await;
    receiver.wait_for("/callback", 1).await;
    receiver.wait_for("/hooks", 1).await;
    let ended = purser.stop().await;
    assert!(ended.err.lines().filter(|line| line.contains("\"answered\"")).count() > 20, "{}", ended.err);
    secrets.extend([revoked, format!("ks_sandbox_{}", "z".repeat(48))]);
    // Part of a secret is one as well.
    let parts: Vec<String> = secrets.iter().map(|secret| secret[secret.len() - 24..].to_owned()).collect();
    secrets.extend(parts);
    secrets.extend(password(&purser));
    secrets.extend([PLAYER, REASON, METADATA, GARBAGE, "garbage-of-the-log-test"].map(str::to_owned));
    assert!(14 < secrets.len(), "{secrets:?}");
    for secret in secrets {
        let line = ended.err.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "the log has {secret}");
    }
}
