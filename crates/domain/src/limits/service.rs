//! The use case: a call is paid for, and its caller told how the budget stands.

use std::sync::Arc;

use super::{Bucket, DefaultLimits, Limiter, Spending};
use crate::clock::{Clock, Timestamp};
use crate::keys::Caller;

/// How a budget stands after an attempt to spend of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The bucket.
    pub bucket: Bucket,
    /// When that was.
    pub at: Timestamp,
    /// What became of the attempt.
    pub spending: Spending,
}

/// Lets calls pay.
pub struct RateLimits {
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    defaults: DefaultLimits,
}

impl RateLimits {
    /// Puts the use case on its ports. `defaults` hold for keys without limits of their own.
    pub fn new(limiter: Arc<dyn Limiter>, clock: Arc<dyn Clock>, defaults: DefaultLimits) -> Self {
        Self { limiter, clock, defaults }
    }

    /// Spends `cost` of the budget of `caller`, whole or not at all; 0 only looks whether anything is left. None when its
    /// calls are not limited.
    pub async fn spend(&self, caller: &Caller, bucket: Bucket, cost: u32) -> Option<Standing> {
        let budget = self.defaults.budget(caller.key, caller.limits, bucket)?;
        let spending = self.limiter.spend(budget, cost).await;
        Some(Standing { bucket, at: self.clock.now(), spending })
    }
}
