//! One row of the table: so many connections send the same kind of request for so long, each waiting for its answer.
//!
//! Nothing is cut off: a phase stops sending when its time is over and ends when the last answer is in, so what the
//! server acknowledged is known exactly.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::case::Case;
use super::client::{self, Connection};
use super::cluster::Postgres;
use super::figures::{self, Figures};
use super::metrics::BatchSizes;
use super::row::{Failure, Row};
use super::server::Server;
use super::work::{Fate, Player, Random, Work};

/// How long the answers that are still due may take after the last request of a phase was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough connections to make players quickly, whatever the phase then uses.
const POPULATE_CONNECTIONS: usize = 64;

struct Tally {
    latency_us: Histogram<u64>,
    failures: BTreeMap<String, (u64, String)>,
}

/// Warms up, measures, and reads what it cost the server and its database.
pub(crate) async fn run(server: &Server, postgres: Option<&Postgres>, case: &Case, work: &Rc<Work>) -> Result<Row> {
    let mut observer = server.target().connect().await?;
    let opened = open(server, case.connections).await?;
    let (opened, _) = drive(opened, work, case.warmup).await?;

    let batches_before = batch_sizes(&mut observer).await;
    let cpu_before = server.process().cpu_seconds()?;
    let database_before = postgres.map(Postgres::cpu_seconds).transpose()?;
    let start = Instant::now();
    let (_, tally) = drive(opened, work, case.measured).await?;
    let seconds = start.elapsed().as_secs_f64();
    let server_cpu_seconds = server.process().cpu_seconds()? - cpu_before;
    let database_after = postgres.map(Postgres::cpu_seconds).transpose()?;
    let batches_after = batch_sizes(&mut observer).await;

    let failure = |(status, (count, sample))| Failure { status, count, sample };
    Ok(Row {
        workload: case.workload,
        connections: case.connections,
        figures: Figures::new(&tally.latency_us, seconds),
        errors: tally.failures.into_iter().map(failure).collect(),
        server_cpu_seconds,
        database_cpu_seconds: database_before.zip(database_after).map(|(before, after)| after - before),
        resident_mb: server.process().resident_mb()?,
        batches: batches_before.zip(batches_after).map(|(before, after)| after.since(&before)),
        times_pgbench: None,
        runs: Vec::new(),
    })
}

/// Credits every player of `work` once.
pub(crate) async fn populate(server: &Server, work: &Rc<Work>) -> Result<()> {
    let mut tasks = JoinSet::new();
    for (offset, mut connection) in open(server, POPULATE_CONNECTIONS).await?.into_iter().enumerate() {
        let work = Rc::clone(work);
        tasks.spawn_local(async move {
            let Work::Credits(credits) = &*work else { return Ok(()) };
            let tally = RefCell::new(Tally::new()?);
            for player in credits.players().iter().skip(offset).step_by(POPULATE_CONNECTIONS) {
                exchange(&mut connection, credits.request(player), Some(player), &tally).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.context("a task of the generator panicked")??;
    }
    Ok(())
}

async fn open(server: &Server, connections: usize) -> Result<Vec<Connection>> {
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(server.target().connect().await?);
    }
    Ok(opened)
}

/// Sends requests on every connection for `time`, waits for all answers, and hands the connections back.
async fn drive(connections: Vec<Connection>, work: &Rc<Work>, time: Duration) -> Result<(Vec<Connection>, Tally)> {
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for (seed, mut connection) in connections.into_iter().enumerate() {
        let (work, tally) = (Rc::clone(work), Rc::clone(&tally));
        let mut random = Random::new(u64::try_from(seed).expect("there are fewer than 2^64 connections"));
        tasks.spawn_local(async move {
            while Instant::now() < until {
                let (player, request) = work.next(&mut random);
                exchange(&mut connection, request, player, &tally).await?;
            }
            anyhow::Ok(connection)
        });
    }
    let mut connections = Vec::new();
    let all_answers = async {
        while let Some(finished) = tasks.join_next().await {
            connections.push(finished.context("a task of the generator panicked")??);
        }
        anyhow::Ok(())
    };
    timeout(time + PATIENCE, all_answers).await.context("the server stopped answering")??;
    drop(tasks);
    let tally = Rc::into_inner(tally).expect("every task has ended").into_inner();
    Ok((connections, tally))
}

/// Sends one request, reads the answer to its end and writes down what became of it.
async fn exchange(
    connection: &mut Connection,
    request: Request<Full<Bytes>>,
    player: Option<&Player>,
    tally: &RefCell<Tally>,
) -> Result<()> {
    let start = Instant::now();
    let answer = attempt(connection, request).await;
    let taken = start.elapsed();
    let fate = match &answer {
        Ok((StatusCode::OK, _)) => Fate::Acknowledged,
        Ok((status, _)) if status.is_client_error() => Fate::Refused,
        Ok(_) | Err(_) => Fate::Unknown,
    };
    if let Some(player) = player {
        player.note(fate);
    }
    tally.borrow_mut().record(taken, &answer);
    if answer.is_err() { connection.reopen().await } else { Ok(()) }
}

async fn attempt(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<(StatusCode, String)> {
    let response = connection.send(request).await?;
    let status = response.status();
    if status == StatusCode::OK {
        client::drain(response).await?;
        return Ok((status, String::new()));
    }
    Ok((status, String::from_utf8_lossy(&client::read(response).await?).into_owned()))
}

async fn batch_sizes(observer: &mut Connection) -> Option<BatchSizes> {
    // A phase may last longer than the server keeps an idle connection.
    observer.reopen().await.ok()?;
    let (status, body) = observer.get("/metrics").await.ok()?;
    if status == StatusCode::OK { BatchSizes::parse(&String::from_utf8_lossy(&body)) } else { None }
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self { latency_us: figures::latencies()?, failures: BTreeMap::new() })
    }

    fn record(&mut self, taken: Duration, answer: &Result<(StatusCode, String)>) {
        self.latency_us.saturating_record(u64::try_from(taken.as_micros()).unwrap_or(u64::MAX));
        let (status, sample) = match answer {
            Ok((StatusCode::OK, _)) => return,
            Ok((status, body)) => (status.as_u16().to_string(), body.clone()),
            Err(failure) => ("no answer".to_owned(), format!("{failure:#}")),
        };
        self.failures.entry(status).or_insert((0, sample)).0 += 1;
    }
}
