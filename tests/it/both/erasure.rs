//! What an erasure leaves in the store: nothing. On SQLite that is every byte of its files, on PostgreSQL every row.

use serde_json::json;

use crate::harness::api::Api;
use crate::harness::program::Purser;

/// Everything that says whose row it was, each in a place of its own.
const SECRETS: [&str; 7] = [
    "ada.lovelace@example.org",
    "Reason-Of-Credit",
    "Source-Ref",
    "Ban-Reason",
    "Grant-Metadata",
    "Item-Parameter",
    "Old-Context",
];

async fn furnish(api: &Api, player: &str) {
    let context = json!({ "rows": [{ "externalPlayerId": player, "contextSnapshot": { "was": "Old-Context" }, "idempotencyKey": "c" }] });
    api.post("migrate/players", &context).await.ok(200);
    let item = json!({ "rows": [{ "externalPlayerId": player, "itemKey": "sword", "quantity": 1,
        "parameters": { "engraved": "Item-Parameter" }, "idempotencyKey": "i" }] });
    assert_eq!(api.post("migrate/inventory", &item).await.data(200)["applied"], 1);
    for number in 0..20 {
        let body = json!({ "amount": 1, "reason": format!("Reason-Of-Credit {number}"), "sourceRefId": "Source-Ref" });
        api.credit(player, "gold", body).await.ok(200);
    }
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 1 }]);
    let long = "x".repeat(6_000);
    let metadata = json!({ "note": "Grant-Metadata", "padding": long });
    api.grant(player, json!({ "idempotencyKey": "g", "entries": entries, "metadata": metadata })).await.data(201);
    api.post(&format!("players/{player}/ban"), &json!({ "reason": "Ban-Reason" })).await.ok(200);
}

/// Which of the secrets are anywhere in the store.
async fn found(purser: &Purser) -> Vec<&'static str> {
    let mut found = Vec::new();
    for secret in SECRETS {
        if !purser.home().store().places_with(secret).await.is_empty() {
            found.push(secret);
        }
    }
    found
}

#[tokio::test]
async fn nothing_of_an_erased_player_is_in_the_store() {
    let purser = Purser::start().await;
    let api = purser.api();
    for number in 0..300 {
        api.credit(&format!("neighbour-{number}"), "gold", json!({ "amount": 1, "reason": "n" })).await.ok(200);
    }
    furnish(&api, "ada.lovelace@example.org").await;
    assert_eq!(found(&purser).await, SECRETS, "all of it is there to be erased");
    let erased = api.post("players/ada.lovelace@example.org/delete", &json!({})).await.data(200);
    assert_eq!(erased["status"], "erased");
    assert_eq!(found(&purser).await, Vec::<&str>::new());
    assert_eq!(purser.verified().await.0, 302);
}
