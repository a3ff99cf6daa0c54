//! An unmodified server SDK works: requests as the Kraty Node SDK sends them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Api, Reply};
use crate::harness::program::Purser;

/// The SDK: the base URL and the key are all that was changed.
struct Sdk {
    api: Api,
    key: String,
}

impl Sdk {
    fn of(purser: &Purser) -> Self {
        Self { api: purser.api(), key: purser.key().to_owned() }
    }

    /// Sends a request as the SDK does: a key in every body that it sends, and a body in every POST.
    async fn send(&self, method: Method, path: &str, body: Option<Value>, idempotency_key: &str) -> Reply {
        let mut request = self
            .api
            .bare(method.clone(), &format!("/server/v1/{path}"))
            .header("authorization", format!("Bearer {}", self.key))
            .header("accept", "application/json")
            .header("x-kraty-sdk", "@kraty/server-sdk/0.13.0");
        if method == Method::POST {
            let mut body = body.unwrap_or_else(|| json!({}));
            let keyed = body.as_object_mut().unwrap();
            keyed.entry("idempotencyKey").or_insert_with(|| idempotency_key.into());
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Reply::to(request).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body), "generated-by-the-sdk").await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None, "").await
    }
}

/// What JavaScript's `encodeURIComponent` makes of a text.
fn encode_uri_component(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[tokio::test]
async fn ping_answers_at_the_top_level() {
    let purser = Purser::start().await;
    let pong = Sdk::of(&purser).get("ping").await.ok(200);
    let key = &pong["apiKey"];
    let id = |value: &Value| value.as_str().is_some_and(|id| id.len() == 36);
    assert!(id(&key["id"]) && id(&key["studioId"]) && id(&key["gameId"]), "{pong}");
    let expected = json!({
        "ok": true,
        "apiKey": {
            "id": key["id"], "prefix": purser.key()[..21], "permissionSet": "server_integration",
            "environment": "test", "studioId": key["studioId"], "gameId": key["gameId"]
        }
    });
    assert_eq!(pong, expected);
    let live = purser.issue("demo", "live", "server_integration").await;
    let live = purser.api_with(live["key"].as_str().unwrap()).get("ping").await.ok(200);
    assert_eq!(live["apiKey"]["environment"], "live");
    assert_eq!(live["apiKey"]["gameId"], key["gameId"]);
}

#[tokio::test]
async fn a_grant_is_created_repeated_and_acknowledged() {
    let purser = Purser::start().await;
    let sdk = Sdk::of(&purser);
    let grant = json!({
        "idempotencyKey": "receipt-1",
        "entries": [
            { "type": "currency", "currencyKey": "gold", "amount": 500 },
            { "type": "item", "itemKey": "sword", "quantity": 1, "parameters": { "level": 3, "name": "Ærø 🗡" } },
            { "type": "crate", "crateItemKey": "wooden", "quantity": 2 },
        ],
        "sourceRefId": "receipt-1", "metadata": { "store": "apple" },
    });
    let created = sdk.post("players/p-1/grants", grant.clone()).await;
    let data = created.data(201);
    let expected = json!({
        "id": data["id"], "kind": "reward", "contents": { "entries": grant["entries"] }, "sourceKind": "api",
        "sourceRefId": "receipt-1", "parentGrantId": null, "status": "pending", "rolledAt": null, "claimedAt": null,
        "expiresAt": null, "createdAt": data["createdAt"]
    });
    assert_eq!(data, expected);
    let repeated = sdk.post("players/p-1/grants", grant.clone()).await;
    assert_eq!((repeated.status, &repeated.text), (200, &created.text));
    assert_eq!(repeated.header("idempotent-replayed"), Some("true"));
    assert_eq!(created.header("idempotent-replayed"), None);

    let ack = format!("players/p-1/grants/{}/ack", data["id"].as_str().unwrap());
    let acked = sdk.send(Method::POST, &ack, None, "generated-1").await;
    let claimed = acked.data(200);
    assert_eq!((&claimed["id"], &claimed["status"]), (&data["id"], &json!("claimed")));
    assert!(claimed["claimedAt"].is_string(), "{claimed}");
    for key in ["generated-1", "generated-2"] {
        let again = sdk.send(Method::POST, &ack, None, key).await;
        assert_eq!((again.status, &again.text), (200, &acked.text), "re-acking returns the same row");
    }
    let repeated = sdk.post("players/p-1/grants", grant).await;
    assert_eq!((repeated.status, &repeated.text), (200, &created.text), "the original answer, whatever came after");
    // The backend says that it delivered the contents itself.
    let wallet = sdk.get("players/p-1/wallet").await.data(200);
    assert_eq!(wallet, json!({ "wallet": [] }));

    let profile = sdk.get("players/p-1").await.data(200);
    assert_eq!(profile["player"]["externalPlayerId"], "p-1");
    assert_eq!(profile["summary"], json!({ "attempts": 0, "grants": 1, "pendingGrants": 0, "lobbies": 0 }));
    assert_eq!(profile["recentGrants"], json!([claimed]));
}

#[tokio::test]
async fn wallets_inventories_and_the_profile_have_the_sdks_shapes() {
    let purser = Purser::start().await;
    let sdk = Sdk::of(&purser);
    let credit = json!({ "amount": 500, "reason": "iap", "idempotencyKey": "receipt-1" });
    let credited = sdk.post("players/p-1/wallet/gold/credit", credit).await;
    assert_eq!(credited.data(200), json!({ "economyKey": "gold", "balance": 500, "applied": true }));
    let debited = sdk.post("players/p-1/wallet/gold/debit", json!({ "amount": 20, "sourceRefId": "shop-7" })).await;
    assert_eq!(debited.data(200), json!({ "economyKey": "gold", "balance": 480, "applied": true }));
    let item = sdk.post("players/p-1/inventory/iron_key/grant", json!({ "quantity": 3 })).await;
    assert_eq!(item.data(200), json!({ "itemKey": "iron_key", "quantity": 3, "applied": true }));
    let item = sdk.post("players/p-1/inventory/iron_key/revoke", json!({ "quantity": 1 })).await;
    assert_eq!(item.data(200), json!({ "itemKey": "iron_key", "quantity": 2, "applied": true }));

    let ping = sdk.get("ping").await.ok(200);
    let profile = sdk.get("players/p-1?limit=10").await.data(200);
    let player = &profile["player"];
    for (field, expected) in [
        ("externalPlayerId", &json!("p-1")),
        ("studioId", &ping["apiKey"]["studioId"]),
        ("gameId", &ping["apiKey"]["gameId"]),
        ("bannedAt", &Value::Null),
        ("deletedAt", &Value::Null),
    ] {
        assert_eq!(&player[field], expected, "{field}: {profile}");
    }
    for field in ["id", "createdAt", "updatedAt", "firstSeenAt", "lastSeenAt"] {
        assert!(player[field].is_string(), "{field}: {profile}");
    }
    for field in ["recentAttempts", "recentGrants", "recentLobbies"] {
        assert_eq!(profile[field], json!([]), "{field}: {profile}");
    }
    let (wallet, inventory) = (&profile["wallet"][0], &profile["inventory"][0]);
    assert_eq!(
        (&wallet["economyKey"], &wallet["balance"], &wallet["metadata"]),
        (&json!("gold"), &json!(480), &json!({}))
    );
    assert_eq!((&inventory["itemKey"], &inventory["quantity"]), (&json!("iron_key"), &json!(2)));
    assert_eq!(sdk.get("players/p-1/wallet").await.data(200)["wallet"], profile["wallet"]);
    assert_eq!(sdk.get("players/p-1/inventory").await.data(200)["items"], profile["inventory"]);
}

#[tokio::test]
async fn a_players_id_may_be_any_text_and_is_decoded_once() {
    let purser = Purser::start().await;
    let sdk = Sdk::of(&purser);
    let longest = "é".repeat(128);
    let ids = [
        "user/1:42",
        "a b",
        "🎮 ünï",
        "%41",
        "A",
        "100%",
        "a+b",
        "a?b#c",
        "ü",
        "u\u{308}",
        "\"'\\<b>",
        "null",
        "...",
        " ",
        "/",
        &longest,
    ];
    for (index, id) in (1..).zip(ids) {
        let path = format!("players/{}", encode_uri_component(id));
        let credit = json!({ "amount": index, "idempotencyKey": format!("k-{index}") });
        let credited = sdk.post(&format!("{path}/wallet/gold/credit"), credit).await;
        assert_eq!(credited.data(200)["balance"], index, "{id:?} is a player of its own");
        let profile = sdk.get(&path).await.data(200);
        assert_eq!(profile["player"]["externalPlayerId"], *id);
        assert_eq!(profile["wallet"][0]["balance"], index);
    }
    let count = u64::try_from(ids.len()).unwrap();
    assert_eq!(purser.verified().await, (count, count));
}

#[tokio::test]
async fn an_unknown_field_a_missing_body_and_a_charset_are_accepted() {
    let purser = Purser::start().await;
    let api = purser.api();
    let credit = json!({ "amount": 1, "idempotencyKey": "k", "tomorrow": { "field": [1] }, "reason": null });
    api.credit("p", "gold", credit).await.ok(200);
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 5 }]);
    let grant = api.grant("p", json!({ "idempotencyKey": "k", "entries": entries })).await.data(201);
    let path = format!("players/p/grants/{}/ack", grant["id"].as_str().unwrap());
    Reply::to(api.request(Method::POST, &path)).await.unwrap().ok(200);
    for content_type in ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"] {
        let credit = api.request(Method::POST, "players/p/wallet/gold/credit").body(r#"{"amount":5.0}"#);
        Reply::to(credit.header("content-type", content_type)).await.unwrap().ok(200);
    }
    assert_eq!(api.balance("p", "gold").await, Some(16));
}
