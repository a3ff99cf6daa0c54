//! Moves the write-ahead log into the database file, beside the writer instead of in its way.
//!
//! SQLite's own automatic checkpoint runs in the commit that makes the log long enough, and makes one batch wait for all
//! the copying. Here a thread of its own copies, and waits for the disk, while the writer goes on. Only the end of a
//! checkpoint, after which the log starts over, must fall between two commits: that is left to the writer, when nearly
//! everything has been copied and is on disk.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::sqlite::SqliteConnection;
use domain::store::StoreError;

use super::connection::{self, Access};
use crate::observer::StoreObserver;

/// How often at most the length of the log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Copying begins when so many pages (2 MiB) wait in the log. Few, because what is copied is on its way to the disk together: a
/// commit that waits for the disk meanwhile waits behind all of it. An eighth of what it was costs credits a tenth of their
/// throughput, and takes a third or more off the time that the slowest of a hundred requests waits.
const COPY_PAGES: i32 = 500;

/// The log is started over once it is so long (64 MiB), which bounds the file and the time to read it after a crash.
const START_OVER_PAGES: i32 = 16_000;

/// Copies what is in the log, without waiting for anybody.
pub(super) const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The writer's side of the checkpointing thread.
pub(super) struct Checkpoints {
    committed: Sender<()>,
    finish_due: Arc<AtomicBool>,
}

#[derive(QueryableByName)]
struct LogState {
    #[diesel(sql_type = Integer)]
    log: i32,
    #[diesel(sql_type = Integer)]
    checkpointed: i32,
}

impl Checkpoints {
    /// Starts the thread for the file at `path`. It ends when this value is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn start(path: &Path, observer: Arc<dyn StoreObserver>) -> Result<Self, StoreError> {
        let connection = connection::open(path, Access::Write).map_err(StoreError::unavailable)?;
        let database = File::open(path).map_err(StoreError::unavailable)?;
        // Never closed: closing any descriptor of a file releases the locks that SQLite holds on it in this process.
        let database: &'static File = Box::leak(Box::new(database));
        let (committed, commits) = bounded(1);
        let finish_due = Arc::new(AtomicBool::new(false));
        let due = Arc::clone(&finish_due);
        let spawned = thread::Builder::new()
            .name("purser-checkpoint".to_owned())
            .spawn(move || keep_short(connection, database, &commits, &due, &*observer));
        spawned.map_err(StoreError::unavailable)?;
        Ok(Self { committed, finish_due })
    }

    /// To be called by the writer between two transactions.
    pub(super) fn between_commits(&self, writer: &mut SqliteConnection) {
        if self.finish_due.swap(false, Ordering::Relaxed) {
            log_failure(writer.batch_execute(COPY));
        }
        // A full channel means that the thread knows already.
        let _ = self.committed.try_send(());
    }
}

fn keep_short(
    mut connection: SqliteConnection,
    database: &File,
    commits: &Receiver<()>,
    finish_due: &AtomicBool,
    observer: &dyn StoreObserver,
) {
    while commits.recv().is_ok() {
        thread::sleep(LOOK_EVERY);
        // SQLite's NOOP mode tells the length of the log and how much of it has been copied, and does nothing.
        let state = diesel::sql_query("PRAGMA wal_checkpoint(NOOP)").get_result::<LogState>(&mut connection);
        let LogState { log, checkpointed } = match state {
            Ok(state) => state,
            Err(error) => {
                log_failure(Err(error));
                continue;
            }
        };
        // A log that is all copied starts over by itself with the next write.
        let start_over = START_OVER_PAGES <= log && checkpointed < log;
        let is_long = start_over || COPY_PAGES <= log - checkpointed;
        let begun = Instant::now();
        if is_long {
            log_failure(connection.batch_execute(COPY));
            // At once, while it is little.
            log_failure(database.sync_data());
        }
        if start_over {
            // SQLite itself waits for the disk only when it has copied everything, which would leave that wait to the
            // writer. What was committed during the wait is copied once more; what is left to the writer is what is
            // committed during that.
            log_failure(connection.batch_execute(COPY));
            finish_due.store(true, Ordering::Relaxed);
        }
        if is_long {
            observer.checkpointed(begun.elapsed());
        }
    }
}

/// A failed checkpoint loses nothing: the log keeps what was not copied. It only grows.
fn log_failure(result: Result<(), impl fmt::Display>) {
    if let Err(error) = result {
        tracing::warn!(%error, "cannot move the write-ahead log into the database file");
    }
}
