//! The program under measurement on one store: a path, the address of the store, and a folder to run in.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::output_of;

/// The limits that would otherwise be what is measured.
const UNLIMITED: &[&str] =
    &["PURSER_RATE_LIMIT", "PURSER_RATE_LIMIT_SERVER_API", "PURSER_RATE_LIMIT_SDK_READ", "PURSER_RATE_LIMIT_SDK_WRITE"];

/// `purser` with a store.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Where it runs, and leaves what it prints.
    pub(crate) folder: PathBuf,
    /// The address of its store.
    pub(crate) url: String,
    /// Other settings, as names and values in the environment.
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct IssuedKey {
    key: String,
}

impl Program {
    /// The program with none of the caller's settings and no rate limits. It runs in its own folder, where no settings file
    /// is, and is told its store by the environment: an address may hold a password.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PURSER_") {
                command.env_remove(&name);
            }
        }
        for limit in UNLIMITED {
            command.env(limit, "0");
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("PURSER_DATABASE_URL", &self.url);
        command
    }

    /// Brings the schema into being.
    pub(crate) fn migrate(&self) -> Result<()> {
        output_of(self.command().args(["migrate", "up"])).map(drop)
    }

    /// Makes a game and a key for the server API of the sandbox of it.
    pub(crate) fn issue_key(&self) -> Result<String> {
        self.issue_key_for("server_integration")
    }

    /// Makes a game, if there is none, and a key of that permission set for the sandbox of it.
    pub(crate) fn issue_key_for(&self, permissions: &str) -> Result<String> {
        self.issue_key_in("sandbox", permissions)
    }

    /// The same for an environment of it.
    pub(crate) fn issue_key_in(&self, environment: &str, permissions: &str) -> Result<String> {
        let mut issue = self.command();
        issue.args(["keys", "issue", "--studio", "bench", "--game", "bench", "--env", environment]);
        issue.args(["--permissions", permissions, "--create", "--json"]);
        let printed = output_of(&mut issue)?;
        // The answer holds a key, so it is not repeated in the error.
        let issued: IssuedKey = serde_json::from_str(&printed).context("`purser keys issue --json` printed no key")?;
        Ok(issued.key)
    }

    /// Recomputes every balance from the ledger; fails when one differs.
    pub(crate) fn verify(&self) -> Result<String> {
        Ok(output_of(self.command().arg("verify"))?.trim().to_owned())
    }
}
