//! The limits of a running server: set by options and files, met by clients, shown by metrics.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply};
use crate::harness::patience::eventually;
use crate::harness::program::{Home, Purser};
use crate::harness::socket;

const CREDIT: &str = "/server/v1/players/p/wallet/gold/credit";
const EACH: usize = 200;

/// What the metric with this name and these labels stands at; 0 before it was first counted.
async fn metric(api: &Api, name: &str) -> usize {
    value(&Reply::to(api.bare(Method::GET, "/metrics")).await.unwrap().text, name)
}

fn value(metrics: &str, name: &str) -> usize {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok());
    value.map_or(0, |value| format!("{value:.0}").parse().unwrap())
}

async fn refusals(api: &Api, limit: &str) -> usize {
    metric(api, &format!("purser_limit_refusals_total{{limit=\"{limit}\"}}")).await
}

async fn stuck(address: SocketAddr, bytes: &[u8]) -> Vec<TcpStream> {
    let mut stuck = Vec::new();
    for _ in 0..EACH {
        stuck.push(socket::opened(address, bytes).await);
    }
    stuck
}

#[tokio::test]
async fn whoever_stops_halfway_is_cut_off_and_counted_while_all_others_are_served() {
    let purser = Purser::start_with(&["--head-timeout", "2s", "--body-timeout", "2s"]).await;
    let whole = socket::request("POST", CREDIT.as_bytes(), purser.key(), br#"{"amount":5}"#);
    let heads = stuck(purser.address(), &whole[..40]).await;
    let bodies = stuck(purser.address(), &whole[..whole.len() - 3]).await;
    let mut others = JoinSet::new();
    for _ in 0..50 {
        let api = purser.api();
        others.spawn(async move { api.credit("q", "gold", json!({ "amount": 1 })).await.ok(200) });
    }
    others.join_all().await;
    for mut stream in heads.into_iter().chain(bodies) {
        let reply = socket::answered(&mut stream).await;
        reply.error(408, "request_timeout", None);
    }
    let api = purser.api();
    assert_eq!((refusals(&api, "head_time").await, refusals(&api, "body_time").await), (EACH, EACH));
    eventually("they are gone", async || (metric(&api, "purser_http_connections").await < 60).then_some(())).await;
    assert_eq!(api.balance("q", "gold").await, Some(50));
    assert_eq!(purser.verified().await, (1, 50));
}

#[tokio::test]
async fn connections_are_counted_and_the_one_too_many_waits() {
    let purser = Purser::start_with(&["--connections-max", "2", "--workers", "1", "--head-timeout", "1h"]).await;
    let health = b"GET /healthz HTTP/1.1\r\nHost: purser\r\n\r\n";
    let mut first = socket::opened(purser.address(), b"").await;
    let second = socket::opened(purser.address(), &health[..10]).await;
    let mut metrics = async || {
        first.write_all(b"GET /metrics HTTP/1.1\r\nHost: purser\r\n\r\n").await.unwrap();
        socket::answered(&mut first).await.body
    };
    eventually("both are in", async || (value(&metrics().await, "purser_http_connections") == 2).then_some(())).await;
    let mut waiting = socket::opened(purser.address(), health).await;
    assert!(socket::is_silent(&waiting).await, "nobody lets it in");
    let text = metrics().await;
    assert_eq!(value(&text, "purser_http_connections"), 2);
    assert_eq!(value(&text, "purser_limit_refusals_total{limit=\"connections\"}"), 1);
    drop(second);
    assert_eq!(socket::answered(&mut waiting).await.status, 200);
}

#[tokio::test]
async fn a_full_queue_is_counted() {
    let purser = Purser::start_with(&["--queue-depth", "1"]).await;
    let api = purser.api();
    eventually("a request is refused", async || {
        let mut requests = JoinSet::new();
        for _ in 0..100 {
            let api = api.clone();
            requests.spawn(async move { api.credit("p", "gold", json!({ "amount": 1 })).await.status });
        }
        requests.join_all().await.contains(&503).then_some(())
    })
    .await;
    assert!(0 < refusals(&api, "queue").await);
}

#[tokio::test]
async fn a_file_sets_limits_and_options_win_over_it() {
    let home = Home::new().await;
    std::fs::write(home.path().join("purser.toml"), "[limits]\nbody_bytes_max = 2000\nurl_bytes_max = 300\n").unwrap();
    let purser = Purser::start_in(home, &["--config", "purser.toml", "--url-bytes-max", "400"]).await;
    let api = purser.api();
    let reason = "x".repeat(2000);
    let large = api.credit("p", "gold", json!({ "amount": 1, "reason": reason })).await;
    large.error(413, "payload_too_large", None);
    assert!(large.text.contains("larger than 2000 bytes"), "{large:?}");
    let asked = |bytes: usize| format!("players/p?{}", "x".repeat(bytes - "/server/v1/players/p?".len()));
    api.get(&asked(401)).await.error(414, "uri_too_long", None);
    api.get(&asked(400)).await.error(404, "not_found", None);
    assert_eq!((refusals(&api, "body_size").await, refusals(&api, "uri").await), (1, 1));
}
