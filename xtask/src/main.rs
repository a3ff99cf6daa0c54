//! `cargo xtask <command>`: everything this repository does besides being built.
//!
//! One module per command. A task runs the ordinary tools or reads files; of our crates it depends only on the one that runs
//! PostgreSQL, which depends on none, so it can judge a workspace that does not compile.

mod advisories;
mod bench;
mod check;
mod fuzz;
mod migrate;
mod openapi;
mod postgres;
mod redis;
mod sbom;
mod schemathesis;
mod simulate;
mod test;
mod tidy;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything CI runs, in its order: fmt, clippy, deny, unused, tidy, doc, test, schemathesis
    Check,
    /// The doc tests, then every other test
    Test {
        /// Arguments for `cargo nextest run`; the doc tests are left out when there are any
        #[arg(last = true)]
        nextest: Vec<OsString>,
    },
    /// Migrate a developer's database, begin a migration, or prove them all
    #[command(subcommand)]
    Migrate(migrate::Action),
    /// Run a private PostgreSQL until Ctrl-C, for tests and servers started by hand
    Postgres,
    /// The rules that no compiler knows: crate graph, lints, migrations, names, module headers
    Tidy,
    /// Write openapi.server.json from what the server says it serves
    Openapi {
        /// Compare with the committed file instead of writing it
        #[arg(long)]
        check: bool,
    },
    /// Run simulated servers through crashes, lost replies and clock jumps: `--seeds N [--from S]`, or `--seed S` for one
    #[command(disable_help_flag = true)]
    Simulate {
        /// `--seeds`, `--from`, `--steps`, `--seed`, `--only`, `--store`; `--help` explains them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Ask the database of known weaknesses about every dependency; for machines that can reach it
    Advisories,
    /// Write down what the released program is made of, as CycloneDX
    Sbom {
        /// Where to, instead of target/sbom/purser.cdx.json
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Run one of the tests that take any input for longer than the test run does
    Fuzz(fuzz::Options),
    /// Send a real server what its OpenAPI document allows and what it forbids, and judge every answer by the document
    Schemathesis(schemathesis::Options),
    /// Measure a real server over HTTP, then prove that it lost and invented nothing
    Bench(bench::Options),
    /// Run a server for long under everything at once, and judge memory, latency, errors and books
    Soak(bench::SoakOptions),
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().task {
        Task::Check => check::run(),
        Task::Test { nextest } => test::run(&nextest),
        Task::Migrate(action) => migrate::run(&action),
        Task::Postgres => postgres::run(),
        Task::Tidy => tidy::run(),
        Task::Openapi { check: true } => openapi::compare(),
        Task::Openapi { check: false } => openapi::write(),
        Task::Simulate { arguments } => simulate::run(&arguments),
        Task::Advisories => advisories::run(),
        Task::Sbom { output } => sbom::run(output.as_deref()),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Schemathesis(options) => schemathesis::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Soak(options) => bench::soak(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure:#}");
            ExitCode::FAILURE
        }
    }
}
