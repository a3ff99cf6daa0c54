//! `bench`: measures the real server over HTTP, then proves that it lost and invented nothing.
//!
//! In this order: start a server on an empty store; for each workload and number of connections warm up and measure;
//! read every touched wallet back and compare it with what was acknowledged; stop the server as an operator would; let
//! it verify its own ledger. The generator shares the machine with the server, so figures are for comparison on one
//! machine, not for a brochure.

mod audit;
mod client;
mod machine;
mod metrics;
mod phase;
mod report;
mod server;
mod work;

use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use std::{env, fs, process};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::runtime;
use tokio::task::LocalSet;

use self::machine::Machine;
use self::phase::Row;
use self::report::Report;
use self::server::Server;
use self::work::{Credits, Work};
use crate::workspace;

/// The connections of the row that sets the other rates in proportion: the least a keyed request can cost.
const PING_CONNECTIONS: usize = 64;

/// What to measure, and with which server.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many connections, each with one request at a time
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "1,16,64,256")]
    connections: Vec<usize>,
    /// How long each measured phase sends requests
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
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
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    server_bin: Option<PathBuf>,
}

/// Builds what is measured, measures, reports; fails when a balance is not what was acknowledged.
pub(crate) fn run(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    ensure!(options.connections.iter().all(|&connections| connections != 0), "--connections must not be 0");
    let binary = match &options.server_bin {
        Some(path) => path.canonicalize().with_context(|| format!("no server at {}", path.display()))?,
        None => build_server()?,
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    LocalSet::new().block_on(&runtime, measure_everything(options, binary))
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
        process::exit(status.code().unwrap_or(1));
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

async fn measure_everything(options: &Options, binary: PathBuf) -> Result<()> {
    let machine = Machine::inspect();
    println!("{machine}");
    // Below the build output and not in /tmp, which often is memory and makes every flush free.
    let parent = workspace::metadata()?.target_directory;
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;

    let mut server = Server::start(binary, folder.path()).await?;
    println!(
        "first 200 from /healthz {:.0} ms after the start; {:.1} MB resident when idle\n",
        server.startup_ms, server.idle_mb
    );
    let mut rows = Vec::new();
    let mut credited = Vec::new();
    let outcome = measure_rows(options, &server, &mut rows, &mut credited).await;
    let audit = match outcome {
        Ok(()) => audit::run(&server, &credited).await,
        Err(failure) => Err(failure.context(server.last_words())),
    }?;
    println!("\n{audit}");
    let report = Report { machine, options, server: &server, rows: &rows, audit: &audit };
    if let Some(path) = &options.json {
        report.write(path)?;
    }
    ensure!(audit.is_exact(), "the balances are not what the server acknowledged");
    server.stop().await?;
    server.verify()?;
    println!("`purser verify` agrees");
    Ok(())
}

async fn measure_rows(
    options: &Options,
    server: &Server,
    rows: &mut Vec<Row>,
    credited: &mut Vec<Rc<Work>>,
) -> Result<()> {
    let warmup = Duration::from_secs(options.warmup_seconds);
    let measured = Duration::from_secs(options.seconds);
    println!("{}", Row::heading());
    for (workload, players) in [("random", options.players), ("hot", 1)] {
        for &connections in &options.connections {
            // A namespace of its own, or the audit could not tell the phases apart.
            let namespace = format!("{workload}-{connections}-{}", rows.len());
            let work = Rc::new(Work::Credits(Credits::new(&namespace, players)?));
            credited.push(Rc::clone(&work));
            if options.populate {
                phase::populate(server, &work).await?;
            }
            let row = phase::run(server, workload, &work, connections, warmup, measured).await?;
            println!("{row}");
            rows.push(row);
        }
    }
    let ping = Rc::new(Work::ping());
    let row = phase::run(server, "ping", &ping, PING_CONNECTIONS, warmup, measured).await?;
    println!("{row}");
    rows.push(row);
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
    fn a_count_keeps_its_value() {
        for (count, expected) in [(0, 0.0), (4_294_967_295, 4_294_967_295.0), (4_294_967_299, 4_294_967_299.0)] {
            assert!((real(count) - expected).abs() < f64::EPSILON, "{count}");
        }
    }
}
