//! `bench import`: how fast `purser import` is, what it and the server hold in memory on the way, and whether the sums are
//! equal when both are killed at random points.
//!
//! Two imports on each database: one that nobody disturbs, which is timed, and one into other players that is killed again
//! and again. Each must end with a receipt that says what was generated; then wallets are read back, and the server's own
//! audit must count every row once.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::str;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use super::cluster::Postgres;
use super::import_source::{Order, Source};
use super::process::Process;
use super::program::Program;
use super::server::Server;
use super::{Database, Databases, real, setting};

/// How often the import is looked at: the resolution of its time.
const POLL: Duration = Duration::from_millis(20);

/// About how many players are read back.
const READ_BACK: u64 = 1_000;

/// How many connections PostgreSQL has for others than the server.
const CONNECTIONS: usize = 16;

/// What to measure, and with which program.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many rows are brought in, once undisturbed and once killed
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    rows: u64,
    /// The store of the server; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Sqlite)]
    database: Databases,
    /// How often the second import is killed, by turns itself and the server; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 6)]
    kills: u32,
    /// In what order the rows are: as exports have them, or shuffled
    #[arg(long, value_enum, default_value_t = Order::ByPlayer)]
    order: Order,
    /// How many calls are under way at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    concurrency: u16,
    /// A setting of the server, such as lanes=2
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) server_bin: Option<PathBuf>,
}

/// What was found on one database.
#[derive(Debug, Serialize)]
struct Findings {
    database: Database,
    undisturbed: Figures,
    killed: Option<Figures>,
    verified: String,
}

/// One import.
#[derive(Debug, Serialize)]
struct Figures {
    rows: u64,
    seconds: f64,
    rows_per_second: f64,
    client_cpu_seconds: f64,
    server_cpu_seconds: f64,
    client_mb: AtTenthAndEnd,
    server_mb: AtTenthAndEnd,
    kills: u32,
    replayed: u64,
}

/// Memory when a tenth is settled, and when all is.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct AtTenthAndEnd {
    tenth: f64,
    end: f64,
}

/// An import that runs, and what has been seen of it.
struct Watched<'a> {
    options: &'a Options,
    program: &'a Program,
    server: &'a mut Server,
    source: &'a Source,
    client_mb: AtTenthAndEnd,
    server_mb: AtTenthAndEnd,
    client_cpu_seconds: f64,
    kills: u32,
    replayed: u64,
}

/// Measures on every database that was asked for; fails when a sum is not what was generated.
pub(super) async fn run(options: &Options, binary: &Path, parent: &Path) -> Result<()> {
    let mut found = Vec::new();
    for &database in options.database.each() {
        found.push(measure(options, binary, parent, database).await?);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&found).context("the figures are no JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure(options: &Options, binary: &Path, parent: &Path, database: Database) -> Result<Findings> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;
    let folder = folder.path();
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, CONNECTIONS)?),
    };
    let url = match &postgres {
        None => {
            println!("\nSQLite, embedded");
            format!("sqlite:{}", folder.join("purser.sqlite3").display())
        }
        Some(postgres) => {
            println!("\n{postgres}");
            postgres.create_database("purser")?
        }
    };
    let settings = options.settings.clone();
    let program = Program { binary: binary.to_path_buf(), folder: folder.to_path_buf(), url, settings };
    let mut server = Server::start(program.clone()).await?;
    println!("{:.1} MB resident when idle", server.idle_mb);

    let calm = Source::generate(folder, "calm", options.rows, options.order)?;
    let undisturbed = import(options, &program, &mut server, &calm, 0).await?;
    println!("undisturbed  {undisturbed}");
    let mut rows = options.rows;
    let killed = if options.kills == 0 {
        None
    } else {
        let stormy = Source::generate(folder, "stormy", options.rows, options.order)?;
        let figures = import(options, &program, &mut server, &stormy, options.kills).await?;
        println!("killed       {figures}");
        rows += options.rows;
        Some(figures)
    };
    server.stop().await?;
    let verified = program.verify()?;
    println!("`purser verify` agrees: {verified}");
    ensure!(verified.contains(&format!(" {rows} entries")), "the server must have {rows} entries, each row once");
    Ok(Findings { database, undisturbed, killed, verified })
}

/// Imports `source`, killing something `kills` times on the way.
async fn import(
    options: &Options,
    program: &Program,
    server: &mut Server,
    source: &Source,
    kills: u32,
) -> Result<Figures> {
    let cpu_before = server.process().cpu_seconds()?;
    let mut watched = Watched {
        options,
        program,
        server,
        source,
        client_mb: AtTenthAndEnd::default(),
        server_mb: AtTenthAndEnd::default(),
        client_cpu_seconds: 0.0,
        kills: 0,
        replayed: 0,
    };
    let begun = Instant::now();
    watched.run(kills).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let Watched { client_mb, server_mb, client_cpu_seconds, kills, replayed, .. } = watched;
    let cpu_after = server.process().cpu_seconds()?;
    read_back(server, source).await?;
    Ok(Figures {
        rows: options.rows,
        seconds,
        rows_per_second: real(options.rows) / seconds,
        client_cpu_seconds,
        // A server that was killed has taken its count with it.
        server_cpu_seconds: if kills == 0 { cpu_after - cpu_before } else { cpu_after },
        client_mb,
        server_mb,
        kills,
        replayed,
    })
}

impl Watched<'_> {
    async fn run(&mut self, kills: u32) -> Result<()> {
        let mut points: Vec<u64> = (0..kills).map(|_| random() % self.options.rows).collect();
        points.sort_unstable();
        let mut points = points.into_iter().enumerate().peekable();
        let mut client = self.start()?;
        loop {
            if let Some(status) = client.try_wait().context("cannot ask for the import's state")? {
                let words = fs::read_to_string(self.source.beside("err")).unwrap_or_default();
                ensure!(status.success(), "the import ended with {status}: {words}");
                return self.check();
            }
            let settled = self.look(&client);
            if let Some((number, _)) = points.next_if(|(_, point)| *point <= settled) {
                self.kills += 1;
                // Not always right after a state was written.
                sleep(Duration::from_millis(random() % 1_500)).await;
                if number % 2 == 0 {
                    client.kill().context("cannot kill the import")?;
                    client.wait().context("cannot bury the import")?;
                    client = self.start()?;
                } else {
                    self.server.kill_and_start().await?;
                }
            }
            sleep(POLL).await;
        }
    }

    fn start(&self) -> Result<Child> {
        let Self { program, server, source, options, .. } = self;
        let mut command = program.command();
        command.args(["import", "wallet", "--player", "player", "--currency", "currency", "--quiet", "--json"]);
        command.arg(source.path()).args(["--concurrency", &options.concurrency.to_string()]);
        command.arg("--receipt").arg(source.beside("receipt.json"));
        command.env("PURSER_API_KEY", server.key()).env("PURSER_IMPORT_SERVER", server.url());
        let output = |ending: &str| File::create(source.beside(ending)).context("cannot create a file");
        command.stdout(output("out")?).stderr(output("err")?);
        command.spawn().context("cannot start the import")
    }

    /// How many rows are settled by now. What cannot be seen, because a process is just ending, is seen the next time.
    fn look(&mut self, client: &Child) -> u64 {
        let state = fs::read(self.source.beside("purser-import-wallet.state")).unwrap_or_default();
        let state: Value = serde_json::from_slice(&state).unwrap_or_default();
        let settled = state.pointer("/position/events").and_then(Value::as_u64).unwrap_or_default();
        let process = Process::new(client.id());
        let (Ok(client_mb), Ok(server_mb)) = (process.resident_mb(), self.server.process().resident_mb()) else {
            return settled;
        };
        self.client_cpu_seconds = process.cpu_seconds().unwrap_or(self.client_cpu_seconds);
        for (seen, now) in [(&mut self.client_mb, client_mb), (&mut self.server_mb, server_mb)] {
            seen.end = now;
            if seen.tenth == 0.0 && self.options.rows <= settled * 10 {
                seen.tenth = now;
            }
        }
        settled
    }

    /// The receipt must say what was generated.
    fn check(&mut self) -> Result<()> {
        let text = fs::read(self.source.beside("receipt.json")).context("the import left no receipt")?;
        let receipt: Value = serde_json::from_slice(&text).context("the receipt is no JSON")?;
        ensure!(receipt.get("equal") == Some(&Value::Bool(true)), "the receipt says that the sums differ: {receipt}");
        let assets = receipt.get("assets").and_then(Value::as_array).context("the receipt has no assets")?;
        for (currency, sum) in self.source.sums() {
            let asset = assets.iter().find(|asset| asset.get("key").and_then(Value::as_str) == Some(currency));
            for side in ["/source/sum", "/onServer/sum"] {
                let told = asset.and_then(|asset| asset.pointer(side)).and_then(Value::as_str);
                ensure!(told == Some(&sum.to_string()), "{currency}: {sum} was generated, {side} says {told:?}");
            }
        }
        self.replayed = receipt.get("replayed").and_then(Value::as_u64).unwrap_or_default();
        Ok(())
    }
}

/// Compares what some players hold with what was generated for them.
async fn read_back(server: &Server, source: &Source) -> Result<()> {
    let mut connection = server.target().connect().await?;
    let step = usize::try_from(source.players() / READ_BACK + 1).context("a small number")?;
    for player in (0..source.players()).step_by(step) {
        let path = format!("/server/v1/players/{}/wallet", source.name_of(player));
        let (status, body) = connection.get(&path).await?;
        ensure!(status == StatusCode::OK, "{path} answered {status}");
        let body = str::from_utf8(&body).context("the answer is no text")?;
        for (currency, amount) in source.held_by(player) {
            let held = format!("\"economyKey\":\"{currency}\",\"balance\":{amount},");
            ensure!(body.contains(&held), "{path} must hold {amount} {currency}: {body}");
        }
    }
    Ok(())
}

/// A number that nobody knows before.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, seconds, rows_per_second, client_cpu_seconds, server_cpu_seconds, .. } = self;
        let Self { client_mb, server_mb, kills, replayed, .. } = self;
        write!(out, "{rows} rows in {seconds:.1} s: {rows_per_second:.0} rows/s; processor time client ")?;
        write!(out, "{client_cpu_seconds:.1} s, server {server_cpu_seconds:.1} s; resident at 10% and 100% client ")?;
        write!(out, "{:.0} and {:.0} MB, server ", client_mb.tenth, client_mb.end)?;
        write!(out, "{:.0} and {:.0} MB; {kills} kills, {replayed} rows sent again; ", server_mb.tenth, server_mb.end)?;
        write!(out, "sums equal")
    }
}

/// For the command line.
impl ValueEnum for Order {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::ByPlayer, Self::Shuffled]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::ByPlayer => "by-player",
            Self::Shuffled => "shuffled",
        }))
    }
}
