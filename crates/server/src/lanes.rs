//! What the lanes do, as metrics, spans and lines of the log: how many commands went together, how long that took, and what
//! failed. Decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::clock::Timestamp;
use domain::economy::{Batch, EconomyStore, LaneObserver, Settlement};
use domain::lobbies::{LobbyTransition, PlayBatch, PlaySettlement, PlayStore, Rank, WantedRank};
use domain::queue::Turn;
use domain::store::{StoreError, causes};
use metrics::Histogram;

use crate::spans::Spans;

/// The lanes of money and items.
pub(crate) const ECONOMY: &str = "economy";
/// The lanes of lobbies, attempts and scores.
pub(crate) const PLAY: &str = "play";

/// Counts the batches of lanes of one kind, and logs the ones that fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneMetrics(pub(crate) &'static str);

impl LaneObserver for LaneMetrics {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a batch size is far below 2^52")]
    fn settled(&self, commands: usize) {
        metrics::histogram!("purser_batch_commands", "kind" => self.0).record(commands as f64);
    }

    fn failed(&self, commands: usize, cause: &StoreError) {
        metrics::counter!("purser_batches_failed_total", "kind" => self.0, "cause" => "store").increment(1);
        let (kind, cause) = (self.0, causes(cause));
        tracing::error!(kind, commands, cause, "a batch could not be stored; its outcome is unknown");
    }

    fn panicked(&self, commands: usize, message: &str) {
        metrics::counter!("purser_batches_failed_total", "kind" => self.0, "cause" => "panic").increment(1);
        tracing::error!(kind = self.0, commands, message, "a batch met a bug; its outcome is unknown");
    }
}

/// A store of which is known how long it takes.
pub(crate) struct Timed<S: ?Sized> {
    store: Arc<S>,
    name: &'static str,
    seconds: Histogram,
    spans: Option<Arc<Spans>>,
}

impl<S: ?Sized> Timed<S> {
    /// Of `store`, which lanes of this kind write to.
    pub(crate) fn new(store: &Arc<S>, kind: &'static str, spans: Option<&Arc<Spans>>) -> Arc<Self> {
        let name = if kind == ECONOMY { "settle economy" } else { "settle play" };
        let seconds = metrics::histogram!("purser_batch_seconds", "kind" => kind);
        Arc::new(Self { store: Arc::clone(store), name, seconds, spans: spans.cloned() })
    }

    fn note(&self, commands: usize, took: Duration, failed: bool) {
        self.seconds.record(took);
        if let Some(spans) = &self.spans {
            spans.settled(self.name, commands, took, failed);
        }
    }
}

#[async_trait]
impl EconomyStore for Timed<dyn EconomyStore> {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        let begun = Instant::now();
        let settled = self.store.settle(batch).await;
        self.note(batch.commands().len(), begun.elapsed(), settled.is_err());
        settled
    }
}

#[async_trait]
impl PlayStore for Timed<dyn PlayStore> {
    async fn settle_play(&self, batch: &PlayBatch, turn: Turn) -> Result<PlaySettlement, StoreError> {
        let begun = Instant::now();
        let settled = self.store.settle_play(batch, turn).await;
        self.note(batch.commands().len(), begun.elapsed(), settled.is_err());
        settled
    }

    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        self.store.ranks(wanted).await
    }

    async fn sweep_lobbies(&self, now: Timestamp, limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        self.store.sweep_lobbies(now, limit).await
    }
}
