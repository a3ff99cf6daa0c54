//! `bench webhooks`: what a subscriber costs those who write, and how soon and how fast it is told.
//!
//! In each round credits are sent as fast as they go to a realm of which nobody is told, then to one with a subscriber of
//! `wallet.changed`, and then nothing until the subscriber has heard of every credit. After the rounds, credits at a steady
//! rate show how late the news is when nothing waits. The receiver runs beside generator and server.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use serde_json::Value;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::client::{Connection, Target, drain, read};
use super::cluster::Postgres;
use super::figures::{Figures, latencies, median};
use super::program::Program;
use super::receiver::Receiver;
use super::server::Server;
use super::work::{Credits, Random, Work};
use super::{Database, Databases};

/// How long the subscriber may take to hear of everything.
const DRAIN_MAX: Duration = Duration::from_secs(300);

/// What to measure on, and with which server.
#[derive(Debug, Args)]
pub(crate) struct WebhooksOptions {
    /// The store of the server; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
    /// How many connections send credits
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// How long each measured phase sends credits
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many rounds; medians are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The steady rate, in credits a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) server_bin: Option<PathBuf>,
}

/// Measures `binary` on each database in turn, with the data below `parent`.
pub(crate) async fn run(options: &WebhooksOptions, binary: &Path, parent: &Path) -> Result<()> {
    let receiver = Receiver::start()?;
    for &database in options.database.each() {
        on(options, binary, parent, database, &receiver).await?;
    }
    Ok(())
}

async fn on(
    options: &WebhooksOptions,
    binary: &Path,
    parent: &Path,
    database: Database,
    receiver: &Receiver,
) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, 80)?),
    };
    let url = match &postgres {
        None => format!("sqlite:{}", folder.path().join("purser.sqlite3").display()),
        Some(postgres) => postgres.create_database("purser")?,
    };
    println!("\n{}", postgres.as_ref().map_or_else(|| "SQLite, embedded".to_owned(), ToString::to_string));
    let settings = vec![("PURSER_WEBHOOK_ALLOW".to_owned(), "127.0.0.1".to_owned())];
    let program = Program { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), url, settings };
    let mut server = Server::start(program.clone()).await?;
    let quiet = Target::new(server.address(), &program.issue_key_in("live", "server_integration")?)?;
    let admin = Target::new(server.address(), &program.issue_key_for("admin")?)?;
    let measured = Measured { options, server: &server, quiet, receiver };
    if let Err(failure) = measured.all(&admin).await {
        return Err(failure.context(server.last_words()));
    }
    server.stop().await?;
    println!("{}", program.verify()?);
    if let Some(postgres) = &postgres {
        println!("{}", postgres.complaints());
    }
    Ok(())
}

/// One round.
#[derive(Clone, Copy)]
struct Round {
    /// Credits a second that nobody is told of.
    without: f64,
    /// Credits a second that a subscriber is told of.
    with: f64,
    /// Deliveries a second, from the first credit until the last one was heard of.
    delivered: f64,
}

struct Measured<'a> {
    options: &'a WebhooksOptions,
    server: &'a Server,
    quiet: Target,
    receiver: &'a Receiver,
}

impl Measured<'_> {
    async fn all(&self, admin: &Target) -> Result<()> {
        self.subscribe(admin).await?;
        // Both realms know their players before anything is measured.
        self.burst(&self.quiet, "quiet-0", 1).await?;
        let warm = self.burst(self.server.target(), "told-0", 1).await?;
        self.wait_for(warm).await?;
        self.receiver.take();
        let mut rounds = Vec::new();
        println!("{:>8} {:>12} {:>12} {:>8} {:>14}", "round", "without /s", "with /s", "ratio", "deliveries /s");
        for number in 1..=self.options.rounds {
            let round = self.round(number).await?;
            println!("{number:>8} {round}");
            rounds.push(round);
        }
        let middle = median(rounds, |round| round.with / round.without).context("there are rounds")?;
        println!("{:>8} {middle}", "median");
        self.steady().await
    }

    async fn round(&self, number: u32) -> Result<Round> {
        let seconds = super::real(self.options.seconds);
        let without = self.burst(&self.quiet, &format!("quiet-{number}"), self.options.seconds).await?;
        let start = Instant::now();
        let with = self.burst(self.server.target(), &format!("told-{number}"), self.options.seconds).await?;
        self.wait_for(with).await?;
        let delivered = super::real(with) / start.elapsed().as_secs_f64();
        let seen = self.receiver.take();
        let again = seen.events.values().filter(|times| 1 < **times).count();
        if again != 0 {
            println!("         {again} events came more than once");
        }
        Ok(Round { without: super::real(without) / seconds, with: super::real(with) / seconds, delivered })
    }

    async fn subscribe(&self, admin: &Target) -> Result<()> {
        let mut connection = admin.connect().await?;
        let ping = self.server.target().connect().await?.get("/server/v1/ping").await?.1;
        let ping: Value = serde_json::from_slice(&ping).context("not JSON")?;
        let game = ping.pointer("/apiKey/gameId").and_then(Value::as_str).context("the key has a game")?;
        let body = format!(r#"{{"url":"{}","events":["wallet.changed"]}}"#, self.receiver.url());
        let mut request = Request::new(Full::from(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::try_from(format!("/admin/v1/games/{game}/webhooks")).context("not a path")?;
        let answer = connection.send(request).await?;
        let status = answer.status();
        let body = read(answer).await?;
        ensure!(status == StatusCode::CREATED, "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// Credits as fast as they go, for so long; how many were acknowledged.
    async fn burst(&self, target: &Target, namespace: &str, seconds: u64) -> Result<u64> {
        let work = Rc::new(Work::Credits(Credits::new(namespace, 1_000)?));
        let end = Instant::now() + Duration::from_secs(seconds);
        let done = Rc::new(Cell::new(0_u64));
        let mut tasks = Vec::new();
        for seed in 0..self.options.connections {
            let (mut connection, work, done) = (target.connect().await?, Rc::clone(&work), Rc::clone(&done));
            let mut random = Random::new(u64::try_from(seed).unwrap_or(0));
            tasks.push(spawn_local(async move {
                while Instant::now() < end {
                    credit(&mut connection, &work, &mut random).await?;
                    done.set(done.get() + 1);
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await.context("a task of the generator panicked")??;
        }
        Ok(done.get())
    }

    /// Waits until the receiver has seen so many different events.
    async fn wait_for(&self, events: u64) -> Result<()> {
        let start = Instant::now();
        while super::real(events) > super::real(u64::try_from(self.receiver.count()).unwrap_or(0)) {
            if DRAIN_MAX < start.elapsed() {
                bail!("{} of {events} events came within {} s", self.receiver.count(), DRAIN_MAX.as_secs());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Credits at a steady rate, and how late the receiver hears of each.
    async fn steady(&self) -> Result<()> {
        let work = Rc::new(Work::Credits(Credits::new("steady", 1_000)?));
        let mut connections = Vec::new();
        for _ in 0..self.options.connections {
            connections.push(self.server.target().connect().await?);
        }
        let mut ticks = interval(Duration::from_secs(1) / self.options.rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (sent, mut random) = (Rc::new(Cell::new(0_u64)), Random::new(1));
        let idle = Rc::new(std::cell::RefCell::new(connections));
        let failed = Rc::new(Cell::new(false));
        let start = Instant::now();
        let end = start + Duration::from_secs(self.options.seconds.max(5));
        while Instant::now() < end {
            ticks.tick().await;
            let Some(mut connection) = idle.borrow_mut().pop() else { continue };
            let (work, sent, idle, failed) = (Rc::clone(&work), Rc::clone(&sent), Rc::clone(&idle), Rc::clone(&failed));
            let mut chosen = Random::new(random.next());
            spawn_local(async move {
                match credit(&mut connection, &work, &mut chosen).await {
                    Ok(()) => sent.set(sent.get() + 1),
                    Err(_) => failed.set(true),
                }
                idle.borrow_mut().push(connection);
            });
        }
        let sending = start.elapsed().as_secs_f64();
        while idle.borrow().len() < self.options.connections {
            sleep(Duration::from_millis(5)).await;
        }
        ensure!(!failed.get(), "a credit failed");
        self.wait_for(sent.get()).await?;
        let total = start.elapsed().as_secs_f64();
        let mut delays: Histogram<u64> = latencies()?;
        for delay in self.receiver.take().delays_us {
            delays.saturating_record(delay);
        }
        println!(
            "steady: {:.0} credits/s, {:.0} heard of /s; from the decision to the receiver's first byte:",
            super::real(sent.get()) / sending,
            super::real(sent.get()) / total,
        );
        println!("{:>32} {}", "", Figures::heading());
        println!("{:>32} {}", "", Figures::new(&delays, total));
        Ok(())
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { without, with, delivered } = self;
        write!(out, "{without:>12.0} {with:>12.0} {:>7.0}% {delivered:>14.0}", 100.0 * with / without)
    }
}

/// Sends one credit, which must be acknowledged.
async fn credit(connection: &mut Connection, work: &Work, random: &mut Random) -> Result<()> {
    let (_, request) = work.next(random);
    let answer = connection.send(request).await?;
    let status = answer.status();
    drain(answer).await?;
    ensure!(status == StatusCode::OK, "a credit was answered with {status}");
    Ok(())
}
