//! A cluster that is stopped, killed and started again.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::{fs, thread};

use tempfile::TempDir;
use testcluster::{Cluster, Options, Programs};
use tokio_postgres::NoTls;

use crate::sessions::{connect, entries, eventually, number};

/// A folder into which everybody may look, as the account that runs the cluster must.
pub(crate) fn parent() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn start_in(parent: &TempDir) -> Cluster {
    let options = Options { parent: Some(parent.path().to_path_buf()), ..Options::default() };
    Cluster::start(&Programs::find().unwrap(), options).unwrap()
}

async fn fill(cluster: &Cluster) {
    let client = connect(&cluster.url("postgres")).await;
    client.batch_execute("CREATE TABLE coins (amount bigint NOT NULL); INSERT INTO coins VALUES (7)").await.unwrap();
}

async fn coins(cluster: &Cluster) -> i64 {
    number(&connect(&cluster.url("postgres")).await, "SELECT amount FROM coins").await
}

#[tokio::test]
async fn a_cluster_is_reached_with_its_password_only_and_leaves_nothing_behind() {
    let parent = parent();
    let cluster = start_in(&parent);
    let url = cluster.url("postgres");
    assert_eq!(number(&connect(&url).await, "SELECT 7::bigint").await, 7);
    let (_, after_password) = url.split_once('@').unwrap();
    assert!(tokio_postgres::connect(&format!("postgres://purser:guess@{after_password}"), NoTls).await.is_err());
    drop(cluster);
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    assert_eq!(entries(parent.path()), 0);
}

#[tokio::test]
async fn what_was_committed_is_there_after_every_way_to_stop() {
    let parent = parent();
    let mut cluster = start_in(&parent);
    fill(&cluster).await;
    let url = cluster.url("postgres");
    cluster.restart().unwrap();
    assert_eq!(coins(&cluster).await, 7);
    cluster.stop_immediate().unwrap();
    assert_eq!(cluster.postmaster_pid(), None);
    cluster.start_again().unwrap();
    assert_eq!(coins(&cluster).await, 7);
    cluster.kill_backend(cluster.postmaster_pid().unwrap()).unwrap();
    eventually("the killed server is noticed", || cluster.stop_fast().is_ok());
    cluster.start_again().unwrap();
    assert_eq!(coins(&cluster).await, 7);
    assert_eq!(cluster.url("postgres"), url);
    assert!(cluster.log().contains("received fast shutdown request"), "{}", cluster.log());
    assert!(cluster.log().contains("received immediate shutdown request"), "{}", cluster.log());
}

#[tokio::test]
async fn a_server_recovers_from_a_killed_backend() {
    let parent = parent();
    let cluster = start_in(&parent);
    fill(&cluster).await;
    let client = connect(&cluster.url("postgres")).await;
    let process = number(&client, "SELECT pg_backend_pid()::bigint").await;
    cluster.kill_backend(u32::try_from(process).unwrap()).unwrap();
    let recovered = || cluster.log().matches("database system is ready to accept connections").count() == 2;
    eventually("it has recovered", recovered);
    assert!(cluster.log().contains("terminated by signal 9"), "{}", cluster.log());
    assert_eq!(coins(&cluster).await, 7);
}

#[test]
fn two_clusters_run_beside_each_other() {
    let parent = parent();
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| start_in(&parent));
        (start_in(&parent), second.join().unwrap())
    });
    assert_ne!(first.port(), second.port());
    assert_eq!(entries(parent.path()), 2);
}

#[test]
fn a_start_waits_for_its_port() {
    let parent = parent();
    let mut cluster = start_in(&parent);
    cluster.stop_fast().unwrap();
    let squatter = TcpListener::bind(("127.0.0.1", cluster.port())).unwrap();
    let state = cluster.data_folder().join("postmaster.pid");
    thread::scope(|scope| {
        scope.spawn(|| {
            eventually("it has begun to start", || state.exists());
            eventually("it has failed to start", || !state.exists());
            drop(squatter);
        });
        cluster.start_again().unwrap();
    });
    assert!(cluster.log().contains("Address already in use"), "{}", cluster.log());
}

#[test]
fn what_stands_in_the_way_of_a_start_is_said() {
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let options = Options { settings, ..Options::default() };
    let failure = Cluster::start(&Programs::find().unwrap(), options).unwrap_err();
    assert!(failure.to_string().contains("unrecognized configuration parameter \"no_such_setting\""), "{failure}");
}
