//! What a load is asked besides, when the server outlives what happens to its database.

use std::sync::atomic::Ordering;

use crate::harness::load::{Load, Sent};
use crate::harness::patience::eventually;

impl Load {
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
}
