//! Sends the mix: as fast as it goes, or at a steady rate that does not wait for the server.
//!
//! At a rate, every request has an instant at which it is due, and what it took is counted from then: a server that stands still
//! for a second makes all the requests of that second late, not one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::client::{Connection, drain, read};
use super::super::real;
use super::super::work::Random;
use super::minute::Tally;
use super::realm::{Realm, below};
use super::request::Planned;

/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How late the timer may be: that much of a delay is this program's own.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// Of a hundred requests, so many go to the realm of which a subscriber is told.
const TOLD_SHARE: usize = 10;

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// Each connection sends when it has its answer.
    Closed,
    /// So many a second, whatever the server does.
    Open(f64),
}

/// What all connections share.
pub(super) struct Load {
    /// The realm that nobody is told of.
    pub(super) quiet: Realm,
    /// The realm with a subscriber to everything.
    pub(super) told: Realm,
    /// The minute that is being filled.
    pub(super) tally: RefCell<Tally>,
    next: Cell<u64>,
}

impl Load {
    /// Two realms that are set up.
    pub(super) fn new(quiet: Realm, told: Realm) -> Result<Self> {
        Ok(Self { quiet, told, tally: RefCell::new(Tally::new()?), next: Cell::new(0) })
    }

    fn choose(&self, random: &mut Random) -> &Realm {
        if below(random, 100) < TOLD_SHARE { &self.told } else { &self.quiet }
    }
}

/// Sends for so long and waits for all answers; fails when the server cannot be reached any more.
pub(super) async fn send(load: &Rc<Load>, connections: usize, pace: Pace, time: Duration) -> Result<()> {
    load.next.set(0);
    let mut tasks = JoinSet::new();
    let mut opened = Vec::new();
    for _ in 0..connections {
        let target = load.quiet.target.borrow().clone();
        opened.push(target.connect().await?);
    }
    let start = Instant::now();
    for (seed, connection) in opened.into_iter().enumerate() {
        // Another sequence for each connection and each call.
        let seed = u64::try_from(seed).unwrap_or(0) << 32 | u64::from(start.elapsed().subsec_nanos());
        tasks.spawn_local(send_all(Rc::clone(load), connection, Random::new(seed), pace, (start, start + time)));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a task of the generator panicked")??;
    }
    Ok(())
}

async fn send_all(
    load: Rc<Load>,
    mut connection: Connection,
    mut random: Random,
    pace: Pace,
    (start, end): (Instant, Instant),
) -> Result<()> {
    loop {
        let due = match pace {
            Pace::Closed => Instant::now(),
            Pace::Open(per_second) => {
                let number = load.next.replace(load.next.get() + 1);
                start + Duration::from_secs_f64(real(number) / per_second)
            }
        };
        if end <= due {
            return Ok(());
        }
        if end <= Instant::now() {
            let late = "its time was over before a connection was free";
            load.tally.borrow_mut().complain("not sent".to_owned(), late.as_bytes());
            continue;
        }
        let due = wait_until(due).await;
        let realm = load.choose(&mut random);
        let planned = Planned::next(realm, &mut random)?;
        exchange(&load, &mut connection, realm, planned, due).await?;
    }
}

/// Waits; from when on the request counts as waiting for the server.
async fn wait_until(due: Instant) -> Instant {
    let now = Instant::now();
    if due <= now {
        return due;
    }
    sleep(due - now).await;
    Instant::now().min(due + TIMER_SLACK)
}

async fn exchange(
    load: &Load,
    connection: &mut Connection,
    realm: &Realm,
    planned: Planned,
    due: Instant,
) -> Result<()> {
    let request = planned.request.clone();
    connection.call_as(&realm.target.borrow());
    let answer = timeout(PATIENCE, answer(connection, request, &planned)).await;
    let answer = answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())));
    let taken = due.elapsed();
    match answer {
        Ok((status, body)) => {
            let verdict = planned.settle(realm, Some((status, &body)));
            load.tally.borrow_mut().record(taken, verdict, &body);
        }
        Err(failure) => {
            let verdict = planned.settle(realm, None);
            load.tally.borrow_mut().record(taken, verdict, format!("{failure:#}").as_bytes());
            connection.reopen().await?;
        }
    }
    Ok(())
}

async fn answer(
    connection: &mut Connection,
    request: hyper::Request<http_body_util::Full<Bytes>>,
    planned: &Planned,
) -> Result<(StatusCode, Bytes)> {
    let response = connection.send(request).await?;
    let status = response.status();
    if planned.is_met_by(status) && !planned.wants_body() {
        drain(response).await?;
        return Ok((status, Bytes::new()));
    }
    Ok((status, read(response).await?))
}
