//! All measurements on one database: bring it up, start the server on it, fill the table, and prove that it is true.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::audit::{self, Audit};
use super::case::Case;
use super::cluster::{Complaints, Postgres};
use super::figures::Figures;
use super::pgbench::Pgbench;
use super::program::Program;
use super::row::{Row, StatementRow};
use super::server::Server;
use super::work::{Credits, Work};
use super::{Database, Options, phase};

/// The connections of the row that sets the other rates in proportion: the least a keyed request can cost.
const PING_CONNECTIONS: usize = 64;

/// What was found on one database.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    database: Database,
    startup_ms: f64,
    idle_mb: f64,
    rows: Vec<Row>,
    audit: Audit,
    postgres: Option<PostgresFindings>,
}

/// What only PostgreSQL has.
#[derive(Debug, Serialize)]
struct PostgresFindings {
    version: String,
    settings: Vec<String>,
    pgbench: Vec<StatementRow>,
    complaints: Complaints,
}

/// What is measured: the server, on PostgreSQL beside the statement of `pgbench`.
struct Measured<'a> {
    options: &'a Options,
    server: &'a Server,
    postgres: Option<&'a Postgres>,
    pgbench: Option<&'a Pgbench<'a>>,
    rows: Vec<Row>,
    statement_rows: Vec<StatementRow>,
    credited: Vec<Rc<Work>>,
}

impl Findings {
    /// Whether every balance is what was acknowledged.
    pub(crate) fn is_exact(&self) -> bool {
        self.audit.is_exact()
    }
}

/// Measures `binary` on `database`, with the data below `parent`.
pub(crate) async fn run(options: &Options, binary: &Path, parent: &Path, database: Database) -> Result<Findings> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;
    let folder = folder.path();
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, options.connections.iter().copied().max().unwrap_or(0))?),
    };
    let url = match &postgres {
        None => {
            println!("\nSQLite, embedded");
            format!("sqlite:{}", folder.join("purser.sqlite3").display())
        }
        Some(postgres) => {
            println!("\n{postgres}");
            postgres.create_database("purser")?
        }
    };
    let settings = options.settings.clone();
    let program = Program { binary: binary.to_path_buf(), folder: folder.to_path_buf(), url, settings };
    let compared = postgres.as_ref().filter(|_| !options.without_pgbench);
    let pgbench = compared.map(|postgres| Pgbench::prepare(postgres, &program)).transpose()?;
    let mut server = Server::start(program.clone()).await?;
    let (startup_ms, idle_mb) = (server.startup_ms, server.idle_mb);
    println!("first 200 from /healthz {startup_ms:.0} ms after the start; {idle_mb:.1} MB resident when idle\n");

    let mut measured = Measured {
        options,
        server: &server,
        postgres: postgres.as_ref(),
        pgbench: pgbench.as_ref(),
        rows: Vec::new(),
        statement_rows: Vec::new(),
        credited: Vec::new(),
    };
    let outcome = measured.fill().await;
    let Measured { rows, statement_rows, credited, .. } = measured;
    let audit = match outcome {
        Ok(()) => audit::run(&server, &credited).await,
        Err(failure) => Err(failure.context(server.last_words())),
    }?;
    println!("\n{audit}");
    server.stop().await?;
    println!("`purser verify` agrees: {}", program.verify()?);
    if let Some(pgbench) = &pgbench {
        println!("`purser verify` on what pgbench stored: {}", pgbench.prove()?);
    }
    let postgres = postgres.as_ref().map(|postgres| {
        let complaints = postgres.complaints();
        println!("{complaints}");
        let (version, settings) = (postgres.version().to_owned(), postgres.settings().to_vec());
        PostgresFindings { version, settings, pgbench: statement_rows, complaints }
    });
    Ok(Findings { database, startup_ms, idle_mb, rows, audit, postgres })
}

impl Measured<'_> {
    async fn fill(&mut self) -> Result<()> {
        println!("{}", Row::heading());
        for (workload, players) in [("random", self.options.players), ("hot", 1)] {
            for &connections in &self.options.connections {
                self.compare(workload, players, connections).await?;
            }
        }
        let ping = Rc::new(Work::ping());
        let case = self.case("ping", 0, PING_CONNECTIONS, 0);
        let mut runs = Vec::new();
        for _ in 0..self.options.runs {
            runs.push(phase::run(self.server, self.postgres, &case, &ping).await?);
        }
        let row = Row::median(runs).context("at least one run")?;
        println!("{row}");
        self.rows.push(row);
        Ok(())
    }

    /// One number of connections: the server and the statement in turn, so that both see the same machine.
    async fn compare(&mut self, workload: &'static str, players: u32, connections: usize) -> Result<()> {
        let (mut runs, mut statement_runs) = (Vec::new(), Vec::new());
        for run in 0..self.options.runs {
            let case = self.case(workload, players, connections, run);
            let work = Rc::new(Work::Credits(Credits::new(&case.namespace, players)?));
            self.credited.push(Rc::clone(&work));
            if case.populate {
                phase::populate(self.server, &work).await?;
            }
            runs.push(phase::run(self.server, self.postgres, &case, &work).await?);
            if let Some(pgbench) = self.pgbench {
                statement_runs.push(pgbench.run(&case).await?);
            }
        }
        let mut row = Row::median(runs).context("at least one run")?;
        let statement = StatementRow::median(statement_runs);
        let rate = |figures: &Figures| figures.requests_per_second;
        row.times_pgbench = statement.as_ref().map(|statement| rate(&row.figures) / rate(&statement.figures));
        println!("{row}");
        self.rows.push(row);
        if let Some(statement) = statement {
            println!("{statement}");
            self.statement_rows.push(statement);
        }
        Ok(())
    }

    fn case(&self, workload: &'static str, players: u32, connections: usize, run: u32) -> Case {
        let Options { populate, warmup_seconds, seconds, .. } = *self.options;
        let (warmup, measured) = (Duration::from_secs(warmup_seconds), Duration::from_secs(seconds));
        // The audit tells measurements apart by their players' names.
        let namespace = format!("{workload}-{connections}-{}-{run}", self.rows.len());
        Case { workload, connections, namespace, players, populate, warmup, measured }
    }
}
