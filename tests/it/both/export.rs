//! Everything that is known of a player, handed out whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::api::{Api, Reply};
use crate::harness::program::Purser;

/// The lines of an NDJSON export, whose manifest is checked: it is last, counts the lines of each type, and has the SHA-256
/// of all before it.
fn checked_lines(export: &Reply) -> Vec<Value> {
    assert_eq!((export.status, export.header("content-type")), (200, Some("application/x-ndjson")));
    let body = export.text.strip_suffix('\n').expect("the last line ends");
    let (before, manifest) = body.rsplit_once('\n').expect("more than one line");
    let manifest: Value = serde_json::from_str(manifest).expect("JSON");
    assert_eq!(manifest["type"], "manifest", "{manifest}");
    let digest = Sha256::digest(format!("{before}\n").as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(manifest["sha256"], digest.as_str());
    let lines: Vec<Value> = before.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (name, count) in manifest["counts"].as_object().expect("counts") {
        let found = lines.iter().filter(|line| line["type"] == name.as_str()).count();
        assert_eq!(count.as_u64(), u64::try_from(found).ok(), "{name}: {manifest}");
    }
    lines
}

/// A player with 2,400 entries over four assets, an emptied currency among them, and two grants.
async fn furnish(api: &Api) {
    for call in 0..3 {
        let row = |number: usize| {
            let (key, id) = (format!("c-{}", number % 3), format!("{call}-{number}"));
            json!({ "externalPlayerId": "p", "economyKey": key, "amount": 2, "reason": id, "idempotencyKey": id })
        };
        let rows: Vec<Value> = (0..800).map(row).collect();
        assert_eq!(api.post("migrate/wallet", &json!({ "rows": rows })).await.data(200)["applied"], 800);
    }
    api.debit("p", "c-2", json!({ "amount": 2 * 3 * 266 })).await.ok(200);
    api.post("players/p/inventory/sword/grant", &json!({ "quantity": 2 })).await.ok(200);
    for key in ["g-1", "g-2"] {
        let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 1 }]);
        api.grant("p", json!({ "idempotencyKey": key, "entries": entries })).await.data(201);
    }
}

#[tokio::test]
async fn a_bundle_has_the_documented_lists() {
    let purser = Purser::start().await;
    let api = purser.api();
    api.get("players/p/export").await.error(404, "not_found", None);
    api.get("players/p/export?format=ndjson").await.error(404, "not_found", None);
    api.get("players/p/export?format=xml").await.error(400, "validation_failed", Some("KS-4101"));
    furnish(&api).await;
    let bundle = api.get("players/p/export").await.data(200);
    assert_eq!((&bundle["schemaVersion"], &bundle["player"]["externalPlayerId"]), (&json!(1), &json!("p")));
    let lengths =
        ["attempts", "grants", "inventory", "wallet", "lobbies"].map(|list| bundle[list].as_array().unwrap().len());
    assert_eq!(lengths, [0, 2, 1, 3, 0]);
    let wallet: Vec<_> =
        bundle["wallet"].as_array().unwrap().iter().map(|held| held["balance"].as_i64().unwrap()).collect();
    assert_eq!(wallet, [2 * 3 * 267, 2 * 3 * 267, 0]);
}

#[tokio::test]
async fn a_stream_has_every_entry_of_one_moment_while_writes_go_on() {
    let purser = Purser::start().await;
    let api = purser.api();
    furnish(&api).await;
    let writes = tokio::spawn({
        let api = api.clone();
        async move {
            for _ in 0..200 {
                api.credit("p", "c-1", json!({ "amount": 1 })).await.ok(200);
            }
        }
    });
    for _ in 0..5 {
        let lines = checked_lines(&api.get("players/p/export?format=ndjson").await);
        assert_eq!(lines[0]["type"], "player");
        let of_type = |name: &str| lines.iter().filter(|line| line["type"] == name).collect::<Vec<_>>();
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for entry in of_type("ledger") {
            *sums.entry(entry["key"].as_str().unwrap()).or_default() += entry["delta"].as_i64().unwrap();
        }
        for held in of_type("wallet") {
            assert_eq!(Some(sums[held["economyKey"].as_str().unwrap()]), held["balance"].as_i64(), "{held}");
        }
        assert!(2_402 <= of_type("ledger").len());
        assert_eq!((of_type("grant").len(), of_type("inventory").len()), (2, 1));
    }
    writes.await.unwrap();
}

#[tokio::test]
async fn a_merged_history_is_exported_whole() {
    let purser = Purser::start().await;
    let api = purser.api();
    furnish(&api).await;
    api.credit("guest", "c-0", json!({ "amount": 5, "reason": "as a guest" })).await.ok(200);
    api.post("players/guest/merge-into/p", &json!({})).await.ok(200);
    let lines = checked_lines(&api.get("players/p/export?format=ndjson").await);
    let ledger: Vec<_> = lines.iter().filter(|line| line["type"] == "ledger").collect();
    // What was there, the guest's entry, and the pair that moved it.
    assert_eq!(ledger.len(), 2_402 + 1 + 2);
    assert!(ledger.iter().any(|entry| entry["reason"] == "as a guest"));
    let sum: i64 =
        ledger.iter().filter(|entry| entry["key"] == "c-0").map(|entry| entry["delta"].as_i64().unwrap()).sum();
    assert_eq!(sum, 2 * 3 * 267 + 5);
}
