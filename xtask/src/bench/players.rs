//! `bench players`: how long a merge, an erasure and an export take, what they cost in memory, and what everybody else feels.
//!
//! Beside each of the long ones, another connection credits another player without a pause: the longest of those credits is
//! how long the store was held up.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use super::client::{Connection, Target, read};
use super::cluster::Postgres;
use super::figures::median;
use super::program::Program;
use super::server::Server;
use super::{Database, Databases};

/// Longer than any of these requests may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many rows a call of the import takes.
const ROWS_MAX: usize = 1_000;

/// Over how many currencies a history is spread.
const CURRENCIES: usize = 10;

/// How long the history is that is called long.
const LONG: usize = 100_000;

/// How many pairs of ordinary players are merged.
const PAIRS: usize = 20;

/// How often the server's memory is looked at during an export.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What to measure on, and with which server.
#[derive(Debug, Args)]
pub(crate) struct PlayersOptions {
    /// The store of the server; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) server_bin: Option<PathBuf>,
}

/// Measures `binary` on each database in turn, with the data below `parent`.
pub(crate) async fn run(options: &PlayersOptions, binary: &Path, parent: &Path) -> Result<()> {
    for &database in options.database.each() {
        on(binary, parent, database).await?;
    }
    Ok(())
}

async fn on(binary: &Path, parent: &Path, database: Database) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, 8)?),
    };
    let url = match &postgres {
        None => format!("sqlite:{}", folder.path().join("purser.sqlite3").display()),
        Some(postgres) => postgres.create_database("purser")?,
    };
    println!("\n{}", postgres.as_ref().map_or_else(|| "SQLite, embedded".to_owned(), ToString::to_string));
    let program =
        Program { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), url, settings: Vec::new() };
    let mut server = Server::start(program.clone()).await?;
    let measured = Measured { server: &server, database };
    if let Err(failure) = measured.all().await {
        return Err(failure.context(server.last_words()));
    }
    server.stop().await?;
    println!("`purser verify` agrees: {}", program.verify()?);
    if let Some(postgres) = &postgres {
        println!("{}", postgres.complaints());
    }
    Ok(())
}

struct Measured<'a> {
    server: &'a Server,
    database: Database,
}

impl Measured<'_> {
    async fn all(&self) -> Result<()> {
        let mut connection = self.target().connect().await?;
        self.ordinary_merges(&mut connection).await?;
        fill(&mut connection, "long", LONG).await?;
        fill(&mut connection, "target", ROWS_MAX).await?;
        self.export(&mut connection, "long").await?;
        let merge = post("/server/v1/players/long/merge-into/target", "{}")?;
        self.beside_credits("merge of a player with 100,000 entries", &mut connection, merge).await?;
        let erase = post("/server/v1/players/target/delete", "{}")?;
        self.beside_credits("erasure of a player with 101,010 entries", &mut connection, erase).await
    }

    fn target(&self) -> &Target {
        self.server.target()
    }

    async fn ordinary_merges(&self, connection: &mut Connection) -> Result<()> {
        let mut took = Vec::new();
        for pair in 0..PAIRS {
            fill(connection, &format!("source-{pair}"), ROWS_MAX).await?;
            fill(connection, &format!("target-{pair}"), ROWS_MAX).await?;
            let path = format!("/server/v1/players/source-{pair}/merge-into/target-{pair}");
            let start = Instant::now();
            ok(connection, post(&path, "{}")?).await?;
            took.push(ms(start.elapsed()));
        }
        let longest = took.iter().copied().fold(0.0, f64::max);
        let middle = median(took, |ms| *ms).context("at least one merge")?;
        println!(
            "merge of two players with 1,000 entries each: median {middle:.1} ms, longest {longest:.1} ms, of {PAIRS}"
        );
        Ok(())
    }

    /// Sends `request` while another connection credits another player, and tells what both felt.
    async fn beside_credits(
        &self,
        what: &str,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<()> {
        let (stop, credits) = self.credit_until_stopped().await?;
        sleep(Duration::from_millis(500)).await;
        let start = Instant::now();
        ok(connection, request).await?;
        let took = ms(start.elapsed());
        sleep(Duration::from_millis(500)).await;
        stop.set(true);
        let mut felt = credits.await.context("the credits ended")??;
        felt.sort_by(f64::total_cmp);
        let longest = felt.last().copied().unwrap_or_default();
        let middle = median(felt, |ms| *ms).unwrap_or_default();
        println!("{what}: {took:.1} ms; credits to others meanwhile: median {middle:.2} ms, longest {longest:.1} ms");
        Ok(())
    }

    async fn credit_until_stopped(&self) -> Result<(Rc<Cell<bool>>, JoinHandle<Result<Vec<f64>>>)> {
        let stop = Rc::new(Cell::new(false));
        let stopped = Rc::clone(&stop);
        let mut connection = self.target().connect().await?;
        let credits = spawn_local(async move {
            let mut felt = Vec::new();
            while !stopped.get() {
                let start = Instant::now();
                let request = post("/server/v1/players/somebody/wallet/gold/credit", r#"{"amount":1}"#)?;
                ok(&mut connection, request).await?;
                felt.push(ms(start.elapsed()));
            }
            Ok(felt)
        });
        Ok((stop, credits))
    }

    /// Reads an export to its end, without keeping it.
    async fn export(&self, connection: &mut Connection, player: &str) -> Result<()> {
        let before = self.server.process().resident_mb()?;
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::try_from(format!("/server/v1/players/{player}/export?format=ndjson"))?;
        let start = Instant::now();
        let response = connection.send(request).await?;
        ensure!(response.status() == StatusCode::OK, "the export was answered {}", response.status());
        let mut body = response.into_body();
        let (mut first, mut bytes, mut lines, mut peak, mut looked) = (None, 0, 0, before, Instant::now());
        let mut last = Vec::new();
        while let Some(frame) = timeout(PATIENCE, body.frame()).await.context("the export stalls")? {
            let Ok(chunk) = frame.context("the export was cut off")?.into_data() else { continue };
            first.get_or_insert_with(|| ms(start.elapsed()));
            bytes += chunk.len();
            lines += chunk.iter().filter(|byte| **byte == b'\n').count();
            last = chunk.to_vec();
            if LOOK_EVERY <= looked.elapsed() {
                (peak, looked) = (peak.max(self.server.process().resident_mb()?), Instant::now());
            }
        }
        let took = start.elapsed().as_secs_f64();
        peak = peak.max(self.server.process().resident_mb()?);
        // An export ends its connection.
        connection.reopen().await?;
        ensure!(last.windows(10).any(|window| window == b"\"manifest\""), "the export has no manifest");
        let (first, growth) = (first.unwrap_or_default(), peak - before);
        println!(
            "export of {LONG} entries on {:?}: first byte after {first:.1} ms, {lines} lines and {bytes} bytes in {took:.2} s; \
             memory {before:.1} MB before, {growth:.1} MB more at the most",
            self.database
        );
        Ok(())
    }
}

/// Gives `player` a history of so many entries over [`CURRENCIES`] currencies, each with a reason.
async fn fill(connection: &mut Connection, player: &str, entries: usize) -> Result<()> {
    for call in 0..entries.div_ceil(ROWS_MAX) {
        let rows = (0..ROWS_MAX).map(|row| {
            let (number, currency) = (call * ROWS_MAX + row, row % CURRENCIES);
            format!(
                r#"{{"externalPlayerId":"{player}","economyKey":"currency-{currency}","amount":1,"reason":"entry {number} of {player}","idempotencyKey":"{player}-{number}"}}"#
            )
        });
        let body = format!(r#"{{"rows":[{}]}}"#, rows.collect::<Vec<_>>().join(","));
        ok(connection, post("/server/v1/migrate/wallet", body)?).await?;
    }
    Ok(())
}

fn post(path: &str, body: impl Into<Bytes>) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path).context("not a path")?;
    Ok(request)
}

async fn ok(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<()> {
    let path = request.uri().path().to_owned();
    let answer = async {
        let response = connection.send(request).await?;
        let status = response.status();
        Ok::<_, anyhow::Error>((status, read(response).await?))
    };
    let (status, body) = timeout(PATIENCE, answer).await.with_context(|| format!("no answer from {path}"))??;
    ensure!(status == StatusCode::OK, "{path}: {status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
