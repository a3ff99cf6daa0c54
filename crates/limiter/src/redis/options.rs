//! How Redis is used.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock;

/// How Redis is used.
#[derive(Clone)]
pub struct RedisOptions {
    /// Which clock says when something was spent.
    pub clock: RedisClock,
    /// How long an exchange with it may take. A request waits for two at most: the one under way and its own.
    pub exchange_max: Duration,
}

/// Which clock says when something was spent.
#[derive(Clone)]
pub enum RedisClock {
    /// That of Redis: those of the processes need not agree.
    Its,
    /// This one, for tests.
    Of(Arc<dyn Clock>),
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { clock: RedisClock::Its, exchange_max: Duration::from_millis(250) }
    }
}
