//! The database's disk is full.
//!
//! The small disk is a file system in memory that only the test sees: it runs itself again in a mount namespace of its own,
//! which goes with it, however it ends.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::{env, fs};

use tokio::process::Command;
use tokio::task::block_in_place;

use super::Ordeal;
use crate::postgres::own_cluster::OwnCluster;

/// Says where the small disk is, to the test that runs inside.
const DISK: &str = "PURSER_TEST_SMALL_DISK";

/// Mounts the disk on `$0` and becomes what follows.
const MOUNT: &str = r#"mount -t tmpfs -o size=160m,mode=1777 small "$0" && exec "$@""#;

/// The ways into a namespace in which one may mount: as root, as root of nothing else, and as root with the help of sudo.
const WAYS_IN: [&[&str]; 3] = [
    &["unshare", "--mount"],
    &["unshare", "--user", "--map-root-user", "--mount"],
    &["sudo", "--non-interactive", "--preserve-env", "unshare", "--mount"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_a_503_until_there_is_room_again_and_loses_nothing_acknowledged() {
    let name = "a_full_disk_is_a_503_until_there_is_room_again_and_loses_nothing_acknowledged";
    match env::var_os(DISK) {
        Some(disk) => fill_and_free(Path::new(&disk)).await,
        None => run_on_small_disk(name).await,
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

/// Writes a file until there is no more room.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    // The last bytes too.
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![b'x'; size];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }
}

async fn run_on_small_disk(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = module_path!().split_once("::").unwrap();
    let test = [format!("{module}::{name}"), "--exact".to_owned(), "--nocapture".to_owned()];
    let Some(way_in) = way_in(folder.path()).await else {
        // As on a system without namespaces, or in a container that may not have any.
        eprintln!("not tested: nobody here may mount a file system");
        return;
    };
    let mut inside = entering(&way_in, folder.path(), env::current_exe().unwrap().as_os_str());
    let output = inside.args(test).env(DISK, folder.path()).output().await.unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// The first way in that works here.
async fn way_in(folder: &Path) -> Option<Vec<String>> {
    for way in WAYS_IN {
        let way: Vec<String> = way.iter().map(|word| (*word).to_owned()).collect();
        let mut attempt = entering(&way, folder, OsStr::new("true"));
        if attempt.stdout(Stdio::null()).stderr(Stdio::null()).status().await.is_ok_and(|ended| ended.success()) {
            return Some(way);
        }
    }
    None
}

/// `program` on a small disk that is mounted on `folder`.
fn entering(way_in: &[String], folder: &Path, program: &OsStr) -> Command {
    let (first, rest) = way_in.split_first().expect("a way begins with a program");
    let mut command = Command::new(first);
    command.args(rest).args(["sh", "-c", MOUNT]).arg(folder).stdin(Stdio::null()).kill_on_drop(true);
    if way_in.iter().any(|word| word == "--map-root-user") {
        // PostgreSQL does not run as root, not even as one who is none outside.
        let us = folder.metadata().unwrap();
        command.args(["unshare", "--user", &format!("--map-user={}", us.uid()), &format!("--map-group={}", us.gid())]);
    }
    command.arg(program);
    command
}
