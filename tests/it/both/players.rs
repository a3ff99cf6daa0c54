//! What happens to players: banned and forgiven, merged, erased, exported; and who did it, in the audit log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply};
use crate::harness::program::Purser;

async fn act(api: &Api, player: &str, verb: &str) -> Reply {
    api.post(&format!("players/{player}/{verb}"), &json!({})).await
}

async fn merge(api: &Api, source: &str, target: &str) -> Reply {
    act(api, source, &format!("merge-into/{target}")).await
}

/// The audit log of the demo game, newest first.
async fn audit_log(purser: &Purser) -> Vec<Value> {
    let issued = purser.issue("demo", "sandbox", "admin").await;
    let game = purser.api().get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
    let key = issued["key"].as_str().unwrap();
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/admin/v1/games/{game}/audit?limit=3{after}");
        let request = purser.api().bare(Method::GET, &path).header("X-API-Key", key);
        let page = Reply::to(request).await.unwrap().ok(200);
        rows.extend_from_slice(page["data"].as_array().unwrap());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            // Keys are issued by the way.
            None => {
                rows.retain(|row| !row["action"].as_str().unwrap().starts_with("key."));
                return rows;
            }
        }
    }
}

#[tokio::test]
async fn a_ban_is_imposed_once_refreshed_and_lifted() {
    let purser = Purser::start().await;
    let api = purser.api();
    api.post("players/p/ban", &json!({ "reason": "r" })).await.error(404, "not_found", None);
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    let first = api.post("players/p/ban", &json!({ "reason": "speed hack" })).await.data(200);
    assert_eq!((&first["applied"], &first["reason"]), (&json!(true), &json!("speed hack")));
    let again = api.post("players/p/ban", &json!({ "reason": "aim bot" })).await.data(200);
    assert_eq!((&again["applied"], &again["bannedAt"]), (&json!(false), &first["bannedAt"]));
    let shown = api.get("players/p").await.data(200)["player"].clone();
    assert_eq!((&shown["bannedAt"], &shown["banReason"]), (&first["bannedAt"], &json!("aim bot")));
    // The studio's own calls still work.
    api.debit("p", "gold", json!({ "amount": 2 })).await.ok(200);
    assert_eq!(act(&api, "p", "unban").await.data(200)["applied"], true);
    assert_eq!(act(&api, "p", "unban").await.data(200)["applied"], false);
    let shown = api.get("players/p").await.data(200)["player"].clone();
    assert_eq!((&shown["bannedAt"], &shown["banReason"]), (&Value::Null, &Value::Null));
    let log = audit_log(&purser).await;
    let told: Vec<_> = log.iter().map(|row| (row["action"].as_str().unwrap(), row["reason"].as_str())).collect();
    assert_eq!(told, [("player.unban", None), ("player.ban", Some("aim bot")), ("player.ban", Some("speed hack"))]);
    for row in &log {
        assert_eq!(row["externalPlayerId"], "p");
        assert!(purser.key().starts_with(row["actor"].as_str().unwrap().strip_prefix("api_key:").unwrap()), "{row}");
    }
}

#[tokio::test]
async fn a_merge_moves_everything_and_pays_nothing_twice() {
    let purser = Purser::start().await;
    let api = purser.api();
    let paid = json!({ "amount": 100, "idempotencyKey": "receipt-1" });
    api.credit("guest", "gold", paid.clone()).await.ok(200);
    api.credit("guest", "gems", json!({ "amount": 3 })).await.ok(200);
    api.post("players/guest/inventory/sword/grant", &json!({ "quantity": 2 })).await.ok(200);
    api.credit("p", "gold", json!({ "amount": 50 })).await.ok(200);
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 1 }]);
    let grant = api.grant("guest", json!({ "idempotencyKey": "g", "entries": entries })).await.data(201);
    merge(&api, "guest", "nobody").await.error(404, "not_found", None);
    merge(&api, "nobody", "p").await.error(404, "not_found", None);
    merge(&api, "p", "p").await.error(422, "conflict", None);

    let path = "players/guest/merge-into/p";
    let merged = api.post(path, &json!({ "idempotencyKey": "m-1" })).await.data(200);
    let counts = json!({
        "attemptsReassigned": 0, "grantsReassigned": 1, "itemsMerged": 1, "itemLedgerRowsMoved": 1,
        "walletsMerged": 2, "walletLedgerRowsMoved": 2, "lobbiesTouched": 0, "leaderboardsScrubbed": 0,
    });
    assert_eq!((&merged["status"], &merged["counts"]), (&json!("merged"), &counts));
    assert_eq!((api.balance("p", "gold").await, api.balance("p", "gems").await), (Some(150), Some(3)));
    api.get("players/guest").await.error(404, "not_found", None);
    let history = api.all("players/p/ledger?kind=wallet&key=gold&order=asc&limit=2").await;
    let deltas: Vec<_> = history.iter().map(|row| row["delta"].as_i64().unwrap()).collect();
    assert_eq!(deltas, [100, 50, -100, 100]);
    assert!(history.iter().skip(2).all(|row| row["operation"] == "player.merge"), "{history:?}");

    // Late repeats: of the payment, of the grant, of the merge itself.
    let late = api.credit("guest", "gold", paid).await.data(200);
    assert_eq!(late, json!({ "economyKey": "gold", "balance": 100, "applied": false }));
    let ack = api.post(&format!("players/p/grants/{}/ack", grant["id"].as_str().unwrap()), &json!({})).await;
    assert_eq!(ack.data(200)["status"], "claimed");
    let repeated = merge(&api, "guest", "p").await.data(200);
    assert_eq!((&repeated["status"], &repeated["toPlayerId"]), (&json!("no_op_already_merged"), &merged["toPlayerId"]));

    // The freed id becomes somebody else: a repeat of the first merge spares them, a new merge does not.
    api.credit("guest", "gold", json!({ "amount": 7 })).await.ok(200);
    let repeated = api.post(path, &json!({ "idempotencyKey": "m-1" })).await.data(200);
    assert_eq!(repeated["status"], "no_op_already_merged");
    assert_eq!(api.balance("guest", "gold").await, Some(7));
    let second = api.post(path, &json!({ "idempotencyKey": "m-2" })).await.data(200);
    assert_eq!(second["status"], "merged");
    assert_ne!(second["fromPlayerId"], merged["fromPlayerId"]);
    assert_eq!(api.balance("p", "gold").await, Some(157));
    purser.verified().await;
    let log = audit_log(&purser).await;
    assert_eq!(log.iter().filter(|row| row["action"] == "player.merge").count(), 2);
    assert_eq!((&log[0]["toExternalPlayerId"], &log[0]["playerId"]), (&json!("p"), &second["fromPlayerId"]));
}

#[tokio::test]
async fn what_cannot_be_merged_is_refused_before_anything_moves() {
    let purser = Purser::start().await;
    let api = purser.api();
    let top: u64 = 9_007_199_254_740_991;
    api.credit("a", "gems", json!({ "amount": 1 })).await.ok(200);
    api.credit("a", "gold", json!({ "amount": 1 })).await.ok(200);
    api.credit("b", "gold", json!({ "amount": top })).await.ok(200);
    let refused = merge(&api, "a", "b").await;
    refused.error(422, "conflict", None);
    let details = serde_json::from_str::<Value>(&refused.text).unwrap()["error"]["details"].clone();
    assert_eq!((&details["reason"], &details["key"]), (&json!("balance_limit"), &json!("gold")));
    assert_eq!((api.balance("a", "gems").await, api.balance("b", "gold").await), (Some(1), Some(top)));
    api.credit("banned", "gold", json!({ "amount": 1 })).await.ok(200);
    api.post("players/banned/ban", &json!({ "reason": "r" })).await.ok(200);
    merge(&api, "a", "banned").await.error(422, "conflict", None);
    api.credit("gone", "gold", json!({ "amount": 1 })).await.ok(200);
    act(&api, "gone", "delete").await.ok(200);
    merge(&api, "a", "gone").await.error(422, "conflict", None);
    // A banned source is no reason against it, and its ban is not carried over.
    assert_eq!(merge(&api, "banned", "a").await.data(200)["status"], "merged");
    assert_eq!(api.get("players/a").await.data(200)["player"]["bannedAt"], Value::Null);
    assert_eq!(api.balance("a", "gold").await, Some(2));
    purser.verified().await;
}

#[tokio::test]
async fn credits_to_both_players_during_merges_are_neither_lost_nor_doubled() {
    let purser = Purser::start().await;
    let api = purser.api();
    let paid = Arc::new(AtomicU64::new(0));
    api.credit("target", "gold", json!({ "amount": 1 })).await.ok(200);
    let mut payers = JoinSet::new();
    for payer in 0..4 {
        let (api, paid) = (api.clone(), Arc::clone(&paid));
        payers.spawn(async move {
            for number in 0..60 {
                let player = if (payer + number) % 2 == 0 { "source" } else { "target" };
                let body = json!({ "amount": 1, "idempotencyKey": format!("k-{payer}-{number}") });
                // Twice each: whichever player the repeat finds, the first one counts.
                for _ in 0..2 {
                    let answer = api.credit(player, "gold", body.clone()).await.data(200);
                    paid.fetch_add(u64::from(answer["applied"] == true), Ordering::Relaxed);
                }
            }
        });
    }
    let mut merges = 0;
    while !payers.is_empty() {
        let merged = merge(&api, "source", "target").await;
        merges += u64::from(merged.status == 200 && merged.data(200)["status"] == "merged");
        while payers.try_join_next().is_some_and(|ended| ended.is_ok()) {}
    }
    merge(&api, "source", "target").await;
    assert!(1 < merges, "{merges} merges happened meanwhile");
    assert_eq!(paid.load(Ordering::Relaxed), 240);
    assert_eq!(api.balance("target", "gold").await, Some(241));
    let ledger = api.all("players/target/ledger?limit=100").await;
    assert_eq!(ledger.iter().map(|row| row["delta"].as_i64().unwrap()).sum::<i64>(), 241);
    purser.verified().await;
}

#[tokio::test]
async fn a_kill_among_merges_and_erasures_leaves_nothing_half_done() {
    const ROUNDS: u64 = 4;
    let mut purser = Purser::start().await;
    let mut paid = 0;
    for round in 0..ROUNDS {
        let api = purser.api();
        // Pairs of players who hold the same and different things, to be merged, and every other target to be erased.
        for pair in 0..30 {
            for (player, currency) in [("source", "gold"), ("source", "gems"), ("target", "gold")] {
                let player = format!("{player}-{round}-{pair}");
                api.credit(&player, currency, json!({ "amount": 1, "reason": "r" })).await.ok(200);
                paid += 1;
            }
        }
        let mut lives = JoinSet::new();
        for pair in 0..30 {
            let api = api.clone();
            lives.spawn(async move {
                let path = format!("players/source-{round}-{pair}/merge-into/target-{round}-{pair}");
                let merged =
                    api.try_post(&path, &json!({ "idempotencyKey": "m" })).await.is_ok_and(|it| it.status == 200);
                let path = format!("players/target-{round}-{pair}/delete");
                if pair % 2 == 0 {
                    drop(api.try_post(&path, &json!({ "idempotencyKey": "d" })).await);
                }
                (pair, merged)
            });
        }
        let first = lives.join_next().await.expect("there are some").unwrap();
        purser.kill().await;
        let mut answered = lives.join_all().await;
        answered.push(first);
        purser.restart().await;
        let api = purser.api();
        for (pair, merged) in answered {
            let path = format!("players/source-{round}-{pair}/merge-into/target-{round}-{pair}");
            let repeated = api.post(&path, &json!({ "idempotencyKey": "m" })).await.data(200);
            let first_time = repeated["status"] == "merged";
            assert!(!(merged && first_time), "what was answered is kept: {repeated}");
            let counts = [&repeated["counts"]["walletsMerged"], &repeated["counts"]["walletLedgerRowsMoved"]];
            let expected = if first_time { 2 } else { 0 };
            assert_eq!(counts, [&json!(expected), &json!(expected)], "all of it or nothing: {repeated}");
            if pair % 2 == 1 {
                let target = format!("target-{round}-{pair}");
                assert_eq!(
                    (api.balance(&target, "gold").await, api.balance(&target, "gems").await),
                    (Some(2), Some(1))
                );
            }
        }
        // Of each pair an account of gold that is closed, the other one, and the gems; and the pair of entries.
        let entries = paid + 2 * 30 * (round + 1);
        assert_eq!(purser.verified().await, (3 * 30 * (round + 1), entries));
    }
}

#[tokio::test]
async fn an_erased_player_leaves_the_books_and_nothing_else() {
    let mut purser = Purser::start().await;
    let api = purser.api();
    let delete = |body: Value| {
        let api = api.clone();
        async move { api.post("players/ada%40example.org/delete", &body).await.data(200) }
    };
    let never = delete(json!({})).await;
    assert_eq!((&never["status"], &never["playerId"]), (&json!("no_op_never_existed"), &Value::Null));
    let paid = json!({ "amount": 9, "reason": "for Ada", "sourceRefId": "ada-7", "idempotencyKey": "k" });
    api.credit("ada%40example.org", "gold", paid.clone()).await.ok(200);
    api.post("players/ada%40example.org/ban", &json!({ "reason": "Ada cheats" })).await.ok(200);
    let erased = delete(json!({ "reason": "studio_request", "idempotencyKey": "d-1" })).await;
    assert_eq!(erased["status"], "erased");
    let placeholder = format!("__deleted_{}__", erased["playerId"].as_str().unwrap());
    assert_eq!(erased["anonymizedExternalId"].as_str(), Some(placeholder.as_str()));
    api.get("players/ada%40example.org").await.error(404, "not_found", None);
    let again = delete(json!({})).await;
    assert_eq!((&again["status"], &again["deletedAt"]), (&json!("no_op_already_erased"), &erased["deletedAt"]));
    let log = audit_log(&purser).await;
    assert_eq!((&log[0]["action"], &log[0]["reason"]), (&json!("player.delete"), &json!("studio_request")));
    assert_eq!((&log[1]["action"], &log[1]["reason"]), (&json!("player.ban"), &Value::Null));
    let said = format!("{log:?}");
    assert!(!said.contains("ada@") && !said.contains("Ada "), "{said}");

    // The books are whole, also for a late repeat; the id starts fresh, also after a restart.
    assert_eq!(purser.verified().await, (1, 1));
    purser.kill().await;
    purser.restart().await;
    let api = purser.api();
    assert_eq!(api.credit("ada%40example.org", "gold", paid).await.data(200)["applied"], false);
    let fresh = api.credit("ada%40example.org", "gold", json!({ "amount": 1 })).await.data(200);
    assert_eq!(fresh["balance"], 1);
    let path = "players/ada%40example.org/delete";
    let repeated = api.post(path, &json!({ "idempotencyKey": "d-1" })).await.data(200);
    assert_eq!(repeated["status"], "no_op_already_erased");
    assert_eq!(api.balance("ada%40example.org", "gold").await, Some(1));
    assert_eq!(api.post(path, &json!({})).await.data(200)["status"], "erased");
}

#[tokio::test]
async fn players_of_another_realm_cannot_be_reached() {
    let purser = Purser::start().await;
    let (api, other) = (purser.api(), purser.api_of("demo", "live").await);
    for player in ["p", "q"] {
        api.credit(player, "gold", json!({ "amount": 5 })).await.ok(200);
    }
    other.post("players/p/ban", &json!({ "reason": "r" })).await.error(404, "not_found", None);
    act(&other, "p", "unban").await.error(404, "not_found", None);
    merge(&other, "p", "q").await.error(404, "not_found", None);
    assert_eq!(act(&other, "p", "delete").await.data(200)["status"], "no_op_never_existed");
    other.get("players/p/export").await.error(404, "not_found", None);
    other.get("players/p/export?format=ndjson").await.error(404, "not_found", None);
    assert_eq!(audit_log(&purser).await, Vec::<Value>::new());
    assert_eq!(api.balance("p", "gold").await, Some(5));
}

#[tokio::test]
async fn a_server_with_another_secret_is_refused_unless_told_that_the_first_is_lost() {
    let mut purser = Purser::start().await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    act(&api, "p", "delete").await.ok(200);
    purser.stop().await;
    let other = "ab".repeat(32);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let home = purser.home();
    let bad = home.run_with(&serve, &[("PURSER_SECRET", "abc")]).await;
    assert!(bad.refused(1).contains("64 hexadecimal digits"), "{bad:?}");
    let refused = home.run_with(&serve, &[("PURSER_SECRET", other.as_str())]).await;
    assert!(refused.refused(1).contains("another secret"), "{refused:?}");
    assert!(!refused.err.contains(&other), "{refused:?}");
    purser.restart().await;
    assert_eq!(act(&purser.api(), "p", "delete").await.data(200)["status"], "no_op_already_erased");
    purser.stop().await;
    let taken = Purser::start_in(Arc::clone(purser.home()), &["--accept-new-secret", "--secret", &other]).await;
    assert_eq!(act(&taken.api_with(purser.key()), "p", "delete").await.data(200)["status"], "no_op_never_existed");
}
