//! The limiter as requests know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use domain::limits::{Budget, Limiter, Spending};
use tokio::sync::{mpsc, oneshot};

use super::call::Attempt;
use super::link::Link;
use super::{RedisAddress, RedisObserver, RedisOptions};
use crate::memory::MemoryLimiter;

/// How many attempts may wait. More than requests can be under way.
const WAITING_MAX: usize = 65_536;

/// Counts in Redis, together with every other process that does; in memory while Redis is away, where it has noted what it
/// admitted before.
pub struct RedisLimiter {
    attempts: mpsc::Sender<Attempt>,
    is_away: Arc<AtomicBool>,
    memory: MemoryLimiter,
}

impl RedisLimiter {
    /// Connects to Redis and goes on speaking to it in the background of this runtime. When it cannot be reached now, `observer`
    /// is told so, as later.
    pub async fn start(
        address: RedisAddress,
        options: RedisOptions,
        memory: MemoryLimiter,
        observer: Arc<dyn RedisObserver>,
    ) -> Self {
        let (sender, attempts) = mpsc::channel(WAITING_MAX);
        let is_away = Arc::new(AtomicBool::new(false));
        let link = Link { address, options, attempts, is_away: Arc::clone(&is_away), observer };
        let connection = link.look().await;
        tokio::spawn(link.run(connection));
        Self { attempts: sender, is_away, memory }
    }

    /// What Redis says; nothing when it cannot be asked.
    async fn ask(&self, budget: Budget, cost: u32) -> Option<Spending> {
        if self.is_away.load(Ordering::Relaxed) {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.attempts.try_send(Attempt { budget, cost, answer }).ok()?;
        answered.await.ok()
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn spend(&self, budget: Budget, cost: u32) -> Spending {
        let Some(spending) = self.ask(budget, cost).await else { return self.memory.spend(budget, cost).await };
        if spending.admitted {
            self.memory.note(budget, cost.min(budget.limit.get()));
        }
        spending
    }
}
