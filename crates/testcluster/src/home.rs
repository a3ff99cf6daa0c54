//! The folder of a cluster, and what sees to it that the folder goes: this value when it is dropped, a watchdog when we are
//! killed, and the next cluster when the watchdog was killed too.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What the names of all clusters' folders begin with.
const PREFIX: &str = "purser-postgres-";

/// The file that a living owner holds locked. The lock is the operating system's, so it ends with its process.
const LOCK: &str = "owner.lock";

const WATCHDOG: &str = include_str!("watchdog.sh");

/// The folder of one cluster.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    user: u32,
    watchdog: Child,
    _lock: File,
}

impl Home {
    /// Makes a folder in `parent`, after removing those there whose owners are dead.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        let (folder, lock) = locked_folder(parent)?;
        // Who we are: what we make belongs to us.
        let user = folder.path().metadata()?.uid();
        remove_abandoned(parent, user)?;
        let watchdog = watchdog(folder.path(), Stdio::piped()).spawn()?;
        Ok(Self { folder, user, watchdog, _lock: lock })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The number of the user whom we run as.
    pub(crate) fn user(&self) -> u32 {
        self.user
    }

    /// The cluster's data.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

impl Drop for Home {
    /// The folder itself goes after this, with its own value.
    fn drop(&mut self) {
        if let Some(mut input) = self.watchdog.stdin.take() {
            // A watchdog that has been killed needs no dismissal.
            let _ = input.write_all(b"dismissed\n");
        }
        let _ = self.watchdog.wait();
    }
}

/// Locked before anybody who cleans up may think that it has no owner; if somebody was faster, another one is made.
fn locked_folder(parent: &Path) -> io::Result<(TempDir, File)> {
    loop {
        let folder =
            tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
        let path = folder.path().join(LOCK);
        let lock = File::create(&path)?;
        if lock.try_lock().is_ok() && path.exists() {
            return Ok((folder, lock));
        }
    }
}

/// Only what this user made: a stranger's folder could hold anything.
fn remove_abandoned(parent: &Path, user: u32) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let folder = entry?.path();
        if !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
            continue;
        }
        let path = folder.join(LOCK);
        if !path.symlink_metadata().is_ok_and(|lock| lock.is_file() && lock.uid() == user) {
            continue;
        }
        if let Ok(lock) = File::open(&path)
            && lock.try_lock().is_ok()
        {
            // With no input the watchdog begins at once.
            watchdog(&folder, Stdio::null()).status()?;
        }
    }
    Ok(())
}

/// In a process group of its own, so that what interrupts us from the keyboard does not end it.
fn watchdog(folder: &Path, input: Stdio) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", WATCHDOG, "sh"]).arg(folder).current_dir("/").process_group(0);
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::create(parent.path()).unwrap();
        assert!(home.path().exists());
        drop(home);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_folder_of_a_dead_owner_is_removed_and_that_of_a_living_one_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join("purser-postgres-abandoned");
        fs::create_dir_all(abandoned.join("data")).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();
        let stranger = parent.path().join("purser-postgres-without-lock");
        fs::create_dir(&stranger).unwrap();
        let first = Home::create(parent.path()).unwrap();
        assert!(!abandoned.exists());
        let _second = Home::create(parent.path()).unwrap();
        assert!(first.path().exists());
        assert!(stranger.exists());
    }

    #[test]
    fn a_number_left_behind_that_now_is_another_process_is_let_alone() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join("purser-postgres-abandoned");
        let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
        fs::create_dir_all(abandoned.join("data")).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();
        fs::write(abandoned.join("data/postmaster.pid"), format!("{}\n", innocent.id())).unwrap();
        let _home = Home::create(parent.path()).unwrap();
        assert!(!abandoned.exists());
        assert!(innocent.try_wait().unwrap().is_none());
        innocent.kill().unwrap();
        innocent.wait().unwrap();
    }
}
