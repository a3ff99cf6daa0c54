//! Counting in Redis, for several processes together.

mod address;
mod call;
mod limiter;
mod link;
mod options;

pub use address::{InvalidRedisAddress, RedisAddress};
pub use limiter::RedisLimiter;
pub use link::RedisObserver;
pub use options::{RedisClock, RedisOptions};
