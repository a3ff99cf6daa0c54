//! The lanes of lobbies and leaderboards: what writes the same lobby or ranking shares one, as far as a command says.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;

use super::{LobbyTransition, Play, PlayBatch, PlayCommand, PlayOutcome, PlaySettlement, PlayStore};
use crate::queue::{self, LaneObserver, Queued, Settles, Turn};
use crate::store::StoreError;

/// Where commands are put.
pub type PlayQueue = queue::Queue<PlayCommand>;

/// One consumer of the queue.
pub type PlayLane = queue::Lane<PlayCommand>;

impl Queued for PlayCommand {
    type Outcome = PlayOutcome;

    fn lane<H: Hasher>(&self, hasher: &mut H) {
        self.realm.hash(hasher);
        match &self.action {
            Play::Push(push) => push.key.hash(hasher),
            Play::Join { lobby, .. } | Play::Leave { lobby, .. } | Play::Close { lobby } => lobby.hash(hasher),
            Play::Start(start) => start.event.hash(hasher),
            Play::Progress(progress) => progress.event.hash(hasher),
            Play::Finish { event, .. } => event.hash(hasher),
            Play::Score(score) => score.board.hash(hasher),
        }
    }
}

/// Is told how lobbies move on, each step once: when it is stored.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait LobbyObserver: Send + Sync {
    /// A lobby moved on.
    fn moved(&self, transition: &LobbyTransition);
}

struct Table {
    store: Arc<dyn PlayStore>,
    lobbies: Arc<dyn LobbyObserver>,
}

#[async_trait]
impl Settles<PlayCommand> for Table {
    type Stored = PlaySettlement;

    async fn settle_together(&self, commands: Vec<PlayCommand>, turn: Turn) -> Result<PlaySettlement, StoreError> {
        let settlement = self.store.settle_play(&PlayBatch::new(commands), turn).await?;
        settlement.transitions.iter().for_each(|transition| self.lobbies.moved(transition));
        Ok(settlement)
    }

    /// Ranks are looked up here, because nobody else need wait for that.
    async fn outcomes(&self, stored: PlaySettlement) -> Result<Vec<PlayOutcome>, StoreError> {
        Ok(stored.ranked(&*self.store).await?.outcomes)
    }
}

impl queue::Lane<PlayCommand> {
    /// Settles batches in `store` until every queue is dropped and nothing waits. See [`queue::Lane::drain`].
    pub async fn run(
        self,
        store: Arc<dyn PlayStore>,
        observer: Arc<dyn LaneObserver>,
        lobbies: Arc<dyn LobbyObserver>,
    ) {
        self.drain(&Table { store, lobbies }, &*observer).await;
    }
}
