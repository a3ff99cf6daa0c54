//! A SQLite file in a temporary folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use persistence::sqlite::{Migrations, SqliteStore};
use tempfile::TempDir;
use testkit::contract::{Fixture, Stores};

/// A new file with its schema in place.
pub(crate) struct SqliteFixture {
    folder: TempDir,
}

impl SqliteFixture {
    /// Makes the file.
    pub(crate) async fn create() -> Self {
        let fixture = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        Migrations::of(&fixture.path()).up().expect("a new file takes its migrations");
        fixture
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("purser.sqlite3")
    }
}

#[async_trait]
impl Fixture for SqliteFixture {
    async fn open(&self) -> Stores {
        stores(&self.path())
    }
}

/// The file at `path`, opened, as all its ports.
pub(crate) fn stores(path: &Path) -> Stores {
    Stores::of(Arc::new(SqliteStore::open(path).expect("the file opens")))
}
