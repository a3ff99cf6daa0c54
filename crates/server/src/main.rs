//! The program `purser`: reads the configuration and the command line, and wires the crates together.
//!
//! Nothing here decides anything about money. Standard output carries what was asked for; everything else, and every error
//! in one line, goes to standard error.

mod certificate_files;
mod cli;
mod commands;
mod config;
mod first_run;
mod gauges;
mod import_options;
mod invariants;
mod lanes;
mod limit_options;
mod logging;
mod observe;
mod open_files;
mod secret;
mod serve;
mod spans;
mod store;
mod system;

use std::process::ExitCode;

use cli::{Cli, Command};

/// Faster than the system's allocator under many small, short-lived values. Without huge pages, which would double what an
/// idle server holds.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code for a command that was refused or failed.
const FAILED: u8 = 1;
/// Exit code for a command line or configuration that makes no sense.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let settings = match config::Settings::resolve(&cli) {
        Ok(settings) => settings,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    if let Err(error) = logging::start(&settings) {
        return fail(BAD_USAGE, &error);
    }
    match run(cli, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(exit_code(&error), &error),
    }
}

/// What is wrong with the options of an import is known only when its files are looked into.
fn exit_code(error: &anyhow::Error) -> u8 {
    let is_usage = error.downcast_ref::<importer::Trouble>().is_some_and(importer::Trouble::is_usage);
    if is_usage { BAD_USAGE } else { FAILED }
}

fn run(cli: Cli, settings: config::Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async move {
        match cli.command {
            Command::Serve(_) => serve::serve(&settings).await,
            Command::Migrate { action } => commands::migrate::run(&settings, action).await,
            Command::Studio { action } => commands::studio::run(&settings, action).await,
            Command::Game { action } => commands::game::run(&settings, action).await,
            Command::Keys { action } => commands::keys::run(&settings, action).await,
            Command::Webhooks { action } => commands::webhooks::run(&settings, action).await,
            Command::Openapi => commands::openapi::run(),
            Command::Verify => commands::verify::run(&settings).await,
            Command::Backup(backup) => commands::backup::run(&settings, backup).await,
            Command::Health(_) => commands::health::run(&settings),
            Command::Import { what } => commands::import::run(*what).await,
        }
    })
}

/// Says what went wrong and why, in one line.
fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    let line = format!("{error:#}").replace('\n', " ");
    eprintln!("purser: {line}");
    ExitCode::from(code)
}
