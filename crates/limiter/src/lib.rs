//! Counts what API keys spend, behind the port [`domain::limits::Limiter`]: in memory for one process, in Redis for several.
//!
//! The rule is [`domain::limits::Meter`], here run on values in memory, and in Redis by a script that a test holds against it.
//! Nothing here knows HTTP, nor what is paid for.

mod memory;
mod redis;
mod steady_clock;

pub use memory::MemoryLimiter;
pub use redis::{InvalidRedisAddress, RedisAddress, RedisClock, RedisLimiter, RedisObserver, RedisOptions};
pub use steady_clock::SteadyClock;
