//! Counting in Redis, for several processes together.

mod address;
mod call;
mod limiter;
mod link;

pub use address::{InvalidRedisAddress, RedisAddress};
pub use call::RedisClock;
pub use limiter::RedisLimiter;
pub use link::RedisObserver;
