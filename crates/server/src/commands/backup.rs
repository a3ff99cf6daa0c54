//! `purser backup`: an online copy of the embedded store, and of the installation's secret if asked for.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use persistence::sqlite::Backup;
use serde::Serialize;

use super::print_json;
use crate::cli::BackupArgs;
use crate::config::{Database, Settings};
use crate::secret::SecretSource;
use crate::store;

/// What was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupView {
    path: PathBuf,
    bytes: u64,
    seconds: f64,
    accounts: u64,
    entries: u64,
    secret: Option<PathBuf>,
}

/// Makes a backup; fails without leaving one.
pub(crate) async fn run(settings: &Settings, asked: BackupArgs) -> anyhow::Result<()> {
    let Database::Sqlite(database) = &settings.database else {
        bail!(
            "{} is backed up by PostgreSQL's own tools: pg_dump --format=custom --file=purser.dump \
             \"$PURSER_DATABASE_URL\" (see docs/operations.md)",
            settings.database
        )
    };
    ensure!(database.exists(), "there is no store at {}", database.display());
    let name = database.file_name().context("the store has no name")?;
    let to = asked.to.join(name);
    let secret = match (&settings.secret, asked.with_secret) {
        (_, false) => None,
        (SecretSource::Given(_), true) => {
            bail!("the secret is given by PURSER_SECRET and in no file; keep it yourself")
        }
        (SecretSource::File(path), true) => {
            let text = fs::read(path).with_context(|| format!("cannot read the secret in {}", path.display()))?;
            let to = to.with_extension("secret");
            ensure!(!to.exists(), "there is a file at {} already; a backup overwrites nothing", to.display());
            Some((text, to))
        }
    };
    store::create_folder(&to)?;
    let started = Instant::now();
    let from = database.clone();
    let backup = tokio::task::spawn_blocking(move || Backup::make(&from, &to)).await??;
    if let Some((text, to)) = &secret {
        keep(text, to).with_context(|| format!("cannot write the secret to {}", to.display()))?;
    }
    let Backup { path, bytes, accounts, entries } = backup;
    let (seconds, secret) = (started.elapsed().as_secs_f64(), secret.map(|(_, to)| to));
    let view = BackupView { path, bytes, seconds, accounts, entries, secret };
    if asked.output.json {
        return print_json(&view);
    }
    let BackupView { path, secret, .. } = view;
    println!("{}: {bytes} bytes, {accounts} accounts and {entries} entries, in {seconds:.1} s", path.display());
    match secret {
        Some(secret) => println!("{}: the secret; keep it elsewhere", secret.display()),
        None => println!("without the installation's secret, which has to be kept too, and elsewhere"),
    }
    Ok(())
}

/// Writes the secret to a new file for its owner only.
fn keep(text: &[u8], to: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(to)?;
    file.write_all(text)?;
    file.sync_all()
}
