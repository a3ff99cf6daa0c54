//! What outlives every process: the store itself, which processes open and lose.

use std::path::PathBuf;
use std::sync::Arc;

use domain::store::StoreError;
use persistence::sqlite::{Migrations, SqliteStore};
use tempfile::TempDir;
use testkit::MemoryStore;
use testkit::contract::Stores;

/// On what the processes of a run keep their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Medium {
    /// The tests' store in memory.
    #[default]
    Memory,
    /// A SQLite file.
    Sqlite,
}

/// The data of one run.
pub(crate) enum Disk {
    Memory(MemoryStore),
    Sqlite { path: PathBuf, _folder: TempDir },
}

/// The store as one process has it open.
pub(crate) struct Opened {
    /// All its ports.
    pub(crate) stores: Stores,
    /// The store itself where it can decide for nothing.
    pub(crate) memory: Option<MemoryStore>,
}

impl Disk {
    /// A new and empty one.
    pub(crate) fn new(medium: Medium) -> anyhow::Result<Self> {
        match medium {
            Medium::Memory => Ok(Self::Memory(MemoryStore::new())),
            Medium::Sqlite => {
                let folder = TempDir::new()?;
                let path = folder.path().join("purser.db");
                Migrations::of(&path).up()?;
                Ok(Self::Sqlite { path, _folder: folder })
            }
        }
    }

    /// Opens it, beside whoever has it open.
    pub(crate) fn open(&self) -> Result<Opened, StoreError> {
        match self {
            Self::Memory(store) => {
                let store = store.reopened();
                Ok(Opened { stores: store.stores(), memory: Some(store) })
            }
            Self::Sqlite { path, .. } => {
                Ok(Opened { stores: Stores::of(Arc::new(SqliteStore::open(path)?)), memory: None })
            }
        }
    }

    /// Every value that is kept, as text, where they can be had.
    pub(crate) fn values(&self) -> Option<String> {
        match self {
            Self::Memory(store) => Some(store.values()),
            Self::Sqlite { .. } => None,
        }
    }
}
