//! `check`: what CI runs, and no more. Cheap and most often broken first. The tests are followed by what needs the program
//! that they were run with: Schemathesis, which takes half a minute on two processors.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{postgres, redis, schemathesis, test, tidy, workspace};

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("fmt", fmt),
    ("clippy", clippy),
    ("deny", deny),
    ("unused", unused),
    ("tidy", tidy::run),
    ("doc", doc),
    ("test", all_tests),
    ("schemathesis", schemathesis::check),
];

/// Runs every step and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    // Asked now, because the answer would otherwise come after minutes of compiling.
    test::require_nextest()?;
    postgres::require()?;
    redis::require()?;
    for (index, (name, step)) in STEPS.iter().enumerate() {
        let place = format!("step {} of {}, {name}", index + 1, STEPS.len());
        println!("==> {place}");
        step().with_context(|| format!("check stopped at {place}"))?;
    }
    Ok(())
}

fn fmt() -> Result<()> {
    workspace::run(cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    workspace::run(cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

/// Licences, banned crates and sources. Not the advisories: their database needs a network that CI does not have.
fn deny() -> Result<()> {
    workspace::require_cargo_tool("deny")?;
    workspace::run(cargo(&["deny", "--locked", "check", "licenses", "bans", "sources"]))
}

/// Dependencies that no source file names. `cargo shear` and the compiler's own lint know more and need a nightly toolchain.
fn unused() -> Result<()> {
    workspace::require_cargo_tool("machete")?;
    workspace::run(cargo(&["machete"])).context("remove what is named above from its Cargo.toml")
}

fn doc() -> Result<()> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    workspace::run(command)
}

fn all_tests() -> Result<()> {
    test::run(&[])
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
    command
}
