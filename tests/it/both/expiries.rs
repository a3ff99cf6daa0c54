//! What is told of the mere passing of time, under a clock that the test moves.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::staged::Staged;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was told so far under that name.
async fn told(stage: &Staged, name: &str) -> Vec<Value> {
    let page = stage.api.get(&format!("events?events={name}&limit=100")).await.ok(200);
    page["data"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect()
}

#[tokio::test]
async fn a_key_is_told_of_thirty_seven_and_one_days_before_it_expires_once_each_and_again_when_it_is_extended() {
    let stage = Staged::start().await;
    stage.subscribe(&["api_key.expiring"]).await;
    let body = json!({ "name": "back end", "permissionSet": "server_integration", "expiresInSeconds": 40 * 86_400 });
    let key = stage.admin(Method::POST, "keys", &body).await.data(201);
    let mut days = Vec::new();
    for _ in 0..41 {
        // Two processes look, and one of them twice.
        for _ in 0..2 {
            stage.tell_expiries().await;
        }
        days.push(told(&stage, "api_key.expiring").await.len());
        stage.advance(DAY);
    }
    assert_eq!(days[9..=10], [0, 1]);
    assert_eq!(days[32..=33], [1, 2]);
    assert_eq!(days[38..=39], [2, 3]);
    assert_eq!(days[40], 3);
    let all = told(&stage, "api_key.expiring").await;
    let remaining: Vec<_> = all.iter().map(|data| data["daysRemaining"].clone()).collect();
    assert_eq!(remaining, [30, 7, 1]);
    assert!(all.iter().all(|data| data["keyId"] == key["id"]));

    let body = json!({ "permissionSet": "server_integration", "expiresInSeconds": 30 * 86_400 });
    let key = stage.admin(Method::POST, "keys", &body).await.data(201);
    stage.tell_expiries().await;
    assert_eq!(told(&stage, "api_key.expiring").await.len(), 4, "exactly thirty days are thirty days");
    stage.advance(DAY);
    let path = format!("keys/{}", key["id"].as_str().unwrap());
    let extended = stage.in_days(60);
    stage.admin(Method::PATCH, &path, &json!({ "expiresAt": extended })).await.ok(200);
    stage.advance(DAY * 29);
    stage.tell_expiries().await;
    assert_eq!(told(&stage, "api_key.expiring").await.len(), 4, "31 days are left");
    stage.advance(DAY);
    stage.tell_expiries().await;
    assert_eq!(told(&stage, "api_key.expiring").await.len(), 5);
    let revoke = format!("{path}/revoke");
    stage.admin(Method::POST, &revoke, &json!({})).await.ok(200);
    stage.advance(DAY * 25);
    stage.tell_expiries().await;
    assert_eq!(told(&stage, "api_key.expiring").await.len(), 5, "a revoked key is not told of");
}

#[tokio::test]
async fn a_grant_that_expires_is_told_of_once_and_one_that_was_claimed_is_not() {
    let stage = Staged::start().await;
    stage.subscribe(&["grant.expired"]).await;
    stage.tell_expiries().await;
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 1 }]);
    let mut grants = Vec::new();
    for number in 0..3 {
        let expires_at = stage.in_days(if number == 2 { 20 } else { 10 });
        let body = json!({ "idempotencyKey": format!("g-{number}"), "entries": entries, "expiresAt": expires_at });
        grants.push(stage.api.grant("p", body).await.data(201)["id"].as_str().unwrap().to_owned());
    }
    stage.api.post(&format!("players/p/grants/{}/ack", grants[0]), &json!({})).await.ok(200);
    stage.advance(DAY * 10 - Duration::from_secs(5));
    stage.tell_expiries().await;
    assert_eq!(told(&stage, "grant.expired").await.len(), 0);
    stage.advance(Duration::from_secs(15));
    for _ in 0..3 {
        stage.tell_expiries().await;
    }
    let all = told(&stage, "grant.expired").await;
    assert_eq!((all.len(), &all[0]["grantId"], &all[0]["status"]), (1, &json!(grants[1]), &json!("expired")));
    assert_eq!(all[0]["externalPlayerId"], "p");
    stage.advance(DAY * 11);
    stage.tell_expiries().await;
    assert_eq!(told(&stage, "grant.expired").await.len(), 2);
}
