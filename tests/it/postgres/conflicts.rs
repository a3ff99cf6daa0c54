//! Two servers that get in each other's way wherever they can: the same players in opposite order, new players, and the
//! same idempotency keys for different players. Nobody waits in a circle, and each key is used once.

use serde_json::{Value, json};
use testcluster::{Durability, Options};
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply};
use crate::postgres::own_cluster::OwnCluster;

const ROUNDS: usize = 30;
/// How many players each round is about, and how many requests of each kind are sent at once.
const WIDTH: usize = 8;

/// One of a pair of requests with the same idempotency key, of which one must win.
struct Rival {
    key: String,
    reply: Reply,
}

/// What one server is sent in one round: for each player, in this order, a credit of its own, and a credit and a grant
/// under keys that the other server uses for another player.
fn requests(round: usize, player: usize, rank: usize) -> Vec<(String, Option<String>, Value)> {
    let [known, new] = [format!("p-{player}"), format!("new-{round}-{player}")];
    let entry = |currency: &str| json!({ "type": "currency", "currencyKey": currency, "amount": 1 });
    let grant_key = format!("grant-{round}-{rank}");
    let grant = json!({
        "idempotencyKey": grant_key, "delivery": "immediate", "entries": [entry("gems"), entry("gold")]
    });
    let credit_key = format!("credit-{round}-{rank}");
    let credit = json!({ "amount": 1, "idempotencyKey": credit_key });
    vec![
        (format!("players/{known}/wallet/gold/credit"), None, json!({ "amount": 1 })),
        (format!("players/{new}/wallet/gold/credit"), Some(credit_key), credit),
        (format!("players/{known}/grants"), Some(grant_key), grant),
    ]
}

/// Sends all of a round to both servers at once, the players in opposite order.
async fn round(apis: &[Api; 2], round: usize) -> Vec<Rival> {
    let mut sent = JoinSet::new();
    for rank in 0..WIDTH {
        for (api, player) in apis.iter().zip([rank, WIDTH - 1 - rank]) {
            for (path, key, body) in requests(round, player, rank) {
                let api = api.clone();
                sent.spawn(async move { (key, api.post(&path, &body).await) });
            }
        }
    }
    let mut rivals = Vec::new();
    for (key, reply) in sent.join_all().await {
        match key {
            Some(key) => rivals.push(Rival { key, reply }),
            None => drop(reply.ok(200)),
        }
    }
    rivals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_never_wait_for_each_other_in_a_circle_and_each_key_is_used_once() {
    let cluster = OwnCluster::start(Options { durability: Durability::ProcessOnly, ..OwnCluster::options() });
    // Few lanes make long batches, which meet at many places.
    let first = cluster.serve(&["--migrate", "--lanes", "2"]).await;
    let second = cluster.serve(&["--lanes", "2"]).await;
    let apis = [first.api(), second.api_with(first.key())];
    for number in 0..ROUNDS {
        let mut rivals = round(&apis, number).await;
        rivals.sort_by(|left, right| (&left.key, left.reply.status).cmp(&(&right.key, right.reply.status)));
        assert_eq!(rivals.len(), 4 * WIDTH);
        for pair in rivals.chunks(2) {
            let [winner, loser] = pair else { panic!("a pair") };
            assert!(winner.key == loser.key && matches!(winner.reply.status, 200 | 201), "{:?}", winner.reply);
            loser.reply.error(409, "idempotency_conflict", None);
        }
    }
    let entries = ROUNDS * WIDTH * (2 + 1 + 2);
    assert_eq!(first.verified().await.1, u64::try_from(entries).unwrap());
    let log = cluster.log();
    assert!(!log.contains("deadlock detected"), "{log}");
    assert!(log.contains("duplicate key value"), "they did meet: {log}");
}
