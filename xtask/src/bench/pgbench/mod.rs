//! What the server is compared with: the same credit as one hand-written statement, run by PostgreSQL's own load generator
//! on the same cluster, in a database of its own with the same schema.
//!
//! It has no server and no HTTP in its way, and no batches: each credit is a transaction. What it stored is verified as the
//! server's own ledger is, so it is known to have done the same work.

mod log;
mod output;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use self::log::Log;
use self::output::Output;
use super::case::Case;
use super::cluster::Postgres;
use super::figures::Figures;
use super::output_of;
use super::program::Program;
use super::row::StatementRow;
use crate::workspace;

/// The database.
const DATABASE: &str = "pgbench";

/// The threads of the load generator: it shares the machine with the database.
const THREADS: &str = "2";

/// As the server sets up its own sessions: one plan for every statement, which does not change its mind on small tables.
const SESSION: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off";

/// How many connections it takes to make one more second of warm-up necessary: each is a process of PostgreSQL's that has to
/// start, fill its caches and plan the statement.
const CONNECTIONS_PER_SECOND: usize = 64;

/// The statement with its database.
#[derive(Debug)]
pub(crate) struct Pgbench<'a> {
    postgres: &'a Postgres,
    program: Program,
    realm: String,
    /// How many credits it must have stored.
    stored: Cell<u64>,
}

impl<'a> Pgbench<'a> {
    /// Makes the database, with the schema that the server under measurement brings and a realm to credit in.
    pub(crate) fn prepare(postgres: &'a Postgres, server: &Program) -> Result<Self> {
        let program = Program { url: postgres.create_database(DATABASE)?, ..server.clone() };
        program.migrate()?;
        // For the game that is made with it.
        program.issue_key()?;
        let realm = postgres.query(DATABASE, "SELECT id FROM realms WHERE environment = 'sandbox'")?;
        Ok(Self { postgres, program, realm, stored: Cell::new(0) })
    }

    /// Measures the statement as the server is measured.
    pub(crate) async fn run(&self, case: &Case) -> Result<StatementRow> {
        if case.populate {
            self.populate(case)?;
        }
        let prefix = self.program.folder.join(&case.namespace);
        let more = u64::try_from(case.connections.div_ceil(CONNECTIONS_PER_SECOND)).context("too many connections")?;
        let warmup = case.warmup + Duration::from_secs(more);
        let mut running = self.command(case, warmup, &prefix);
        let shown = workspace::shown(&running);
        let running = running.spawn().with_context(|| format!("cannot start `{shown}`"))?;
        sleep(warmup).await;
        let cpu_before = self.postgres.cpu_seconds()?;
        let output = running.wait_with_output().with_context(|| format!("cannot wait for `{shown}`"))?;
        let database_cpu_seconds = self.postgres.cpu_seconds()? - cpu_before;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{shown}` failed ({}): {}", output.status, complaint.trim());
        let reported = Output::parse(&said).with_context(|| format!("cannot read what `{shown}` says:\n{said}"))?;
        self.stored.set(self.stored.get() + reported.processed);
        let latency_us = Log::take(&prefix)?.within(warmup, case.measured)?;
        Ok(StatementRow {
            workload: case.workload,
            connections: case.connections,
            figures: Figures::new(&latency_us, case.measured.as_secs_f64()),
            processed: reported.processed,
            reported_tps: reported.tps,
            reported_latency_ms: reported.latency_ms,
            database_cpu_seconds,
            runs: Vec::new(),
        })
    }

    /// Verifies the ledger that it wrote: every credit is there, and the books are as the server itself would keep them.
    pub(crate) fn prove(&self) -> Result<String> {
        let stored = self.postgres.query(DATABASE, "SELECT count(*) FROM entries")?;
        let expected = self.stored.get();
        ensure!(stored == expected.to_string(), "pgbench says {expected} transactions, there are {stored} entries");
        self.program.verify()
    }

    fn populate(&self, case: &Case) -> Result<()> {
        let mut psql = self.postgres.client("psql", DATABASE);
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]);
        for (name, value) in self.variables(case) {
            psql.arg("--set").arg(format!("{name}={value}"));
        }
        output_of(psql.arg("--file").arg(sql("populate.sql")))?;
        self.stored.set(self.stored.get() + u64::from(case.players));
        Ok(())
    }

    fn command(&self, case: &Case, warmup: Duration, log_prefix: &Path) -> Command {
        let mut pgbench = self.postgres.client("pgbench", DATABASE);
        pgbench.env("PGOPTIONS", SESSION).args(["--no-vacuum", "--protocol", "prepared", "--jobs", THREADS]);
        pgbench.args(["--client", &case.connections.to_string()]);
        pgbench.args(["--time", &(warmup + case.measured).as_secs().to_string()]);
        for (name, value) in self.variables(case) {
            pgbench.arg("--define").arg(format!("{name}={value}"));
        }
        pgbench.arg("--log").arg("--log-prefix").arg(log_prefix).arg("--file").arg(sql("credit.sql"));
        pgbench.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        pgbench
    }

    fn variables(&self, case: &Case) -> [(&'static str, String); 3] {
        let namespace = case.namespace.clone();
        [("realm", self.realm.clone()), ("players", case.players.to_string()), ("namespace", namespace)]
    }
}

/// The statements are files, so that they can be tried by hand.
fn sql(name: &str) -> PathBuf {
    workspace::root().join("xtask/src/bench/pgbench").join(name)
}
