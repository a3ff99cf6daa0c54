//! The writes: what they answer, and that a repeat answers the same without a second effect.

use serde_json::{Value, json};

use super::world::{Reply, Routes, World, post, request};

const CREDIT: &str = "/server/v1/players/p-1/wallet/gold/credit";
const DEBIT: &str = "/server/v1/players/p-1/wallet/gold/debit";
const GRANTS: &str = "/server/v1/players/p-1/grants";

async fn send(routes: &Routes, path: &str, body: Value) -> Reply {
    routes.send(post(path, body.to_string())).await
}

#[actix_web::test]
async fn a_credit_and_a_debit_answer_the_new_balance() {
    let routes = World::default().start().await;
    insta::assert_snapshot!("credit", send(&routes, CREDIT, json!({"amount": 500, "reason": "iap"})).await.shown());
    insta::assert_snapshot!("debit", send(&routes, DEBIT, json!({"amount": 120})).await.shown());
}

#[actix_web::test]
async fn items_are_granted_and_revoked() {
    let routes = World::default().start().await;
    let path = |verb| format!("/server/v1/players/p-1/inventory/iron_key/{verb}");
    insta::assert_snapshot!("grant_item", send(&routes, &path("grant"), json!({"quantity": 3})).await.shown());
    insta::assert_snapshot!("revoke_item", send(&routes, &path("revoke"), json!({"quantity": 1})).await.shown());
}

#[actix_web::test]
async fn a_repeat_has_no_second_effect_and_says_so() {
    let routes = World::default().start().await;
    let body = json!({"amount": 500, "idempotencyKey": "receipt-1"});
    assert_eq!(send(&routes, CREDIT, body.clone()).await.header("idempotent-replayed"), None);
    insta::assert_snapshot!("credit_replayed", send(&routes, CREDIT, body).await.shown());
}

#[actix_web::test]
async fn one_request_may_be_spelt_in_many_ways() {
    let routes = World::default().start().await;
    send(&routes, CREDIT, json!({"amount": 5, "reason": "a", "x": {"b": 1, "a": [2]}, "idempotencyKey": "k"})).await;
    let spellings = [
        r#"{"idempotencyKey":"k","x":{"a":[2],"b":1},"reason":"a","amount":5}"#,
        r#" {"amount":5.0,"reason":"\u0061","x":{"b":1e0,"a":[2.0]},"idempotencyKey":"k"} "#,
        r#"{"amount":50e-1,"reason":"a","sourceRefId":null,"x":{"b":1,"a":[2]},"idempotencyKey":"\u006b"}"#,
    ];
    for spelling in spellings {
        let reply = routes.send(post(CREDIT, spelling)).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, Some("true")), "{spelling}: {reply:?}");
    }
    let by_header = r#"{"amount":5,"reason":"a","x":{"a":[2],"b":1},"idempotencyKey":null}"#;
    let reply = routes.send(post(CREDIT, by_header).insert_header(("Idempotency-Key", "k"))).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, Some("true")), "{reply:?}");
}

#[actix_web::test]
async fn another_request_under_the_same_key_is_a_conflict() {
    let routes = World::default().start().await;
    send(&routes, CREDIT, json!({"amount": 5, "idempotencyKey": "k"})).await;
    let others = [
        (CREDIT, json!({"amount": 6, "idempotencyKey": "k"})),
        (CREDIT, json!({"amount": 5, "reason": "a", "idempotencyKey": "k"})),
        (CREDIT, json!({"amount": 5, "unknown": 1, "idempotencyKey": "k"})),
        ("/server/v1/players/p-2/wallet/gold/credit", json!({"amount": 5, "idempotencyKey": "k"})),
        ("/server/v1/players/p-1/wallet/gem/credit", json!({"amount": 5, "idempotencyKey": "k"})),
    ];
    for (path, body) in others {
        let reply = send(&routes, path, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (409, "idempotency_conflict"), "{reply:?}");
    }
    let elsewhere = send(&routes, DEBIT, json!({"amount": 5, "idempotencyKey": "k"})).await;
    assert_eq!(elsewhere.status, 200, "each operation has keys of its own: {elsewhere:?}");
}

#[actix_web::test]
async fn the_body_field_counts_before_the_header() {
    let routes = World::default().start().await;
    let body = json!({"amount": 5, "idempotencyKey": "field"}).to_string();
    routes.send(post(CREDIT, body.clone()).insert_header(("Idempotency-Key", "header"))).await;
    let again = routes.send(post(CREDIT, body)).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[actix_web::test]
async fn any_content_type_and_unknown_fields_are_accepted() {
    let routes = World::default().start().await;
    for content_type in ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "???"] {
        let asked = post(CREDIT, r#"{"amount":1,"other":[1e400]}"#).insert_header(("Content-Type", content_type));
        assert_eq!(routes.send(asked).await.status, 200, "{content_type}");
    }
}

#[actix_web::test]
async fn a_grant_is_created_once_and_shown_as_it_was() {
    let routes = World::default().start().await;
    let body = json!({
        "idempotencyKey": "receipt-1",
        "entries": [
            {"type": "currency", "currencyKey": "gold", "amount": 500},
            {"type": "item", "itemKey": "potion", "quantity": 2, "parameters": {"roll": 0.5}},
            {"type": "crate", "crateItemKey": "chest", "quantity": 1},
        ],
        "expiresAt": "2026-07-01T00:00:00+02:00",
        "sourceRefId": "receipt-1",
        "metadata": {"campaign": "summer"},
    });
    let created = send(&routes, GRANTS, body.clone()).await;
    insta::assert_snapshot!("grant_created", created.shown());
    let id = created.json()["data"]["id"].as_str().unwrap().to_owned();
    let acked = routes.send(request("POST", &format!("{GRANTS}/{id}/ack"))).await;
    insta::assert_snapshot!("grant_acked", acked.shown());
    let again = send(&routes, GRANTS, body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.body, created.body, "a replay shows the grant as it was created, though it is claimed by now");
    let acked_again = send(&routes, &format!("{GRANTS}/{id}/ack"), json!({"idempotencyKey": "other"})).await;
    assert_eq!(acked_again.body, acked.body);
}

#[actix_web::test]
async fn an_immediate_grant_is_born_claimed_and_in_the_ledger() {
    let routes = World::default().start().await;
    let body = json!({
        "idempotencyKey": "k", "delivery": "immediate", "sourceKind": "admin",
        "entries": [{"type": "currency", "currencyKey": "gold", "amount": 500}],
    });
    insta::assert_snapshot!("grant_immediate", send(&routes, GRANTS, body).await.shown());
    let debited = send(&routes, DEBIT, json!({"amount": 500})).await;
    assert_eq!(debited.json()["data"]["balance"], 0);
}

#[actix_web::test]
async fn a_crate_grant_names_its_one_crate() {
    let routes = World::default().start().await;
    let body = json!({
        "idempotencyKey": "k", "kind": "crate",
        "entries": [{"type": "crate", "crateItemKey": "chest", "quantity": 1}],
    });
    let reply = send(&routes, GRANTS, body).await;
    assert_eq!(reply.json()["data"]["contents"]["crateItemKey"], "chest");
}

#[actix_web::test]
async fn a_grant_born_expired_is_expired_and_so_is_its_replay() {
    let routes = World::default().start().await;
    let body = json!({
        "idempotencyKey": "k", "expiresAt": "2020-01-01T00:00:00Z",
        "entries": [{"type": "currency", "currencyKey": "gold", "amount": 1}],
    });
    let created = send(&routes, GRANTS, body.clone()).await;
    assert_eq!((created.status, &created.json()["data"]["status"]), (201, &json!("expired")));
    assert_eq!(send(&routes, GRANTS, body).await.body, created.body);
    let id = created.json()["data"]["id"].as_str().unwrap().to_owned();
    let acked = routes.send(request("POST", &format!("{GRANTS}/{id}/ack"))).await;
    insta::assert_snapshot!("ack_of_an_expired_grant", acked.shown());
}

#[actix_web::test]
async fn a_grant_that_no_grant_can_be_is_not_found_like_an_unknown_one() {
    let routes = World::default().start().await;
    let unknown = routes.send(request("POST", &format!("{GRANTS}/00000000-0000-7000-8000-000000000000/ack"))).await;
    insta::assert_snapshot!("ack_of_an_unknown_grant", unknown.shown());
    for id in ["x", "%FF", "..", "%00", "not-a-uuid"] {
        let malformed = routes.send(request("POST", &format!("{GRANTS}/{id}/ack"))).await;
        assert_eq!(malformed.shown(), unknown.shown(), "{id}");
    }
}

#[actix_web::test]
async fn player_ids_are_decoded_exactly_once() {
    let routes = World::default().start().await;
    let ids =
        ["a%2Fb", "a%2fb", "a%20b", "a+b", "%F0%9F%A6%80", "..", "%2E%2E", "%2541", "A", "a%3Fb%23c", "%zz", "100%25"];
    for id in ids {
        let path = format!("/server/v1/players/{id}/wallet/gold/credit");
        let reply = send(&routes, &path, json!({"amount": 1})).await;
        assert_eq!(reply.status, 200, "{id}: {reply:?}");
    }
    let balance = |reply: Reply| reply.json()["data"]["balance"].as_i64().unwrap();
    let again = [("a%2Fb", 3), ("..", 3), ("%41", 2), ("%2541", 2), ("a%20b", 2), ("a+b", 2)];
    for (id, expected) in again {
        let path = format!("/server/v1/players/{id}/wallet/gold/credit");
        assert_eq!(balance(send(&routes, &path, json!({"amount": 1})).await), expected, "{id}");
    }
}
