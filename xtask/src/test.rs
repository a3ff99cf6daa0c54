//! `test`: the doc tests first, then nextest, whose summary so ends the output.

use std::ffi::OsString;

use anyhow::{Result, ensure};

use crate::postgres::Server;
use crate::{redis, workspace};

/// Runs the doc tests and then every other test; with arguments for nextest, only what they select.
pub(crate) fn run(nextest: &[OsString]) -> Result<()> {
    require_nextest()?;
    if nextest.is_empty() {
        let mut doc_tests = workspace::cargo();
        doc_tests.args(["test", "--doc", "--workspace", "--locked", "--quiet"]);
        workspace::run(doc_tests)?;
    }
    redis::require()?;
    let server = Server::bring_up()?;
    let mut tests = workspace::cargo();
    server.tell(&mut tests);
    tests.args(["nextest", "run", "--locked"]);
    if !nextest.iter().any(names_a_package) {
        tests.arg("--workspace");
    }
    tests.args(nextest);
    workspace::run(tests)
}

/// Fails with the way to install cargo-nextest when it is missing.
pub(crate) fn require_nextest() -> Result<()> {
    ensure!(
        workspace::has_cargo_tool("nextest"),
        "cargo-nextest is missing: install it with `cargo install cargo-nextest --locked`"
    );
    Ok(())
}

/// Cargo lets `--workspace` win over `--package` without a word.
fn names_a_package(argument: &OsString) -> bool {
    let text = argument.to_string_lossy();
    text.starts_with("-p") || text.starts_with("--package")
}
