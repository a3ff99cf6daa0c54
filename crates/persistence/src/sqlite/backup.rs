//! An online copy of the embedded store: all of one instant, beside a server that goes on writing.
//!
//! SQLite itself writes it (`VACUUM INTO`), in one read transaction, from rows and not from pages: what was erased and lay in
//! unused parts of pages is not in the copy. It is written under another name, looked through, brought to the disk and only
//! then given its own name, so that a file of that name is a whole backup, whatever breaks in between.
//!
//! As long as it runs, the write-ahead log cannot start over, and grows by what is written meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{ConnectionError, Error};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::connection::BUSY_TIMEOUT;
use super::migrations::pending_names;
use crate::migrations::MigrationError;

/// What the names of unfinished copies begin with. A backup that is killed leaves one behind.
const UNFINISHED: &str = ".purser-backup-";

/// A backup that is whole and on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// How many accounts are in it.
    pub accounts: u64,
    /// How many entries its ledger has.
    pub entries: u64,
}

/// Why there is no backup. Nothing of it was left behind.
#[derive(Debug, Error)]
pub enum BackupError {
    /// Backups are never overwritten.
    #[error("there is a file at {} already; a backup overwrites nothing, so give another folder", .0.display())]
    Exists(PathBuf),
    /// SQLite is given the name of the copy as text.
    #[error("the name of the folder {} is not Unicode", .0.display())]
    Name(PathBuf),
    /// The copy could not be written down.
    #[error("cannot write a backup to {}", folder.display())]
    Write {
        /// Where to.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database or its copy could not be opened.
    #[error("cannot open the database file")]
    Open(#[from] ConnectionError),
    /// The database could not be read, or the copy not be written.
    #[error("cannot copy the database")]
    Copy(#[from] Error),
    /// The migrations of the copy cannot be told.
    #[error("cannot tell the schema of the copy")]
    Schema(#[from] MigrationError),
    /// The copy is not what a backup must be.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
}

#[derive(QueryableByName)]
struct Complaint {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    accounts: i64,
    #[diesel(sql_type = BigInt)]
    entries: i64,
    #[diesel(sql_type = BigInt)]
    counted: i64,
}

/// Every account says how many entries it has; together they must be all that there are.
const COUNTS: &str = "SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM entries) AS entries,
    (SELECT coalesce(sum(version), 0) FROM accounts) + (SELECT coalesce(sum(version), 0) FROM closed_accounts) AS counted";

impl Backup {
    /// Copies the database file `database` to `to`, where nothing may be yet, and looks through the copy.
    ///
    /// # Errors
    /// When it cannot be written, or is not whole.
    pub fn make(database: &Path, to: &Path) -> Result<Self, BackupError> {
        if to.try_exists().unwrap_or(true) {
            return Err(BackupError::Exists(to.to_path_buf()));
        }
        let folder = to.parent().unwrap_or_else(|| Path::new("."));
        let write = |source| BackupError::Write { folder: folder.to_path_buf(), source };
        // For its owner only, and removed when anything fails from here on.
        let unfinished = NamedTempFile::with_prefix_in(UNFINISHED, folder).map_err(write)?;
        let name = unfinished.path().to_str().ok_or_else(|| BackupError::Name(folder.to_path_buf()))?;
        let pending = copy(database, name)?;
        let Counts { accounts, entries, .. } = look_through(unfinished.path(), &pending)?;
        unfinished.as_file().sync_all().map_err(write)?;
        let bytes = unfinished.as_file().metadata().map_err(write)?.len();
        unfinished.persist_noclobber(to).map_err(|failure| {
            let taken = failure.error.kind() == io::ErrorKind::AlreadyExists;
            if taken { BackupError::Exists(to.to_path_buf()) } else { write(failure.error) }
        })?;
        // The name as well must be on the disk.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(write)?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Self { path: to.to_path_buf(), bytes, accounts: count(accounts), entries: count(entries) })
    }
}

/// Copies the file into an empty one; the migrations that the database lacks, and so must the copy.
fn copy(database: &Path, to: &str) -> Result<Vec<String>, BackupError> {
    // Not as those who serve open it: it must not change how the file is kept, nor be kept from writing to the copy.
    let mut connection = SqliteConnection::establish(&database.to_string_lossy())?;
    connection.batch_execute(BUSY_TIMEOUT)?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to).execute(&mut connection)?;
    Ok(pending_names(&mut connection)?)
}

/// Reads all of the copy.
fn look_through(copy: &Path, pending: &[String]) -> Result<Counts, BackupError> {
    let mut connection = SqliteConnection::establish(&copy.to_string_lossy())?;
    connection.batch_execute("PRAGMA query_only = ON")?;
    let complaints: Vec<Complaint> = diesel::sql_query("PRAGMA integrity_check(1)").load(&mut connection)?;
    if let Some(complaint) = complaints.iter().find(|complaint| complaint.integrity_check != "ok") {
        return Err(BackupError::Damaged(complaint.integrity_check.clone()));
    }
    if pending_names(&mut connection)? != pending {
        return Err(BackupError::Damaged("its schema is another one".to_owned()));
    }
    let counts: Counts = diesel::sql_query(COUNTS).get_result(&mut connection)?;
    if counts.entries != counts.counted {
        let (entries, counted) = (counts.entries, counts.counted);
        return Err(BackupError::Damaged(format!("it has {entries} entries, its accounts say {counted}")));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::Migrations;

    fn store(folder: &Path) -> PathBuf {
        let database = folder.join("purser.sqlite3");
        Migrations::of(&database).up().expect("a schema");
        database
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_backup_is_one_file_for_its_owner_and_overwrites_nothing() {
        let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (database, copy) = (store(from.path()), to.path().join("purser.sqlite3"));
        let backup = Backup::make(&database, &copy).expect("a backup");
        assert_eq!((backup.accounts, backup.entries), (0, 0));
        assert_eq!(backup.bytes, copy.metadata().expect("a file").len());
        assert_eq!(names(to.path()), ["purser.sqlite3"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(copy.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        }
        let again = Backup::make(&database, &copy).expect_err("it is there");
        assert!(matches!(again, BackupError::Exists(_)), "{again}");
    }

    #[test]
    fn a_copy_whose_ledger_lacks_an_entry_is_refused_and_leaves_nothing_behind() {
        let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let database = store(from.path());
        let mut connection = SqliteConnection::establish(&database.to_string_lossy()).expect("it opens");
        let account = "PRAGMA foreign_keys = OFF;
            INSERT INTO accounts (realm, id, player, kind, key, balance, version, created_at, updated_at)
            VALUES (1, zeroblob(16), zeroblob(16), 'currency', 'gold', 5, 1, 0, 0)";
        connection.batch_execute(account).expect("an account that says it has an entry");
        let damaged = Backup::make(&database, &to.path().join("copy")).expect_err("it lacks one");
        assert!(damaged.to_string().contains("0 entries, its accounts say 1"), "{damaged}");
        assert_eq!(names(to.path()), Vec::<String>::new());
    }
}
