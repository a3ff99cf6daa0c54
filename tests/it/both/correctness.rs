//! Money is exact, whoever asks at the same time and however often.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::harness::api::{Reply, at_once};
use crate::harness::program::Purser;

fn count_by<K: Ord>(replies: &[Reply], key: impl Fn(&Reply) -> K) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for reply in replies {
        *counts.entry(key(reply)).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn sixty_four_debits_of_7_at_once_on_100_leave_2() {
    let purser = Purser::start().await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 100 })).await.ok(200);
    let replies = at_once(std::slice::from_ref(&api), 64, "players/p/wallet/gold/debit", &json!({ "amount": 7 })).await;
    assert_eq!(count_by(&replies, |reply| reply.status), BTreeMap::from([(200, 14), (409, 50)]));
    let mut balances: Vec<u64> = Vec::new();
    for reply in &replies {
        if reply.status == 200 {
            let data = reply.data(200);
            assert_eq!(data["applied"], true);
            balances.push(data["balance"].as_u64().unwrap());
        } else {
            let details = reply.error(409, "conflict", None);
            assert_eq!(details, json!({ "reason": "insufficient_funds", "current": 2, "required": 7 }));
        }
    }
    balances.sort_unstable();
    assert_eq!(balances, (0..14).map(|debits| 2 + 7 * debits).collect::<Vec<u64>>());
    assert_eq!(api.balance("p", "gold").await, Some(2));
    assert_eq!(purser.verified().await, (1, 15));
}

#[tokio::test]
async fn sixteen_identical_keyed_requests_at_once_apply_once() {
    let purser = Purser::start().await;
    let api = purser.api();
    api.credit("rich", "gold", json!({ "amount": 100 })).await.ok(200);
    api.post("players/rich/inventory/sword/grant", &json!({ "quantity": 100 })).await.ok(200);
    for (path, amount, field, left) in [
        ("players/new/wallet/gold/credit", "amount", "balance", 5),
        ("players/rich/wallet/gold/debit", "amount", "balance", 95),
        ("players/new/inventory/sword/grant", "quantity", "quantity", 5),
        ("players/rich/inventory/sword/revoke", "quantity", "quantity", 95),
    ] {
        let replies =
            at_once(std::slice::from_ref(&api), 16, path, &json!({ amount: 5, "idempotencyKey": "receipt" })).await;
        let outcome = |reply: &Reply| {
            let data = reply.data(200);
            assert_eq!(data[field], left, "{path}: the same answer to all: {reply:?}");
            (data["applied"] == true, reply.header("idempotent-replayed").map(str::to_owned))
        };
        let expected = BTreeMap::from([((true, None), 1), ((false, Some("true".to_owned())), 15)]);
        assert_eq!(count_by(&replies, outcome), expected, "{path}");
    }
    let body = json!({
        "idempotencyKey": "receipt", "delivery": "immediate",
        "entries": [{ "type": "currency", "currencyKey": "gems", "amount": 3 }]
    });
    let replies = at_once(std::slice::from_ref(&api), 16, "players/new/grants", &body).await;
    assert_eq!(count_by(&replies, |reply| reply.status), BTreeMap::from([(200, 15), (201, 1)]));
    assert_eq!(count_by(&replies, |reply| reply.text.clone()).len(), 1, "the same body to all");
    assert_eq!(api.balance("new", "gems").await, Some(3));
    assert_eq!(purser.verified().await, (5, 7));
}

#[tokio::test]
async fn an_idempotency_key_is_remembered_across_a_restart() {
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    let body = json!({ "amount": 5, "idempotencyKey": "receipt" });
    purser.api().credit("p", "gold", body.clone()).await.ok(200);
    purser.api().credit("p", "gold", json!({ "amount": 2 })).await.ok(200);
    purser.stop().await;
    purser.restart().await;
    let api = purser.api_with(&key);
    let replay = api.credit("p", "gold", body).await;
    assert_eq!(
        replay.data(200),
        json!({ "economyKey": "gold", "balance": 5, "applied": false }),
        "the original result"
    );
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    let other = api.credit("p", "gold", json!({ "amount": 6, "idempotencyKey": "receipt" })).await;
    other.error(409, "idempotency_conflict", None);
    assert_eq!(api.balance("p", "gold").await, Some(7));
}

#[tokio::test]
async fn another_request_under_the_same_idempotency_key_is_refused() {
    let purser = Purser::start().await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5, "idempotencyKey": "k", "reason": "iap" })).await.ok(200);
    for (player, currency, body) in [
        ("p", "gold", json!({ "amount": 6, "idempotencyKey": "k", "reason": "iap" })),
        ("p", "gold", json!({ "amount": 5, "idempotencyKey": "k", "reason": "other" })),
        ("p", "gold", json!({ "amount": 5, "idempotencyKey": "k" })),
        ("p", "gold", json!({ "amount": 5, "idempotencyKey": "k", "reason": "iap", "unknown": 1 })),
        ("p", "gems", json!({ "amount": 5, "idempotencyKey": "k", "reason": "iap" })),
        ("someone-else", "gold", json!({ "amount": 5, "idempotencyKey": "k", "reason": "iap" })),
    ] {
        let refused = api.credit(player, currency, body.clone()).await;
        refused.error(409, "idempotency_conflict", None);
    }
    // The same request, spelt differently and with its key in the header.
    let text = r#"{ "reason" : "\u0069ap", "amount": 5.0 }"#;
    let spelt = api.request(Method::POST, "players/p/wallet/gold/credit").header("Idempotency-Key", "k").body(text);
    let replay = Reply::to(spelt).await.unwrap();
    assert_eq!(replay.data(200)["applied"], false);
    assert_eq!(purser.verified().await, (1, 1));
    api.get("players/someone-else").await.error(404, "not_found", None);
}

#[tokio::test]
async fn a_refused_request_uses_up_no_idempotency_key() {
    let purser = Purser::start().await;
    let api = purser.api();
    let debit = json!({ "amount": 7, "idempotencyKey": "k" });
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    let details = api.debit("p", "gold", debit.clone()).await.error(409, "conflict", None);
    assert_eq!(details, json!({ "reason": "insufficient_funds", "current": 5, "required": 7 }));
    let invalid = api.debit("p", "gold", json!({ "amount": -7, "idempotencyKey": "k" })).await;
    invalid.error(400, "validation_failed", Some("KS-4101"));
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    let data = api.debit("p", "gold", debit).await.data(200);
    assert_eq!(data, json!({ "economyKey": "gold", "balance": 3, "applied": true }));
}

#[tokio::test]
async fn one_receipt_id_serves_a_credit_an_item_and_a_grant() {
    let purser = Purser::start().await;
    let api = purser.api();
    let receipt = "receipt-1";
    let credit = api.credit("p", "gold", json!({ "amount": 500, "idempotencyKey": receipt })).await;
    assert_eq!(credit.data(200)["applied"], true);
    let item = json!({ "quantity": 1, "idempotencyKey": receipt });
    let item = api.post("players/p/inventory/sword/grant", &item).await;
    assert_eq!(item.data(200), json!({ "itemKey": "sword", "quantity": 1, "applied": true }));
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 5 }]);
    api.grant("p", json!({ "idempotencyKey": receipt, "entries": entries })).await.ok(201);
    let debit = api.debit("p", "gold", json!({ "amount": 1, "idempotencyKey": receipt })).await;
    assert_eq!(debit.data(200)["applied"], true);
    let revoke = json!({ "quantity": 1, "idempotencyKey": receipt });
    let revoke = api.post("players/p/inventory/sword/revoke", &revoke).await;
    assert_eq!(revoke.data(200)["applied"], true);
}

#[tokio::test]
async fn an_immediate_grant_delivers_all_of_its_entries_or_none() {
    let purser = Purser::start().await;
    let api = purser.api();
    let top: u64 = 9_007_199_254_740_991;
    api.credit("p", "gems", json!({ "amount": top })).await.ok(200);
    let grant = |key: &str, currency: &str| {
        json!({
            "idempotencyKey": key, "delivery": "immediate",
            "entries": [
                { "type": "item", "itemKey": "sword", "quantity": 2 },
                { "type": "currency", "currencyKey": currency, "amount": 5 },
            ]
        })
    };
    let refused = api.grant("p", grant("one", "gems")).await.error(409, "conflict", None);
    assert_eq!((&refused["reason"], &refused["current"]), (&json!("balance_limit"), &json!(top)));
    assert_eq!(api.get("players/p/inventory").await.data(200), json!({ "items": [] }));
    let granted = api.grant("p", grant("one", "gold")).await.data(201);
    assert_eq!(granted["status"], "claimed");
    assert_eq!(api.balance("p", "gold").await, Some(5));
    assert_eq!(api.get("players/p/inventory").await.data(200)["items"][0]["quantity"], 2);
    assert_eq!(purser.verified().await, (3, 3));
}
