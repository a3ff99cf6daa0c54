//! What a studio's servers are told, by the real program, against a real receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply};
use crate::harness::patience::{PATIENCE, eventually, within};
use crate::harness::program::Purser;
use crate::harness::receiver::{Answer, Received, Receiver};

/// What a test needs of a game: its server key, its admin key, and its id.
struct Studio {
    api: Api,
    admin: Api,
    game: String,
}

impl Studio {
    async fn of(purser: &Purser) -> Self {
        Self::of_game(purser, "demo").await
    }

    async fn of_game(purser: &Purser, game: &str) -> Self {
        let api = purser.api_of(game, "sandbox").await;
        let admin = purser.issue(game, "sandbox", "admin").await;
        let admin = purser.api_with(admin["key"].as_str().unwrap());
        let game = api.get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
        Self { api, admin, game }
    }

    async fn admin(&self, method: Method, path: &str, body: &Value) -> Reply {
        let path = format!("/admin/v1/games/{}/{path}", self.game);
        Reply::to(self.admin.keyed(method, &path).json(body)).await.expect("the server answers")
    }

    async fn read(&self, path: &str) -> Value {
        let path = format!("/admin/v1/games/{}/{path}", self.game);
        Reply::to(self.admin.keyed(Method::GET, &path)).await.expect("the server answers").ok(200)
    }

    /// Makes an endpoint; what was answered.
    async fn subscribe(&self, url: &str, events: &[&str]) -> Value {
        self.admin(Method::POST, "webhooks", &json!({ "url": url, "events": events })).await.data(201)
    }
}

/// The program, which may call back to this machine, and a receiver.
async fn told() -> (Purser, Studio, Receiver) {
    let purser = Purser::start_with(&["--webhook-allow", "127.0.0.1"]).await;
    let studio = Studio::of(&purser).await;
    (purser, studio, Receiver::start().await)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}"))
}

#[tokio::test]
async fn a_change_is_told_in_an_envelope_that_both_schemes_verify() {
    let (_purser, studio, receiver) = told().await;
    let made = studio.subscribe(&receiver.url("/hooks"), &["wallet.changed"]).await;
    let secret = text(&made, "secret");
    let body = json!({ "amount": 5, "reason": "quest", "sourceRefId": "r-1", "idempotencyKey": "k-1" });
    studio.api.credit("p-1", "gold", body.clone()).await.ok(200);
    let received = receiver.wait_for("/hooks", 1).await.remove(0);
    assert_eq!(received.method, Method::POST);
    assert!(received.header("content-type").starts_with("application/json"));
    assert!(received.is_signed_by(secret) && received.is_standard_signed_by(secret), "{received:?}");
    let forged = Received { body: received.body.replace("quest", "quesu"), ..received.clone() };
    assert!(!forged.is_signed_by(secret) && !forged.is_standard_signed_by(secret));
    let envelope = received.json();
    assert_eq!(envelope["id"], received.header("webhook-id"));
    let row = studio.api.all("players/p-1/ledger?kind=wallet").await.remove(0);
    let data = &envelope["data"];
    assert_eq!(
        (&envelope["eventName"], &envelope["environment"], &envelope["gameId"], &envelope["deliveryAttempt"]),
        (&json!("wallet.changed"), &json!("sandbox"), &json!(studio.game), &json!(1))
    );
    assert_eq!(
        [&data["externalPlayerId"], &data["economyKey"], &data["delta"], &data["balance"], &data["reason"]],
        [&json!("p-1"), &json!("gold"), &json!(5), &json!(5), &json!("quest")]
    );
    assert_eq!((&data["ledgerId"], &data["sourceRefId"]), (&row["id"], &json!("r-1")));
    // A repeat, a refusal and a change of something else are told to nobody.
    studio.api.credit("p-1", "gold", body).await.ok(200);
    studio.api.debit("p-1", "gold", json!({ "amount": 50 })).await.error(409, "conflict", None);
    studio.api.add_one("p-1", 2).await;
    studio.api.credit("p-1", "gold", json!({ "amount": 1 })).await.ok(200);
    let all = receiver.wait_for("/hooks", 2).await;
    assert_eq!(all[1].json()["data"]["balance"], 6, "{all:?}");
    assert_eq!(all.len(), 2, "{all:?}");
}

#[tokio::test]
async fn secrets_are_shown_once_and_are_nowhere_in_the_store() {
    let (purser, studio, receiver) = told().await;
    let body = json!({ "url": receiver.url("/hooks"), "format": "kongregate" });
    let made = studio.admin(Method::POST, "webhooks", &body).await.data(201);
    let (secret, key) = (text(&made, "secret"), text(&made, "callbackApiKey"));
    for path in ["webhooks".to_owned(), format!("webhooks/{}", text(&made, "id")), "audit".to_owned()] {
        let shown = studio.read(&path).await.to_string();
        assert!(shown.contains(text(&made, "id")), "{path}: {shown}");
        assert!(!shown.contains(secret) && !shown.contains(key), "{path}: {shown}");
    }
    let bytes = secret.strip_prefix("whsec_").unwrap();
    for hidden in [secret, bytes, key] {
        assert_eq!(purser.home().store().places_with(hidden).await, Vec::<String>::new());
    }
    // The callback key opens nothing.
    purser.api_with(key).get("ping").await.error(401, "session_invalid", Some("KS-4002"));
}

#[tokio::test]
async fn without_an_allowance_webhooks_go_to_public_addresses_over_https_only() {
    let purser = Purser::start().await;
    let studio = Studio::of(&purser).await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let urls = [
        receiver.url("/hooks"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.1:{port}/"),
        format!("https://0177.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://[64:ff9b::7f00:1]:{port}/"),
        "https://10.0.0.1/".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://100.64.0.1/".to_owned(),
        "ftp://example.org/".to_owned(),
        "https://user:password@example.org/".to_owned(),
        "example.org".to_owned(),
    ];
    for url in urls {
        let reply = studio.admin(Method::POST, "webhooks", &json!({ "url": url, "events": ["*"] })).await;
        let details = reply.error(400, "validation_failed", Some("KS-4106"));
        assert_eq!(details["fields"][0]["path"], "url", "{url}: {details}");
    }
    assert_eq!(studio.read("webhooks").await["data"], json!([]));
    assert_eq!(receiver.received("/hooks").len(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let (_purser, studio, receiver) = told().await;
    let url = receiver.url("/hooks");
    let cases = [
        (json!({ "events": ["*"] }), "KS-4102"),
        (json!({ "url": url, "events": ["nope.x"] }), "KS-4107"),
        (json!({ "url": url, "events": ["player.banned"], "format": "kongregate" }), "KS-4107"),
    ];
    for (body, code) in cases {
        studio.admin(Method::POST, "webhooks", &body).await.error(400, "validation_failed", Some(code));
    }
    let unknown = "webhooks/00000000-0000-7000-8000-000000000000";
    studio.admin(Method::POST, &format!("{unknown}/ping"), &json!({})).await.error(404, "not_found", None);
    assert_eq!(studio.read("webhooks").await["data"], json!([]));
}

#[tokio::test]
async fn a_receiver_of_callbacks_is_told_of_every_change_in_the_form_that_it_knows() {
    let (purser, studio, receiver) = told().await;
    let other = Studio::of_game(&purser, "other").await;
    let mut keys = Vec::new();
    for (game, path) in [(&studio, "/one"), (&other, "/two")] {
        let body = json!({ "url": receiver.url(path), "format": "kongregate" });
        let made = game.admin(Method::POST, "webhooks", &body).await.data(201);
        keys.push(text(&made, "callbackApiKey").to_owned());
    }
    assert_ne!(keys[0], keys[1]);
    let name = "Zoë & söhne = 1+1 🦀";
    let path = format!("players/{}/inventory/sword", "Zo%C3%AB%20%26%20s%C3%B6hne%20%3D%201%2B1%20%F0%9F%A6%80");
    studio.api.post(&format!("{path}/grant"), &json!({ "quantity": 2 })).await.ok(200);
    let received = receiver.wait_for("/one", 1).await.remove(0);
    assert_eq!(received.method, Method::POST);
    let form = received.form();
    assert_eq!(form["event"], "invalidate_user_inventory");
    assert_eq!(form["api_key"], keys[0]);
    assert_eq!(form["username"], name);
    assert!(form["user_id"].parse::<u64>().is_ok_and(|number| 0 < number), "{form:?}");
    assert!(!form["game_auth_token"].is_empty());
    let time = &form["time"];
    let (date, offset) = (time.split(' ').collect::<Vec<_>>(), time.chars().nth(20));
    assert_eq!((date.len(), time.len(), offset), (3, 25, Some('+')), "{time}");
    let signed = received.signed_request(&keys[0]);
    assert_eq!((&signed["algorithm"], &signed["event"]), (&json!("HMAC-SHA256"), &json!("invalidate_user_inventory")));
    // The receiver reads the inventory then: what it was told of is there.
    let items = studio.api.get(&path.replace("/inventory/sword", "/inventory")).await.data(200);
    assert_eq!(items["items"][0]["quantity"], 2);
    // Taking is told too, under another id; what is refused, read or done elsewhere is not.
    studio.api.post(&format!("{path}/revoke"), &json!({ "quantity": 9 })).await.error(409, "conflict", None);
    studio.api.post(&format!("{path}/revoke"), &json!({ "quantity": 1 })).await.ok(200);
    other.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    let both = receiver.wait_for("/one", 2).await;
    let forms: Vec<_> = both.iter().map(Received::form).collect();
    assert_eq!(forms[0]["user_id"], forms[1]["user_id"]);
    assert_eq!(forms[0]["game_auth_token"], forms[1]["game_auth_token"]);
    assert_ne!(both[0].header("webhook-id"), both[1].header("webhook-id"));
    let elsewhere = receiver.wait_for("/two", 1).await;
    assert_eq!(elsewhere[0].form()["api_key"], keys[1]);
    assert_eq!((receiver.received("/one").len(), elsewhere.len()), (2, 1));
}

#[tokio::test]
async fn a_receiver_that_hangs_and_one_that_fails_delay_nobody_else() {
    let (_purser, studio, receiver) = told().await;
    receiver.answer("/hangs", Answer::Never);
    receiver.answer("/fails", Answer::Status(500));
    receiver.answer("/moves", Answer::Redirect);
    let mut endpoints = BTreeMap::new();
    for path in ["/hangs", "/fails", "/moves", "/works"] {
        let made = studio.subscribe(&receiver.url(path), &["wallet.changed"]).await;
        endpoints.insert(path, text(&made, "id").to_owned());
    }
    for number in 0..200 {
        studio.api.credit(&format!("p-{number}"), "gold", json!({ "amount": 1 })).await.ok(200);
    }
    let worked = receiver.wait_for("/works", 200).await;
    let ids: BTreeSet<_> = worked.iter().map(|received| received.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 200);
    // Nothing was followed, and what failed waits for its next attempt.
    assert_eq!(receiver.received("/hooks").len(), 0);
    for (path, status) in [("/fails", 500), ("/moves", 302)] {
        let list = format!("webhooks/{}/deliveries?status=pending&limit=200", endpoints[path]);
        let tried = eventually("a delivery was attempted", async || {
            let page = studio.read(&list).await;
            page["data"].as_array().unwrap().iter().find(|delivery| delivery["attempts"] == 1).cloned()
        })
        .await;
        assert!(tried["nextAttemptAt"].is_string(), "{tried}");
        let delivery = format!("webhooks/{}/deliveries/{}", endpoints[path], text(&tried, "id"));
        let log = studio.read(&delivery).await["data"]["attemptLog"].clone();
        assert_eq!(
            (&log[0]["number"], &log[0]["status"], &log[0]["body"]),
            (&json!(1), &json!(status), &json!("taken"))
        );
    }
    // One that is gone is not tried again.
    receiver.answer("/works", Answer::Status(410));
    studio.api.credit("p-0", "gold", json!({ "amount": 1 })).await.ok(200);
    let gone = eventually("the endpoint is disabled", async || {
        let endpoint = studio.read(&format!("webhooks/{}", endpoints["/works"])).await["data"].clone();
        (endpoint["enabled"] == false).then_some(endpoint)
    });
    assert_eq!(gone.await["disabledReason"], "gone");
}

/// Every entry that the ledgers of these players have.
async fn ledger_ids(api: &Api, players: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for player in 0..players {
        let rows = api.all(&format!("players/p-{player}/ledger?kind=wallet&limit=200")).await;
        ids.extend(rows.iter().map(|row| text(row, "id").to_owned()));
    }
    ids
}

#[tokio::test]
async fn ten_thousand_queued_events_survive_a_power_cut_and_each_is_told_under_one_id() {
    const PLAYERS: usize = 50;
    let (mut purser, studio, receiver) = told().await;
    receiver.answer("/hooks", Answer::Never);
    studio.subscribe(&receiver.url("/hooks"), &["wallet.changed"]).await;
    let mut senders = JoinSet::new();
    for sender in 0..20 {
        let api = studio.api.clone();
        senders.spawn(async move {
            for number in 0..500 {
                let player = (sender * 500 + number) % PLAYERS;
                api.credit(&format!("p-{player}"), "gold", json!({ "amount": 1 })).await.ok(200);
            }
        });
    }
    while senders.join_next().await.transpose().expect("no sender panics").is_some() {}
    // Some more are on their way when it happens: each of those happened and is told, or neither.
    for sender in 0..20 {
        let api = studio.api.clone();
        senders.spawn(async move {
            let path = format!("players/p-{sender}/wallet/gold/credit");
            while api.try_post(&path, &json!({ "amount": 1 })).await.is_ok() {}
        });
    }
    receiver.wait_for("/hooks", 1).await;
    purser.kill().await;
    while senders.join_next().await.transpose().expect("no sender panics").is_some() {}
    receiver.answer("/hooks", Answer::Status(200));
    purser.restart().await;
    let api = purser.api_with(studio.api.key());
    let entries = ledger_ids(&api, PLAYERS).await;
    assert!(10_000 <= entries.len(), "{}", entries.len());
    // What was under way when the power was cut waits for the end of its lease; and this is many, on a machine that may be busy.
    within(3 * PATIENCE, "every entry is told", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (entries.len() <= receiver.events("/hooks")).then_some(())
    })
    .await;
    let mut by_entry: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for received in receiver.received("/hooks") {
        let envelope = received.json();
        assert_eq!(envelope["id"], received.header("webhook-id"));
        let told = by_entry.entry(text(&envelope["data"], "ledgerId").to_owned()).or_default();
        told.insert(text(&envelope, "id").to_owned());
    }
    assert!(by_entry.keys().eq(&entries), "nothing is told that did not happen");
    assert!(by_entry.values().all(|ids| ids.len() == 1), "each under one id");
}

#[tokio::test]
async fn during_an_overlap_both_secrets_verify() {
    let (_purser, studio, receiver) = told().await;
    let made = studio.subscribe(&receiver.url("/hooks"), &["wallet.changed"]).await;
    let (id, old) = (text(&made, "id"), text(&made, "secret"));
    let rotate = format!("webhooks/{id}/rotate-secret");
    let rotated = studio.admin(Method::POST, &rotate, &json!({ "overlapSeconds": 3600 })).await.data(200);
    let new = text(&rotated, "secret");
    assert_ne!(old, new);
    studio.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    let received = receiver.wait_for("/hooks", 1).await.remove(0);
    for secret in [old, new] {
        assert!(received.is_signed_by(secret) && received.is_standard_signed_by(secret), "{received:?}");
    }
    let rotated = studio.admin(Method::POST, &rotate, &json!({ "overlapSeconds": 0 })).await.data(200);
    studio.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    let received = receiver.wait_for("/hooks", 2).await.remove(1);
    let newest = text(&rotated, "secret");
    assert!(received.is_signed_by(newest) && received.is_standard_signed_by(newest));
    assert!(!received.is_signed_by(new) && !received.is_standard_signed_by(new) && !received.is_signed_by(old));
}

#[tokio::test]
async fn a_ping_is_sent_at_once_and_says_what_came_back() {
    let (purser, studio, receiver) = told().await;
    let made = studio.subscribe(&receiver.url("/hooks"), &["wallet.changed"]).await;
    let ping = format!("webhooks/{}/ping", text(&made, "id"));
    let pinged = studio.admin(Method::POST, &ping, &json!({})).await.data(200);
    assert_eq!(
        (&pinged["delivered"], &pinged["status"], &pinged["body"]),
        (&json!(true), &json!(200), &json!("taken"))
    );
    let received = receiver.received("/hooks").remove(0);
    assert!(received.is_standard_signed_by(text(&made, "secret")));
    assert_eq!(received.json()["eventName"], "webhook.ping");
    receiver.answer("/hooks", Answer::Status(503));
    let pinged = studio.admin(Method::POST, &ping, &json!({})).await.data(200);
    assert_eq!((&pinged["delivered"], &pinged["status"]), (&json!(false), &json!(503)));
    // The command line does the same, with an exit code.
    let realm = ["--studio", "demo", "--game", "demo", "--env", "sandbox"];
    let allow = ["--webhook-allow", "127.0.0.1"];
    let arguments = [&["webhooks", "ping", text(&made, "id")], &realm[..], &allow[..]].concat();
    let refused = purser.run(&arguments).await;
    assert!(refused.refused(1).contains("503"), "{refused:?}");
    receiver.answer("/hooks", Answer::Status(200));
    assert!(purser.must(&arguments).await.starts_with("answered 200"));
}

#[tokio::test]
async fn what_an_endpoint_missed_is_kept_for_it_and_queued_again_on_demand() {
    let (purser, studio, receiver) = told().await;
    let made = studio.subscribe(&receiver.url("/hooks"), &["wallet.changed"]).await;
    let one = format!("webhooks/{}", text(&made, "id"));
    studio.admin(Method::PATCH, &one, &json!({ "enabled": false })).await.ok(200);
    for _ in 0..3 {
        studio.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    }
    // Who is told is decided when an event is published, a moment after it was stored.
    eventually("the feed has all three", async || {
        let page = studio.api.get("events").await.ok(200);
        (page["data"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    studio.admin(Method::PATCH, &one, &json!({ "enabled": true })).await.ok(200);
    studio.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    let first = receiver.wait_for("/hooks", 1).await.remove(0);
    assert_eq!(first.json()["data"]["balance"], 4);
    let feed = eventually("the feed has all four", async || {
        let page = studio.api.get("events").await.ok(200);
        (page["data"].as_array().unwrap().len() == 4).then_some(page)
    })
    .await;
    let told: Vec<_> = feed["data"].as_array().unwrap().iter().map(|event| event["data"]["balance"].clone()).collect();
    assert_eq!(told, [1, 2, 3, 4]);
    let page = studio.api.get(&format!("events?after={}", text(&feed, "next"))).await.ok(200);
    assert_eq!((&page["data"], &page["next"]), (&json!([]), &feed["next"]));
    let replay = format!("{one}/replay");
    let queued = studio.admin(Method::POST, &replay, &json!({ "since": "2020-01-01T00:00:00Z" })).await.data(202);
    assert_eq!(queued["queued"], 3);
    let all = receiver.wait_for("/hooks", 4).await;
    let ids: BTreeSet<_> = all.iter().map(|received| received.header("webhook-id").to_owned()).collect();
    let known: BTreeSet<_> =
        feed["data"].as_array().unwrap().iter().map(|event| text(event, "id").to_owned()).collect();
    assert_eq!(ids, known);
    // One that arrived, once more: the same id, another attempt; this time by the command line.
    let delivered = eventually("all are known to have arrived", async || {
        let page = studio.read(&format!("{one}/deliveries?status=delivered")).await;
        Some(page["data"].as_array().unwrap().clone()).filter(|rows| rows.len() == 4)
    })
    .await;
    let realm = ["--studio", "demo", "--game", "demo", "--env", "sandbox", "--json"];
    let newest = text(&delivered[0], "id");
    let arguments = ["webhooks", "replay", text(&made, "id"), "--delivery", newest];
    assert_eq!(purser.must_json(&[&arguments[..], &realm[..]].concat()).await["queued"], 1);
    let again = receiver.wait_for("/hooks", 5).await.remove(4);
    assert_eq!(again.header("webhook-id"), text(&delivered[0], "eventId"));
    assert_eq!(again.json()["deliveryAttempt"], 2);
    // Removed, it is told nothing, and is not found.
    studio.admin(Method::DELETE, &one, &json!({})).await.ok(200);
    studio.admin(Method::POST, &replay, &json!({ "since": "2020-01-01T00:00:00Z" })).await.error(
        404,
        "not_found",
        None,
    );
    studio.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    assert_eq!(studio.read("webhooks").await["data"], json!([]));
    assert_eq!(studio.api.get("events").await.ok(200)["data"].as_array().unwrap().len(), 4, "nobody wants more");
}

#[tokio::test]
async fn the_command_line_makes_lists_changes_and_removes_endpoints_that_the_server_serves() {
    let (purser, studio, receiver) = told().await;
    let realm = ["--studio", "demo", "--game", "demo", "--env", "sandbox", "--json"];
    let allow = ["--webhook-allow", "127.0.0.1"];
    let url = receiver.url("/hooks");
    let create = [&["webhooks", "create", &url, "--event", "player.registered,wallet.changed"], &realm[..]].concat();
    let refused = purser.run(&create).await;
    assert!(refused.refused(1).contains("127.0.0.1"), "not without an allowance: {refused:?}");
    let made = purser.must_json(&[&create[..], &allow[..]].concat()).await;
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    studio.api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    let received = receiver.wait_for("/hooks", 2).await;
    assert!(received.iter().all(|received| received.is_standard_signed_by(secret)));
    let listed = purser.must_json(&[&["webhooks", "list"], &realm[..]].concat()).await;
    assert_eq!((&listed[0]["id"], listed[0].get("secret")), (&json!(id), None));
    let change = [&["webhooks", "change", id, "--disable"], &realm[..]].concat();
    assert_eq!(purser.must_json(&change).await["disabledReason"], "by_request");
    let deliveries = [&["webhooks", "deliveries", id], &realm[..]].concat();
    eventually("both are known to have arrived", async || {
        let listed = purser.must_json(&deliveries).await;
        listed.as_array().unwrap().iter().all(|row| row["status"] == "delivered").then_some(())
    })
    .await;
    purser.must(&[&["webhooks", "delete", id], &realm[..]].concat()).await;
    assert_eq!(purser.must_json(&[&["webhooks", "list"], &realm[..]].concat()).await, json!([]));
    purser.run(&[&["webhooks", "delete", id], &realm[..]].concat()).await.refused(1);
}

#[tokio::test]
async fn a_key_that_will_expire_is_told_of_once_also_after_a_restart() {
    let (mut purser, studio, receiver) = told().await;
    studio.subscribe(&receiver.url("/hooks"), &["api_key.expiring"]).await;
    let issue = ["keys", "issue", "--studio", "demo", "--game", "demo", "--env", "sandbox", "--json"];
    let issue = [&issue[..], &["--permissions", "server_integration"]].concat();
    let five = purser.must_json(&[&issue[..], &["--expires-in", "5d", "--name", "five"]].concat()).await;
    let seven = purser.must_json(&[&issue[..], &["--expires-in", "7d", "--name", "seven"]].concat()).await;
    let received = receiver.wait_for("/hooks", 1).await.remove(0);
    let data = received.json()["data"].clone();
    assert_eq!((&data["keyId"], &data["daysRemaining"], &data["name"]), (&seven["id"], &json!(7), &json!("seven")));
    assert_eq!(data["expiresAt"], seven["expiresAt"]);
    assert!(!received.body.contains(text(&seven, "key")), "no secret part");
    purser.stop().await;
    purser.restart().await;
    // What comes after it came after everything that would have been told again.
    let one = purser.must_json(&[&issue[..], &["--expires-in", "1d", "--name", "one"]].concat()).await;
    let all = receiver.wait_for("/hooks", 2).await;
    let told: Vec<_> = all.iter().map(|received| received.json()["data"]["keyId"].clone()).collect();
    assert_eq!(told, [seven["id"].clone(), one["id"].clone()], "and not {}", five["id"]);
}

#[tokio::test]
async fn an_operator_issues_rotates_and_revokes_keys_over_http() {
    let (purser, studio, _receiver) = told().await;
    let body = json!({ "name": "back end", "permissionSet": "server_integration", "expiresInSeconds": 86_400 });
    let issued = studio.admin(Method::POST, "keys", &body).await.data(201);
    let (id, key) = (text(&issued, "id"), text(&issued, "key"));
    assert!(key.starts_with("ks_sandbox_"));
    purser.api_with(key).get("ping").await.ok(200);
    let listed = studio.read("keys").await.to_string();
    assert!(listed.contains(id) && !listed.contains(key));
    let rotate = format!("keys/{id}/rotate");
    let rotated = studio.admin(Method::POST, &rotate, &json!({ "overlapSeconds": 0 })).await.data(201);
    let successor = text(&rotated, "key");
    purser.api_with(successor).get("ping").await.ok(200);
    let details = purser.api_with(key).get("ping").await.error(401, "session_invalid", Some("KS-4002"));
    assert_eq!(details["reason"], "expired");
    let revoke = format!("keys/{}/revoke", text(&rotated, "id"));
    studio.admin(Method::POST, &revoke, &json!({ "reason": "leaked" })).await.ok(200);
    let details = purser.api_with(successor).get("ping").await.error(401, "session_invalid", Some("KS-4002"));
    assert_eq!(details["reason"], "revoked", "from the very next request");
    for hidden in [key, successor] {
        assert_eq!(purser.home().store().places_with(hidden).await, Vec::<String>::new());
    }
    // A key of another realm is not there.
    let live = purser.issue("demo", "live", "server_integration").await;
    let revoke = format!("keys/{}/revoke", text(&live, "id"));
    studio.admin(Method::POST, &revoke, &json!({})).await.error(404, "not_found", None);
}

#[tokio::test]
async fn an_erasure_is_told_by_the_old_id_and_removes_what_was_said_before() {
    let (purser, studio, receiver) = told().await;
    receiver.answer("/late", Answer::Never);
    studio.subscribe(&receiver.url("/late"), &["*"]).await;
    let body = json!({ "amount": 1, "reason": "Reason-Of-Credit" });
    studio.api.credit("ada@example.org", "gold", body).await.ok(200);
    studio.api.post("players/ada@example.org/delete", &json!({})).await.ok(200);
    assert_eq!(purser.home().store().places_with("Reason-Of-Credit").await, Vec::<String>::new());
    studio.subscribe(&receiver.url("/hooks"), &["player.deleted"]).await;
    studio.api.credit("bob@example.org", "gold", json!({ "amount": 1 })).await.ok(200);
    studio.api.post("players/bob@example.org/delete", &json!({})).await.ok(200);
    let received = receiver.wait_for("/hooks", 1).await.remove(0);
    assert_eq!(received.json()["data"]["externalPlayerId"], "bob@example.org");
}
