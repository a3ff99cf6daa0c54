//! A disk that a test may fill: a file system in memory that only the test sees. The test runs itself again in a mount namespace
//! of its own, which goes with it, however it ends.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use tokio::process::Command;

/// Says where the small disk is, to the test that runs inside.
const DISK: &str = "PURSER_TEST_SMALL_DISK";

/// Mounts a disk of the size `$1` on `$0` and becomes what follows.
const MOUNT: &str = r#"mount -t tmpfs -o size=$1,mode=1777 small "$0" && shift && exec "$@""#;

/// The ways into a namespace in which one may mount: as root, as root of nothing else, and as root with the help of sudo.
const WAYS_IN: [&[&str]; 3] = [
    &["unshare", "--mount"],
    &["unshare", "--user", "--map-root-user", "--mount"],
    &["sudo", "--non-interactive", "--preserve-env", "unshare", "--mount"],
];

/// Where the small disk is, to the test that runs on one. `None` to the test that a person started, which has then run itself
/// as `test`, its name with its module, on a disk of that size, such as `16m`.
pub(crate) async fn small_disk(test: &str, size: &str) -> Option<PathBuf> {
    match env::var_os(DISK) {
        Some(disk) => Some(disk.into()),
        None => {
            run_on_small_disk(test, size).await;
            None
        }
    }
}

/// Writes a file until there is no more room.
pub(crate) fn fill(path: &Path) {
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

async fn run_on_small_disk(test: &str, size: &str) {
    let folder = tempfile::tempdir().unwrap();
    let test = [test, "--exact", "--nocapture"];
    let Some(way_in) = way_in(folder.path(), size).await else {
        // As on a system without namespaces, or in a container that may not have any.
        eprintln!("not tested: nobody here may mount a file system");
        return;
    };
    let mut inside = entering(&way_in, (folder.path(), size), env::current_exe().unwrap().as_os_str());
    let output = inside.args(test).env(DISK, folder.path()).output().await.unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// The first way in that works here.
async fn way_in(folder: &Path, size: &str) -> Option<Vec<String>> {
    for way in WAYS_IN {
        let way: Vec<String> = way.iter().map(|word| (*word).to_owned()).collect();
        let mut attempt = entering(&way, (folder, size), OsStr::new("true"));
        if attempt.stdout(Stdio::null()).stderr(Stdio::null()).status().await.is_ok_and(|ended| ended.success()) {
            return Some(way);
        }
    }
    None
}

/// `program` on a small disk that is mounted on `folder`.
fn entering(way_in: &[String], (folder, size): (&Path, &str), program: &OsStr) -> Command {
    let (first, rest) = way_in.split_first().expect("a way begins with a program");
    let mut command = Command::new(first);
    command.args(rest).args(["sh", "-c", MOUNT]).arg(folder).arg(size).stdin(Stdio::null()).kill_on_drop(true);
    if way_in.iter().any(|word| word == "--map-root-user") {
        // PostgreSQL does not run as root, not even as one who is none outside.
        let us = folder.metadata().unwrap();
        command.args(["unshare", "--user", &format!("--map-user={}", us.uid()), &format!("--map-group={}", us.gid())]);
    }
    command.arg(program);
    command
}
