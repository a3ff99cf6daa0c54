//! Budgets of calls: what passes, what is refused and how, and that a refused call has done nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Api, Reply, at_once};
use crate::harness::patience::{KEY_SEEN_WITHIN, eventually, within};
use crate::harness::program::Purser;
use crate::harness::staged::Staged;

/// What the headers say: limit and remaining. The others must agree with them.
fn stands(reply: &Reply) -> (u32, u32) {
    let number = |name: &str| -> u64 {
        let said = reply.header(name).unwrap_or_else(|| panic!("{name}: {reply:?}"));
        said.parse().unwrap_or_else(|_| panic!("{name} is a whole number: {reply:?}"))
    };
    let (limit, remaining) = (number("ratelimit-limit"), number("ratelimit-remaining"));
    assert_eq!((number("x-ratelimit-limit"), number("x-ratelimit-remaining")), (limit, remaining));
    assert!((1..=61).contains(&number("ratelimit-reset")), "{reply:?}");
    let date = reply.header("date").expect("every answer has a date");
    assert!(0 < number("x-ratelimit-reset"), "{date}: {reply:?}");
    (u32::try_from(limit).unwrap(), u32::try_from(remaining).unwrap())
}

/// Checks a refusal by a limit of `limit`; after how many seconds to come again.
fn refused(reply: &Reply, limit: u32) -> u64 {
    let details = reply.error(429, "rate_limited", Some("KS-4292"));
    assert_eq!(stands(reply), (limit, 0));
    let retry_after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&retry_after), "{reply:?}");
    let expected = json!({
        "reason": "rate_limited", "bucket": "server_api", "limit": limit, "retryAfterSeconds": retry_after
    });
    assert_eq!(details, expected);
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&limit.to_string()) && message.contains(&retry_after.to_string()), "{message}");
    retry_after
}

async fn start(limit: &str) -> Purser {
    Purser::start_with(&["--rate-limit-server-api", limit]).await
}

/// Of a key that may not be limited, as the one that looks after the others.
async fn unlimited(purser: &Purser, permissions: &str) -> Api {
    let realm = ["keys", "issue", "--studio", "demo", "--game", "demo", "--env", "sandbox", "--json"];
    let issued = purser.must_json(&[&realm[..], &["--permissions", permissions, "--rate-limit", "0"]].concat()).await;
    purser.api_with(issued["key"].as_str().unwrap())
}

#[tokio::test]
async fn a_spent_budget_is_refused_and_nothing_is_done() {
    let purser = start("5").await;
    let api = purser.api();
    for remaining in (0..5).rev() {
        let reply = api.credit("p", "gold", json!({ "amount": 1 })).await;
        reply.ok(200);
        assert_eq!(stands(&reply), (5, remaining));
        assert_eq!(reply.header("retry-after"), None);
    }
    for _ in 0..3 {
        refused(&api.credit("p", "gold", json!({ "amount": 1 })).await, 5);
        refused(&api.get("ping").await, 5);
    }
    assert_eq!(unlimited(&purser, "server_integration").await.balance("p", "gold").await, Some(5));
    assert_eq!(purser.verified().await, (1, 5));
    let metrics = Reply::to(api.bare(Method::GET, "/metrics")).await.unwrap();
    assert!(metrics.text.contains(r#"purser_rate_limited_total{bucket="server_api"} 6"#), "{}", metrics.text);
}

#[tokio::test]
async fn who_waits_as_told_is_let_in_again_and_nobody_sooner() {
    let staged = Staged::limited_to(3).await;
    for _ in 0..3 {
        staged.api.get("ping").await.ok(200);
    }
    let retry_after = refused(&staged.api.get("ping").await, 3);
    staged.advance(Duration::from_secs(retry_after - 2));
    refused(&staged.api.get("ping").await, 3);
    staged.advance(Duration::from_secs(2));
    staged.api.get("ping").await.ok(200);
}

#[tokio::test]
async fn every_answer_to_a_good_key_says_how_the_budget_stands_and_others_do_not() {
    let purser = start("100").await;
    let api = purser.api();
    let over = json!({ "amount": 5, "idempotencyKey": "once" });
    api.credit("p", "gold", over.clone()).await.ok(200);
    let asked = [
        (200, api.request(Method::POST, "players/p/wallet/gold/credit").json(&over)),
        (409, api.request(Method::POST, "players/p/wallet/gold/debit").json(&json!({ "amount": 6 }))),
        (400, api.request(Method::POST, "players/p/wallet/gold/credit").body("{")),
        (400, api.request(Method::POST, "migrate/wallet").body("{")),
        (404, api.request(Method::GET, "players/nobody")),
        (403, api.keyed(Method::GET, "/admin/v1/games/00000000-0000-0000-0000-000000000000/keys")),
        (200, api.request(Method::HEAD, "ping")),
    ];
    for (number, (status, asked)) in asked.into_iter().enumerate() {
        let reply = Reply::to(asked).await.unwrap();
        assert_eq!((reply.status, stands(&reply)), (status, (100, 98 - u32::try_from(number).unwrap())), "{reply:?}");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/nowhere", "/server/v1/ping"] {
        let reply = Reply::to(api.bare(Method::GET, path)).await.unwrap();
        assert!(reply.headers.keys().all(|name| !name.as_str().contains("ratelimit")), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn an_import_pays_for_its_rows_and_is_refused_whole() {
    let purser = start("12").await;
    let api = purser.api();
    let rows = |player: &str, count: usize| {
        let row = |number| json!({ "externalPlayerId": player, "economyKey": "gold", "amount": 1, "idempotencyKey": format!("{player}{number}") });
        json!({ "rows": (0..count).map(row).collect::<Vec<_>>() })
    };
    let reply = api.post("migrate/wallet", &rows("one", 1_000)).await;
    assert_eq!((reply.data(200)["applied"].take(), stands(&reply)), (json!(1_000), (12, 2)));
    refused(&api.post("migrate/wallet", &rows("two", 201)).await, 12);
    let reply = api.post("migrate/wallet", &rows("three", 101)).await;
    assert_eq!((reply.data(200)["applied"].take(), stands(&reply)), (json!(101), (12, 0)));
    let looking = unlimited(&purser, "server_integration").await;
    assert_eq!(looking.get("players/two").await.status, 404, "not one row");
    assert_eq!(looking.balance("three", "gold").await, Some(101));
}

#[tokio::test]
async fn of_many_at_once_exactly_as_many_pass_as_there_is_budget() {
    let purser = start("30").await;
    let replies = at_once(&[purser.api()], 100, "players/p/wallet/gold/credit", &json!({ "amount": 1 })).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 30);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        refused(reply, 30);
    }
    assert_eq!(unlimited(&purser, "server_integration").await.balance("p", "gold").await, Some(30));
}

#[tokio::test]
async fn a_key_has_the_limit_that_it_was_given_and_its_successor_has_the_same() {
    let purser = start("1000").await;
    let admin = unlimited(&purser, "admin").await;
    let game = purser.api().get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
    let keys = format!("/admin/v1/games/{game}/keys");
    let send = async |method: Method, below: &str, body: Value| {
        Reply::to(admin.keyed(method, &format!("{keys}{below}")).json(&body)).await.unwrap()
    };
    let body = json!({ "permissionSet": "server_integration", "rateLimits": { "serverApiPerMinute": 2 } });
    let issued = send(Method::POST, "", body).await.data(201);
    assert_eq!(issued["rateLimits"], json!({ "serverApiPerMinute": 2 }));
    let id = issued["id"].as_str().unwrap();
    let api = purser.api_with(issued["key"].as_str().unwrap());
    for _ in 0..2 {
        api.get("ping").await.ok(200);
    }
    refused(&api.get("ping").await, 2);

    let rotated = send(Method::POST, &format!("/{id}/rotate"), json!({})).await.data(201);
    let successor = purser.api_with(rotated["key"].as_str().unwrap());
    assert_eq!(stands(&successor.get("ping").await), (2, 1));

    let change = async |limit: Value| {
        let body = json!({ "rateLimits": { "serverApiPerMinute": limit } });
        send(Method::PATCH, &format!("/{id}"), body).await.data(200)["rateLimits"]["serverApiPerMinute"].clone()
    };
    assert_eq!(change(json!(50)).await, 50);
    assert_eq!(stands(&api.get("ping").await), (50, 47));
    assert_eq!(change(Value::Null).await, Value::Null);
    assert_eq!(stands(&api.get("ping").await), (1_000, 996));
    assert_eq!(change(json!(0)).await, 0);
    assert_eq!(api.get("ping").await.header("ratelimit-limit"), None);
    send(Method::PATCH, &format!("/{id}"), json!({ "rateLimits": { "serverApiPerMinute": -1 } })).await.error(
        400,
        "validation_failed",
        Some("KS-4101"),
    );
}

#[tokio::test]
async fn a_limit_that_another_process_changes_is_seen_within_seconds() {
    let purser = start("1000").await;
    let issued = purser.issue("demo", "sandbox", "server_integration").await;
    let (id, api) = (issued["id"].as_str().unwrap(), purser.api_with(issued["key"].as_str().unwrap()));
    assert_eq!(stands(&api.get("ping").await).0, 1_000);
    for (limit, stored, seen) in
        [("7", json!(7), Some("7")), ("0", json!(0), None), ("default", Value::Null, Some("1000"))]
    {
        let changed = purser.must_json(&["keys", "change", id, "--rate-limit", limit, "--json"]).await;
        assert_eq!(changed["rateLimits"]["serverApiPerMinute"], stored);
        within(KEY_SEEN_WITHIN, "the limit is seen", async || {
            (api.get("ping").await.header("ratelimit-limit") == seen).then_some(())
        })
        .await;
    }
    purser.run(&["keys", "change", id, "--rate-limit", "many"]).await.refused(2);
}

#[tokio::test]
async fn while_redis_is_away_calls_are_limited_by_the_server_alone() {
    let mut redis = testcluster::redis();
    let purser = Purser::start_with(&["--rate-limit-server-api", "20", "--redis-url", &redis.url()]).await;
    let api = purser.api();
    let fallback = async |expected: &str| {
        let metrics = Reply::to(api.bare(Method::GET, "/metrics")).await.unwrap().text;
        metrics.contains(&format!("purser_rate_limiter_fallback {expected}")).then_some(())
    };
    let credit = async || api.credit("p", "gold", json!({ "amount": 1 })).await;
    for remaining in [19, 18] {
        assert_eq!(stands(&credit().await), (20, remaining));
    }
    fallback("0").await.expect("Redis is there");
    redis.kill();
    for remaining in (0..18).rev() {
        let reply = credit().await;
        reply.ok(200);
        assert_eq!(stands(&reply), (20, remaining), "what was spent before counts");
    }
    refused(&credit().await, 20);
    fallback("1").await.expect("Redis is away");

    redis.start_again().unwrap();
    eventually("Redis is used again", async || fallback("0").await).await;
    assert_eq!(stands(&credit().await), (20, 19), "it has forgotten");
    assert_eq!(purser.verified().await, (1, 21));
}

#[tokio::test]
async fn a_redis_that_is_not_there_keeps_no_server_from_starting() {
    let mut redis = testcluster::redis();
    redis.kill();
    let mut purser = Purser::start_with(&["--rate-limit-server-api", "2", "--redis-url", &redis.url()]).await;
    let api = purser.api();
    for _ in 0..2 {
        api.get("ping").await.ok(200);
    }
    refused(&api.get("ping").await, 2);
    let ended = purser.stop().await;
    let warnings: Vec<&str> = ended.err.lines().filter(|line| line.contains("Redis is away")).collect();
    assert_eq!(warnings.len(), 1, "{ended:?}");
    assert!(!ended.err.contains(redis.password()) && !ended.out.contains(redis.password()), "{ended:?}");
}
