//! Lists neither skip nor repeat a row, whatever is written meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::api::Api;
use crate::harness::patience::eventually;
use crate::harness::program::Purser;

const ENTRIES: usize = 100;
/// How many entries are written at most while a list is read.
const MEANWHILE: usize = 300;

/// Writes on until it is told to stop.
struct Writer {
    stop: Arc<AtomicBool>,
    running: JoinHandle<usize>,
}

impl Writer {
    fn start(api: &Api, from: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (api, stopped) = (api.clone(), Arc::clone(&stop));
        let running = tokio::spawn(async move {
            let mut number = from;
            while number < from + MEANWHILE && !stopped.load(Ordering::Relaxed) {
                api.add_one("p", number).await;
                number += 1;
            }
            number
        });
        Self { stop, running }
    }

    /// How many entries there are now.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.unwrap()
    }
}

/// Checks that no row is there twice, and returns the sequences of each asset in the order of the rows.
fn sequences(rows: &[Value]) -> BTreeMap<(String, String), Vec<usize>> {
    let ids: BTreeSet<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rows.len(), "a row was repeated");
    let mut by_asset: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for row in rows {
        let [kind, key] = ["kind", "key"].map(|name| row[name].as_str().unwrap().to_owned());
        let sequence = usize::try_from(row["sequence"].as_u64().unwrap()).unwrap();
        by_asset.entry((kind, key)).or_default().push(sequence);
    }
    by_asset
}

/// Reads a whole ledger, page by page, while it grows.
async fn ledger_read_while_writes_go_on(list: &str) -> Vec<Value> {
    let purser = Purser::start().await;
    let api = purser.api();
    for number in 0..ENTRIES {
        api.add_one("p", number).await;
    }
    let writer = Writer::start(&api, ENTRIES);
    let rows = api.all(list).await;
    let written = writer.stop().await;
    assert!(ENTRIES <= rows.len() && rows.len() <= written, "{} of {written}", rows.len());
    rows
}

/// Checks that no row is missing from the first on, nor there twice, in the order in which they were written.
fn check_complete(oldest_first: &[Value]) {
    for (asset, sequences) in sequences(oldest_first) {
        assert_eq!(sequences, (1..=sequences.len()).collect::<Vec<_>>(), "{asset:?}");
    }
    for (number, row) in oldest_first.iter().enumerate() {
        assert_eq!(row["reason"], format!("entry {number}"), "in the order in which they were written");
    }
}

#[tokio::test]
async fn the_ledger_is_read_oldest_first_without_a_skip_or_a_repeat_while_writes_go_on() {
    check_complete(&ledger_read_while_writes_go_on("players/p/ledger?order=asc&limit=7").await);
}

#[tokio::test]
async fn the_ledger_is_read_newest_first_without_a_skip_or_a_repeat_while_writes_go_on() {
    let mut rows = ledger_read_while_writes_go_on("players/p/ledger?limit=7").await;
    rows.reverse();
    check_complete(&rows);
}

#[tokio::test]
async fn the_ledger_can_be_read_by_kind_and_key() {
    let purser = Purser::start().await;
    let api = purser.api();
    for number in 0..30 {
        api.add_one("p", number).await;
    }
    let debit = json!({ "amount": 4, "reason": "shop", "sourceRefId": "order-7" });
    api.debit("p", "gold", debit).await.ok(200);
    for (query, count) in [
        ("kind=wallet", 21),
        ("kind=inventory", 10),
        ("kind=wallet&key=gold", 11),
        ("key=gems", 10),
        ("key=sword&kind=wallet", 0),
        ("kind=wallet&key=silver", 0),
    ] {
        for order in ["asc", "desc"] {
            let rows = api.all(&format!("players/p/ledger?{query}&order={order}&limit=7")).await;
            assert_eq!(rows.len(), count, "{query}&order={order}");
            for (_, mut found) in sequences(&rows) {
                found.sort_unstable();
                assert_eq!(found, (1..=found.len()).collect::<Vec<_>>(), "{query}&order={order}");
            }
        }
    }
    let newest = api.get("players/p/ledger?limit=1").await.data(200)[0].clone();
    let expected = json!({
        "id": newest["id"], "kind": "wallet", "key": "gold", "delta": -4, "balanceAfter": 6, "reason": "shop",
        "sourceRefId": "order-7", "origin": "server", "operation": "wallet.debit", "sequence": 11,
        "createdAt": newest["createdAt"]
    });
    assert_eq!(newest, expected);
}

async fn grant(api: &Api, number: usize) -> Value {
    // Every third one was over before it began.
    let expires_at = if number % 3 == 2 { json!("2020-01-01T00:00:00Z") } else { Value::Null };
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 1 }]);
    let body = json!({ "idempotencyKey": format!("grant-{number}"), "entries": entries, "expiresAt": expires_at });
    api.grant("p", body).await.data(201)
}

fn ids(grants: &[Value]) -> Vec<&str> {
    grants.iter().map(|grant| grant["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn grants_are_listed_newest_first_by_status_and_without_a_skip_or_a_repeat_while_more_are_created() {
    let purser = Purser::start().await;
    let api = purser.api();
    let mut created = Vec::new();
    for number in 0..30 {
        created.push(grant(&api, number).await);
    }
    for acked in created.iter().step_by(3) {
        let path = format!("players/p/grants/{}/ack", acked["id"].as_str().unwrap());
        api.post(&path, &json!({})).await.ok(200);
    }
    for (status, remainder) in [("claimed", 0), ("pending", 1), ("expired", 2)] {
        let listed = api.all(&format!("players/p/grants?status={status}&limit=7")).await;
        assert!(listed.iter().all(|grant| grant["status"] == status), "{listed:?}");
        let expected: Vec<Value> = created.iter().skip(remainder).step_by(3).rev().cloned().collect();
        assert_eq!(ids(&listed), ids(&expected), "{status}");
    }
    let path = "players/p/grants?limit=7";
    let first_page = api.get(path).await.ok(200);
    for number in 30..40 {
        grant(&api, number).await;
    }
    let listed = api.all_from(path, first_page).await;
    created.reverse();
    assert_eq!(ids(&listed), ids(&created), "those of the time when the reading began");
}

#[tokio::test]
async fn a_grant_past_its_time_cannot_be_acknowledged() {
    let purser = Purser::start().await;
    let api = purser.api();
    let expired = grant(&api, 2).await;
    assert_eq!((&expired["status"], &expired["expiresAt"]), (&json!("expired"), &json!("2020-01-01T00:00:00.000Z")));
    let path = format!("players/p/grants/{}/ack", expired["id"].as_str().unwrap());
    let details = api.post(&path, &json!({})).await.error(409, "conflict", None);
    assert_eq!(details["reason"], "grant_expired");
    assert_eq!(api.get("players/p").await.data(200)["summary"]["pendingGrants"], 0);

    // And one whose time runs out while it waits.
    let soon = soon_after(expired["createdAt"].as_str().unwrap());
    let entries = json!([{ "type": "currency", "currencyKey": "gold", "amount": 1 }]);
    let body = json!({ "idempotencyKey": "soon", "entries": entries, "expiresAt": soon });
    let waiting = api.grant("p", body).await.data(201);
    eventually("the grant expires", async || {
        let listed = api.get("players/p/grants?status=expired").await.data(200);
        ids(listed.as_array().unwrap()).contains(&waiting["id"].as_str().unwrap()).then_some(())
    })
    .await;
    let path = format!("players/p/grants/{}/ack", waiting["id"].as_str().unwrap());
    api.post(&path, &json!({})).await.error(409, "conflict", None);
}

/// A second or so after the time `at`, on the server's clock.
fn soon_after(at: &str) -> String {
    use time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(at, &Rfc3339).unwrap();
    (at + time::Duration::SECOND).format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn a_wallet_shows_what_ran_out_and_an_inventory_does_not() {
    let purser = Purser::start().await;
    let api = purser.api();
    for number in 0..3 {
        api.add_one("p", number).await;
    }
    api.debit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    api.post("players/p/inventory/sword/revoke", &json!({ "quantity": 1 })).await.ok(200);
    let wallet = api.get("players/p/wallet").await.data(200)["wallet"].clone();
    let held = wallet.as_array().unwrap().iter().map(|held| (held["economyKey"].as_str().unwrap(), &held["balance"]));
    assert_eq!(held.collect::<Vec<_>>(), [("gems", &json!(1)), ("gold", &json!(0))]);
    assert_eq!(api.get("players/p/inventory").await.data(200), json!({ "items": [] }));
    let profile = api.get("players/p").await.data(200);
    assert_eq!((&profile["wallet"], &profile["inventory"]), (&wallet, &json!([])));
    for path in ["players/q", "players/q/wallet", "players/q/inventory", "players/q/ledger", "players/q/grants"] {
        api.get(path).await.error(404, "not_found", None);
    }
}
