//! The network between a server and its database is at fault. The database is not hurt, so others may use its server too.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::CONNECTIONS;
use crate::harness::api::{Api, Reply};
use crate::harness::load::{Load, check_books, check_unavailable};
use crate::harness::patience::eventually;
use crate::harness::program::{Home, Purser};
use crate::postgres::network::Network;
use crate::postgres::store::Store;

/// A network, a server behind it, and the home of the database itself.
async fn behind_network() -> (Home, Network, Purser) {
    let home = Home::new().await;
    let network = Network::before(home.store().url()).await;
    let way = Store::at(network.way_to(home.store().url()));
    let purser = Purser::start_in(Home::with(way, tempfile::tempdir().unwrap()), &[]).await;
    (home, network, purser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_during_a_commit_loses_and_doubles_nothing() {
    let (_home, network, purser) = behind_network().await;
    let api = purser.api();
    let load = Load::start(std::slice::from_ref(&api), CONNECTIONS, "load");
    load.acknowledged(20).await;
    network.cut_commits(true);
    eventually("commits are cut", async || network.cut().iter().all(|cut| 5 <= *cut).then_some(())).await;
    network.cut_commits(false);
    load.goes_on(20).await;
    let sent = load.stop().await;
    assert_eq!(sent.broken, 0, "the server answered every request");
    sent.repeat(&api).await;
    assert_eq!(purser.verified().await, check_books(&api, &sent).await);
}

async fn ready(api: &Api) -> Reply {
    Reply::to(api.bare(Method::GET, "/readyz")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_is_a_503_and_not_a_wait_without_end() {
    let (_home, network, purser) = behind_network().await;
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
    network.swallow(true);
    let keyed = json!({ "amount": 5, "idempotencyKey": "k" });
    let mut requests = JoinSet::new();
    let (writing, body) = (api.clone(), keyed.clone());
    requests.spawn(async move { writing.credit("p", "gold", body).await });
    for _ in 0..CONNECTIONS {
        let (reading, probing) = (api.clone(), api.clone());
        requests.spawn(async move { reading.get("players/p/wallet").await });
        requests.spawn(async move { ready(&probing).await });
    }
    requests.join_all().await.iter().for_each(check_unavailable);
    network.swallow(false);
    eventually("it is ready", async || (ready(&api).await.status == 200).then_some(())).await;
    api.credit("p", "gold", keyed).await.ok(200);
    assert_eq!(api.balance("p", "gold").await, Some(6));
    assert_eq!(purser.verified().await, (1, 2));
}
