//! Budgets: who pays, what a refusal looks like, and that every answer says how the budget stands.

use actix_web::test::TestRequest;
use domain::tenancy::GameId;
use serde_json::json;
use uuid::Uuid;

use super::world::{Key, Reply, Routes, StoreMood, World, administer, administer_as, now, post, request};

const CREDIT: &str = "/server/v1/players/p/wallet/gold/credit";

async fn limited_to(rate_limit: u32) -> Routes {
    World { rate_limit, ..World::default() }.start().await
}

/// What the six headers say: limit, remaining, seconds, and whether the others say the same.
fn stands(reply: &Reply) -> (&str, &str, &str) {
    let said = |name: &str| reply.header(name).unwrap_or_else(|| panic!("{name}: {reply:?}"));
    assert_eq!(
        (said("x-ratelimit-limit"), said("x-ratelimit-remaining")),
        (said("ratelimit-limit"), said("ratelimit-remaining"))
    );
    let at: i64 = said("x-ratelimit-reset").parse().unwrap();
    let now = now().unix_millis() / 1_000;
    let reset: i64 = said("ratelimit-reset").parse().unwrap();
    assert!(now < at && at <= now + reset + 1, "{reply:?}");
    (said("ratelimit-limit"), said("ratelimit-remaining"), said("ratelimit-reset"))
}

fn rows(count: usize) -> String {
    let row = json!({ "externalPlayerId": "p", "economyKey": "gold", "amount": 1 });
    let row = |number: usize| {
        let mut row = row.clone();
        row["idempotencyKey"] = number.to_string().into();
        row
    };
    json!({ "rows": (0..count).map(row).collect::<Vec<_>>() }).to_string()
}

#[actix_web::test]
async fn a_spent_budget_is_refused_with_when_to_come_again_and_nothing_is_done() {
    let routes = limited_to(2).await;
    for remaining in ["1", "0"] {
        let reply = routes.send(post(CREDIT, r#"{"amount":1}"#)).await;
        assert_eq!((reply.status, stands(&reply)), (200, ("2", remaining, "61")));
        assert_eq!(reply.header("retry-after"), None);
    }
    let batches = routes.batches();
    let refused = routes.send(post(CREDIT, r#"{"amount":1}"#)).await;
    assert_eq!((stands(&refused), routes.batches()), (("2", "0", "61"), batches));
    insta::assert_snapshot!("rate_limited", refused.shown());
}

#[actix_web::test]
async fn every_answer_to_an_accepted_key_counts_and_says_how_the_budget_stands() {
    let routes = World { rate_limit: 100, mood: StoreMood::Fails, ..World::default() }.start().await;
    let other_game = GameId(Uuid::from_u128(0x6B));
    let asked = [
        (200, request("GET", "/server/v1/ping")),
        (200, request("HEAD", "/server/v1/ping")),
        (400, post(CREDIT, "{")),
        (413, post(CREDIT, vec![b' '; 1024 * 1024 + 1])),
        (503, post(CREDIT, r#"{"amount":1}"#)),
        // A mock that expects nothing panics when it is asked.
        (500, request("GET", "/server/v1/players/p/wallet")),
        (403, administer_as(Key::Server, other_game, "GET", "keys")),
        (403, administer_as(Key::Admin, other_game, "GET", "keys")),
        (403, request("GET", "/server/v1/ping").insert_header(("X-API-Key", Key::Client.text()))),
        (403, post("/server/v1/migrate/wallet", "{").insert_header(("X-API-Key", Key::Admin.text()))),
        (400, administer("POST", "keys").set_payload("{}")),
        (400, post("/server/v1/migrate/wallet", "{}")),
    ];
    for (number, (status, asked)) in asked.into_iter().enumerate() {
        let reply = routes.send(asked).await;
        assert_eq!((reply.status, stands(&reply).1), (status, &*(99 - number).to_string()), "{reply:?}");
    }
}

#[actix_web::test]
async fn what_needs_no_key_or_has_none_that_is_accepted_is_not_limited() {
    let routes = limited_to(1).await;
    let unlimited = [
        (200, TestRequest::with_uri("/healthz")),
        (200, TestRequest::with_uri("/metrics")),
        (200, TestRequest::with_uri("/openapi.server.json")),
        (404, TestRequest::with_uri("/nowhere")),
        (401, TestRequest::with_uri("/server/v1/ping")),
        (401, TestRequest::with_uri("/server/v1/ping").insert_header(("X-API-Key", Key::Unknown.text()))),
        (401, TestRequest::with_uri("/server/v1/ping").insert_header(("X-API-Key", Key::Revoked.text()))),
    ];
    for (status, asked) in unlimited {
        let reply = routes.send(asked).await;
        assert_eq!((reply.status, reply.header("ratelimit-limit")), (status, None), "{reply:?}");
    }
    assert_eq!(routes.send(request("GET", "/server/v1/ping")).await.status, 200);
    assert_eq!(routes.send(request("GET", "/server/v1/ping")).await.status, 429);
}

#[actix_web::test]
async fn a_limit_of_0_is_none_and_says_nothing() {
    let routes = limited_to(0).await;
    for _ in 0..100 {
        let reply = routes.send(request("GET", "/server/v1/ping")).await;
        assert_eq!((reply.status, reply.header("ratelimit-limit")), (200, None));
    }
}

#[actix_web::test]
async fn an_import_pays_for_its_rows_whole_or_is_refused_whole() {
    const WALLET: &str = "/server/v1/migrate/wallet";
    let routes = limited_to(12).await;
    let reply = routes.send(post(WALLET, rows(901))).await;
    assert_eq!((reply.status, stands(&reply).1), (200, "2"));
    let batches = routes.batches();
    let refused = routes.send(post(WALLET, rows(201))).await;
    assert_eq!((refused.status, stands(&refused).1, routes.batches()), (429, "0", batches));
    let reply = routes.send(post(WALLET, rows(200))).await;
    assert_eq!((reply.status, stands(&reply).1), (200, "0"));
    let refused = routes.send(post(WALLET, "{")).await;
    assert_eq!((refused.status, stands(&refused).1), (429, "0"));
}

#[actix_web::test]
async fn an_import_of_more_than_the_whole_budget_takes_all_of_it() {
    let routes = limited_to(3).await;
    let reply = routes.send(post("/server/v1/migrate/wallet", rows(1_000))).await;
    assert_eq!((reply.status, stands(&reply).1), (200, "0"));
}
