//! The realm that is attacked: something of everything, under names that nobody could guess.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::document::{Bindings, Samples};
use crate::harness::api::{Api, Reply};
use crate::harness::patience::eventually;
use crate::harness::program::Purser;
use crate::harness::receiver::Receiver;

/// Every name in the realm begins with it.
const STEM: &str = "veiled9Qx7tR2";

/// So many of a currency as nobody else has.
const FORTUNE: u64 = 731_055_590_177;

/// Where the realm is told of what happens in it.
pub(super) const HOOKS: &str = "/veiled9Qx7tR2-hooks";

/// Where everybody else is.
pub(super) const ELSEWHERE: &str = "/elsewhere";

/// Who asks about one realm: with a server key, and with an admin key.
pub(super) struct Realm {
    pub(super) server: Api,
    pub(super) admin: Api,
    pub(super) game: String,
    /// What its keys are told of themselves, which they may know.
    pub(super) known: String,
}

/// The realm, with what it hides.
pub(super) struct Victim {
    pub(super) realm: Realm,
    pub(super) bindings: Bindings,
    pub(super) samples: Samples,
    /// What only its own keys may ever be shown.
    hidden: BTreeSet<String>,
}

fn mark(what: &str) -> String {
    format!("{STEM}-{what}")
}

impl Realm {
    /// Makes a realm with two keys and nothing else.
    pub(super) async fn new(purser: &Purser, studio: &str, game: &str, environment: &str) -> Self {
        let [server, admin] = [
            Self::issue(purser, (studio, game, environment), "server_integration", &[]).await,
            Self::issue(purser, (studio, game, environment), "admin", &[]).await,
        ]
        .map(|key| purser.api_with(&key.1));
        let pong = server.get("ping").await;
        let game = pong.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
        Self { server, admin, game, known: pong.text }
    }

    /// Issues another key; its id and its text.
    pub(super) async fn issue(
        purser: &Purser,
        (studio, game, environment): (&str, &str, &str),
        permissions: &str,
        more: &[&str],
    ) -> (String, String) {
        let realm = ["keys", "issue", "--studio", studio, "--game", game, "--env", environment, "--create", "--json"];
        let issued = purser.must_json(&[&realm[..], &["--permissions", permissions], more].concat()).await;
        let text = |name: &str| issued[name].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    /// The client whose key opens such a route.
    pub(super) fn api(&self, is_admins: bool) -> &Api {
        if is_admins { &self.admin } else { &self.server }
    }

    async fn post_as_admin(&self, path: &str, body: Value) -> Value {
        let path = format!("/admin/v1/games/{}/{path}", self.game);
        Reply::to(self.admin.keyed(Method::POST, &path).json(&body)).await.unwrap().data(201)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let reply = self.server.post(path, &body).await;
        assert!([200, 201].contains(&reply.status), "{path}: {reply:?}");
        reply.json()["data"].clone()
    }
}

impl Victim {
    /// Fills a realm.
    pub(super) async fn new(realm: Realm, receiver: &Receiver) -> Self {
        let (mut bindings, mut told) = (Bindings::new(), Vec::new());
        let mut bind =
            |name: &'static str, value: &Value| drop(bindings.insert(name, value.as_str().unwrap().to_owned()));
        for (name, what) in [
            ("externalId", "player"),
            ("?externalId", "player"),
            ("externalPlayerId", "player"),
            ("fromExternalId", "guest"),
            ("toExternalId", "player"),
            ("eventKey", "race"),
            ("key", "points"),
            ("economyKey", "gold"),
            ("currencyKey", "gold"),
            ("itemKey", "sword"),
            ("idempotencyKey", "receipt"),
        ] {
            bind(name, &json!(mark(what)));
        }
        told.push(realm.configure(receiver, &mut bind).await);
        told.push(realm.play(&mut bind).await);
        let webhook = bindings["webhookId"].clone();
        bindings.insert("deliveryId", realm.all_delivered(&webhook, receiver).await);
        let samples = samples(receiver);
        let mut victim = Self { realm, bindings, samples, hidden: BTreeSet::new() };
        victim.hide(&Value::from(told).to_string());
        victim.hidden.extend([
            FORTUNE.to_string(),
            victim.realm.server.key().to_owned(),
            victim.realm.admin.key().to_owned(),
        ]);
        victim
    }

    /// Takes every id, name and secret in `text` for something that is hers.
    pub(super) fn hide(&mut self, text: &str) {
        let is_of_a_word = |character: char| character.is_ascii_alphanumeric() || "-_+/=".contains(character);
        let words = text.split(|character: char| !is_of_a_word(character)).filter(|word| {
            let is_id = word.len() == 36 && word.matches('-').count() == 4;
            is_id || word.contains(STEM) || ["ks_", "kp_", "whsec_"].iter().any(|prefix| word.starts_with(prefix))
        });
        self.hidden.extend(words.map(str::to_owned));
    }

    /// What is hers in `text` and was not `known`.
    pub(super) fn hidden_in<'v>(&'v self, text: &'v str, known: &'v str) -> impl Iterator<Item = &'v String> {
        self.hidden.iter().filter(move |hidden| text.contains(hidden.as_str()) && !known.contains(hidden.as_str()))
    }
}

/// What a body has that its schema does not tell: names of hers wherever there are any.
fn samples(receiver: &Receiver) -> Samples {
    let schedule = json!({ "startsAt": "2026-01-01T00:00:00.000Z", "everySeconds": 86_400, "lengthSeconds": 86_400 });
    Samples::from([
        ("CreateEventRequest", json!({ "key": mark("race"), "schedule": schedule })),
        ("ChangeEventRequest", json!({ "name": "changed", "enabled": true })),
        ("ChangeLeaderboardRequest", json!({ "name": "changed" })),
        ("CreateWebhookRequest", json!({ "url": receiver.url(ELSEWHERE), "events": ["*"] })),
        ("ChangeWebhookRequest", json!({ "description": "changed" })),
        ("ChangeKeyRequest", json!({ "name": "changed" })),
        (
            "ServerCreateLobbyRequest",
            json!({ "key": mark("match"), "externalPlayerIds": [mark("player"), mark("third")] }),
        ),
        ("ServerCreateGrantRequest", json!({ "idempotencyKey": mark("one") })),
        ("ServerProgressRequest", json!({ "metricValue": 3 })),
        ("ServerStartAttemptRequest", json!({ "idempotencyKey": mark("start") })),
    ])
}

impl Realm {
    /// Makes endpoints, events, leaderboards and a key; all that was answered.
    async fn configure(&self, receiver: &Receiver, bind: &mut impl FnMut(&'static str, &Value)) -> Value {
        let mut told = Vec::new();
        let body = json!({ "url": receiver.url(HOOKS), "events": ["*"], "description": mark("endpoint") });
        let made = self.post_as_admin("webhooks", body).await;
        bind("webhookId", &made["id"]);
        told.push(made);
        let body = json!({ "url": receiver.url(HOOKS), "format": "kongregate", "description": mark("callbacks") });
        told.push(self.post_as_admin("webhooks", body).await);
        for (key, mode) in [("race", "lobby_matched"), ("sprint", "global")] {
            let event = json!({
                "key": mark(key), "name": mark("event"), "leaderboardMode": mode, "metadata": { "note": mark("note") },
                "leaderboard": { "capacity": 4 },
                "schedule": { "startsAt": "2026-01-01T00:00:00.000Z", "everySeconds": 86_400, "lengthSeconds": 86_400 },
            });
            told.push(self.post_as_admin("events", event).await);
        }
        for key in ["points", "wins"] {
            let board = json!({ "key": mark(key), "name": mark("board"), "metadata": { "note": mark("note") } });
            told.push(self.post_as_admin("leaderboards", board).await);
        }
        let key = self.post_as_admin("keys", json!({ "permissionSet": "client_sdk", "name": mark("key") })).await;
        bind("keyId", &key["id"]);
        told.push(key);
        told.into()
    }

    /// Has players who own, were promised, play, are banned and merged; all that was answered.
    async fn play(&self, bind: &mut impl FnMut(&'static str, &Value)) -> Value {
        let mut told = Vec::new();
        let [player, guest, gone] = ["player", "guest", "gone"].map(|name| format!("players/{}", mark(name)));
        let [gold, sword] = ["wallet/veiled9Qx7tR2-gold/credit", "inventory/veiled9Qx7tR2-sword/grant"];
        let credit = json!({
            "amount": FORTUNE, "reason": mark("why"), "sourceRefId": mark("order"), "idempotencyKey": mark("receipt"),
        });
        told.push(self.post(&format!("{player}/{gold}"), credit).await);
        for path in [&guest, &gone] {
            told.push(self.post(&format!("{path}/{gold}"), json!({ "amount": 9, "reason": mark("why") })).await);
        }
        told.push(self.post(&format!("{player}/{sword}"), json!({ "quantity": 40, "reason": mark("why") })).await);
        for number in ["one", "two"] {
            let grant = json!({
                "idempotencyKey": mark(number), "sourceRefId": mark("order"), "metadata": { "note": mark("note") },
                "entries": [{ "type": "currency", "currencyKey": mark("gems"), "amount": 5 }],
            });
            let grant = self.post(&format!("{player}/grants"), grant).await;
            bind("grantId", &grant["id"]);
            told.push(grant);
        }
        let lobbies = format!("games/{}/events/{}/lobbies", self.game, mark("race"));
        for (key, players) in [("other", ["fourth", "fifth"]), ("match", ["player", "guest"])] {
            let push = json!({
                "key": mark(key), "externalPlayerIds": players.map(mark), "metadata": { "note": mark("note") },
            });
            let lobby = self.post(&lobbies, push).await;
            bind("lobbyId", &lobby["id"]);
            bind("leaderboardId", &lobby["leaderboardId"]);
            told.push(lobby);
        }
        let event = format!("{player}/events/{}", mark("race"));
        let started = self.post(&format!("{event}/start"), json!({ "idempotencyKey": mark("start") })).await;
        let attempt = started["attempt"]["id"].clone();
        bind("attemptId", &attempt);
        let progress = json!({ "mode": "set", "metricValue": 77 });
        told.push(self.post(&format!("{event}/attempts/{}/progress", attempt.as_str().unwrap()), progress).await);
        told.push(started);
        for name in ["player", "guest"] {
            let score = json!({ "externalPlayerId": mark(name), "value": 77 });
            told.push(self.post(&format!("leaderboards/{}/score", mark("points")), score).await);
        }
        told.push(self.post(&format!("players/{}/ban", mark("fourth")), json!({ "reason": mark("cheat") })).await);
        told.push(self.post(&format!("players/{}/merge-into/{}", mark("gone"), mark("guest")), json!({})).await);
        let rows = json!([{
            "externalPlayerId": mark("sixth"), "idempotencyKey": mark("row"), "contextSnapshot": { "note": mark("note") },
        }]);
        told.push(self.post("migrate/players", json!({ "rows": rows })).await);
        told.push(self.post(&format!("{guest}/{gold}"), json!({ "amount": 2, "reason": mark("last") })).await);
        told.into()
    }

    /// Waits until everything was told, after which nothing changes by itself; the id of something that was.
    async fn all_delivered(&self, webhook: &str, receiver: &Receiver) -> String {
        let last = mark("last");
        eventually("the last event is told", async || {
            receiver.received(HOOKS).iter().any(|received| received.body.contains(&last)).then_some(())
        })
        .await;
        let list = format!("/admin/v1/games/{}/webhooks/{webhook}/deliveries?limit=200", self.game);
        let page = eventually("every delivery has arrived", async || {
            let page = Reply::to(self.admin.keyed(Method::GET, &list)).await.unwrap().ok(200);
            let rows = page["data"].as_array().unwrap().clone();
            rows.iter().all(|row| row["status"] != "pending").then_some(rows)
        })
        .await;
        page[0]["id"].as_str().unwrap().to_owned()
    }
}
