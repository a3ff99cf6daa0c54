//! A key opens one realm: nothing of another one can be seen or touched with it. Who has no key, a bad one or one for
//! other routes is told so in one shape.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Api, Reply};
use crate::harness::forged_key::{checksum_of, forged_key};
use crate::harness::program::Purser;

/// Gives a player something of everything; returns the grant's id.
async fn furnish(api: &Api, player: &str, amount: u64) -> String {
    let credit = api.credit(player, "gold", json!({ "amount": amount, "idempotencyKey": "k" })).await;
    assert_eq!(credit.data(200), json!({ "economyKey": "gold", "balance": amount, "applied": true }));
    let item = api.post(&format!("players/{player}/inventory/sword/grant"), &json!({ "quantity": amount })).await;
    item.ok(200);
    let entries = json!([{ "type": "currency", "currencyKey": "gems", "amount": amount }]);
    let grant = api.grant(player, json!({ "idempotencyKey": "k", "entries": entries })).await;
    grant.data(201)["id"].as_str().unwrap().to_owned()
}

/// Everything that can be read of a player.
const READS: [&str; 8] = [
    "players/p",
    "players/p?limit=200",
    "players/p/wallet",
    "players/p/inventory",
    "players/p/ledger",
    "players/p/ledger?kind=wallet&key=gold&order=asc",
    "players/p/grants",
    "players/p/grants?status=pending",
];

#[tokio::test]
async fn nothing_of_one_realm_is_visible_in_another() {
    let purser = Purser::start().await;
    let sandbox = purser.api();
    let live = purser.api_of("demo", "live").await;
    let other_game = purser.api_of("other", "sandbox").await;
    let other_live = purser.api_of("other", "live").await;
    let grant = furnish(&sandbox, "p", 500).await;
    for path in READS {
        sandbox.get(path).await.ok(200);
    }
    for elsewhere in [&live, &other_game, &other_live] {
        for path in READS {
            elsewhere.get(path).await.error(404, "not_found", None);
        }
        let ack = elsewhere.post(&format!("players/p/grants/{grant}/ack"), &json!({})).await;
        ack.error(404, "not_found", None);
    }
    assert_eq!(sandbox.get("players/p/grants").await.data(200)[0]["status"], "pending");
}

#[tokio::test]
async fn the_same_player_and_idempotency_key_are_independent_in_each_realm() {
    let purser = Purser::start().await;
    let realms = [
        (purser.api(), 500),
        (purser.api_of("demo", "live").await, 20),
        (purser.api_of("other", "sandbox").await, 3),
        (purser.api_of("other", "live").await, 1),
    ];
    let mut grants = Vec::new();
    for (api, amount) in &realms {
        grants.push(furnish(api, "p", *amount).await);
    }
    let cursor = realms[0].0.get("players/p/ledger?limit=1&order=asc").await.ok(200)["next"].clone();
    for (index, (api, amount)) in realms.iter().enumerate() {
        let wallet = api.get("players/p/wallet").await.data(200)["wallet"].clone();
        assert_eq!((wallet.as_array().map(Vec::len), &wallet[0]["balance"]), (Some(1), &json!(amount)));
        let items = api.get("players/p/inventory").await.data(200)["items"].clone();
        assert_eq!((items.as_array().map(Vec::len), &items[0]["quantity"]), (Some(1), &json!(amount)));
        let listed = api.get("players/p/grants").await.data(200);
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(grants[index])));
        // A cursor from another realm shows nothing of that realm.
        for path in ["players/p/ledger".to_owned(), format!("players/p/ledger?after={}", cursor.as_str().unwrap())] {
            let rows = api.get(&path).await.data(200);
            assert!(rows.as_array().unwrap().iter().all(|row| row["delta"] == *amount), "{path}: {rows}");
        }
        for (other, grant) in grants.iter().enumerate() {
            let ack = api.post(&format!("players/p/grants/{grant}/ack"), &json!({})).await;
            assert_eq!(ack.status, if other == index { 200 } else { 404 }, "{ack:?}");
        }
    }
    assert_eq!(purser.verified().await, (8, 8));
}

#[tokio::test]
async fn a_key_may_be_sent_either_way_and_never_in_the_address() {
    let purser = Purser::start().await;
    let (api, key) = (purser.api(), purser.key());
    let other = purser.issue("demo", "sandbox", "server_integration").await["key"].as_str().unwrap().to_owned();
    let ping = || api.bare(Method::GET, "/server/v1/ping");
    for request in [
        ping().header("X-API-Key", key),
        ping().bearer_auth(key),
        ping().header("authorization", format!("bearer {key}")),
        ping().header("X-API-Key", key).bearer_auth(key),
    ] {
        Reply::to(request).await.unwrap().ok(200);
    }
    for request in [ping().header("X-API-Key", key).bearer_auth(&other), ping().basic_auth("user", Some(key))] {
        Reply::to(request).await.unwrap().error(401, "session_invalid", Some("KS-4002"));
    }
    for name in ["apiKey", "api_key", "X-API-Key", "key", "access_token"] {
        let request = api.bare(Method::GET, &format!("/server/v1/ping?{name}={key}"));
        Reply::to(request).await.unwrap().error(401, "unauthenticated", Some("KS-4001"));
    }
}

#[tokio::test]
async fn without_a_key_the_answer_is_the_documented_one() {
    let purser = Purser::start().await;
    for (method, path) in EVERY_ROUTE {
        let reply = Reply::to(purser.api().bare(method, &format!("/server/v1/{path}"))).await.unwrap();
        let message = "Missing X-API-Key header";
        let body = json!({
            "error": { "code": "unauthenticated", "message": message }, "message": message, "errorCode": "KS-4001"
        });
        assert_eq!(reply.ok(401), body, "{path}");
    }
}

const EVERY_ROUTE: [(Method, &str); 15] = [
    (Method::GET, "ping"),
    (Method::GET, "players/p"),
    (Method::GET, "players/p/wallet"),
    (Method::GET, "players/p/inventory"),
    (Method::GET, "players/p/ledger"),
    (Method::GET, "players/p/grants"),
    (Method::POST, "players/p/grants"),
    (Method::POST, "players/p/grants/01a20083-5e33-7cec-a004-d3fda704f50e/ack"),
    (Method::POST, "players/p/wallet/gold/credit"),
    (Method::POST, "players/p/wallet/gold/debit"),
    (Method::POST, "players/p/inventory/sword/grant"),
    (Method::POST, "players/p/inventory/sword/revoke"),
    (Method::POST, "migrate/players"),
    (Method::POST, "migrate/wallet"),
    (Method::POST, "migrate/inventory"),
];

#[tokio::test]
async fn a_key_with_another_permission_set_opens_nothing_of_the_server_api() {
    let purser = Purser::start().await;
    for permissions in ["client_sdk", "admin"] {
        let issued = purser.issue("demo", "sandbox", permissions).await;
        assert_eq!(issued["permissionSet"], permissions);
        let api = purser.api_with(issued["key"].as_str().unwrap());
        for (method, path) in EVERY_ROUTE {
            let body = json!({ "amount": 1, "quantity": 1 });
            let reply = Reply::to(api.request(method, path).json(&body)).await.unwrap();
            assert_eq!(reply.error(403, "forbidden", Some("KS-4006")), Value::Null, "{path}");
        }
    }
    assert_eq!(purser.verified().await, (0, 0));
}

#[tokio::test]
async fn every_bad_key_gets_the_same_answer_and_only_its_owner_learns_why() {
    let purser = Purser::start().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        keys.push(purser.issue("demo", "sandbox", "server_integration").await);
    }
    let [good, revoked] = [0, 1].map(|index| keys[index]["key"].as_str().unwrap().to_owned());
    purser.must(&["keys", "revoke", keys[1]["id"].as_str().unwrap()]).await;
    assert_eq!(checksum_of(&good[..53]), good[53..], "this test makes checksums as the server does");
    let unknown = forged_key("ks_sandbox_0000000000", 'x');
    let mistyped = format!("{}{}", &good[..58], if good.ends_with('0') { '1' } else { '0' });
    let bad = [
        unknown,
        mistyped,
        forged_key(&good, 'x'),
        forged_key(&revoked, 'x'),
        format!("{good}0"),
        good.replace("ks_sandbox_", "kp_prod_"),
        good.to_lowercase(),
        "nonsense".to_owned(),
        "0".repeat(8000),
        "s1234567.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ];
    let mut bodies = Vec::new();
    for key in &bad {
        let reply = purser.api_with(key).get("ping").await;
        assert_eq!(reply.error(401, "session_invalid", Some("KS-4002")), Value::Null, "{key}");
        assert!(!reply.text.contains(key.as_str()), "{reply:?}");
        bodies.push(reply.json());
    }
    let told = purser.api_with(&revoked).get("ping").await;
    assert_eq!(told.error(401, "session_invalid", Some("KS-4002")), json!({ "reason": "revoked" }));
    let mut same = told.json();
    same["error"].as_object_mut().unwrap().remove("details");
    assert!(bodies.iter().all(|body| *body == same), "{bodies:?}");
    purser.api_with(&good).get("ping").await.ok(200);
}
