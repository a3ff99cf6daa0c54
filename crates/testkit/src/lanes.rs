//! The group-commit queue, set up over a store as the server does.

use std::sync::Arc;

use domain::economy::{EconomyStore, LaneObserver, QUEUE_DEPTH, Queue};
use domain::lobbies::{LobbyObserver, LobbyTransition, PlayQueue, PlayStore};
use domain::store::StoreError;

/// Hears what the lanes do, and says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentObserver;

impl LaneObserver for SilentObserver {
    fn settled(&self, _commands: usize) {}

    fn failed(&self, _commands: usize, _cause: &StoreError) {}

    fn panicked(&self, _commands: usize, _message: &str) {}
}

impl LobbyObserver for SilentObserver {
    fn moved(&self, _transition: &LobbyTransition) {}
}

/// Opens a queue and runs its lanes over `store`, as tasks of the present runtime that end with the queue.
pub fn start_lanes(store: &Arc<dyn EconomyStore>, lanes: usize) -> Queue {
    let (queue, lanes) = Queue::open(lanes, QUEUE_DEPTH);
    for lane in lanes {
        tokio::spawn(lane.run(store.clone(), Arc::new(SilentObserver)));
    }
    queue
}

/// The same for what is played.
pub fn start_play_lanes(store: &Arc<dyn PlayStore>, lanes: usize) -> PlayQueue {
    let (queue, lanes) = PlayQueue::open(lanes, QUEUE_DEPTH);
    for lane in lanes {
        tokio::spawn(lane.run(store.clone(), Arc::new(SilentObserver), Arc::new(SilentObserver)));
    }
    queue
}
