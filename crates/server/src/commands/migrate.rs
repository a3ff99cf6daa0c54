//! `purser migrate`.

use anyhow::Context;
use persistence::sqlite::{Migrations, ServeLock};

use crate::cli::MigrateAction;
use crate::config::Settings;
use crate::store;

/// Shows, applies or reverts migrations.
pub(crate) fn run(settings: &Settings, action: Option<MigrateAction>) -> anyhow::Result<()> {
    let path = &settings.database;
    let migrations = Migrations::of(path);
    let context = || format!("cannot migrate {}", path.display());
    match action.unwrap_or(MigrateAction::Status) {
        MigrateAction::Status => {
            anyhow::ensure!(path.exists(), "there is no store at {}; `purser migrate up` makes one", path.display());
            for state in migrations.status().with_context(context)? {
                println!("{}  {}", if state.applied { "applied" } else { "pending" }, state.name);
            }
        }
        MigrateAction::Up => {
            store::create_folder(path)?;
            let applied = migrations.up().with_context(context)?;
            if applied.is_empty() {
                println!("nothing to apply");
            }
            applied.iter().for_each(|name| println!("applied  {name}"));
        }
        MigrateAction::Down => {
            anyhow::ensure!(path.exists(), "there is no store at {}", path.display());
            let _lock = ServeLock::acquire(path).context("a migration cannot be reverted under a running server")?;
            println!("reverted {}", migrations.down().with_context(context)?);
        }
    }
    Ok(())
}
