//! `soak`: a server under everything at once for as long as one likes, and whether it is at the end as it was at the beginning.
//!
//! In this order: a fresh store with two realms, one of them with a subscriber to every event; how much of the mix the server
//! can take; the mix at a share of that, at a steady rate, with rotations, imports and merges beside it; then every balance
//! against what was acknowledged, and the server's own audit. The generator shares the machine, so rates are its and not the
//! server's alone; what counts is that nothing changes from minute to minute.

mod beside;
mod load;
mod minute;
mod realm;
mod request;
mod verdict;

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hyper::StatusCode;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::beside::{Operators, json};
use self::load::{Load, Pace};
use self::minute::{Minute, Tally};
use self::realm::Realm;
use self::request::{get, post};
use self::verdict::Verdict;
use super::client::Target;
use super::cluster::Postgres;
use super::program::Program;
use super::receiver::Receiver;
use super::server::Server;
use super::{Database, Databases, output_of, real};

const MINUTE: Duration = Duration::from_secs(60);

/// How long the peak is measured. It is what the server can go on with, so all that it does from time to time must be in it:
/// PostgreSQL begins a checkpoint every five minutes, and writes every page whole that changes first after that.
const PEAK: Duration = Duration::from_secs(300);

/// The peak is what goes through in the slowest of these. A machine that is shared is slower for seconds, and a rate that it
/// takes only at its best would judge the machine.
const SPELL: Duration = Duration::from_secs(10);

/// How long the subscriber may take to hear of the rest.
const DRAIN_MAX: Duration = Duration::from_secs(300);

/// For how long nothing more must come before the subscriber has heard of all.
const QUIET: Duration = Duration::from_secs(2);

/// How long a soak is, and on what.
#[derive(Debug, Args)]
pub(crate) struct SoakOptions {
    /// For how long the mix is sent
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// The store of the server; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
    /// At what share of the peak
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = share)]
    rate_share: f64,
    /// At this many requests a second, whatever the peak is
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long the mix is sent before its peak is measured: a store that has grown takes less than one that is small
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    warm_up: u64,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// How many players the larger realm has; the one with a subscriber has a tenth
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    players: u32,
    /// A setting of the server, such as lanes=2
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::setting)]
    settings: Vec<(String, String)>,
    /// Also write the minutes to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) server_bin: Option<PathBuf>,
}

/// A share of something: more than nothing, and at most all of it.
fn share(text: &str) -> Result<f64, &'static str> {
    let share: f64 = text.parse().map_err(|_| "must be a number")?;
    if 0.0 < share && share <= 1.0 { Ok(share) } else { Err("must be more than 0 and at most 1") }
}

/// Runs `binary` on each database in turn, with the data below `parent`; fails when an aim is missed.
pub(super) async fn run(options: &SoakOptions, binary: &Path, parent: &Path) -> Result<()> {
    let receiver = Receiver::start()?;
    let mut found = serde_json::Map::new();
    let mut reached = true;
    for &database in options.database.each() {
        let (minutes, verdict) = on(options, binary, parent, database, &receiver).await?;
        println!("{verdict}");
        reached &= verdict.is_reached();
        found.insert(format!("{database:?}").to_lowercase(), serde_json::to_value(minutes)?);
    }
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&found)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(reached, "an aim is missed");
    Ok(())
}

async fn on(
    options: &SoakOptions,
    binary: &Path,
    parent: &Path,
    database: Database,
    receiver: &Receiver,
) -> Result<(Vec<Minute>, Verdict)> {
    let folder = tempfile::Builder::new().prefix("soak-").tempdir_in(parent).context("no folder for the data")?;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, 80)?),
    };
    let url = match &postgres {
        None => format!("sqlite:{}", folder.path().join("purser.sqlite3").display()),
        Some(postgres) => postgres.create_database("purser")?,
    };
    println!("\n{}", postgres.as_ref().map_or_else(|| "SQLite, embedded".to_owned(), ToString::to_string));
    let mut settings = vec![("PURSER_WEBHOOK_ALLOW".to_owned(), "127.0.0.1".to_owned())];
    settings.extend(options.settings.iter().cloned());
    let program = Program { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), url, settings };
    let mut server = Server::start(program.clone()).await?;
    let soak = Soak { options, program: &program, server: &server, postgres: postgres.as_ref(), receiver };
    let (minutes, missing, balances) = match soak.all().await {
        Ok(all) => all,
        Err(failure) => return Err(failure.context(server.last_words())),
    };
    server.stop().await?;
    let verified = program.verify().map_err(|failure| format!("{failure:#}"));
    let books = balances.and_then(|compared| verified.map(|verified| format!("{compared}; {verified}")));
    if let Some(postgres) = &postgres {
        println!("{}", postgres.complaints());
    }
    let verdict = Verdict::new(&minutes, missing, books);
    Ok((minutes, verdict))
}

struct Soak<'a> {
    options: &'a SoakOptions,
    program: &'a Program,
    server: &'a Server,
    postgres: Option<&'a Postgres>,
    receiver: &'a Receiver,
}

/// The minutes, how many events were never heard of, and how balances compare with what was acknowledged.
type Found = (Vec<Minute>, u64, Result<String, String>);

impl Soak<'_> {
    async fn all(&self) -> Result<Found> {
        let address = self.server.address();
        let quiet = Target::new(address, &self.program.issue_key_in("live", "server_integration")?)?;
        let operators = Operators {
            address,
            quiet: Target::new(address, &self.program.issue_key_in("live", "admin")?)?,
            told: Target::new(address, &self.program.issue_key_in("sandbox", "admin")?)?,
        };
        let count = usize::try_from(self.options.players).context("that is too many")?;
        let game = game(&quiet).await?;
        let quiet = Realm::new("quiet", game.clone(), quiet, count);
        let told = Realm::new("told", game.clone(), self.server.target().clone(), count / 10);
        beside::configure(&game, &operators.quiet).await?;
        beside::configure(&game, &operators.told).await?;
        self.subscribe(&game, &operators.told).await?;
        beside::endow(&quiet).await?;
        beside::endow(&told).await?;
        let load = Rc::new(Load::new(quiet, told)?);

        let mut heard = 0;
        let peak = self.peak(&load, &mut heard).await?;
        let per_second = self.options.rate.map_or(peak * self.options.rate_share, f64::from);
        println!(
            "peak {peak:.0}/s over {} connections, of a thousand: {}; now {per_second:.0}/s for {} minutes",
            self.options.connections,
            request::shares(),
            self.options.minutes
        );
        let (minutes, begun) = (RefCell::new(Vec::new()), Cell::new(Instant::now()));
        println!("{}", Minute::heading());
        let time = MINUTE * u32::try_from(self.options.minutes).context("that is too long")?;
        tokio::select! {
            sent = load::send(&load, usize::from(self.options.connections), Pace::Open(per_second), time) => sent?,
            ended = beside::go_on(&load, &operators) => ended?,
            ended = self.watch(&load, (&minutes, &begun), &mut heard) => ended?,
        }
        let mut minutes = minutes.into_inner();
        let last = self.close(&load, minutes.len(), begun.get().elapsed(), &mut heard).await?;
        minutes.push(last);
        let heard = self.hear_the_rest(&load, heard).await?;
        // A rotation may have been under way at the end, whose new key nobody has seen.
        for (realm, environment) in [(&load.quiet, "live"), (&load.told, "sandbox")] {
            let key = self.program.issue_key_in(environment, "server_integration")?;
            realm.target.replace(Target::new(address, &key)?);
        }
        Ok((minutes, verdict::missing(load.told.changes.get(), heard), compare(&load).await))
    }

    /// How much of the mix the server can go on with, a second: what goes through when everybody waits for answers, in the slowest
    /// spell; or on the whole, if that is less. The time until the subscriber has heard of it is part of the whole, because a
    /// server that answers first and tells later could not go on so.
    async fn peak(&self, load: &Rc<Load>, heard: &mut u64) -> Result<f64> {
        let connections = usize::from(self.options.connections);
        load::send(load, connections, Pace::Closed, Duration::from_secs(self.options.warm_up)).await?;
        *heard = self.hear_the_rest(load, *heard).await?;
        load.tally.replace(Tally::new()?);
        let start = Instant::now();
        let mut spells = Vec::new();
        tokio::select! {
            sent = load::send(load, connections, Pace::Closed, PEAK) => sent?,
            () = count_spells(load, &mut spells) => {}
        }
        let sent = start.elapsed();
        *heard = self.hear_the_rest(load, *heard).await?;
        let seconds = start.elapsed().saturating_sub(QUIET).max(sent).as_secs_f64();
        let tally = load.tally.replace(Tally::new()?);
        let minute = tally.close(0, seconds, 0.0, &[])?;
        ensure!(minute.unintended_count() == 0, "something is wrong from the beginning\n{minute}");
        let mean = real(minute.figures.requests) / seconds;
        let slowest = spells.iter().copied().fold(mean, f64::min);
        let best = spells.iter().copied().fold(mean, f64::max);
        println!(
            "{mean:.0}/s in {PEAK:?}, {slowest:.0}/s in the slowest {SPELL:?} of them and {best:.0}/s in the best"
        );
        Ok(slowest)
    }

    /// Looks at the server every second, and closes every minute but the last.
    async fn watch(
        &self,
        load: &Load,
        (minutes, begun): (&RefCell<Vec<Minute>>, &Cell<Instant>),
        heard: &mut u64,
    ) -> Result<()> {
        let mut every = interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let last = usize::try_from(self.options.minutes).context("that is too long")? - 1;
        loop {
            every.tick().await;
            load.tally.borrow_mut().look(self.server.process().resident_mb()?);
            let closed = minutes.borrow().len();
            if MINUTE <= begun.get().elapsed() && closed < last {
                let taken = begun.replace(Instant::now()).elapsed();
                let minute = self.close(load, closed, taken, heard).await?;
                minutes.borrow_mut().push(minute);
            }
        }
    }

    async fn close(&self, load: &Load, before: usize, taken: Duration, heard: &mut u64) -> Result<Minute> {
        let tally = load.tally.replace(Tally::new()?);
        let seen = self.receiver.take();
        *heard += u64::try_from(seen.events.len()).unwrap_or(u64::MAX);
        let number = u64::try_from(before).unwrap_or(0) + 1;
        let minute = tally.close(number, taken.as_secs_f64(), self.database_mb().await?, &seen.delays_us)?;
        println!("{minute}");
        Ok(minute)
    }

    /// Waits until the subscriber has heard of all changes; how many it has heard of.
    async fn hear_the_rest(&self, load: &Load, mut heard: u64) -> Result<u64> {
        let start = Instant::now();
        let mut last = Instant::now();
        loop {
            let seen = u64::try_from(self.receiver.take().events.len()).unwrap_or(u64::MAX);
            heard += seen;
            if seen != 0 {
                last = Instant::now();
            }
            let quiet = QUIET < last.elapsed();
            if (load.told.changes.get() <= heard && quiet) || DRAIN_MAX < start.elapsed() {
                return Ok(heard);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the database takes on the disk, its log included on SQLite.
    async fn database_mb(&self) -> Result<f64> {
        let bytes = match self.postgres {
            None => {
                let files = fs::read_dir(&self.program.folder).context("the folder with the data is gone")?;
                let sizes = files.filter_map(|file| {
                    let file = file.ok()?;
                    let ours = file.file_name().to_string_lossy().starts_with("purser.sqlite3");
                    ours.then_some(file.metadata().ok()?.len())
                });
                sizes.sum()
            }
            Some(postgres) => {
                let mut psql: Command = postgres.client("psql", "purser");
                psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--command"]);
                psql.arg("SELECT pg_database_size('purser')");
                let printed = spawn_blocking(move || output_of(&mut psql)).await.context("psql")??;
                printed.trim().parse().context("no size")?
            }
        };
        Ok(real(bytes) / 1_048_576.0)
    }

    async fn subscribe(&self, game: &str, admin: &Target) -> Result<()> {
        let body = format!(r#"{{"url":"{}","events":["*"]}}"#, self.receiver.url());
        let create = post(&format!("/admin/v1/games/{game}/webhooks"), body)?;
        json(&mut admin.connect().await?, create, StatusCode::CREATED).await.map(drop)
    }
}

/// Notes how many requests a second were answered in each spell, until it is dropped.
async fn count_spells(load: &Load, spells: &mut Vec<f64>) {
    let (mut since, mut before) = (Instant::now(), 0);
    loop {
        sleep(SPELL).await;
        let answered = load.tally.borrow().count();
        spells.push(real(answered - before) / since.elapsed().as_secs_f64());
        (since, before) = (Instant::now(), answered);
    }
}

async fn game(target: &Target) -> Result<String> {
    let ping = json(&mut target.connect().await?, get("/server/v1/ping")?, StatusCode::OK).await?;
    let Some(game) = ping.pointer("/apiKey/gameId").and_then(Value::as_str) else { bail!("the key has no game") };
    Ok(game.to_owned())
}

async fn compare(load: &Load) -> Result<String, String> {
    let mut compared = 0;
    for realm in [&load.quiet, &load.told] {
        compared += beside::compare(realm).await.map_err(|failure| format!("{failure:#}"))?;
    }
    Ok(format!("{compared} balances are what was acknowledged"))
}
