//! Something for every id that a path may name, so that requests get further than to a 404; and for those that end
//! something, something of their own to end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::Full;
use hyper::{Method, Request};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bench::client::{Connection, Target, read};

/// How often a generated path names what there is instead of something made up.
const PROBABILITY: f64 = 0.8;

/// Operations after which what they were called for is gone or can never be used again, with what they are called for: the
/// parameters, and what names of those that are there to be ended.
const FINAL: [(&str, &[(&str, &str)]); 8] = [
    ("closeLobby", &[("lobbyId", "lobbyId")]),
    // Whoever is erased takes their attempts along.
    ("deletePlayer", &[("externalId", "fromExternalId")]),
    ("deleteWebhook", &[("webhookId", "webhookId")]),
    ("finishAttempt", &[("externalId", "externalId"), ("attemptId", "attemptId")]),
    ("leaveLobby", &[("externalId", "externalId"), ("lobbyId", "lobbyId")]),
    ("revokeKey", &[("keyId", "keyId")]),
    ("rotateKey", &[("keyId", "keyId")]),
    ("ackGrant", &[("externalId", "externalId"), ("grantId", "grantId")]),
];

/// Bulk imports answer 200 and say which rows were bad.
const BY_ROW: [&str; 3] = ["migrateInventory", "migratePlayers", "migrateWallet"];

/// The realm, as far as requests must know it.
pub(super) struct Realm {
    document: Value,
    /// What there is, by the name of the parameter that names it.
    lasting: BTreeMap<&'static str, String>,
    /// The same, to be ended.
    ending: BTreeMap<&'static str, String>,
}

/// Calls as an admin or as a backend.
struct Filling {
    server: Connection,
    admin: Connection,
    game: String,
}

impl Realm {
    /// Fills the realm that both keys open.
    pub(super) async fn fill(server: &Target, admin: &Target) -> Result<Self> {
        let (mut server, admin) = (server.connect().await?, admin.connect().await?);
        let document = call(&mut server, Method::GET, "/openapi.server.json", None).await?;
        let pong = call(&mut server, Method::GET, "/server/v1/ping", None).await?;
        let game = text(&pong, "/apiKey/gameId")?;
        let mut filling = Filling { server, admin, game };
        filling.configure().await?;
        let lasting = filling.play("player-1", "player-2").await?;
        let ending = filling.play("player-3", "player-4").await?;
        Ok(Self { document, lasting, ending })
    }

    /// The OpenAPI document, as it is served.
    pub(super) fn document(&self) -> String {
        self.document.to_string()
    }

    /// The document, but for how to present a key: half of the requests would be made to present one wrongly, which is tested
    /// elsewhere, and would get no further.
    pub(super) fn document_without_security(&self) -> String {
        let mut document = self.document.clone();
        if let Some(members) = document.as_object_mut() {
            members.remove("security");
        }
        if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
            components.remove("securitySchemes");
        }
        document.to_string()
    }

    /// The settings of Schemathesis: which parameter of a path names what.
    pub(super) fn configuration(&self) -> String {
        let mut toml = String::new();
        for (suffix, ids) in [("", &self.lasting), ("_ending", &self.ending)] {
            for (name, id) in ids {
                toml += &format!("[dictionaries.{name}{suffix}]\nvalues = [\"{id}\"]\n");
            }
        }
        toml += "[parameters]\n";
        for name in self.lasting.keys() {
            toml += &binding(name, name);
        }
        for (operation, ended) in FINAL {
            toml += &format!("[[operations]]\ninclude-operation-id = \"{operation}\"\n[operations.parameters]\n");
            for (parameter, name) in ended {
                toml += &binding(parameter, &format!("{name}_ending"));
            }
        }
        for operation in BY_ROW {
            toml += &format!("[[operations]]\ninclude-operation-id = \"{operation}\"\n");
            toml += "[operations.checks.negative_data_rejection]\nexpected-statuses = [200, 400]\n";
        }
        toml
    }
}

fn binding(parameter: &str, dictionary: &str) -> String {
    format!("\"path.{parameter}\" = {{ dictionary = \"{dictionary}\", probability = {PROBABILITY} }}\n")
}

impl Filling {
    async fn configure(&mut self) -> Result<()> {
        let event = json!({
            "key": "weekend-race", "name": "Race", "leaderboardMode": "lobby_matched",
            "leaderboard": { "capacity": 4, "fillBots": true },
            "schedule": { "startsAt": "2026-01-01T00:00:00.000Z", "everySeconds": 86_400, "lengthSeconds": 86_400 },
        });
        self.configured("events", event).await?;
        self.configured("leaderboards", json!({ "key": "season-points", "name": "Points" })).await.map(drop)
    }

    /// Two players who own, were promised and play something, an endpoint that is told of it, and a key.
    async fn play(&mut self, player: &str, other: &str) -> Result<BTreeMap<&'static str, String>> {
        // Nobody listens there.
        let webhook = self.configured("webhooks", json!({ "url": "http://127.0.0.1:9/", "events": ["*"] })).await?;
        let key = self.configured("keys", json!({ "permissionSet": "client_sdk" })).await?;
        for name in [player, other] {
            let credit = format!("players/{name}/wallet/gold/credit");
            self.done(&credit, json!({ "amount": 1_000_000 })).await?;
            self.done(&format!("players/{name}/inventory/iron_key/grant"), json!({ "quantity": 1_000_000 })).await?;
            self.done("leaderboards/season-points/score", json!({ "externalPlayerId": name, "value": 7 })).await?;
        }
        let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 5 }]);
        let grant = json!({ "idempotencyKey": player, "entries": entries });
        let grant = self.done(&format!("players/{player}/grants"), grant).await?;
        let push = json!({ "key": player, "externalPlayerIds": [player, other] });
        let path = format!("games/{}/events/weekend-race/lobbies", self.game);
        let lobby = self.done(&path, push).await?;
        let started = self.done(&format!("players/{player}/events/weekend-race/start"), json!({})).await?;
        let webhook = text(&webhook, "/id")?;
        Ok(BTreeMap::from([
            ("gameId", self.game.clone()),
            ("deliveryId", self.delivery(&webhook).await?),
            ("webhookId", webhook),
            ("keyId", text(&key, "/id")?),
            ("eventKey", "weekend-race".to_owned()),
            ("key", "season-points".to_owned()),
            ("economyKey", "gold".to_owned()),
            ("itemKey", "iron_key".to_owned()),
            ("externalId", player.to_owned()),
            ("fromExternalId", other.to_owned()),
            ("toExternalId", player.to_owned()),
            ("grantId", text(&grant, "/id")?),
            ("lobbyId", text(&lobby, "/id")?),
            ("leaderboardId", text(&lobby, "/leaderboardId")?),
            ("attemptId", text(&started, "/attempt/id")?),
        ]))
    }

    /// Something that the endpoint is told, as soon as there is anything.
    async fn delivery(&mut self, webhook: &str) -> Result<String> {
        let path = format!("/admin/v1/games/{}/webhooks/{webhook}/deliveries", self.game);
        for _ in 0..200 {
            let page = call(&mut self.admin, Method::GET, &path, None).await?;
            if let Ok(id) = text(&page, "/data/0/id") {
                return Ok(id);
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("nothing is told to the endpoint")
    }

    async fn configured(&mut self, list: &str, body: Value) -> Result<Value> {
        let path = format!("/admin/v1/games/{}/{list}", self.game);
        data(call(&mut self.admin, Method::POST, &path, Some(&body)).await?)
    }

    async fn done(&mut self, path: &str, body: Value) -> Result<Value> {
        data(call(&mut self.server, Method::POST, &format!("/server/v1/{path}"), Some(&body)).await?)
    }
}

async fn call(connection: &mut Connection, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder().method(method).uri(path).body(Full::from(body)).context("no request")?;
    let response = connection.send(request).await?;
    let status = response.status();
    let body = read(response).await?;
    ensure!(status.is_success(), "{path} was answered {status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).with_context(|| format!("{path} was answered with something that is not JSON"))
}

/// What is in the envelope.
fn data(mut answer: Value) -> Result<Value> {
    answer.get_mut("data").map(Value::take).context("an answer without data")
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {pointer} in {value}"))?.to_owned())
}
