//! The database's disk is full.

use std::fs;
use std::path::Path;

use tokio::task::block_in_place;

use super::Ordeal;
use crate::harness::small_disk::{fill, small_disk};
use crate::postgres::own_cluster::OwnCluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_a_503_until_there_is_room_again_and_loses_nothing_acknowledged() {
    let name =
        "postgres::faults::full_disk::a_full_disk_is_a_503_until_there_is_room_again_and_loses_nothing_acknowledged";
    if let Some(disk) = small_disk(name, "160m").await {
        fill_and_free(&disk).await;
    }
}

async fn fill_and_free(disk: &Path) {
    let mut options = OwnCluster::options_with("max_wal_size", "32MB");
    options.parent = Some(disk.to_owned());
    let mut ordeal = Ordeal::begin(OwnCluster::start(options)).await;
    let ballast = disk.join("ballast");
    block_in_place(|| fill(&ballast));
    ordeal.load.refused(20).await;
    assert_ne!(ordeal.cluster.logged("No space left on device"), 0);

    fs::remove_file(ballast).unwrap();
    // If it could not even write its log, it has ended.
    ordeal.cluster.start_again();
    let sent = ordeal.end().await;
    assert!(20 <= sent.refused);
}
