//! A cluster whose owner is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use testcluster::{Cluster, Options, Programs};

use crate::clusters::parent;
use crate::sessions::{entries, eventually};

/// Set for the process that plays the owner.
const PARENT: &str = "TESTCLUSTER_OWNER_PARENT";

/// Runs this test in a process of its own, where it is the owner, and waits until it has a cluster.
fn owner_in(parent: &Path, test: &str) -> Child {
    let mut owner = Command::new(env::current_exe().unwrap());
    owner.args(["--exact", test, "--nocapture"]).env(PARENT, parent).stdout(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("the cluster is there")));
    owner
}

fn own_until_killed(parent: PathBuf) {
    let options = Options { parent: Some(parent), ..Options::default() };
    let _cluster = Cluster::start(&Programs::find().unwrap(), options).unwrap();
    println!("the cluster is there");
    loop {
        thread::park();
    }
}

#[test]
fn the_cluster_of_a_killed_owner_goes_by_itself() {
    if let Some(parent) = env::var_os(PARENT) {
        return own_until_killed(parent.into());
    }
    let parent = parent();
    let mut owner = owner_in(parent.path(), "owners::the_cluster_of_a_killed_owner_goes_by_itself");
    let home = parent.path().read_dir().unwrap().next().unwrap().unwrap().path();
    let state = fs::read_to_string(home.join("data/postmaster.pid")).unwrap();
    let process = state.lines().next().unwrap().to_owned();
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("its folder is gone", || entries(parent.path()) == 0);
    let still_there = Command::new("sh").args(["-c", "kill -s 0 \"$0\" 2>&-", &process]).status().unwrap();
    assert!(!still_there.success() || command_line(&process).is_empty());
}

/// Empty for a process that has ended and that nobody has waited for.
fn command_line(process: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default()
}
