//! Others use all the connections that the database has.

use super::Ordeal;
use super::backends::TERMINATE_ALL;
use crate::harness::patience::eventually;
use crate::postgres::own_cluster::OwnCluster;
use crate::postgres::session::Session;

/// Opens connections until the server takes no more.
async fn take_all(cluster: &OwnCluster, taken: &mut Vec<Session>) {
    while let Some(session) = cluster.try_session().await {
        taken.push(session);
        assert!(taken.len() < 100, "there is an end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gets_no_connection_says_503_until_there_is_one() {
    let options = OwnCluster::options_with("max_connections", "20");
    let ordeal = Ordeal::begin(OwnCluster::start(options)).await;
    let mut others = Vec::new();
    // Whoever is faster gets a connection that ended: in the end it is the others, because they never give one back.
    let session = ordeal.cluster.session().await;
    eventually("the others have all connections", async || {
        take_all(&ordeal.cluster, &mut others).await;
        session.texts(TERMINATE_ALL).await.is_empty().then_some(())
    })
    .await;
    ordeal.load.refused(10).await;
    assert_ne!(ordeal.cluster.logged("sorry, too many clients already"), 0);
    drop(others);
    let sent = ordeal.end().await;
    assert!(10 <= sent.refused);
}
