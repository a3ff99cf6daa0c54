//! The one task that speaks with Redis: what arrives while an exchange is under way is the next exchange. When Redis is away it
//! says so at once and tries again every second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::RedisError;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::call::{Attempt, Connection};
use super::{RedisAddress, RedisClock, RedisOptions};

/// The most attempts in one exchange.
const ATTEMPTS_MAX: usize = 512;

/// How long it may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// How often Redis is looked for while it is away.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Is told when Redis goes and comes.
pub trait RedisObserver: Send + Sync {
    /// It cannot be used; every process counts for itself.
    fn lost(&self, cause: &str);

    /// It can be used again, or for the first time.
    fn found(&self);
}

/// The end of the task.
pub(super) struct Link {
    pub(super) address: RedisAddress,
    pub(super) options: RedisOptions,
    pub(super) attempts: Receiver<Attempt>,
    pub(super) is_away: Arc<AtomicBool>,
    pub(super) observer: Arc<dyn RedisObserver>,
}

impl Link {
    /// Looks for Redis once, so that it is known how things stand before anybody asks.
    pub(super) async fn look(&self) -> Option<Connection> {
        match self.connect().await {
            Ok(connection) => Some(self.found(connection)),
            Err(cause) => {
                self.lost(&cause);
                None
            }
        }
    }

    /// Runs until nobody can attempt anything any more.
    pub(super) async fn run(mut self, mut connection: Option<Connection>) {
        let mut waiting = Vec::with_capacity(ATTEMPTS_MAX);
        loop {
            connection = match connection {
                Some(mut there) => {
                    if self.attempts.recv_many(&mut waiting, ATTEMPTS_MAX).await == 0 {
                        return;
                    }
                    match made(&mut there, &mut waiting, self.options.exchange_max).await {
                        Ok(()) => Some(there),
                        Err(cause) => {
                            self.lost(&cause);
                            None
                        }
                    }
                }
                None => match self.wait().await {
                    Some(found) => Some(self.found(found)),
                    None => return,
                },
            };
        }
    }

    /// Waits for Redis to come back; nothing when nobody asks any more. Whoever has asked before it was known that it is away is
    /// sent off meanwhile.
    async fn wait(&mut self) -> Option<Connection> {
        loop {
            let Self { address, options, attempts, .. } = self;
            let probe = async {
                sleep(PROBE_EVERY).await;
                connect(address, &options.clock).await
            };
            tokio::pin!(probe);
            loop {
                tokio::select! {
                    attempt = attempts.recv() => drop(attempt?),
                    probed = &mut probe => match probed {
                        Ok(connection) => return Some(connection),
                        Err(_) => break,
                    },
                }
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        connect(&self.address, &self.options.clock).await
    }

    fn found(&self, connection: Connection) -> Connection {
        self.is_away.store(false, Ordering::Relaxed);
        self.observer.found();
        connection
    }

    fn lost(&self, cause: &str) {
        self.is_away.store(true, Ordering::Relaxed);
        self.observer.lost(cause);
    }
}

async fn connect(address: &RedisAddress, clock: &RedisClock) -> Result<Connection, String> {
    let opened = timeout(CONNECT_MAX, Connection::open(address, clock)).await;
    opened.map_err(|_| format!("no answer in {CONNECT_MAX:?}"))?.map_err(told)
}

/// Makes what waits, which is gone then, whatever became of it.
async fn made(connection: &mut Connection, waiting: &mut Vec<Attempt>, longest: Duration) -> Result<(), String> {
    let made = timeout(longest, connection.make(waiting.drain(..))).await;
    made.map_err(|_| format!("no answer in {longest:?}"))?.map_err(told)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn told(error: RedisError) -> String {
    error.to_string()
}
