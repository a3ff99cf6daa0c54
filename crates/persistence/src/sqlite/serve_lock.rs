//! Keeps a second server off a store.
//!
//! Two servers on one file would be correct but would take turns for the write lock; one is what the embedded store is for.
//! The lock is the operating system's lock on a file beside the database, so it ends with its process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Held by the one process that serves a store.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

/// Why a store could not be locked for serving.
#[derive(Debug, Error)]
pub enum ServeLockError {
    /// Another server holds it.
    #[error("another purser (process {process}) is already serving {}; stop it, or use another --data-dir", path.display())]
    Held {
        /// The database file.
        path: PathBuf,
        /// What the other server wrote down as its process id.
        process: String,
    },
    /// The lock file could not be used.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ServeLock {
    /// Locks the store whose database file is `database`, until the value is dropped.
    ///
    /// # Errors
    /// [`ServeLockError::Held`] at once when another process serves it.
    pub fn acquire(database: &Path) -> Result<Self, ServeLockError> {
        let path = database.with_extension("lock");
        let io = |source| ServeLockError::Io { path: path.clone(), source };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                drop(file.read_to_string(&mut process));
                let process = process.trim().to_owned();
                return Err(ServeLockError::Held { path: database.to_path_buf(), process });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_served_by_one_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = folder.path().join("purser.sqlite3");
        let first = ServeLock::acquire(&database).expect("nobody serves it yet");
        let refused = ServeLock::acquire(&database).expect_err("it is served");
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        ServeLock::acquire(&database).expect("nobody serves it any more");
    }
}
