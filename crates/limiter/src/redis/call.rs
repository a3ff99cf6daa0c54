//! One exchange with Redis: all attempts that wait, in one trip.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::time::Duration;

use domain::keys::KeyId;
use domain::limits::{Bucket, Budget, Spending};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::oneshot;

use super::{RedisAddress, RedisClock};

/// The rule, to be run by Redis.
const SCRIPT: &str = include_str!("spend.lua");

/// How many numbers the script answers of each attempt.
const NUMBERS: usize = 4;

/// An attempt to spend, and who waits for what becomes of it. Who is dropped counts for himself.
pub(super) struct Attempt {
    pub(super) budget: Budget,
    pub(super) cost: u32,
    pub(super) answer: oneshot::Sender<Spending>,
}

/// A connection on which Redis knows the rule.
pub(super) struct Connection {
    connection: MultiplexedConnection,
    script: String,
    clock: RedisClock,
}

/// The attempts of one budget, in their order.
struct Group {
    name: String,
    attempts: Vec<Attempt>,
}

impl Connection {
    pub(super) async fn open(address: &RedisAddress, clock: &RedisClock) -> RedisResult<Self> {
        let client = Client::open(address.connection.clone())?;
        // How long anything may take is decided by the caller.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let script = load(&mut connection).await?;
        Ok(Self { connection, script, clock: clock.clone() })
    }

    /// Makes these attempts and tells those who wait.
    ///
    /// # Errors
    /// When Redis cannot be reached, or fails one: those that it did not answer are dropped.
    pub(super) async fn make(&mut self, attempts: impl Iterator<Item = Attempt>) -> RedisResult<()> {
        let groups = grouped(attempts);
        let Some(unknown) = self.send(groups).await? else { return Ok(()) };
        // Redis has forgotten the script, as it does when it was restarted or told to.
        self.script = load(&mut self.connection).await?;
        match self.send(unknown).await? {
            None => Ok(()),
            Some(_) => Err(RedisError::from((ErrorKind::Client, "Redis does not keep the script"))),
        }
    }

    /// Sends these groups; those of which Redis did not know the script.
    async fn send(&mut self, groups: Vec<Group>) -> RedisResult<Option<Vec<Group>>> {
        let mut pipeline = Pipeline::with_capacity(groups.len());
        for group in &groups {
            pipeline.add_command(self.command(group));
        }
        let answers: Vec<RedisResult<Vec<u64>>> = pipeline.ignore_errors().query_async(&mut self.connection).await?;
        let (mut unknown, mut failed) = (Vec::new(), None);
        for (group, answer) in groups.into_iter().zip(answers) {
            match answer {
                Ok(numbers) => group.tell(&numbers),
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => unknown.push(group),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok((!unknown.is_empty()).then_some(unknown)),
        }
    }

    fn command(&self, group: &Group) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(1).arg(&group.name);
        match &self.clock {
            RedisClock::Its => command.arg(""),
            RedisClock::Of(clock) => command.arg(clock.now().unix_micros()),
        };
        for attempt in &group.attempts {
            command.arg(attempt.budget.limit.get()).arg(attempt.cost);
        }
        command
    }
}

impl Group {
    fn tell(self, numbers: &[u64]) {
        for (attempt, told) in self.attempts.into_iter().zip(numbers.chunks_exact(NUMBERS)) {
            let &[admitted, remaining, resets_after, retry_after] = told else { continue };
            let spending = Spending {
                admitted: admitted == 1,
                limit: attempt.budget.limit.get(),
                remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
                resets_after: Duration::from_micros(resets_after),
                retry_after: Duration::from_micros(retry_after),
            };
            // Whoever asked may have gone away; what was spent is spent.
            let _ = attempt.answer.send(spending);
        }
    }
}

async fn load(connection: &mut MultiplexedConnection) -> RedisResult<String> {
    redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(connection).await
}

/// The attempts by what they want to spend, each group in the order in which they came.
fn grouped(attempts: impl Iterator<Item = Attempt>) -> Vec<Group> {
    let mut places: HashMap<(KeyId, Bucket), usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for attempt in attempts {
        let Budget { key, bucket, .. } = attempt.budget;
        let place = match places.entry((key, bucket)) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                groups.push(Group { name: name_of(key, bucket), attempts: Vec::new() });
                *place.insert(groups.len() - 1)
            }
        };
        if let Some(group) = groups.get_mut(place) {
            group.attempts.push(attempt);
        }
    }
    groups
}

/// What the meter is called in Redis.
fn name_of(key: KeyId, bucket: Bucket) -> String {
    let mut name = String::with_capacity(64);
    // Writing to a string cannot fail.
    let _ = write!(name, "purser:limits:{{{}}}:{}", key.0, bucket.as_str());
    name
}
