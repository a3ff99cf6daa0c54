//! Credits from many connections at once, and the books about what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply};
use crate::harness::patience::eventually;

/// How many players the credits go to: some share one, so that batches hold several of the same player.
const PLAYERS: usize = 5;
/// Every so many credits one has no idempotency key: nobody can repeat it, so it happens once or, unanswered, perhaps.
const KEYLESS_EVERY: usize = 4;
/// Every so many acknowledged credits one is repeated.
const SAMPLED: usize = 7;

/// A credit of 1, under a name of its own.
#[derive(Debug, Clone)]
pub(crate) struct Credit {
    player: String,
    /// The reason on its ledger entry, and the idempotency key.
    name: String,
    keyed: bool,
}

/// Credits that are being sent until the server goes away or they are told to stop.
pub(crate) struct Load {
    connections: JoinSet<Sent>,
    progress: Arc<Progress>,
}

/// How far a load has come.
#[derive(Default)]
pub(crate) struct Progress {
    /// How many were answered 200.
    pub(crate) acknowledged: AtomicUsize,
    /// How many were answered 503.
    pub(crate) refused: AtomicUsize,
    /// Tells the connections to stop.
    pub(crate) stop: AtomicBool,
}

/// What became of credits.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Answered 200.
    pub(crate) acknowledged: Vec<Credit>,
    /// Not answered, or answered that the outcome is unknown: each may have happened.
    pub(crate) unanswered: Vec<Credit>,
    /// How many were answered 503.
    pub(crate) refused: usize,
    /// How many connections broke.
    pub(crate) broken: usize,
}

impl Credit {
    async fn send(&self, api: &Api) -> reqwest::Result<Reply> {
        let path = format!("players/{}/wallet/gold/credit", self.player);
        let mut body = json!({ "amount": 1, "reason": self.name });
        if self.keyed {
            body["idempotencyKey"] = self.name.as_str().into();
        }
        api.try_post(&path, &body).await
    }

    /// Sends it again to a server that answers; tells whether it was the first time that it took effect.
    pub(crate) async fn repeat(&self, api: &Api) -> bool {
        assert!(self.keyed, "{self:?} cannot be repeated");
        let reply = self.send(api).await.expect("the server answers");
        reply.data(200)["applied"].as_bool().expect("a flag")
    }

    /// Whether it may be sent again.
    pub(crate) fn is_keyed(&self) -> bool {
        self.keyed
    }
}

impl Load {
    /// Starts sending to these servers by turns, under names that begin with `name`.
    pub(crate) fn start(apis: &[Api], connections: usize, name: &str) -> Self {
        let progress = Arc::new(Progress::default());
        let mut running = JoinSet::new();
        for (connection, api) in apis.iter().cycle().take(connections).enumerate() {
            let (api, progress, name) = (api.clone(), Arc::clone(&progress), format!("{name}-{connection}"));
            running.spawn(async move { send_all(&api, connection, &name, &progress).await });
        }
        Self { connections: running, progress }
    }

    /// Waits until so many credits are acknowledged.
    pub(crate) async fn acknowledged(&self, at_least: usize) {
        let reached = async || (at_least <= self.progress().acknowledged.load(Ordering::Relaxed)).then_some(());
        eventually("credits are acknowledged", reached).await;
    }

    /// Waits until so many more credits are acknowledged than now.
    pub(crate) async fn goes_on(&self, more: usize) {
        self.acknowledged(self.progress().acknowledged.load(Ordering::Relaxed) + more).await;
    }

    /// Waits until so many were answered 503.
    pub(crate) async fn refused(&self, at_least: usize) {
        let reached = async || (at_least <= self.progress().refused.load(Ordering::Relaxed)).then_some(());
        eventually("credits are refused", reached).await;
    }

    /// Stops sending; what became of all of them.
    pub(crate) async fn stop(self) -> Sent {
        self.progress().stop.store(true, Ordering::Relaxed);
        self.ended().await
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What became of all of them. The server has gone away.
    pub(crate) async fn ended(self) -> Sent {
        let mut all = Sent::default();
        for sent in self.connections.join_all().await {
            all.add(sent);
        }
        all
    }
}

impl Sent {
    /// Takes over what another load has sent.
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unanswered.extend(other.unanswered);
        self.refused += other.refused;
        self.broken += other.broken;
    }

    /// Repeats what has no answer and may be repeated until it has one, and checks that nothing takes effect twice.
    pub(crate) async fn repeat(&self, api: &Api) {
        for credit in self.unanswered.iter().filter(|credit| credit.keyed) {
            credit.repeat(api).await;
            assert!(!credit.repeat(api).await, "{credit:?} took effect twice");
        }
        for credit in self.acknowledged.iter().filter(|credit| credit.keyed).step_by(SAMPLED) {
            assert!(!credit.repeat(api).await, "{credit:?} was acknowledged and lost, or took effect twice");
        }
    }
}

async fn send_all(api: &Api, connection: usize, name: &str, progress: &Progress) -> Sent {
    let mut sent = Sent::default();
    for number in 0_usize.. {
        if progress.stop.load(Ordering::Relaxed) {
            break;
        }
        let player = format!("p-{}", (connection + number) % PLAYERS);
        let credit = Credit { player, name: format!("{name}-{number}"), keyed: !number.is_multiple_of(KEYLESS_EVERY) };
        match credit.send(api).await {
            Ok(reply) if reply.status == 200 => {
                assert_eq!(reply.json()["data"]["applied"], true, "{reply:?}");
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                sent.acknowledged.push(credit);
            }
            Ok(reply) => {
                check_unavailable(&reply);
                progress.refused.fetch_add(1, Ordering::Relaxed);
                sent.refused += 1;
                sent.unanswered.push(credit);
            }
            Err(_) => {
                sent.broken += 1;
                sent.unanswered.push(credit);
                break;
            }
        }
    }
    sent
}

/// Checks that this is a 503 as it is documented: in the one shape of all errors, with a time to come back after.
pub(crate) fn check_unavailable(reply: &Reply) {
    let code = reply.json()["error"]["code"].as_str().map(str::to_owned);
    assert!(matches!(code.as_deref(), Some("unavailable" | "overloaded")), "{reply:?}");
    reply.error(503, code.as_deref().unwrap(), None);
    let seconds: u32 = reply.header("retry-after").expect("a Retry-After").parse().expect("whole seconds");
    assert!(1 <= seconds, "{reply:?}");
}

/// Checks that every balance is what was sent, each credit once, and that no ledger has a gap. What may be repeated was.
/// Returns how many accounts and entries there are.
pub(crate) async fn check_books(api: &Api, sent: &Sent) -> (u64, u64) {
    let mut must: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut may: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for credit in &sent.acknowledged {
        must.entry(&credit.player).or_default().push(&credit.name);
    }
    for credit in &sent.unanswered {
        let known = if credit.keyed { &mut must } else { &mut may };
        known.entry(&credit.player).or_default().push(&credit.name);
    }
    let mut entries = 0;
    for (player, must) in &must {
        let rows = api.all(&format!("players/{player}/ledger?order=asc&limit=200")).await;
        let count = u64::try_from(rows.len()).unwrap();
        let numbers = |field: &str| rows.iter().map(|row: &Value| row[field].as_u64().unwrap()).collect::<Vec<u64>>();
        assert_eq!(numbers("sequence"), (1..=count).collect::<Vec<_>>(), "{player}");
        assert_eq!(numbers("balanceAfter"), numbers("sequence"), "{player}");
        assert_eq!(api.balance(player, "gold").await, Some(count), "{player}");

        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &rows {
            *left.entry(row["reason"].as_str().unwrap()).or_default() += 1;
        }
        for name in must {
            assert_eq!(left.remove(name), Some(1), "{player}: {name} is in the ledger once");
        }
        for name in may.get(player).into_iter().flatten() {
            let times = left.remove(name);
            assert!(matches!(times, None | Some(1)), "{player}: {name} is in the ledger {times:?} times");
        }
        assert!(left.is_empty(), "{player}: nobody sent {left:?}");
        entries += count;
    }
    (u64::try_from(must.len()).unwrap(), entries)
}
