//! The disk that the store is on is full.

use std::fs;
use std::path::Path;
use std::slice;

use crate::harness::load::{Load, check_books};
use crate::harness::program::{Home, Purser};
use crate::harness::small_disk::{fill, small_disk};
use crate::store::Store;

#[tokio::test]
async fn a_full_disk_is_a_503_until_there_is_room_again_and_loses_nothing_acknowledged() {
    let name = "sqlite::full_disk::a_full_disk_is_a_503_until_there_is_room_again_and_loses_nothing_acknowledged";
    if let Some(disk) = small_disk(name, "16m").await {
        fill_and_free(&disk).await;
    }
}

async fn fill_and_free(disk: &Path) {
    let home = Home::with(Store::create(disk).await, tempfile::tempdir().unwrap());
    let purser = Purser::start_in(home, &[]).await;
    let api = purser.api();
    let load = Load::start(slice::from_ref(&api), 16, "ordeal");
    load.acknowledged(50).await;
    let ballast = disk.join("ballast");
    fill(&ballast);
    load.refused(20).await;
    // What is stored can be read all the while.
    assert!(api.balance("p-1", "gold").await.is_some());
    api.bare(reqwest::Method::GET, "/readyz").send().await.unwrap();

    fs::remove_file(ballast).unwrap();
    load.goes_on(100).await;
    let sent = load.stop().await;
    assert_eq!(sent.broken, 0, "the server answered every request");
    sent.repeat(&api).await;
    assert_eq!(purser.verified().await, check_books(&api, &sent).await);
    assert!(20 <= sent.refused);
}
