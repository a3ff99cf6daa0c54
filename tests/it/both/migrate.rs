//! A studio moves in from another platform: thousands of rows, some of them bad, some sent twice, none applied twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply};
use crate::harness::patience::eventually;
use crate::harness::program::Purser;

const ROWS_MAX: usize = 1_000;

async fn migrate(api: &Api, kind: &str, rows: &[Value]) -> Reply {
    api.post(&format!("migrate/{kind}"), &json!({ "rows": rows })).await
}

/// How many rows were applied, skipped and failed.
fn counts(reply: &Reply) -> [u64; 3] {
    let data = reply.data(200);
    ["applied", "skipped", "failed"].map(|name| data[name].as_u64().unwrap())
}

fn gold(player: &str, amount: u64, key: &str) -> Value {
    json!({ "externalPlayerId": player, "economyKey": "gold", "amount": amount, "reason": "old", "idempotencyKey": key })
}

/// As many rows as a call takes, over some fewer players, under keys that begin with `name`.
fn full_call(name: &str) -> Vec<Value> {
    (0..ROWS_MAX).map(|number| gold(&format!("p-{}", number % 300), 2, &format!("{name}-{number}"))).collect()
}

#[tokio::test]
async fn bad_rows_are_told_of_and_the_others_are_applied() {
    let purser = Purser::start().await;
    let api = purser.api();
    let top: u64 = 9_007_199_254_740_991;
    let mut rows = vec![
        gold("p", 500, "a"),
        gold("p", 0, "b"),
        gold("p", 500, "a"),
        gold("p", 501, "a"),
        gold("rich", top, "c"),
        gold("rich", 1, "d"),
        json!({ "economyKey": "go ld", "amount": 1.5 }),
        json!([]),
        gold("p", 7, "e"),
    ];
    let reply = migrate(&api, "wallet", &rows).await;
    assert_eq!(counts(&reply), [3, 1, 5]);
    let failures = reply.data(200)["failures"].as_array().unwrap().clone();
    let told = |failure: &Value| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        (failure["rowIndex"].as_u64(), text(&failure["externalPlayerId"]), text(&failure["error"]["code"]))
    };
    let expected = [
        (1, Some("p"), "validation_failed"),
        (3, Some("p"), "idempotency_conflict"),
        (5, Some("rich"), "conflict"),
        (6, None, "validation_failed"),
        (7, None, "validation_failed"),
    ];
    let expected =
        expected.map(|(index, player, code)| (Some(index), player.map(str::to_owned), Some(code.to_owned())));
    assert_eq!(failures.iter().map(told).collect::<Vec<_>>(), expected);
    let message = failures[3]["error"]["message"].as_str().unwrap();
    for field in ["externalPlayerId: is required", "economyKey: ", "amount: ", "idempotencyKey: is required"] {
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(failures[2]["error"]["details"]["reason"], "balance_limit");
    assert_eq!((api.balance("p", "gold").await, api.balance("rich", "gold").await), (Some(507), Some(top)));
    // Whoever mends the bad rows sends all of them again.
    rows[1] = gold("p", 1, "b");
    assert_eq!(counts(&migrate(&api, "wallet", &rows).await), [1, 4, 4]);
    assert_eq!(api.balance("p", "gold").await, Some(508));
    assert_eq!(purser.verified().await, (2, 4));
}

#[tokio::test]
async fn what_was_brought_in_is_in_the_ledger_and_in_the_profile() {
    let purser = Purser::start().await;
    let api = purser.api();
    let context = json!({ "country": "SE", "level": 7, "tags": ["🦀", null, 0.1] });
    let players = [
        json!({ "externalPlayerId": "p", "contextSnapshot": context, "idempotencyKey": "p" }),
        json!({ "externalPlayerId": "plain", "idempotencyKey": "plain" }),
    ];
    assert_eq!(counts(&migrate(&api, "players", &players).await), [2, 0, 0]);
    let parameters = json!({ "roll": 7, "name": "Ærø 🗡" });
    let item = json!({
        "externalPlayerId": "p", "itemKey": "potion", "quantity": 3, "parameters": parameters, "idempotencyKey": "p"
    });
    assert_eq!(counts(&migrate(&api, "inventory", std::slice::from_ref(&item)).await), [1, 0, 0]);
    assert_eq!(counts(&migrate(&api, "wallet", &[gold("p", 500, "p")]).await), [1, 0, 0]);
    assert_eq!(counts(&migrate(&api, "players", &players).await), [0, 2, 0]);
    assert_eq!(counts(&migrate(&api, "inventory", &[item]).await), [0, 1, 0]);

    let profile = api.get("players/p").await.data(200);
    assert_eq!(profile["player"]["lastContextSnapshot"], context);
    assert_eq!((&profile["wallet"][0]["balance"], &profile["inventory"][0]["quantity"]), (&json!(500), &json!(3)));
    let plain = api.get("players/plain").await.data(200);
    assert_eq!((&plain["player"]["lastContextSnapshot"], &plain["wallet"]), (&Value::Null, &json!([])));
    api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    let rows = api.get("players/p/ledger?order=asc").await.data(200);
    let rows = rows.as_array().unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row["origin"].as_str(), row["operation"].as_str())).collect();
    let [migration, server] = [Some("migration"), Some("server")];
    let expected =
        [(migration, Some("migrate.inventory")), (migration, Some("migrate.wallet")), (server, Some("wallet.credit"))];
    assert_eq!(told, expected);
    assert_eq!((&rows[0]["parameters"], &rows[0]["delta"]), (&parameters, &json!(3)));
    assert_eq!((&rows[1]["reason"], rows[1].get("parameters")), (&json!("old"), None));
    assert_eq!(purser.verified().await, (2, 3));
}

#[tokio::test]
async fn a_full_call_is_applied_once_however_often_and_at_once_it_is_sent() {
    let purser = Purser::start().await;
    let api = purser.api();
    let rows = full_call("call");
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let (api, rows) = (api.clone(), rows.clone());
        calls.spawn(async move { counts(&migrate(&api, "wallet", &rows).await) });
    }
    let counted = calls.join_all().await;
    let sum = |index: usize| counted.iter().map(|counts| counts[index]).sum::<u64>();
    assert_eq!([sum(0), sum(1), sum(2)], [1_000, 3_000, 0]);
    assert_eq!(api.balance("p-0", "gold").await, Some(8));
    assert_eq!(purser.verified().await, (300, 1_000));
    let one_more = [rows, vec![gold("p-0", 1, "more")]].concat();
    let refused = migrate(&api, "wallet", &one_more).await.error(400, "validation_failed", Some("KS-4101"));
    assert_eq!(refused["fields"][0]["path"], "rows");
    assert_eq!(counts(&migrate(&api, "wallet", &[]).await), [0, 0, 0]);
    assert_eq!(purser.verified().await, (300, 1_000));
}

#[tokio::test]
async fn calls_that_a_kill_cut_off_are_sent_again_and_double_nothing() {
    const CALLS: usize = 12;
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let (api, acknowledged) = (purser.api_with(&key), Arc::clone(&acknowledged));
        calls.spawn(async move {
            let body = json!({ "rows": full_call(&format!("call-{call}")) });
            let answered = api.try_post("migrate/wallet", &body).await;
            let answered = answered.ok().filter(|reply| reply.status == 200);
            acknowledged.fetch_add(usize::from(answered.is_some()), Ordering::Relaxed);
            answered.map(|_| call)
        });
    }
    eventually("a call is acknowledged", async || (0 < acknowledged.load(Ordering::Relaxed)).then_some(())).await;
    purser.kill().await;
    let acknowledged: Vec<usize> = calls.join_all().await.into_iter().flatten().collect();
    purser.restart().await;
    let api = purser.api_with(&key);
    for call in 0..CALLS {
        let [applied, skipped, failed] = counts(&migrate(&api, "wallet", &full_call(&format!("call-{call}"))).await);
        assert_eq!((applied + skipped, failed), (1_000, 0), "call {call}");
        assert!(!acknowledged.contains(&call) || applied == 0, "call {call} was acknowledged and lost");
    }
    let rows = u64::try_from(CALLS * ROWS_MAX).unwrap();
    assert_eq!(purser.verified().await, (300, rows));
    assert_eq!(api.balance("p-0", "gold").await, Some(2 * 4 * u64::try_from(CALLS).unwrap()));
}

#[tokio::test]
async fn imports_of_one_realm_are_unknown_in_another() {
    let purser = Purser::start().await;
    let (sandbox, live) = (purser.api(), purser.api_of("demo", "live").await);
    let player =
        |level: u64| json!({ "externalPlayerId": "p", "contextSnapshot": { "level": level }, "idempotencyKey": "k" });
    let item = |quantity: u64| json!({ "externalPlayerId": "p", "itemKey": "sword", "quantity": quantity, "idempotencyKey": "k" });
    assert_eq!(counts(&migrate(&sandbox, "players", &[player(1)]).await), [1, 0, 0]);
    live.get("players/p").await.error(404, "not_found", None);
    for (api, amount) in [(&sandbox, 1), (&live, 20)] {
        let again = u64::from(amount == 1);
        assert_eq!(counts(&migrate(api, "players", &[player(amount)]).await), [1 - again, again, 0]);
        assert_eq!(counts(&migrate(api, "wallet", &[gold("p", amount, "k")]).await), [1, 0, 0]);
        assert_eq!(counts(&migrate(api, "inventory", &[item(amount)]).await), [1, 0, 0]);
    }
    for (api, amount) in [(&sandbox, 1), (&live, 20)] {
        let profile = api.get("players/p").await.data(200);
        assert_eq!(profile["player"]["lastContextSnapshot"], json!({ "level": amount }));
        assert_eq!(
            (&profile["wallet"][0]["balance"], &profile["inventory"][0]["quantity"]),
            (&json!(amount), &json!(amount))
        );
        assert_eq!(api.get("players/p/ledger").await.data(200).as_array().map(Vec::len), Some(2));
    }
    assert_eq!(purser.verified().await, (4, 4));
}

#[tokio::test]
async fn a_short_queue_makes_a_long_call_wait_and_not_fail() {
    let purser = Purser::start_with(&["--queue-depth", "1"]).await;
    let rows = full_call("call");
    assert_eq!(counts(&migrate(&purser.api(), "wallet", &rows[..200]).await), [200, 0, 0]);
    assert_eq!(purser.verified().await, (200, 200));
}
