//! `simulate`: runs many seeds and stops at the first that fails, made short; or one seed, with its whole trace.

use std::panic;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use simulator::{Medium, Plan, report};

/// Run simulated servers through random faults.
#[derive(Debug, Parser)]
#[command(name = "simulate", bin_name = "cargo xtask simulate")]
struct CommandLine {
    /// How many seeds
    #[arg(long, default_value_t = 1_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// Run this seed alone and print its trace
    #[arg(long)]
    seed: Option<u64>,
    /// How many steps each run has before its calm end
    #[arg(long, default_value_t = 120)]
    steps: u32,
    /// Take only these steps of the seed, as a report names them
    #[arg(long, value_delimiter = ',', requires = "seed", conflicts_with = "steps")]
    only: Option<Vec<u32>>,
    /// On what the processes keep their data
    #[arg(long, default_value = "memory")]
    store: Store,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Store {
    /// The tests' store in memory
    Memory,
    /// A SQLite file for each seed, in a temporary folder
    Sqlite,
}

fn main() -> ExitCode {
    let CommandLine { seeds, from, seed, steps, only, store } = CommandLine::parse();
    let medium = match store {
        Store::Memory => Medium::Memory,
        Store::Sqlite => Medium::Sqlite,
    };
    let plan = |seed| Plan { medium, ..Plan::new(seed, steps) };
    // A panic is a finding, and told as one.
    panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = seed {
        let mut plan = plan(seed);
        plan.steps = only.unwrap_or(plan.steps);
        let outcome = plan.run();
        outcome.trace.iter().for_each(|line| println!("{line}"));
        return if outcome.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let mut commits = 0;
    for seed in from..from.saturating_add(seeds) {
        let plan = plan(seed);
        let outcome = plan.run();
        commits += outcome.commits;
        if outcome.failure.is_some() {
            print!("{}", report(&plan).unwrap_or_default());
            return ExitCode::FAILURE;
        }
    }
    println!("{seeds} seeds from {from} on, {steps} steps each, {commits} commits judged: nothing found");
    ExitCode::SUCCESS
}
