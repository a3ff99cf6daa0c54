//! The processes of PostgreSQL that work for a server end under its hands.

use super::Ordeal;
use crate::harness::patience::eventually;
use crate::postgres::own_cluster::OwnCluster;

const ROUNDS: usize = 4;
/// What was on its way to the disk is lost in some of the crashes only.
const CRASHES: usize = 10;

/// Ends all connections of servers in order, and says which there were.
pub(super) const TERMINATE_ALL: &str = "WITH ours AS MATERIALIZED
    (SELECT pid FROM pg_stat_activity WHERE application_name = 'purser')
    SELECT pid::text FROM ours WHERE pg_terminate_backend(pid)";

/// Those that hold a batch: only a transaction that writes has an id.
const BUSY: &str =
    "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'purser' AND backend_xid IS NOT NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_killed_while_it_holds_a_batch_takes_nothing_acknowledged_with_it() {
    let ordeal = Ordeal::begin(OwnCluster::start(OwnCluster::options())).await;
    let killed = "was terminated by signal 9";
    for round in 0..ROUNDS {
        eventually("a backend is killed", async || {
            let session = ordeal.cluster.try_session().await?;
            // All connections end with the one that is killed, this one too.
            let busy = session.try_texts(BUSY).await.ok()?;
            ordeal.cluster.kill(busy.first()?.parse().unwrap());
            Some(())
        })
        .await;
        eventually("its death is noticed", async || (round < ordeal.cluster.logged(killed)).then_some(())).await;
        ordeal.load.goes_on(50).await;
    }
    assert!(ROUNDS <= ordeal.cluster.logged("all server processes terminated; reinitializing"));
    ordeal.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminating_all_connections_of_a_server_costs_nothing_acknowledged() {
    let ordeal = Ordeal::begin(OwnCluster::start(OwnCluster::options())).await;
    let session = ordeal.cluster.session().await;
    let mut terminated = 0;
    for _ in 0..ROUNDS {
        terminated += session.texts(TERMINATE_ALL).await.len();
        ordeal.load.goes_on(30).await;
    }
    assert!(ROUNDS <= terminated, "{terminated}");
    assert!(ROUNDS <= ordeal.cluster.logged("terminating connection due to administrator command"));
    ordeal.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_and_restarts_under_load_loses_nothing_acknowledged() {
    let mut ordeal = Ordeal::begin(OwnCluster::start(OwnCluster::options())).await;
    for _ in 0..CRASHES {
        ordeal.cluster.crash();
        ordeal.cluster.start_again();
        ordeal.load.goes_on(20).await;
    }
    let recovered = ordeal.cluster.logged("database system was not properly shut down; automatic recovery in progress");
    assert_eq!(recovered, CRASHES);
    ordeal.end().await;
}
