//! The database is away for some seconds.

use reqwest::Method;
use serde_json::json;

use super::Ordeal;
use crate::harness::api::{Api, Reply};
use crate::harness::load::check_unavailable;
use crate::harness::patience::eventually;
use crate::postgres::own_cluster::OwnCluster;

async fn probe(api: &Api, path: &str) -> Reply {
    Reply::to(api.bare(Method::GET, path)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_every_answer_is_a_503_and_afterwards_the_same_server_goes_on() {
    let mut ordeal = Ordeal::begin(OwnCluster::start(OwnCluster::options())).await;
    let (process, api) = (ordeal.purser.process(), ordeal.api.clone());
    ordeal.cluster.stop();
    let written = json!({ "amount": 1, "idempotencyKey": "meanwhile" });
    let (read, write, ready) =
        tokio::join!(api.get("players/p-0/wallet"), api.credit("q", "gold", written.clone()), probe(&api, "/readyz"));
    for reply in [read, write, ready] {
        check_unavailable(&reply);
    }
    ordeal.load.refused(20).await;
    probe(&api, "/healthz").await.ok(200);

    ordeal.cluster.start_again();
    eventually("it is ready", async || (probe(&api, "/readyz").await.status == 200).then_some(())).await;
    ordeal.load.goes_on(50).await;
    assert_eq!(ordeal.purser.process(), process, "it is the same server");
    let sent = ordeal.load.stop().await;
    assert_eq!(sent.broken, 0, "the server answered every request");
    assert!(20 <= sent.refused);
    assert_eq!(api.credit("q", "gold", written).await.data(200)["applied"], true, "nothing happened while it was away");
    sent.repeat(&api).await;
    let (accounts, entries) = super::check_books(&api, &sent).await;
    assert_eq!(ordeal.purser.verified().await, (accounts + 1, entries + 1));
}
