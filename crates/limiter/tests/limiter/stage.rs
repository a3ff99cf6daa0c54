//! Limiters under a clock that the test moves, and a Redis of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::keys::KeyId;
use domain::limits::{Bucket, Budget, Limiter};
use limiter::{MemoryLimiter, RedisAddress, RedisClock, RedisLimiter, RedisObserver, RedisOptions};
use testcluster::Redis;
use testkit::ManualClock;
use uuid::Uuid;

/// The budget of key `number`: so much a minute.
pub(crate) fn budget(number: u128, limit: u32) -> Budget {
    Budget { key: KeyId(Uuid::from_u128(number)), bucket: Bucket::ServerApi, limit: NonZeroU32::new(limit).unwrap() }
}

/// A limiter and its clock.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Stage {
    pub(crate) fn in_memory() -> Self {
        let clock = Arc::new(ManualClock::new());
        Self { limiter: Arc::new(MemoryLimiter::new(clock.clone())), clock }
    }

    pub(crate) async fn on(redis: &Redis) -> Self {
        let clock = Arc::new(ManualClock::new());
        let (limiter, seen) = start(redis, &clock).await;
        assert_eq!(seen.told(), ["found"]);
        Self { limiter: Arc::new(limiter), clock }
    }
}

/// Far more than a Redis that answers takes on a busy machine.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// A limiter on `redis`, and what its observer is told.
pub(crate) async fn start(redis: &Redis, clock: &Arc<ManualClock>) -> (RedisLimiter, Arc<Seen>) {
    start_at(&redis.url(), clock, EXCHANGE_MAX).await
}

pub(crate) async fn start_at(url: &str, clock: &Arc<ManualClock>, exchange_max: Duration) -> (RedisLimiter, Arc<Seen>) {
    let (address, seen) = (RedisAddress::parse(url).unwrap(), Arc::new(Seen::default()));
    let memory = MemoryLimiter::new(clock.clone());
    let options = RedisOptions { clock: RedisClock::Of(clock.clone()), exchange_max };
    (RedisLimiter::start(address, options, memory, seen.clone()).await, seen)
}

/// What an observer was told.
#[derive(Default)]
pub(crate) struct Seen {
    told: Mutex<Vec<&'static str>>,
    causes: Mutex<String>,
}

impl RedisObserver for Seen {
    fn lost(&self, cause: &str) {
        self.told.lock().unwrap().push("lost");
        self.causes.lock().unwrap().push_str(cause);
    }

    fn found(&self) {
        self.told.lock().unwrap().push("found");
    }
}

impl Seen {
    pub(crate) fn told(&self) -> Vec<&'static str> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn causes(&self) -> String {
        self.causes.lock().unwrap().clone()
    }

    /// Waits until that is what was told.
    pub(crate) async fn until(&self, told: &[&str]) {
        let started = Instant::now();
        while self.told() != told {
            assert!(started.elapsed() < Duration::from_secs(60), "{:?} is not {told:?}", self.told());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends `redis` a command, and reads all that it answers until it closes the connection.
pub(crate) fn tell(redis: &Redis, command: &str) -> String {
    let port = redis.url().rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "AUTH {}\r\n{command}\r\nQUIT\r\n", redis.password()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut first, mut rest) = (String::new(), String::new());
    reader.read_line(&mut first).unwrap();
    assert_eq!(first, "+OK\r\n");
    reader.read_to_string(&mut rest).unwrap();
    rest
}
