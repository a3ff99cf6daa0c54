//! `simulate`: drives simulated servers through faults, in a program of its own, because it needs our crates and the tasks
//! must not.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace;

/// Runs the simulator with these arguments.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--locked", "-p", "simulator", "--"]).args(arguments);
    workspace::run(command)
}
