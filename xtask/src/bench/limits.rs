//! `bench limits`: what rate limits cost those who keep within them.
//!
//! The same server three times, each on a store of its own: without limits, with limits that nobody reaches, and with such limits
//! counted in Redis. They are measured by turns, so that all see the same machine, and compared within each round.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use http_body_util::Full;
use hyper::{Request, Uri};
use tempfile::TempDir;
use testcluster::{Redis, RedisProgram};

use super::case::Case;
use super::client::drain;
use super::cluster::Postgres;
use super::figures::median;
use super::phase;
use super::program::Program;
use super::server::Server;
use super::work::{Credits, Work};
use super::{Database, Databases};

/// More than anybody sends in a minute.
const UNREACHED: &str = "1000000000";

/// The setting that holds the limit.
const LIMIT: &str = "PURSER_RATE_LIMIT_SERVER_API";

/// How many players are credited.
const PLAYERS: u32 = 10_000;

/// What to measure on, and with which server.
#[derive(Debug, Args)]
pub(crate) struct LimitsOptions {
    /// The store of the servers; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Sqlite)]
    database: Databases,
    /// How many connections send credits
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// How long each phase is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many rounds; medians are shown
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) server_bin: Option<PathBuf>,
}

/// Where requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Off,
    Memory,
    Redis,
}

/// Credits a second, each measured for some seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    off: f64,
    memory: f64,
    redis: f64,
}

/// One server and what it is.
struct Limited {
    counted: Counted,
    server: Server,
    _folder: TempDir,
}

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:>10.0} {:>10.0} {:>10.0}", self.off, self.memory, self.redis)
    }
}

/// Measures `binary` on each database in turn, with the data below `parent`.
pub(crate) async fn run(options: &LimitsOptions, binary: &Path, parent: &Path) -> Result<()> {
    for &database in options.database.each() {
        on(options, binary, parent, database).await?;
    }
    Ok(())
}

async fn on(options: &LimitsOptions, binary: &Path, parent: &Path, database: Database) -> Result<()> {
    let redis = Redis::start(&RedisProgram::find_or_install()?)?;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, 3 * usize::from(options.connections) + 30)?),
    };
    println!("\n{}", postgres.as_ref().map_or_else(|| "SQLite, embedded".to_owned(), ToString::to_string));
    let limits = |limit: &str| vec![(LIMIT.to_owned(), limit.to_owned())];
    let in_redis = [limits(UNREACHED), vec![("PURSER_REDIS_URL".to_owned(), redis.url())]].concat();
    let mut servers = Vec::new();
    let all = [(Counted::Off, limits("0")), (Counted::Memory, limits(UNREACHED)), (Counted::Redis, in_redis)];
    for (counted, settings) in all {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;
        let url = match &postgres {
            None => format!("sqlite:{}", folder.path().join("purser.sqlite3").display()),
            Some(postgres) => postgres.create_database(&format!("limits_{}", counted.name()))?,
        };
        let program = Program { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), url, settings };
        let limited = Limited { counted, server: Server::start(program).await?, _folder: folder };
        check(&limited).await?;
        servers.push(limited);
    }
    let rounds = measure(options, &servers).await?;
    for limited in &mut servers {
        limited.server.stop().await?;
    }
    let middle = |of: fn(&Round) -> f64| median(rounds.clone(), of).map(|round| of(&round)).unwrap_or_default();
    let cost = |of: fn(&Round) -> f64| 100.0 * (1.0 - middle(of));
    let median = Round {
        off: middle(|round| round.off),
        memory: middle(|round| round.memory),
        redis: middle(|round| round.redis),
    };
    println!("{:>10} {median}", "median");
    let (memory, redis) = (cost(|round| round.memory / round.off), cost(|round| round.redis / round.off));
    println!("limits cost {memory:.1}% in memory and {redis:.1}% in Redis: medians of what each round lost");
    Ok(())
}

async fn measure(options: &LimitsOptions, servers: &[Limited]) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    println!("{:>10} {:>10} {:>10} {:>10}", "credits/s", "off", "memory", "redis");
    for number in 0..options.rounds {
        let mut round = Round::default();
        // Each is the first in its turn.
        let first = usize::try_from(number).context("that is too many")? % servers.len();
        for limited in servers.iter().cycle().skip(first).take(servers.len()) {
            let rate = credits(options, limited, number).await?;
            match limited.counted {
                Counted::Off => round.off = rate,
                Counted::Memory => round.memory = rate,
                Counted::Redis => round.redis = rate,
            }
        }
        println!("{:>10} {round}", number + 1);
        rounds.push(round);
    }
    Ok(rounds)
}

/// Fails unless the server says that it counts, or that it does not.
async fn check(limited: &Limited) -> Result<()> {
    let mut connection = limited.server.target().connect().await?;
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::from_static("/server/v1/ping");
    let response = connection.send(request).await?;
    let says = response.headers().contains_key("ratelimit-limit");
    drain(response).await?;
    let expected = limited.counted != Counted::Off;
    ensure!(says == expected, "with limits in {:?} the header RateLimit-Limit is there: {says}", limited.counted);
    Ok(())
}

async fn credits(options: &LimitsOptions, limited: &Limited, round: u32) -> Result<f64> {
    let case = Case {
        workload: limited.counted.name(),
        connections: usize::from(options.connections),
        namespace: format!("{}-{round}", limited.counted.name()),
        players: PLAYERS,
        populate: false,
        warmup: Duration::from_secs(1),
        measured: Duration::from_secs(options.seconds),
    };
    let work = Rc::new(Work::Credits(Credits::new(&case.namespace, case.players)?));
    let row = phase::run(&limited.server, None, &case, &work).await?;
    ensure!(row.errors.is_empty(), "with limits {}: {row}", limited.counted.name());
    Ok(row.figures.requests_per_second)
}
