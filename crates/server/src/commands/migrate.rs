//! `purser migrate`.

use std::path::Path;

use anyhow::Context;
use persistence::migrations::MigrationState;
use persistence::postgres::{self, PostgresAddress};
use persistence::sqlite::{self, ServeLock};

use crate::cli::MigrateAction;
use crate::config::{Database, Settings};
use crate::store;

/// Shows, applies or reverts migrations.
pub(crate) async fn run(settings: &Settings, action: Option<MigrateAction>) -> anyhow::Result<()> {
    let action = action.unwrap_or(MigrateAction::Status);
    match &settings.database {
        Database::Sqlite(path) => on_sqlite(path, action),
        Database::Postgres(address) => on_postgres(address, action).await,
    }
    .with_context(|| format!("cannot migrate {}", settings.database))
}

fn on_sqlite(path: &Path, action: MigrateAction) -> anyhow::Result<()> {
    let migrations = sqlite::Migrations::of(path);
    match action {
        MigrateAction::Status => {
            anyhow::ensure!(path.exists(), "there is no store; `purser migrate up` makes one");
            show_states(&migrations.status()?);
        }
        MigrateAction::Up => {
            store::create_folder(path)?;
            show_applied(&migrations.up()?);
        }
        MigrateAction::Down => {
            anyhow::ensure!(path.exists(), "there is no store");
            let _lock = ServeLock::acquire(path).context("a migration cannot be reverted under a running server")?;
            println!("reverted {}", migrations.down()?);
        }
        MigrateAction::Distribute => anyhow::bail!("a file cannot be distributed; that takes PostgreSQL with Citus"),
    }
    Ok(())
}

async fn on_postgres(address: &PostgresAddress, action: MigrateAction) -> anyhow::Result<()> {
    let migrations = postgres::Migrations::of(address);
    match action {
        MigrateAction::Status => show_states(&migrations.status().await?),
        MigrateAction::Up => show_applied(&migrations.up().await?),
        MigrateAction::Down => println!("reverted {}", migrations.down().await?),
        MigrateAction::Distribute => {
            migrations.distribute().await?;
            println!("distributed by realm");
        }
    }
    Ok(())
}

fn show_states(states: &[MigrationState]) {
    for state in states {
        println!("{}  {}", if state.applied { "applied" } else { "pending" }, state.name);
    }
}

fn show_applied(names: &[String]) {
    if names.is_empty() {
        println!("nothing to apply");
    }
    names.iter().for_each(|name| println!("applied  {name}"));
}
