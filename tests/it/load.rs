//! Keyed credits from many connections at once, and the books about what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use crate::api::{Api, Reply};
use crate::patience::eventually;

/// How many players the credits go to: some share one, so that batches hold several of the same player.
const PLAYERS: usize = 5;

/// A credit of 1 under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Credit {
    pub(crate) player: String,
    key: String,
}

/// Credits that are being sent until the server goes away.
pub(crate) struct Load {
    connections: JoinSet<Sent>,
    acknowledged: Arc<AtomicUsize>,
}

/// What became of credits.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Answered 200.
    pub(crate) acknowledged: Vec<Credit>,
    /// Not answered, or answered that the outcome is unknown: each may have happened.
    pub(crate) unanswered: Vec<Credit>,
}

impl Credit {
    async fn send(&self, api: &Api) -> reqwest::Result<Reply> {
        let path = format!("players/{}/wallet/gold/credit", self.player);
        api.try_post(&path, &json!({ "amount": 1, "idempotencyKey": self.key })).await
    }

    /// Sends it again to a server that answers; tells whether it was the first time that it took effect.
    pub(crate) async fn repeat(&self, api: &Api) -> bool {
        let reply = self.send(api).await.expect("the server answers");
        reply.data(200)["applied"].as_bool().expect("a flag")
    }
}

impl Load {
    /// Starts sending, under keys that begin with `name`.
    pub(crate) fn start(api: &Api, connections: usize, name: &str) -> Self {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for connection in 0..connections {
            let (api, acknowledged, name) = (api.clone(), Arc::clone(&acknowledged), format!("{name}-{connection}"));
            running.spawn(async move { send_all(&api, connection, &name, &acknowledged).await });
        }
        Self { connections: running, acknowledged }
    }

    /// Waits until so many credits are acknowledged.
    pub(crate) async fn acknowledged(&self, at_least: usize) {
        let reached = async || (at_least <= self.acknowledged.load(Ordering::Relaxed)).then_some(());
        eventually("credits are acknowledged", reached).await;
    }

    /// What became of all of them. The server has gone away.
    pub(crate) async fn ended(self) -> Sent {
        let mut all = Sent::default();
        for sent in self.connections.join_all().await {
            all.acknowledged.extend(sent.acknowledged);
            all.unanswered.extend(sent.unanswered);
        }
        all
    }
}

async fn send_all(api: &Api, connection: usize, name: &str, acknowledged: &AtomicUsize) -> Sent {
    let mut sent = Sent::default();
    for number in 0_usize.. {
        let credit =
            Credit { player: format!("p-{}", (connection + number) % PLAYERS), key: format!("{name}-{number}") };
        match credit.send(api).await {
            Ok(reply) if reply.status == 200 => {
                assert_eq!(reply.json()["data"]["applied"], true, "{reply:?}");
                acknowledged.fetch_add(1, Ordering::Relaxed);
                sent.acknowledged.push(credit);
            }
            Ok(reply) => {
                reply.error(503, "unavailable", None);
                sent.unanswered.push(credit);
            }
            Err(_) => {
                sent.unanswered.push(credit);
                break;
            }
        }
    }
    sent
}

/// Checks that every player's balance is the number of credits sent, and that no ledger has a gap.
pub(crate) async fn check_books(api: &Api, credits: &[Credit]) {
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for credit in credits {
        *expected.entry(&credit.player).or_default() += 1;
    }
    for (player, count) in expected {
        assert_eq!(api.balance(player, "gold").await, Some(count), "{player}");
        let rows = api.all(&format!("players/{player}/ledger?order=asc&limit=200")).await;
        let sequences: Vec<u64> = rows.iter().map(|row| row["sequence"].as_u64().unwrap()).collect();
        assert_eq!(sequences, (1..=count).collect::<Vec<_>>(), "{player}");
        let balances: Vec<u64> = rows.iter().map(|row| row["balanceAfter"].as_u64().unwrap()).collect();
        assert_eq!(balances, sequences, "{player}");
    }
}
