//! The schema: embedded migrations, and where a file stands in them.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::connection::{self, Access};
use crate::migrations::{MigrationError, MigrationState};
use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const EMBEDDED: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// The migrations of one file.
pub struct Migrations {
    path: PathBuf,
}

impl Migrations {
    /// The migrations of the file at `path`, which need not exist yet.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Every migration of this program, oldest first.
    pub fn status(&self) -> Result<Vec<MigrationState>, MigrationError> {
        let mut connection = open(&self.path)?;
        let pending = pending_names(&mut connection)?;
        let all: Vec<Box<dyn Migration<Sqlite>>> = EMBEDDED.migrations().map_err(MigrationError::Run)?;
        let names = all.iter().map(|migration| migration.name().to_string());
        Ok(names.map(|name| MigrationState { applied: !pending.contains(&name), name }).collect())
    }

    /// Applies what is pending; the names of what was applied, oldest first. Creates the file when there is none.
    pub fn up(&self) -> Result<Vec<String>, MigrationError> {
        let _lock = self.lock()?;
        let mut connection = open(&self.path)?;
        let pending = pending_names(&mut connection)?;
        connection.run_pending_migrations(EMBEDDED).map_err(MigrationError::Run)?;
        Ok(pending)
    }

    /// Reverts the newest applied migration, with the data that it holds; its name.
    pub fn down(&self) -> Result<String, MigrationError> {
        let _lock = self.lock()?;
        let states = self.status()?;
        let newest = states.into_iter().rev().find(|state| state.applied).ok_or(MigrationError::NothingApplied)?;
        let mut connection = open(&self.path)?;
        connection.revert_last_migration(EMBEDDED).map_err(MigrationError::Run)?;
        Ok(newest.name)
    }

    /// Waits for the lock that keeps two processes from migrating one file at once; held until dropped.
    fn lock(&self) -> Result<File, MigrationError> {
        let path = self.path.with_extension("migrating");
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = open.map_err(|error| MigrationError::Lock(Box::new(error)))?;
        file.lock().map_err(|error| MigrationError::Lock(Box::new(error)))?;
        Ok(file)
    }
}

fn open(path: &Path) -> Result<SqliteConnection, MigrationError> {
    connection::open(path, Access::Write).map_err(|error| MigrationError::Open(Box::new(error)))
}

/// The names of the migrations that `connection` lacks, oldest first.
pub(super) fn pending_names(connection: &mut SqliteConnection) -> Result<Vec<String>, MigrationError> {
    let pending = connection.pending_migrations(EMBEDDED).map_err(MigrationError::Run)?;
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}
