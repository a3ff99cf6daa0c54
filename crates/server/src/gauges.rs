//! What is measured when somebody asks for the metrics: how long queues are, how connections stand, how large files are, and
//! what this process uses. All of it is at hand; nothing here asks the database.

use domain::economy::Queue;
use domain::lobbies::PlayQueue;
use metrics_process::Collector;

use crate::lanes::{ECONOMY, PLAY};
use crate::store::Store;

/// Where to look.
pub(crate) struct Gauges {
    /// Writes of money and items.
    pub(crate) economy: Queue,
    /// Writes of what is played.
    pub(crate) play: PlayQueue,
    /// The store.
    pub(crate) store: Store,
    /// This process.
    pub(crate) process: Collector,
}

impl Gauges {
    /// Looks, and sets the metrics.
    pub(crate) fn show(&self) {
        show_queue(ECONOMY, self.economy.waiting(), self.economy.capacity());
        show_queue(PLAY, self.play.waiting(), self.play.capacity());
        for pool in self.store.pools() {
            let connections =
                |state| metrics::gauge!("purser_store_connections", "pool" => pool.name, "state" => state);
            connections("in_use").set(number(pool.in_use));
            connections("idle").set(number(pool.idle));
            metrics::gauge!("purser_store_connections_max", "pool" => pool.name).set(number(pool.connections_max));
            metrics::gauge!("purser_store_connections_waiting", "pool" => pool.name).set(number(pool.waiting));
        }
        if let Some(sizes) = self.store.file_sizes() {
            metrics::gauge!("purser_sqlite_file_bytes").set(large(sizes.database_bytes));
            metrics::gauge!("purser_sqlite_log_bytes").set(large(sizes.log_bytes));
        }
        self.process.collect();
    }
}

fn show_queue(kind: &'static str, waiting: usize, capacity: usize) {
    metrics::gauge!("purser_queue_waiting", "kind" => kind).set(number(waiting));
    metrics::gauge!("purser_queue_capacity", "kind" => kind).set(number(capacity));
}

fn number(of: usize) -> f64 {
    large(u64::try_from(of).unwrap_or(u64::MAX))
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric need not be exact")]
fn large(of: u64) -> f64 {
    of as f64
}
