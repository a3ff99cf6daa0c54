//! Several servers on one database are as good as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::api::{Api, at_once};
use crate::harness::load::{Load, check_books};
use crate::harness::patience::{KEY_SEEN_WITHIN, eventually, within};
use crate::harness::program::Purser;

const CONNECTIONS: usize = 16;

/// Two servers on an empty database, and a client of each.
async fn two() -> ([Purser; 2], [Api; 2]) {
    let first = Purser::start().await;
    let second = Purser::start_in(Arc::clone(first.home()), &[]).await;
    let apis = [first.api(), second.api_with(first.key())];
    ([first, second], apis)
}

#[tokio::test]
async fn an_idempotency_key_sent_to_both_servers_at_once_settles_once() {
    let ([purser, _other], apis) = two().await;
    for number in 0..30 {
        let path = format!("players/p-{}/wallet/gold/credit", number % 3);
        let body = json!({ "amount": 5, "idempotencyKey": format!("k-{number}") });
        let replies = at_once(&apis, 8, &path, &body).await;
        let applied = replies.iter().filter(|reply| reply.data(200)["applied"] == true).count();
        assert_eq!(applied, 1, "{replies:?}");
        let balances: Vec<_> = replies.iter().map(|reply| reply.data(200)["balance"].clone()).collect();
        assert_eq!(balances, vec![json!(5 * (number / 3 + 1)); 8], "the same answer to all");
    }
    let body = json!({
        "idempotencyKey": "receipt", "delivery": "immediate",
        "entries": [{ "type": "currency", "currencyKey": "gems", "amount": 3 }]
    });
    let replies = at_once(&apis, 8, "players/new/grants", &body).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1, "{replies:?}");
    assert!(replies.iter().all(|reply| reply.text == replies[0].text), "the same body to all: {replies:?}");
    assert_eq!(purser.verified().await, (4, 31));
}

#[tokio::test]
async fn sixty_four_debits_of_7_over_both_servers_at_once_on_100_leave_2() {
    let ([purser, _other], apis) = two().await;
    apis[0].credit("p", "gold", json!({ "amount": 100 })).await.ok(200);
    let replies = at_once(&apis, 64, "players/p/wallet/gold/debit", &json!({ "amount": 7 })).await;
    let mut balances = Vec::new();
    for reply in &replies {
        if reply.status == 200 {
            balances.push(reply.data(200)["balance"].as_u64().unwrap());
        } else {
            let details = reply.error(409, "conflict", None);
            assert_eq!(details, json!({ "reason": "insufficient_funds", "current": 2, "required": 7 }));
        }
    }
    balances.sort_unstable();
    assert_eq!(balances, (0..14).map(|debits| 2 + 7 * debits).collect::<Vec<u64>>());
    for api in &apis {
        assert_eq!(api.balance("p", "gold").await, Some(2));
    }
    assert_eq!(purser.verified().await, (1, 15));
}

#[tokio::test]
async fn what_both_servers_write_for_the_same_players_is_in_the_books_once_and_without_gaps() {
    let ([purser, _other], apis) = two().await;
    let load = Load::start(&apis, CONNECTIONS, "load");
    load.acknowledged(600).await;
    let sent = load.stop().await;
    assert_eq!((sent.refused, sent.broken), (0, 0));
    for api in &apis {
        sent.repeat(api).await;
        assert_eq!(purser.verified().await, check_books(api, &sent).await);
    }
}

#[tokio::test]
async fn one_of_two_servers_is_killed_and_the_other_goes_on_with_nothing_lost_or_doubled() {
    let ([mut killed, other], apis) = two().await;
    let load = Load::start(&apis, CONNECTIONS, "load");
    load.acknowledged(300).await;
    killed.kill().await;
    load.goes_on(300).await;
    let sent = load.stop().await;
    assert_ne!(sent.broken, 0, "it was killed under load");
    assert_eq!(sent.refused, 0, "the other one is not disturbed");
    let api = &apis[1];
    sent.repeat(api).await;
    assert_eq!(other.verified().await, check_books(api, &sent).await);
}

#[tokio::test]
async fn a_key_that_is_revoked_is_refused_by_every_server_within_five_seconds() {
    let ([first, second], apis) = two().await;
    let issued = first.issue("demo", "sandbox", "server_integration").await;
    let key = issued["key"].as_str().unwrap();
    let revoked = [first.api_with(key), second.api_with(key)];
    for api in &revoked {
        api.get("ping").await.ok(200);
    }
    first.must(&["keys", "revoke", issued["id"].as_str().unwrap()]).await;
    within(KEY_SEEN_WITHIN, "both servers refuse the key", async || {
        let replies = [revoked[0].get("ping").await, revoked[1].get("ping").await];
        replies.iter().all(|reply| reply.status == 401).then_some(())
    })
    .await;
    for api in &revoked {
        let written = api.credit("p", "gold", json!({ "amount": 1 })).await;
        assert_eq!(written.error(401, "session_invalid", Some("KS-4002")), json!({ "reason": "revoked" }));
    }
    for api in &apis {
        api.get("ping").await.ok(200);
    }
}

/// How many entries there are before the ledger is read, and how many each writer adds at most meanwhile.
const BEFORE: usize = 40;
const MEANWHILE: usize = 200;

/// The ids of these rows.
fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// Reads a player's ledger page by page on one server while both write to it; then all of it, oldest first.
async fn read_while_both_write(list: &str) -> (Vec<Value>, Vec<Value>) {
    let ([purser, _other], apis) = two().await;
    for number in 0..BEFORE {
        apis[0].add_one("p", number).await;
    }
    let first_page = apis[0].get(list).await.ok(200);
    let written = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    // Two on each server, so that the servers meet on an account and within a batch.
    for (offset, api) in apis.iter().cycle().take(4).enumerate() {
        let (api, written) = (api.clone(), Arc::clone(&written));
        writers.spawn(async move {
            for number in 0..MEANWHILE {
                api.add_one("p", offset + number).await;
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("both write", async || (BEFORE <= written.load(Ordering::Relaxed)).then_some(())).await;
    let rows = apis[0].all_from(list, first_page).await;
    writers.abort_all();
    while writers.join_next().await.is_some() {}
    let all = apis[1].all("players/p/ledger?order=asc&limit=200").await;
    let mut sequences: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for row in &all {
        let asset = (row["kind"].as_str().unwrap(), row["key"].as_str().unwrap());
        sequences.entry(asset).or_default().push(row["sequence"].as_u64().unwrap());
    }
    for (asset, sequences) in sequences {
        assert!(sequences.iter().copied().eq(1..=u64::try_from(sequences.len()).unwrap()), "{asset:?}: {sequences:?}");
    }
    // A writer that was stopped may have had a request on its way.
    assert!(u64::try_from(all.len()).unwrap() <= purser.verified().await.1);
    (rows, all)
}

#[tokio::test]
async fn the_ledger_is_followed_oldest_first_on_one_server_while_both_write() {
    let (rows, all) = read_while_both_write("players/p/ledger?order=asc&limit=3").await;
    assert!(2 * BEFORE <= rows.len(), "what was written meanwhile is read too: {}", rows.len());
    assert_eq!(ids(&rows), ids(&all[..rows.len()]), "none is skipped or repeated");
}

#[tokio::test]
async fn the_ledger_is_followed_newest_first_on_one_server_while_both_write() {
    let (mut rows, all) = read_while_both_write("players/p/ledger?limit=3").await;
    rows.reverse();
    assert_eq!(rows.len(), BEFORE, "those of the time when the reading began");
    assert_eq!(ids(&rows), ids(&all[..BEFORE]), "none is skipped or repeated");
}
