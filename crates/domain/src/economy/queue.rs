//! The economy's lanes: all commands of one player are in one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Batch, Command, EconomyStore, Outcome};
#[cfg(any(test, feature = "testing"))]
pub use crate::queue::MockLaneObserver;
use crate::queue::{self, Queued, Settles, Turn};
pub use crate::queue::{BATCH_MAX, LaneObserver, QUEUE_DEPTH, QueueError};
use crate::store::StoreError;

/// Where commands are put.
pub type Queue = queue::Queue<Command>;

/// One consumer of the queue.
pub type Lane = queue::Lane<Command>;

impl Queued for Command {
    type Outcome = Outcome;

    fn lane<H: Hasher>(&self, hasher: &mut H) {
        (self.realm, &self.player).hash(hasher);
    }
}

struct Ledger(Arc<dyn EconomyStore>);

#[async_trait]
impl Settles<Command> for Ledger {
    type Stored = Vec<Outcome>;

    async fn settle_together(&self, commands: Vec<Command>, _turn: Turn) -> Result<Vec<Outcome>, StoreError> {
        Ok(self.0.settle(&Batch::new(commands)).await?.outcomes)
    }

    async fn outcomes(&self, stored: Vec<Outcome>) -> Result<Vec<Outcome>, StoreError> {
        Ok(stored)
    }
}

impl queue::Lane<Command> {
    /// Settles batches in `store` until every queue is dropped and nothing waits. See [`queue::Lane::drain`].
    pub async fn run(self, store: Arc<dyn EconomyStore>, observer: Arc<dyn LaneObserver>) {
        self.drain(&Ledger(store), &*observer).await;
    }
}
