//! One row of the table: so many connections send the same kind of request for so long, each waiting for its answer.
//!
//! Nothing is cut off: a phase stops sending when its time is over and ends when the last answer is in, so what the
//! server acknowledged is known exactly.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::{self, Connection};
use super::metrics::BatchSizes;
use super::real;
use super::server::Server;
use super::work::{Fate, Player, Random, Work};

/// How long the answers that are still due may take after the last request of a phase was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough connections to make players quickly, whatever the phase then uses.
const POPULATE_CONNECTIONS: usize = 64;

/// The figures of one measured phase.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    workload: &'static str,
    connections: usize,
    requests: u64,
    seconds: f64,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    errors: Vec<Failure>,
    server_cpu_seconds: f64,
    server_cpu_us_per_request: f64,
    resident_mb: f64,
    batch_mean: Option<f64>,
    batches: Option<BatchSizes>,
}

/// The requests that were answered with anything but 200, by what they were answered with.
#[derive(Debug, Serialize)]
struct Failure {
    status: String,
    count: u64,
    sample: String,
}

struct Tally {
    latency_us: Histogram<u64>,
    failures: BTreeMap<String, (u64, String)>,
}

/// Warms up, measures, and reads what it cost the server.
pub(crate) async fn run(
    server: &Server,
    workload: &'static str,
    work: &Rc<Work>,
    connections: usize,
    warmup: Duration,
    measured: Duration,
) -> Result<Row> {
    let mut observer = server.target().connect().await?;
    let opened = open(server, connections).await?;
    let (opened, _) = drive(opened, work, warmup).await?;

    let batches_before = batch_sizes(&mut observer).await;
    let cpu_before = server.cpu_seconds()?;
    let start = Instant::now();
    let (_, tally) = drive(opened, work, measured).await?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds()? - cpu_before;
    let batches_after = batch_sizes(&mut observer).await;

    let latency = &tally.latency_us;
    let requests = latency.len();
    let ms = |microseconds: u64| real(microseconds) / 1_000.0;
    let batches = batches_before.zip(batches_after).map(|(before, after)| after.since(&before));
    let failure = |(status, (count, sample))| Failure { status, count, sample };
    Ok(Row {
        workload,
        connections,
        requests,
        seconds,
        requests_per_second: real(requests) / seconds,
        p50_ms: ms(latency.value_at_quantile(0.5)),
        p99_ms: ms(latency.value_at_quantile(0.99)),
        p999_ms: ms(latency.value_at_quantile(0.999)),
        max_ms: ms(latency.max()),
        errors: tally.failures.into_iter().map(failure).collect(),
        server_cpu_seconds: cpu,
        server_cpu_us_per_request: cpu * 1_000_000.0 / real(requests.max(1)),
        resident_mb: server.resident_mb()?,
        batch_mean: batches.as_ref().and_then(BatchSizes::mean),
        batches,
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
        // Three digits from a microsecond to a minute and a half.
        let latency_us = Histogram::new_with_bounds(1, 90_000_000, 3).context("no histogram for the latencies")?;
        Ok(Self { latency_us, failures: BTreeMap::new() })
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

impl Row {
    /// The names of the columns that a row prints.
    pub(crate) fn heading() -> String {
        format!(
            "{:<8} {:>5} {:>10} {:>8} {:>8} {:>8} {:>7} {:>8} {:>10} {:>8} {:>7}",
            "workload",
            "conns",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "p99.9",
            "errors",
            "cpu s",
            "cpu us/req",
            "rss MB",
            "batch"
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: u64 = self.errors.iter().map(|failure| failure.count).sum();
        write!(out, "{:<8} {:>5} {:>10.0}", self.workload, self.connections, self.requests_per_second)?;
        write!(out, " {:>8.2} {:>8.2} {:>8.2} {errors:>7}", self.p50_ms, self.p99_ms, self.p999_ms)?;
        write!(out, " {:>8.2} {:>10.1}", self.server_cpu_seconds, self.server_cpu_us_per_request)?;
        let batch = self.batch_mean.map_or("-".to_owned(), |mean| format!("{mean:.1}"));
        write!(out, " {:>8.1} {batch:>7}", self.resident_mb)?;
        if let Some(batches) = self.batches.as_ref().filter(|batches| batches.mean().is_some()) {
            write!(out, "\n         batches {}", batches.histogram())?;
        }
        for Failure { status, count, sample } in &self.errors {
            let sample: String = sample.chars().take(300).collect();
            write!(out, "\n         {count} x {status}: {sample}")?;
        }
        Ok(())
    }
}
