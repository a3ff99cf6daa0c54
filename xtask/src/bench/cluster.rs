//! The PostgreSQL under measurement: a private cluster as careful as it comes, and what its log says in the end.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
use testcluster::{Cluster, Durability, Options, Programs};

use super::output_of;
use super::process::Process;

/// What `docs/scaling.md` tells an administrator to set: memory (a quarter of a machine of 8 GB), and a log that has room for a
/// run, besides room for as many connections as there will be. All the rest is as it comes.
const SETTINGS: &[(&str, &str)] = &[("shared_buffers", "2GB"), ("max_wal_size", "4GB")];

/// The connections of the server, of `psql`, and those that PostgreSQL keeps for itself.
const CONNECTIONS_BESIDES: usize = 44;

/// The settings that a reader of figures asks for.
const SHOWN: &str = "SELECT name || '=' || current_setting(name) FROM unnest(ARRAY['fsync', 'synchronous_commit', \
    'full_page_writes', 'wal_sync_method', 'shared_buffers', 'max_connections', 'max_wal_size', 'checkpoint_timeout']) AS name";

/// Each line of the log begins with the database that it is about.
const LOG_LINE: (&str, &str) = ("log_line_prefix", "%m [%p] (%d) ");

/// What is looked for in the log.
const ALARMING: &[&str] = &["PANIC:", "FATAL:", "ERROR:"];

/// A running PostgreSQL.
#[derive(Debug)]
pub(crate) struct Postgres {
    cluster: Cluster,
    process: Process,
    version: String,
    settings: Vec<String>,
}

/// What PostgreSQL complained about while it was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Complaints {
    deadlocks: usize,
    errors: usize,
    /// How often each was said, without the process and the time.
    by_text: BTreeMap<String, usize>,
}

impl Postgres {
    /// Starts one that `connections` can use at once, with its data below `folder` or in another one that is on a disk.
    pub(crate) fn start(folder: &Path, connections: usize) -> Result<Self> {
        let programs = Programs::find_or_install()?;
        let max_connections = (connections + CONNECTIONS_BESIDES).to_string();
        let settings = SETTINGS.iter().copied().chain([LOG_LINE, ("max_connections", &max_connections)]);
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let parent = Some(reachable(folder));
        let cluster = Cluster::start(&programs, Options { durability: Durability::Full, settings, parent })?;
        let version = programs.version().context("PostgreSQL says no version")?;
        let process = Process::new(cluster.postmaster_pid().context("PostgreSQL has stopped")?);
        let mut postgres = Self { cluster, process, version, settings: Vec::new() };
        postgres.settings = postgres.query("postgres", SHOWN)?.lines().map(str::to_owned).collect();
        Ok(postgres)
    }

    /// Makes an empty database and returns its address.
    pub(crate) fn create_database(&self, name: &str) -> Result<String> {
        self.query("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.cluster.url(name))
    }

    /// Runs one statement and returns its rows, one a line.
    pub(crate) fn query(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.client("psql", database);
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set",
            "ON_ERROR_STOP=1",
            "--command",
            sql,
        ]);
        Ok(output_of(&mut psql)?.trim().to_owned())
    }

    /// A client program of PostgreSQL's that will connect to `database`.
    pub(crate) fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.cluster.programs().path(program));
        let url = self.cluster.url(database);
        let (user, password) = credentials(&url).unwrap_or_default();
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.cluster.port().to_string());
        command.env("PGDATABASE", database).env("PGUSER", user).env("PGPASSWORD", password);
        command
    }

    /// The processor time that all its processes have used since the start.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        self.process.family_cpu_seconds()
    }

    /// Its version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The settings that matter, as `name=value`.
    pub(crate) fn settings(&self) -> &[String] {
        &self.settings
    }

    /// What it complained about so far.
    pub(crate) fn complaints(&self) -> Complaints {
        Complaints::found_in(&self.cluster.log())
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.cluster.data_folder();
        write!(out, "PostgreSQL {} in {} with {}", self.version, folder.display(), self.settings.join(", "))
    }
}

impl Complaints {
    fn found_in(log: &str) -> Self {
        let mut found = Self::default();
        for line in log.lines() {
            let alarming = ALARMING.iter().any(|word| line.contains(word));
            if !alarming {
                continue;
            }
            found.errors += 1;
            if line.contains("deadlock detected") {
                found.deadlocks += 1;
            }
            let text = line.split_once("] ").map_or(line, |(_, text)| text);
            *found.by_text.entry(text.to_owned()).or_default() += 1;
        }
        found
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deadlocks, errors, by_text } = self;
        write!(out, "PostgreSQL's log: {deadlocks} deadlocks, {errors} errors")?;
        for (text, count) in by_text {
            write!(out, "\n  {count} x {text}")?;
        }
        Ok(())
    }
}

/// `folder`, unless another account cannot get there: PostgreSQL never runs as root, and a home folder is often closed.
/// Then a folder that also is on a disk.
fn reachable(folder: &Path) -> PathBuf {
    let open = |folder: &Path| folder.metadata().is_ok_and(|folder| folder.mode() & 0o001 != 0);
    if folder.ancestors().all(open) { folder.to_path_buf() } else { PathBuf::from("/var/tmp") }
}

/// User and password of an address.
fn credentials(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    rest.split_once('@')?.0.split_once(':')
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn errors_are_counted_by_what_they_say_and_deadlocks_are_errors() {
        let log = "2026-11-22 02:00:00.123 UTC [7] (purser) ERROR:  deadlock detected\n\
            2026-11-22 02:00:00.124 UTC [7] (purser) DETAIL:  Process 7 waits\n\
            2026-11-22 02:00:00.125 UTC [8] (pgbench) ERROR:  duplicate key\n\
            2026-11-22 02:00:00.126 UTC [9] (pgbench) ERROR:  duplicate key\n\
            2026-11-22 02:00:00.127 UTC [1] () LOG:  checkpoint starting: time\n";
        let found = Complaints::found_in(log);
        assert_eq!((found.deadlocks, found.errors), (1, 3));
        assert_eq!(found.by_text.get("(pgbench) ERROR:  duplicate key"), Some(&2));
        assert_eq!(Complaints::found_in("").to_string(), "PostgreSQL's log: 0 deadlocks, 0 errors");
    }

    #[test]
    fn a_folder_that_others_cannot_enter_is_not_for_postgresql() {
        let only_ours = Permissions::from_mode(0o700);
        let closed = tempfile::Builder::new().permissions(only_ours).tempdir().unwrap();
        assert_eq!(reachable(closed.path()), Path::new("/var/tmp"));
        assert_eq!(reachable(Path::new("/usr")), Path::new("/usr"));
    }

    #[test]
    fn the_credentials_of_an_address_are_found() {
        assert_eq!(credentials("postgres://purser:secret@127.0.0.1:1/purser"), Some(("purser", "secret")));
        assert_eq!(credentials("postgres://127.0.0.1:1/purser"), None);
    }
}
