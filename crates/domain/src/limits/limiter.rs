//! The port of who counts.

use async_trait::async_trait;

use super::{Budget, Spending};

/// Counts what is spent, for one process or for several together, by the rule of [`super::Meter`].
///
/// It always answers. One that counts elsewhere and cannot reach it counts here meanwhile: money must not stop because a
/// limiter did.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Spends `cost` of `budget` if it is there, whole or not at all; 0 only looks ([`super::Meter::spend`]).
    async fn spend(&self, budget: Budget, cost: u32) -> Spending;
}
