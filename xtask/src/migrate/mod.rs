//! `migrate`: the schema of the database that a developer works on, new migrations, and the proof that all go both ways.
//!
//! What is applied or reverted, the server's own `purser migrate` does, so that a developer uses what an operator uses.

mod new;
mod target;

use std::env;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use self::target::Database;
use crate::postgres::Server;
use crate::{test, workspace};

/// Which of persistence's tests are about the schema. Nextest fails when there is none.
const PROOFS: &str = "test(/schema|migration/)";

/// What to do with migrations.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Apply what is pending
    Up(Target),
    /// Revert the newest one, with the data that it holds
    Down(Target),
    /// Revert the newest one and apply it again
    Redo(Target),
    /// List the migrations and whether each is applied
    Status(Target),
    /// Make the files of a new one, for both databases
    New {
        /// What it does, as `verb_noun`
        name: String,
    },
    /// Prove that all go up, down and up again on both databases, and that both schemas are twins
    Check,
}

/// The database to migrate.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// `sqlite` for the embedded store, `postgres` for the one in `PURSER_DATABASE_URL`, or a URL [default: what the
    /// server would use]
    #[arg(long)]
    database: Option<Database>,
}

/// Does it.
pub(crate) fn run(action: &Action) -> Result<()> {
    match action {
        Action::Up(target) => target.migrate(&["up"]),
        Action::Down(target) => target.migrate(&["down"]),
        Action::Redo(target) => target.migrate(&["down", "up"]),
        Action::Status(target) => target.migrate(&["status"]),
        Action::New { name } => new::run(name),
        Action::Check => check(),
    }
}

impl Target {
    fn migrate(&self, verbs: &[&str]) -> Result<()> {
        let url = self.database.as_ref().map(|database| database.url(|name| env::var(name).ok())).transpose()?;
        for verb in verbs {
            let mut command = workspace::cargo();
            // A relative path means what it means where it was typed.
            command.current_dir(env::current_dir().context("no current directory")?);
            command.args(["run", "--locked", "--quiet", "-p", "server", "--bin", "purser", "--", "migrate", verb]);
            // Not as an argument: it may hold a password, which everybody on the machine could read, and we in our errors.
            if let Some(url) = &url {
                command.env(target::URL_VARIABLE, url);
            }
            workspace::run(command)?;
        }
        Ok(())
    }
}

fn check() -> Result<()> {
    test::require_nextest()?;
    let server = Server::bring_up()?;
    let mut proofs = workspace::cargo();
    server.tell(&mut proofs);
    proofs.args(["nextest", "run", "--locked", "-p", "persistence", "--no-tests=fail", "-E", PROOFS]);
    workspace::run(proofs)
}
