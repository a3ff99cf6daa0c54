//! `bench`: measures the real server over HTTP, then proves that it lost and invented nothing.
//!
//! In this order: start a server on an empty store; for each workload and number of connections warm up and measure;
//! read every touched wallet back and compare it with what was acknowledged; stop the server as an operator would; let
//! it verify its own ledger. On PostgreSQL, each row is followed by the same credit as one hand-written statement without
//! a server. The generator shares the machine with the server, so figures are for comparison on one machine, not for a
//! brochure.

mod audit;
mod case;
pub(crate) mod client;
mod cluster;
mod figures;
mod import;
mod import_source;
mod limits;
mod lobbies;
mod machine;
mod metrics;
mod pgbench;
mod phase;
mod players;
mod process;
pub(crate) mod program;
mod receiver;
mod report;
mod row;
pub(crate) mod server;
mod soak;
mod suite;
mod webhooks;
mod work;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use tokio::runtime;
use tokio::task::LocalSet;

use self::machine::Machine;
use self::report::Report;
pub(crate) use self::soak::SoakOptions;
use self::suite::Findings;
use crate::workspace;

/// What to measure, and with which server.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    other: Option<Other>,
    /// The store of the server; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Sqlite)]
    database: Databases,
    /// How many connections, each with one request at a time
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "1,16,64,256")]
    connections: Vec<usize>,
    /// How long each measured phase sends requests
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long each phase sends requests before it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    warmup_seconds: u64,
    /// How many players the random workload chooses from
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    players: u32,
    /// Credit every player once before each phase, so that no measured request creates one
    #[arg(long)]
    populate: bool,
    /// How often each row is measured; the median is shown
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// On PostgreSQL, leave out the same credit as one hand-written statement, run by pgbench
    #[arg(long)]
    without_pgbench: bool,
    /// A setting of the server, such as lanes=2
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    server_bin: Option<PathBuf>,
}

/// What is measured when it is not single requests.
#[derive(Debug, Subcommand)]
enum Other {
    /// Measure `purser import`, kill it and the server at random points, and compare the sums
    Import(import::Options),
    /// Measure what a merge, an erasure and an export take, and what everybody else feels meanwhile
    Players(players::PlayersOptions),
    /// Measure pushes and reads of lobbies, and scores and ranks on a large leaderboard
    Lobbies(lobbies::LobbiesOptions),
    /// Measure what a webhook subscriber costs, and how soon and how fast it is told
    Webhooks(webhooks::WebhooksOptions),
    /// Measure what rate limits cost: off, in memory, and in Redis
    Limits(limits::LimitsOptions),
}

/// Which databases to measure on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Databases {
    /// The embedded one.
    Sqlite,
    /// A private PostgreSQL.
    Postgres,
    /// One after the other.
    Both,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Database {
    Sqlite,
    Postgres,
}

impl Databases {
    fn each(self) -> &'static [Database] {
        match self {
            Self::Sqlite => &[Database::Sqlite],
            Self::Postgres => &[Database::Postgres],
            Self::Both => &[Database::Sqlite, Database::Postgres],
        }
    }
}

/// A setting as the environment names it, and its value.
fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("say NAME=VALUE")?;
    Ok((format!("PURSER_{}", name.replace('-', "_").to_uppercase()), value.to_owned()))
}

/// Builds what is measured, measures, reports; fails when a balance is not what was acknowledged.
pub(crate) fn run(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    ensure!(options.connections.iter().all(|&connections| connections != 0), "--connections must not be 0");
    let server_bin = match &options.other {
        None => &options.server_bin,
        Some(Other::Import(options)) => &options.server_bin,
        Some(Other::Players(options)) => &options.server_bin,
        Some(Other::Lobbies(options)) => &options.server_bin,
        Some(Other::Webhooks(options)) => &options.server_bin,
        Some(Other::Limits(options)) => &options.server_bin,
    };
    let binary = built(server_bin.as_deref())?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    LocalSet::new().block_on(&runtime, measure_everything(options, &binary))
}

/// Runs a soak, on a server that is built for it unless `options` name one.
pub(crate) fn soak(options: &SoakOptions) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    let binary = built(options.server_bin.as_deref())?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    println!("{}", Machine::inspect());
    LocalSet::new().block_on(&runtime, async { soak::run(options, &binary, &data_folder()?).await })
}

/// The server that was asked for, or one that is built now.
fn built(server_bin: Option<&Path>) -> Result<PathBuf> {
    match server_bin {
        Some(path) => path.canonicalize().with_context(|| format!("no server at {}", path.display())),
        None => build_server(),
    }
}

/// Where the data goes: below the build output and not in /tmp, which often is memory and makes every flush free.
fn data_folder() -> Result<PathBuf> {
    let parent = workspace::metadata()?.target_directory;
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    Ok(parent)
}

/// A generator that was built for debugging would take the processor away from what it measures.
fn run_optimised() -> Result<()> {
    println!("building the load generator in release mode");
    let mut command = workspace::cargo();
    command.current_dir(env::current_dir().context("no current directory")?);
    command.args(["run", "--quiet", "--release", "--package", "xtask", "--"]).args(env::args_os().skip(1));
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        // It has said why.
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}

fn build_server() -> Result<PathBuf> {
    println!("building the server in release mode");
    let mut command = workspace::cargo();
    command.args(["build", "--release", "-p", "server"]);
    workspace::run(command)?;
    Ok(workspace::metadata()?.target_directory.join("release").join("purser"))
}

async fn measure_everything(options: &Options, binary: &Path) -> Result<()> {
    let machine = Machine::inspect();
    println!("{machine}");
    let parent = data_folder()?;
    match &options.other {
        Some(Other::Import(options)) => return import::run(options, binary, &parent).await,
        Some(Other::Players(options)) => return players::run(options, binary, &parent).await,
        Some(Other::Lobbies(options)) => return lobbies::run(options, binary, &parent).await,
        Some(Other::Webhooks(options)) => return webhooks::run(options, binary, &parent).await,
        Some(Other::Limits(options)) => return limits::run(options, binary, &parent).await,
        None => {}
    }
    let mut databases = Vec::new();
    for &database in options.database.each() {
        databases.push(suite::run(options, binary, &parent, database).await?);
    }
    if let Some(path) = &options.json {
        Report { machine: &machine, options, databases: &databases }.write(path)?;
    }
    let exact = databases.iter().all(Findings::is_exact);
    ensure!(exact, "the balances are not what the server acknowledged");
    Ok(())
}

/// A count as a number that can be divided. Exact up to 2^53.
fn real(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).expect("half of 64 bits");
    let low = u32::try_from(count & u64::from(u32::MAX)).expect("half of 64 bits");
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// Runs `command` to its end and returns what it printed.
fn output_of(command: &mut Command) -> Result<String> {
    let shown = workspace::shown(command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{shown}` failed ({}): {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_the_name_that_the_environment_gives_it() {
        let known = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(setting("lanes=2"), known("PURSER_LANES", "2"));
        assert_eq!(setting("queue-depth=1=2"), known("PURSER_QUEUE_DEPTH", "1=2"));
        assert!(setting("lanes").is_err());
    }

    #[test]
    fn a_count_keeps_its_value() {
        for (count, expected) in [(0, 0.0), (4_294_967_295, 4_294_967_295.0), (4_294_967_299, 4_294_967_299.0)] {
            assert!((real(count) - expected).abs() < f64::EPSILON, "{count}");
        }
    }
}
