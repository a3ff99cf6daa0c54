//! The embedded store: one SQLite file, one writer thread, a few reader threads.
//!
//! Durability is SQLite's own: WAL with `synchronous=FULL`, so a transaction that was answered survives a crash of the
//! process or the machine, and reopening after one needs nothing. Only how far deliveries of webhooks are may be lost by a
//! crash of the machine: they are repeated then, under the same ids. Other processes (the command line) may write beside a
//! running server; only a second server is kept out, by [`ServeLock`].

mod audit_log;
mod backup;
mod checkpoint;
mod cleaner;
mod connection;
mod economy;
mod keys;
mod lobbies;
mod migrations;
mod players;
mod scour;
mod serve_lock;
mod statement;
mod tenancy;
mod threads;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use diesel::connection::SimpleConnection;
use domain::store::{StoreError, StoreHealth};
use domain::webhooks::Bell;

pub use backup::{Backup, BackupError};
pub use migrations::Migrations;
pub use serve_lock::{ServeLock, ServeLockError};

use crate::migrations::MigrationError;
use crate::observer::{FileSizes, PoolState, StoreObserver, Unobserved};
use cleaner::Cleaner;
use connection::Access;
use threads::ConnectionThreads;

/// How many threads read beside the writer. Reads of one player are short; more threads than this only contend.
const READERS: usize = 4;

/// A SQLite file, open for reading and writing. Implements every port of the domain. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore {
    path: Arc<Path>,
    writer: ConnectionThreads,
    readers: ConnectionThreads,
    cleaner: Cleaner,
    bell: Bell,
}

impl SqliteStore {
    /// Opens the file at `path`, which must exist with its schema in place (see [`Migrations`]).
    ///
    /// # Errors
    /// When the file cannot be opened as a database.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let nobody: Arc<dyn StoreObserver> = Arc::new(Unobserved);
        Self::open_observed(path, &nobody)
    }

    /// The same, and `observer` is told what it does.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn open_observed(path: &Path, observer: &Arc<dyn StoreObserver>) -> Result<Self, StoreError> {
        let writer = ConnectionThreads::start("purser-writer", 1, path, Access::Write, observer)?;
        let readers = ConnectionThreads::start("purser-reader", READERS, path, Access::Read, observer)?;
        let cleaner = Cleaner::start(path, writer.clone(), readers.clone())?;
        Ok(Self { path: path.into(), writer, readers, cleaner, bell: Bell::default() })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// How its connections stand.
    pub fn pools(&self) -> Vec<PoolState> {
        vec![self.writer.state("write"), self.readers.state("read")]
    }

    /// How large its files are.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn file_sizes(&self) -> std::io::Result<FileSizes> {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        // There is none between the last connection that was closed and the next write.
        let log_bytes = std::fs::metadata(log).map_or(0, |log| log.len());
        Ok(FileSizes { database_bytes: std::fs::metadata(&self.path)?.len(), log_bytes })
    }

    /// Moves what the write-ahead log holds into the database file, so that it stands alone; for an orderly stop.
    ///
    /// # Errors
    /// When the store fails. Nothing is lost then: the log is read when the file is opened next.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.writer.run(|connection| connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")).await
    }
}

#[async_trait]
impl StoreHealth for SqliteStore {
    async fn check(&self) -> Result<(), StoreError> {
        let pending = self.readers.run(|connection| Ok(migrations::pending_names(connection))).await?;
        match pending {
            Ok(names) if names.is_empty() => Ok(()),
            Ok(names) => Err(StoreError::unavailable(MigrationError::Pending(names.join(", ")))),
            Err(error) => Err(StoreError::unavailable(error)),
        }
    }
}
