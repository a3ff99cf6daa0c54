//! What goes on beside the mix: keys are rotated, whole calls of an import arrive, players are merged.
//!
//! Each of these is checked by itself, and what is wrong with it counts as an answer that should not have been.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hyper::StatusCode;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::super::client::{Connection, Target, read};
use super::load::Load;
use super::realm::{ENDOWMENT, Realm};
use super::request::{KEY, get, post};

/// How often both realms get new keys.
const ROTATE_EVERY: Duration = Duration::from_secs(20);

/// For how long the old key goes on working.
const OVERLAP_SECONDS: u64 = 5;

/// When the old key must be refused: the overlap, and what the contract gives every process to see it.
const OLD_KEY_ENDS: Duration = Duration::from_secs(OVERLAP_SECONDS + 5);

/// How often a thousand rows arrive at once.
const MIGRATE_EVERY: Duration = Duration::from_secs(5);

/// How many rows a call has.
const ROWS: usize = 1_000;

/// How often two players are merged.
const MERGE_EVERY: Duration = Duration::from_secs(1);

/// Longer than any of these may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The keys of those who rotate the others.
pub(super) struct Operators {
    /// Where the server listens.
    pub(super) address: SocketAddr,
    /// Of the realm that nobody is told of.
    pub(super) quiet: Target,
    /// Of the one with a subscriber.
    pub(super) told: Target,
}

/// Goes on until it is dropped; returns only when the server cannot be reached.
pub(super) async fn go_on(load: &Rc<Load>, operators: &Operators) -> Result<()> {
    tokio::try_join!(rotate(load, operators), migrate(load), merge(load)).map(|((), (), ())| ())
}

async fn rotate(load: &Load, operators: &Operators) -> Result<()> {
    let mut every = interval(ROTATE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let mut old = Vec::new();
        for (realm, admin) in [(&load.quiet, &operators.quiet), (&load.told, &operators.told)] {
            old.push(realm.target.borrow().clone());
            let rotated = rotated(realm, admin, operators.address).await;
            note(load, "rotation of a key", rotated);
        }
        sleep(OLD_KEY_ENDS).await;
        for target in old {
            note(load, "the old key", is_refused(&target).await);
        }
    }
}

/// Gives the clients of `realm` a new key.
async fn rotated(realm: &Realm, admin: &Target, address: SocketAddr) -> Result<()> {
    let target = realm.target.borrow().clone();
    let ping = json(&mut target.connect().await?, get("/server/v1/ping")?, StatusCode::OK).await?;
    let id = ping.pointer("/apiKey/id").and_then(Value::as_str).context("a key has an id")?;
    let path = format!("/admin/v1/games/{}/keys/{id}/rotate", realm.game);
    let rotate = post(&path, format!(r#"{{"overlapSeconds":{OVERLAP_SECONDS}}}"#))?;
    let answer = json(&mut admin.connect().await?, rotate, StatusCode::CREATED).await?;
    let key = answer.pointer("/data/key").and_then(Value::as_str).context("a rotation answers a key")?;
    realm.target.replace(Target::new(address, key)?);
    Ok(())
}

async fn is_refused(old: &Target) -> Result<()> {
    let (status, _) = answered(&mut old.connect().await?, get("/server/v1/ping")?).await?;
    ensure!(status == StatusCode::UNAUTHORIZED, "it is answered {status} after its overlap");
    Ok(())
}

async fn migrate(load: &Load) -> Result<()> {
    let mut every = interval(MIGRATE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        every.tick().await;
        let realm = if number.is_multiple_of(2) { &load.quiet } else { &load.told };
        note(load, "migration of 1,000 rows", migrated(realm, number).await);
    }
    Ok(())
}

/// Sends a call, and then the same call again, which must do nothing.
async fn migrated(realm: &Realm, number: u64) -> Result<()> {
    let row = |row: usize| {
        let (player, currency) = (row / 4, row % 4);
        format!(
            r#"{{"externalPlayerId":"moved-{number}-{player}","economyKey":"currency-{currency}","amount":7,"idempotencyKey":"moved-{number}-{row}"}}"#
        )
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    let body = format!(r#"{{"rows":[{}]}}"#, rows.join(","));
    let mut connection = connect(realm).await?;
    for (applied, skipped) in [(1_000, 0), (0, 1_000)] {
        let call = post("/server/v1/migrate/wallet", body.clone())?;
        let answer = json(&mut connection, call, StatusCode::OK).await?;
        let count = |name: &str| answer.pointer(&format!("/data/{name}")).and_then(Value::as_u64);
        let found = (count("applied"), count("skipped"), count("failed"));
        ensure!(found == (Some(applied), Some(skipped), Some(0)), "applied, skipped and failed are {found:?}");
    }
    Ok(())
}

async fn merge(load: &Load) -> Result<()> {
    let mut every = interval(MERGE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        every.tick().await;
        let realm = if number.is_multiple_of(4) { &load.told } else { &load.quiet };
        note(load, "merge", merged(realm, number).await);
    }
    Ok(())
}

/// Gives two new players gold and one of them gems, merges them, and looks what the one that is left has.
async fn merged(realm: &Realm, number: u64) -> Result<()> {
    let mut connection = connect(realm).await?;
    for (player, currency) in [("from", "gold"), ("from", "gems"), ("into", "gold")] {
        let path = format!("/server/v1/players/{player}-{number}/wallet/{currency}/credit");
        json(&mut connection, post(&path, r#"{"amount":10}"#)?, StatusCode::OK).await?;
    }
    let path = format!("/server/v1/players/from-{number}/merge-into/into-{number}");
    json(&mut connection, post(&path, "{}")?, StatusCode::OK).await?;
    let path = format!("/server/v1/players/into-{number}/wallet");
    let wallet = json(&mut connection, get(&path)?, StatusCode::OK).await?;
    for (currency, amount) in [("gold", 20), ("gems", 10)] {
        ensure!(held(&wallet, currency) == Some(amount), "{currency} must be {amount}: {wallet}");
    }
    Ok(())
}

/// Gives every player of `realm` what the books begin with, and a score.
pub(super) async fn endow(realm: &Realm) -> Result<()> {
    let mut connection = connect(realm).await?;
    let numbers: Vec<usize> = (0..realm.count()).collect();
    for some in numbers.chunks(ROWS) {
        let row = |player: &usize| {
            let name = format!("{}-{player}", realm.name);
            format!(
                r#"{{"externalPlayerId":"{name}","economyKey":"gold","amount":{ENDOWMENT},"idempotencyKey":"{name}"}}"#
            )
        };
        let rows: Vec<String> = some.iter().map(row).collect();
        let body = format!(r#"{{"rows":[{}]}}"#, rows.join(","));
        let answer = json(&mut connection, post("/server/v1/migrate/wallet", body)?, StatusCode::OK).await?;
        let failed = answer.pointer("/data/failed").and_then(Value::as_u64);
        ensure!(failed == Some(0), "players could not be endowed: {answer}");
        for player in some {
            let body = format!(r#"{{"externalPlayerId":"{}-{player}","value":{player}}}"#, realm.name);
            let score = post(&format!("/server/v1/leaderboards/{KEY}/score"), body)?;
            json(&mut connection, score, StatusCode::OK).await?;
        }
    }
    Ok(())
}

/// Makes the event and the leaderboard of a realm.
pub(super) async fn configure(game: &str, admin: &Target) -> Result<()> {
    let mut connection = admin.connect().await?;
    let event = format!(
        r#"{{"key":"{KEY}","name":"soak","leaderboardMode":"lobby_matched",
        "leaderboard":{{"capacity":4,"fillBots":true,"fillTimeoutSeconds":60}},
        "schedule":{{"startsAt":"2026-01-01T00:00:00.000Z","everySeconds":60,"lengthSeconds":60}}}}"#
    );
    let path = format!("/admin/v1/games/{game}/events");
    json(&mut connection, post(&path, event)?, StatusCode::CREATED).await?;
    let board = format!(r#"{{"key":"{KEY}","name":"soak","aggregation":"latest"}}"#);
    let path = format!("/admin/v1/games/{game}/leaderboards");
    json(&mut connection, post(&path, board)?, StatusCode::CREATED).await.map(drop)
}

/// Compares what every player of `realm` has with the books; how many were compared.
pub(super) async fn compare(realm: &Realm) -> Result<usize> {
    let mut connection = connect(realm).await?;
    let mut compared = 0;
    for (number, player) in realm.players().iter().enumerate().filter(|(_, player)| !player.unknown.get()) {
        let path = format!("/server/v1/players/{}-{number}/wallet", realm.name);
        let wallet = json(&mut connection, get(&path)?, StatusCode::OK).await?;
        let (held, booked) = (held(&wallet, "gold"), player.gold.get());
        ensure!(held == Some(booked), "{path} says {held:?} gold, {booked} were acknowledged");
        compared += 1;
    }
    Ok(compared)
}

fn held(wallet: &Value, currency: &str) -> Option<u64> {
    let accounts = wallet.pointer("/data/wallet")?.as_array()?;
    let account = accounts.iter().find(|held| held.get("economyKey").and_then(Value::as_str) == Some(currency))?;
    account.get("balance")?.as_u64()
}

fn note(load: &Load, what: &str, outcome: Result<()>) {
    if let Err(failure) = outcome {
        load.tally.borrow_mut().complain(what.to_owned(), format!("{failure:#}").as_bytes());
    }
}

async fn connect(realm: &Realm) -> Result<Connection> {
    let target = realm.target.borrow().clone();
    target.connect().await
}

/// Sends a request that must be answered with this status, and reads the answer.
pub(super) async fn json(
    connection: &mut Connection,
    request: hyper::Request<http_body_util::Full<hyper::body::Bytes>>,
    expected: StatusCode,
) -> Result<Value> {
    let path = request.uri().path().to_owned();
    let (status, body) = answered(connection, request).await.with_context(|| path.clone())?;
    if status != expected {
        bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
    }
    serde_json::from_slice(&body).context("the answer is no JSON")
}

async fn answered(
    connection: &mut Connection,
    request: hyper::Request<http_body_util::Full<hyper::body::Bytes>>,
) -> Result<(StatusCode, hyper::body::Bytes)> {
    let answer = async {
        let response = connection.send(request).await?;
        let status = response.status();
        Ok::<_, anyhow::Error>((status, read(response).await?))
    };
    timeout(PATIENCE, answer).await.context("no answer")?
}
