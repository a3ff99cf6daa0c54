//! `bench lobbies`: pushes of lobbies, reads of a lobby with its board, and scores and ranks on a large leaderboard.
//!
//! The board is filled over the API like everything else, so what it is measured on is what a studio would have.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use serde_json::Value;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::client::{Connection, Target, read};
use super::cluster::Postgres;
use super::figures::{Figures, latencies};
use super::program::Program;
use super::server::Server;
use super::work::Random;
use super::{Database, Databases};

/// Longer than any of these requests may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many rows a call of the import takes.
const ROWS_MAX: usize = 1_000;

/// The names of the event and the leaderboard.
const KEY: &str = "measured";

/// What to measure on, and with which server.
#[derive(Debug, Args)]
pub(crate) struct LobbiesOptions {
    /// The store of the server; PostgreSQL is a private one, as durable as it comes
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
    /// How many entries the leaderboard has
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    entries: usize,
    /// How long each measured phase sends requests
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "PATH")]
    pub(super) server_bin: Option<PathBuf>,
}

/// Measures `binary` on each database in turn, with the data below `parent`.
pub(crate) async fn run(options: &LobbiesOptions, binary: &Path, parent: &Path) -> Result<()> {
    for &database in options.database.each() {
        on(options, binary, parent, database).await?;
    }
    Ok(())
}

async fn on(options: &LobbiesOptions, binary: &Path, parent: &Path, database: Database) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).context("no folder for the data")?;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(parent, 80)?),
    };
    let url = match &postgres {
        None => format!("sqlite:{}", folder.path().join("purser.sqlite3").display()),
        Some(postgres) => postgres.create_database("purser")?,
    };
    println!("\n{}", postgres.as_ref().map_or_else(|| "SQLite, embedded".to_owned(), ToString::to_string));
    println!("{:<66} {:>5} {}", "", "conns", Figures::heading());
    let program =
        Program { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), url, settings: Vec::new() };
    let mut server = Server::start(program.clone()).await?;
    let admin = Target::new(server.address(), &program.issue_key_for("admin")?)?;
    let measured = Measured { server: &server, admin, seconds: options.seconds };
    if let Err(failure) = measured.all(options.entries).await {
        return Err(failure.context(server.last_words()));
    }
    server.stop().await?;
    if let Some(postgres) = &postgres {
        println!("{}", postgres.complaints());
    }
    Ok(())
}

struct Measured<'a> {
    server: &'a Server,
    admin: Target,
    seconds: u64,
}

impl Measured<'_> {
    async fn all(&self, entries: usize) -> Result<()> {
        let game = self.configure().await?;
        self.pushes(&game, "pushes of 4 new players", |number| {
            [4 * number, 4 * number + 1, 4 * number + 2, 4 * number + 3]
        })
        .await?;
        self.pushes(&game, "pushes of 4 known players", |number| {
            let first = number.wrapping_mul(2_654_435_761) % 4_000;
            [first, first + 1, first + 2, first + 3]
        })
        .await?;
        self.lobby_reads(&game).await?;
        self.fill(entries).await?;
        let players = u64::try_from(entries).context("that is too many")?;
        for connections in [1, 16] {
            let write = move |random: &mut Random, _| {
                let (player, value) = (random.next() % players, random.next() % 1_000_000);
                let body = format!(r#"{{"externalPlayerId":"ranked-{player}","value":{value}}}"#);
                post(&format!("/server/v1/leaderboards/{KEY}/score"), body)
            };
            self.phase("score and its rank", connections, StatusCode::OK, write).await?;
            let ranks = move |random: &mut Random, _| {
                let player = random.next() % players;
                get(&format!("/server/v1/leaderboards/{KEY}?limit=10&around=true&externalId=ranked-{player}"))
            };
            self.phase("rank and ten around it", connections, StatusCode::OK, ranks).await?;
            let top = move |_: &mut Random, _| get(&format!("/server/v1/leaderboards/{KEY}?limit=10"));
            self.phase("the first ten", connections, StatusCode::OK, top).await?;
        }
        Ok(())
    }

    /// Makes the event and the leaderboard; the id of the game.
    async fn configure(&self) -> Result<String> {
        let mut connection = self.server.target().connect().await?;
        let ping = json(&mut connection, get("/server/v1/ping")?).await?;
        let game = ping.pointer("/apiKey/gameId").and_then(Value::as_str).context("the key has a game")?.to_owned();
        let mut admin = self.admin.connect().await?;
        let event = format!(
            r#"{{"key":"{KEY}","name":"measured","leaderboardMode":"lobby_matched",
            "leaderboard":{{"capacity":16,"fillBots":true,"fillTimeoutSeconds":60}},
            "schedule":{{"startsAt":"2026-01-01T00:00:00.000Z","everySeconds":31536000,"lengthSeconds":31536000}}}}"#
        );
        ok(&mut admin, post(&format!("/admin/v1/games/{game}/events"), event)?, StatusCode::CREATED).await?;
        let board = format!(r#"{{"key":"{KEY}","name":"measured","aggregation":"latest"}}"#);
        ok(&mut admin, post(&format!("/admin/v1/games/{game}/leaderboards"), board)?, StatusCode::CREATED).await?;
        Ok(game)
    }

    async fn pushes(&self, game: &str, what: &str, players: impl Fn(u64) -> [u64; 4] + Copy + 'static) -> Result<()> {
        for connections in [16, 64] {
            let path = format!("/server/v1/games/{game}/events/{KEY}/lobbies");
            let prefix = format!("{}-{connections}", what.replace(' ', "-"));
            let push = move |_: &mut Random, number: u64| {
                let [one, two, three, four] = players(number);
                let body = format!(
                    r#"{{"key":"{prefix}-{number}","capacity":4,"externalPlayerIds":["{prefix}-p{one}","{prefix}-p{two}","{prefix}-p{three}","{prefix}-p{four}"]}}"#
                );
                post(&path, body)
            };
            self.phase(what, connections, StatusCode::CREATED, push).await?;
        }
        Ok(())
    }

    async fn lobby_reads(&self, game: &str) -> Result<()> {
        let mut connection = self.server.target().connect().await?;
        let mut lobbies = Vec::new();
        for number in 0..100 {
            let body = format!(
                r#"{{"key":"read-{number}","externalPlayerIds":["a-{number}","b-{number}","c-{number}","d-{number}"]}}"#
            );
            let path = format!("/server/v1/games/{game}/events/{KEY}/lobbies");
            let answer = json(&mut connection, post(&path, body)?).await?;
            let id = answer.pointer("/data/id").and_then(Value::as_str).context("a lobby has an id")?;
            lobbies.push(format!("/server/v1/games/{game}/lobbies/{id}"));
        }
        let lobbies = Rc::new(lobbies);
        for connections in [1, 16] {
            let lobbies = Rc::clone(&lobbies);
            let one = move |_: &mut Random, number: u64| {
                let index = usize::try_from(number).unwrap_or(0) % lobbies.len();
                get(lobbies.get(index).context("there are some")?)
            };
            self.phase("reads of a lobby with its board: 4 players, 12 bots", connections, StatusCode::OK, one).await?;
        }
        Ok(())
    }

    /// Fills the leaderboard with so many players, each with a score.
    async fn fill(&self, entries: usize) -> Result<()> {
        let start = Instant::now();
        let calls = u64::try_from(entries.div_ceil(ROWS_MAX)).context("that is too many")?;
        let import = |number: u64| {
            let rows = (0..ROWS_MAX).map(|row| {
                let player = usize::try_from(number).unwrap_or(0) * ROWS_MAX + row;
                format!(r#"{{"externalPlayerId":"ranked-{player}","idempotencyKey":"player-{player}"}}"#)
            });
            let body = format!(r#"{{"rows":[{}]}}"#, rows.collect::<Vec<_>>().join(","));
            post("/server/v1/migrate/players", body)
        };
        self.each("players", calls, 4, import).await?;
        let players = start.elapsed();
        let score = |number: u64| {
            let value = number.wrapping_mul(2_654_435_761) % 1_000_000;
            let body = format!(r#"{{"externalPlayerId":"ranked-{number}","value":{value}}}"#);
            post(&format!("/server/v1/leaderboards/{KEY}/score"), body)
        };
        let start = Instant::now();
        self.each("scores", u64::try_from(entries).context("that is too many")?, 256, score).await?;
        let scores = start.elapsed();
        println!(
            "filled: {entries} players in {:.0} s, their first scores in {:.0} s ({:.0}/s, 256 connections)",
            players.as_secs_f64(),
            scores.as_secs_f64(),
            super::real(u64::try_from(entries).unwrap_or(0)) / scores.as_secs_f64(),
        );
        Ok(())
    }

    /// Sends request after request until all `count` were answered with 200.
    async fn each(
        &self,
        what: &'static str,
        count: u64,
        connections: usize,
        request: impl Fn(u64) -> Result<Request<Full<Bytes>>> + Copy + 'static,
    ) -> Result<()> {
        let next = Rc::new(Cell::new(0));
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let (mut connection, next) = (self.server.target().connect().await?, Rc::clone(&next));
            tasks.push(spawn_local(async move {
                loop {
                    let number = next.get();
                    if count <= number {
                        return anyhow::Ok(());
                    }
                    next.set(number + 1);
                    ok(&mut connection, request(number)?, StatusCode::OK).await?;
                }
            }));
        }
        for task in tasks {
            task.await.context("a task of the generator panicked")?.context(what)?;
        }
        Ok(())
    }

    /// Warms up for a second, then measures.
    async fn phase(
        &self,
        what: &str,
        connections: usize,
        expected: StatusCode,
        request: impl Fn(&mut Random, u64) -> Result<Request<Full<Bytes>>> + Clone + 'static,
    ) -> Result<()> {
        let number = Rc::new(Cell::new(0));
        let latencies: Rc<RefCell<Histogram<u64>>> = Rc::new(RefCell::new(latencies()?));
        let begin = Instant::now() + Duration::from_secs(1);
        let end = begin + Duration::from_secs(self.seconds);
        let mut tasks = Vec::new();
        for seed in 0..connections {
            let mut connection = self.server.target().connect().await?;
            let (number, latencies, request) = (Rc::clone(&number), Rc::clone(&latencies), request.clone());
            let mut random = Random::new(u64::try_from(seed).unwrap_or(0));
            tasks.push(spawn_local(async move {
                while Instant::now() < end {
                    number.set(number.get() + 1);
                    let request = request(&mut random, number.get())?;
                    let start = Instant::now();
                    ok(&mut connection, request, expected).await?;
                    if begin <= start {
                        let taken = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                        latencies.borrow_mut().saturating_record(taken);
                    }
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await.context("a task of the generator panicked")?.with_context(|| what.to_owned())?;
        }
        let seconds = super::real(self.seconds);
        println!("{what:<66} {connections:>5} {}", Figures::new(&latencies.borrow(), seconds));
        Ok(())
    }
}

fn post(path: &str, body: impl Into<Bytes>) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path).context("not a path")?;
    Ok(request)
}

fn get(path: &str) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::try_from(path).context("not a path")?;
    Ok(request)
}

async fn answered(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
    let path = request.uri().path().to_owned();
    let answer = async {
        let response = connection.send(request).await?;
        let status = response.status();
        Ok::<_, anyhow::Error>((status, read(response).await?))
    };
    timeout(PATIENCE, answer).await.with_context(|| format!("no answer from {path}"))?
}

async fn ok(connection: &mut Connection, request: Request<Full<Bytes>>, expected: StatusCode) -> Result<()> {
    let path = request.uri().path().to_owned();
    let (status, body) = answered(connection, request).await?;
    ensure!(status == expected, "{path}: {status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}

async fn json(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<Value> {
    let (status, body) = answered(connection, request).await?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).context("the answer is no JSON")
}
