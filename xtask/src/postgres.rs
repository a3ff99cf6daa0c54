//! `postgres`, and the PostgreSQL that the tests run on: a private one that goes when the task ends, however it ends, or
//! one that the environment names.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};
use testcluster::{Cluster, Options, PROGRAMS_VARIABLE, Programs, SERVER_URL_VARIABLE};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The PostgreSQL that tests use.
pub(crate) enum Server {
    /// What the environment says, which our children see as we do.
    Named,
    /// Ours.
    Private(Box<Cluster>),
}

impl Server {
    /// Starts a cluster, unless the environment names a server.
    pub(crate) fn bring_up() -> Result<Self> {
        if env::var_os(SERVER_URL_VARIABLE).is_some_and(|url| !url.is_empty()) {
            println!("PostgreSQL as {SERVER_URL_VARIABLE} says");
            return Ok(Self::Named);
        }
        leave_interrupts_to_children()?;
        Ok(Self::Private(Box::new(start()?)))
    }

    /// Lets `command` and all that it starts know where the server and its programs are.
    pub(crate) fn tell(&self, command: &mut Command) {
        if let Self::Private(cluster) = self {
            command.env(SERVER_URL_VARIABLE, cluster.url("postgres"));
            command.env(PROGRAMS_VARIABLE, cluster.programs().folder());
        }
    }
}

/// Installs PostgreSQL when it will be needed and is missing.
pub(crate) fn require() -> Result<()> {
    if env::var_os(SERVER_URL_VARIABLE).is_none_or(|url| url.is_empty()) {
        Programs::find_or_install()?;
    }
    Ok(())
}

/// Runs a cluster until somebody ends us.
pub(crate) fn run() -> Result<()> {
    let runtime = small_runtime()?;
    let mut signals = {
        let _inside = runtime.enter();
        [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]
    };
    let cluster = start()?;
    println!("export {SERVER_URL_VARIABLE}={}", cluster.url("postgres"));
    println!("export {PROGRAMS_VARIABLE}={}", cluster.programs().folder().display());
    println!("Ctrl-C ends it and removes it");
    runtime.block_on(async {
        let [interrupt, terminate, hangup] = &mut signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    });
    drop(cluster);
    println!("\nPostgreSQL is stopped and removed");
    Ok(())
}

fn start() -> Result<Cluster> {
    let programs = Programs::find_or_install()?;
    let cluster = Cluster::start(&programs, Options::shared())?;
    let version = programs.version().unwrap_or_else(|| "of unknown version".to_owned());
    println!("PostgreSQL {version} on port {}", cluster.port());
    Ok(cluster)
}

/// From here on Ctrl-C, which reaches the whole foreground, ends what we run and not us: we then stop for its failure, and
/// clean up on the way. A listener that was once set up keeps the signal from its default effect for good.
fn leave_interrupts_to_children() -> Result<()> {
    let runtime = small_runtime()?;
    let _inside = runtime.enter();
    listen(SignalKind::interrupt()).map(drop)
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot listen to signals")
}

fn small_runtime() -> Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}
