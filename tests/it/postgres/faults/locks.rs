//! Somebody else holds locked what a request needs. The server of the test is not hurt by that, so others may use it too.

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::load::check_unavailable;
use crate::harness::patience::eventually;
use crate::harness::program::Purser;
use crate::postgres::session::Session;

/// How many of our connections wait for a lock.
const WAITING: &str = "SELECT pid::text FROM pg_stat_activity
    WHERE application_name = 'purser' AND datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test]
async fn a_player_who_is_locked_for_longer_than_a_statement_may_run_delays_only_those_in_the_same_lane() {
    const OTHERS: usize = 16;
    let purser = Purser::start_with(&["--lanes", "8"]).await;
    let api = purser.api();
    api.credit("held", "gold", json!({ "amount": 1 })).await.ok(200);
    let holder = Session::open(purser.home().store().url()).await;
    holder.run("BEGIN; SELECT FROM players WHERE external_id = 'held' FOR UPDATE").await;
    let watcher = Session::open(purser.home().store().url()).await;

    let keyed = json!({ "amount": 5, "idempotencyKey": "k" });
    let (held, body) = (api.clone(), keyed.clone());
    let held = tokio::spawn(async move { held.credit("held", "gold", body).await });
    eventually("it waits for the lock", async || (!watcher.texts(WAITING).await.is_empty()).then_some(())).await;
    let mut others = JoinSet::new();
    for player in 0..OTHERS {
        let (api, held) = (api.clone(), held.abort_handle());
        others.spawn(async move {
            api.credit(&format!("p-{player}"), "gold", json!({ "amount": 1 })).await.ok(200);
            // Whether it was there before the one that waits had its answer.
            !held.is_finished()
        });
    }
    let undisturbed = others.join_all().await.into_iter().filter(|before| *before).count();
    assert!(OTHERS / 2 <= undisturbed, "{undisturbed} of {OTHERS} were not held up");
    let refused = held.await.unwrap();
    check_unavailable(&refused);
    assert_eq!(refused.error(503, "unavailable", None), json!(null));

    holder.run("ROLLBACK").await;
    let data = api.credit("held", "gold", keyed).await.data(200);
    assert_eq!(data, json!({ "economyKey": "gold", "balance": 6, "applied": true }), "nothing of it was stored before");
    let accounts = u64::try_from(OTHERS).unwrap() + 1;
    assert_eq!(purser.verified().await, (accounts, accounts + 1));
}

#[tokio::test]
async fn reads_of_a_locked_table_are_answered_503_and_do_not_hang() {
    const READS: usize = 8;
    let purser = Purser::start_with(&["--read-connections", "2"]).await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    let holder = Session::open(purser.home().store().url()).await;
    holder.run("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").await;

    let mut reads = JoinSet::new();
    for _ in 0..READS {
        let api = api.clone();
        reads.spawn(async move { api.get("players/p/wallet").await });
    }
    let replies = reads.join_all().await;
    replies.iter().for_each(check_unavailable);
    let overloaded = replies.iter().filter(|reply| reply.json()["error"]["code"] == "overloaded").count();
    assert!(0 < overloaded && overloaded < READS, "some were read in vain, the others had no connection: {replies:?}");

    holder.run("ROLLBACK").await;
    assert_eq!(api.balance("p", "gold").await, Some(5));
}
