//! Opens the store for a command.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::keys::{KeyRing, Keys};
use domain::tenancy::Tenancy;
use persistence::sqlite::{Migrations, SqliteStore};

use crate::config::Settings;
use crate::system::{SystemClock, SystemIds};

/// Whether a command may make a store where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfAbsent {
    /// Make it.
    Create,
    /// Refuse.
    Refuse,
}

/// Opens the store of `settings` with its schema in place.
pub(crate) fn open(settings: &Settings, if_absent: IfAbsent) -> anyhow::Result<SqliteStore> {
    let path = &settings.database;
    if if_absent == IfAbsent::Refuse && !path.exists() {
        bail!("there is no store at {}; `purser serve` or `purser migrate up` makes one", path.display());
    }
    match if_absent {
        IfAbsent::Create => {
            create_folder(path)?;
            let applied = Migrations::of(path).up().with_context(|| format!("cannot open {}", path.display()))?;
            for name in applied {
                tracing::debug!(migration = name, "applied");
            }
        }
        IfAbsent::Refuse => {
            let states = Migrations::of(path).status().with_context(|| format!("cannot open {}", path.display()))?;
            if states.iter().any(|state| !state.applied) {
                bail!("{} lacks migrations that this version needs; run `purser migrate up`", path.display());
            }
        }
    }
    SqliteStore::open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// Makes the folder that holds the database file, for its owner only where the system knows owners.
pub(crate) fn create_folder(database: &Path) -> anyhow::Result<()> {
    let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    if folder.exists() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot create the folder {}", folder.display()))
}

/// The use cases of studios and games on `store`.
pub(crate) fn tenancy(store: &SqliteStore) -> Tenancy {
    Tenancy::new(Arc::new(store.clone()), Arc::new(SystemClock), Arc::new(SystemIds))
}

/// The use cases of keys on `store`, and the ring that checks them.
pub(crate) fn keys(store: &SqliteStore) -> (Keys, Arc<KeyRing>) {
    let ring = Arc::new(KeyRing::new(Arc::new(store.clone()), Arc::new(SystemClock)));
    let keys = Keys::new(Arc::new(store.clone()), Arc::clone(&ring), Arc::new(SystemClock), Arc::new(SystemIds));
    (keys, ring)
}
