//! Connections as this program needs them, and the only places where a transaction is opened.

use std::path::Path;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager, TransactionManagerStatus};
use diesel::prelude::*;
use diesel::result::{ConnectionError, Error};
use diesel::sqlite::SqliteConnection;
use domain::store::StoreError;
use thiserror::Error;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Changes: one connection in the process.
    Write,
    /// Reads: never blocks the writer, nor is blocked by it.
    Read,
}

/// How long a statement waits for another process that holds the write lock. A running server holds it for milliseconds
/// at a time but takes it again at once, so a command beside it needs patience.
pub(super) const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 20000;";

/// `synchronous=FULL` makes a commit wait for the disk: an answered write is durable.
/// The page cache is an upper bound (32 MiB), filled only as needed: SQLite walks all of it in a commit that split a page,
/// so that a larger one makes a large ledger slower, not faster. The automatic checkpoint is the last resort, should
/// the checkpointing thread fail (see `checkpoint`). `secure_delete` overwrites what is deleted, pages that become free
/// included, which its faster variant leaves as they are: the text of an erased player may fill whole pages (see `cleaner`).
const WRITER: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA cache_size = -32768;
    PRAGMA wal_autocheckpoint = 64000;
    PRAGMA temp_store = MEMORY;
";

/// The page cache (2 MiB for each reader) holds the upper pages of the trees, which all reads share; the leaves that one read
/// needs come from the system's cache. A larger one only fills with what exports have passed through.
const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -2048;
    PRAGMA temp_store = MEMORY;
";

/// A commit does not wait for the disk.
const LIGHT_COMMITS: &str = "PRAGMA synchronous = NORMAL";

/// A commit waits for the disk, as [`WRITER`] says.
const DURABLE_COMMITS: &str = "PRAGMA synchronous = FULL";

/// Why a file could not be opened as a database.
#[derive(Debug, Error)]
pub(super) enum OpenError {
    /// SQLite could not open it.
    #[error("cannot open the database file")]
    Connect(#[from] ConnectionError),
    /// It opened, but could not be set up.
    #[error("cannot set up the database file")]
    SetUp(#[from] Error),
}

/// Opens the file at `path`.
pub(super) fn open(path: &Path, access: Access) -> Result<SqliteConnection, OpenError> {
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
    connection.batch_execute(BUSY_TIMEOUT)?;
    connection.batch_execute(match access {
        Access::Write => WRITER,
        Access::Read => READER,
    })?;
    Ok(connection)
}

/// Runs `work` in one write transaction: all of it is stored when this returns `Ok`, nothing of it otherwise. It takes the
/// write lock at its beginning, so it never has to give up half-way because another process wrote meanwhile.
pub(super) fn write<T>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    connection.immediate_transaction(work)
}

/// Like [`write()`], for work whose loss does no harm: the commit does not wait for the disk. A crash of the machine may take it
/// back, never a crash of the process, and never what was committed before it.
pub(super) fn write_lightly<T>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    connection.batch_execute(LIGHT_COMMITS)?;
    // Should `work` panic, its transaction stays open, and the connection is not used again (see `is_sound`).
    let result = write(connection, work);
    if connection.batch_execute(DURABLE_COMMITS).is_err() {
        // Nothing durable may be promised on it again.
        AnsiTransactionManager::transaction_manager_status_mut(connection).set_in_error();
    }
    result
}

/// Runs `work` on one consistent view of the store.
#[expect(clippy::disallowed_methods, reason = "this is the one function that opens read transactions")]
pub(super) fn read<T>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    connection.transaction(work)
}

/// Whether `connection` has no transaction left open by something that went wrong.
pub(super) fn is_sound(connection: &mut SqliteConnection) -> bool {
    match AnsiTransactionManager::transaction_manager_status_mut(connection) {
        TransactionManagerStatus::Valid(status) => status.transaction_depth().is_none(),
        TransactionManagerStatus::InError => false,
    }
}

/// Whether a statement waited in vain for somebody else who holds the database.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, said) if said.message().contains("database is locked"))
}

/// What the ports answer for a failed statement.
pub(super) fn unavailable(error: Error) -> StoreError {
    StoreError::unavailable(error)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use diesel::sql_types::Integer;

    use super::*;

    #[derive(QueryableByName)]
    struct Level {
        #[diesel(sql_type = Integer)]
        synchronous: i32,
    }

    const NORMAL: i32 = 1;
    const FULL: i32 = 2;

    fn level(connection: &mut SqliteConnection) -> i32 {
        diesel::sql_query("PRAGMA synchronous").get_result::<Level>(connection).expect("readable").synchronous
    }

    #[test]
    fn a_commit_waits_for_the_disk_again_after_one_that_did_not_however_that_ended() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut connection = open(&folder.path().join("file.sqlite3"), Access::Write).expect("it opens");
        assert_eq!(level(&mut connection), FULL);
        let works = write_lightly(&mut connection, |connection| Ok(level(connection)));
        assert_eq!(works, Ok(NORMAL));
        assert_eq!(level(&mut connection), FULL);
        let fails = write_lightly(&mut connection, |connection| connection.batch_execute("SELECT nonsense"));
        assert!(fails.is_err() && is_sound(&mut connection));
        assert_eq!(level(&mut connection), FULL);
        let ends_early = write_lightly(&mut connection, |connection| connection.batch_execute("ROLLBACK"));
        assert!(ends_early.is_err());
        assert!(!is_sound(&mut connection) || level(&mut connection) == FULL);
    }

    #[test]
    fn a_statement_that_waited_in_vain_is_told_from_one_that_is_wrong() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file.sqlite3");
        let mut holder = open(&path, Access::Write).expect("it opens");
        let mut other = open(&path, Access::Write).expect("it opens");
        other.batch_execute("PRAGMA busy_timeout = 0").expect("it is set");
        holder.batch_execute("BEGIN IMMEDIATE").expect("nobody else writes");
        let busy = other.batch_execute("BEGIN IMMEDIATE").expect_err("somebody writes");
        assert!(is_busy(&busy), "{busy:?}");
        let wrong = other.batch_execute("SELECT nonsense").expect_err("it is wrong");
        assert!(!is_busy(&wrong), "{wrong:?}");
    }

    #[test]
    fn a_connection_is_not_used_again_after_a_panic_in_a_light_write() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut connection = open(&folder.path().join("file.sqlite3"), Access::Write).expect("it opens");
        let panics = AssertUnwindSafe(|| write_lightly(&mut connection, |_| -> QueryResult<()> { panic!("as tried") }));
        assert!(catch_unwind(panics).is_err());
        assert!(!is_sound(&mut connection));
    }
}
