//! Sees to it that what was erased is gone from the files, not only from the tables.
//!
//! A commit leaves the text of an erased player in two places: in old copies of cells, which [`scour`] overwrites, and in
//! old pages of the write-ahead log, which must be copied into the file and cut to nothing. Both are done after the commit,
//! beside the writer as far as possible and in short steps on its thread, between which others write. The log can be cut
//! only when nobody reads from it, and a reader may be slow: nobody waits for that but this thread, which tries again.
//!
//! That there is something to do is a number in the file itself (SQLite's `user_version`, which counts erasures and is set
//! back once the files are clean), so that it is done after a crash as well: the thread looks when the file is opened.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::sqlite::SqliteConnection;
use domain::store::StoreError;
use tokio::sync::oneshot;

use super::checkpoint::COPY;
use super::connection::{self, Access, BUSY_TIMEOUT};
use super::scour;
use super::threads::ConnectionThreads;

/// How long an erasure waits for the files to be clean before it is answered all the same.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How many pages are looked at in one read transaction (16 MiB).
const LOOK_PAGES: i64 = 4_096;

/// How many pages are overwritten in one write transaction (512 KiB).
const SWEEP_PAGES: usize = 128;

/// Before the first repetition of what could not be done; twice that before the next one, and so on.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest time between repetitions.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Copies what is left of the log and cuts it to nothing, waiting for readers no longer than the writer can be spared.
const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const SHORT_BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 10";

#[derive(QueryableByName)]
struct Emptied {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = Integer)]
    user_version: i32,
}

/// The thread that cleans, from outside. It ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Cleaner {
    requests: Sender<oneshot::Sender<()>>,
}

impl Cleaner {
    /// Starts the thread for the file at `path`, which uses these threads' connections.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        path: &Path,
        writer: ConnectionThreads,
        readers: ConnectionThreads,
    ) -> Result<Self, StoreError> {
        let (requests, waiting) = unbounded();
        let cleaning = Cleaning { path: path.to_path_buf(), writer, readers, scoured: 0 };
        let spawned = thread::Builder::new().name("purser-cleaner".to_owned()).spawn(move || cleaning.run(&waiting));
        spawned.map_err(StoreError::unavailable)?;
        Ok(Self { requests })
    }

    /// Returns once the files hold nothing of what was erased before this call, or when that takes too long: it goes on
    /// nevertheless.
    pub(super) async fn wait_until_clean(&self) {
        let (done, cleaned) = oneshot::channel();
        // If the thread is gone, so is the receiver of `cleaned`.
        drop(self.requests.send(done));
        if !matches!(tokio::time::timeout(WAIT_MAX, cleaned).await, Ok(Ok(()))) {
            tracing::warn!("an erased player's old text is still in the database's files; overwriting it goes on");
        }
    }
}

/// Notes, in the transaction of an erasure, that the files must be cleaned.
pub(super) fn mark_due(connection: &mut SqliteConnection) -> QueryResult<()> {
    let count = due(connection)?;
    set_due(connection, count.checked_add(1).unwrap_or(1))
}

fn due(connection: &mut SqliteConnection) -> QueryResult<i32> {
    diesel::sql_query("PRAGMA user_version").get_result::<Due>(connection).map(|due| due.user_version)
}

fn set_due(connection: &mut SqliteConnection, count: i32) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA user_version = {count}"))
}

struct Cleaning {
    path: PathBuf,
    writer: ConnectionThreads,
    readers: ConnectionThreads,
    /// Up to which erasure all pages were looked at.
    scoured: i32,
}

impl Cleaning {
    fn run(mut self, requests: &Receiver<oneshot::Sender<()>>) {
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        let mut pause = PAUSE_MIN;
        loop {
            let clean = self.clean().unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot overwrite an erased player's old text in the database's files yet");
                false
            });
            let next = if clean {
                pause = PAUSE_MIN;
                for done in waiting.drain(..) {
                    // Nobody waits any more if it took long.
                    let _ = done.send(());
                }
                requests.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                let next = requests.recv_timeout(pause);
                pause = PAUSE_MAX.min(pause * 2);
                next
            };
            match next {
                Ok(done) => waiting.push(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            waiting.extend(requests.try_iter());
        }
    }

    /// Cleans the files if they must be; whether they are clean of everything erased before.
    fn clean(&mut self) -> Result<bool, StoreError> {
        let count = self.readers.run_blocking(due)?;
        if count == 0 {
            return Ok(true);
        }
        if self.scoured != count {
            self.scour()?;
            self.scoured = count;
        }
        // Copies beside the writer what it would otherwise copy itself, and waits for the disk.
        let opened = connection::open(&self.path, Access::Write).map_err(StoreError::unavailable)?;
        copy(opened).map_err(connection::unavailable)?;
        if !self.writer.run_blocking(empty_log)? {
            return Ok(false);
        }
        self.writer
            .run_blocking(move |connection| connection::write(connection, |connection| set_clean(connection, count)))?;
        // Counting begins anew.
        self.scoured = 0;
        Ok(true)
    }

    fn scour(&self) -> Result<(), StoreError> {
        let pages = self.readers.run_blocking(scour::pages)?;
        let mut first = 1;
        while first <= pages {
            let numbers = first..(first + LOOK_PAGES).min(pages + 1);
            first = numbers.end;
            let look = |connection: &mut SqliteConnection| scour::littered(connection, numbers);
            let littered = self.readers.run_blocking(|connection| connection::read(connection, look))?;
            for some in littered.chunks(SWEEP_PAGES) {
                let some = some.to_vec();
                let sweep = move |connection: &mut SqliteConnection| scour::sweep(connection, &some);
                self.writer.run_blocking(|connection| connection::write(connection, sweep))?;
            }
        }
        Ok(())
    }
}

fn copy(mut connection: SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(COPY)
}

/// Cuts the log to nothing; whether nobody was in the way.
fn empty_log(connection: &mut SqliteConnection) -> QueryResult<bool> {
    connection.batch_execute(SHORT_BUSY_TIMEOUT)?;
    let emptied = diesel::sql_query(EMPTY_LOG).get_result::<Emptied>(connection);
    connection.batch_execute(BUSY_TIMEOUT)?;
    Ok(emptied?.busy == 0)
}

/// Notes that the files are clean, unless another player was erased after the erasure of this number.
fn set_clean(connection: &mut SqliteConnection, count: i32) -> QueryResult<()> {
    if due(connection)? == count { set_due(connection, 0) } else { Ok(()) }
}
