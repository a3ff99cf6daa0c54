//! `schemathesis`: requests that nobody would think of, made from the OpenAPI document, to the real server. No answer may be
//! a 5xx, have a status, a type, a header or a body that the document does not tell of, accept what the document forbids, or
//! take a method that it does not have.
//!
//! What makes and judges the requests is Schemathesis, a program in Python; here it is installed, given a server whose realm
//! has something for every id, and told what to look at. The same seed makes the same requests.

mod passes;
mod realm;
mod virtualenv;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use testcluster::{Cluster, Options as ClusterOptions, Programs};
use tokio::runtime;
use tokio::task::LocalSet;

use self::realm::Realm;
use self::virtualenv::Virtualenv;
use crate::bench::client::Target;
use crate::bench::program::Program;
use crate::bench::server::Server;
use crate::workspace;

/// What to send, and on which database.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The store of the server; PostgreSQL is a private one
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
    /// How many requests of each kind are made for a route, besides those that the document asks for by itself
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    examples: u32,
    /// What the requests follow from
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Send them to this binary instead of building one
    #[arg(long, value_name = "PATH")]
    server_bin: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    /// The embedded one.
    Sqlite,
    /// A private PostgreSQL.
    Postgres,
}

/// What the server is told, besides that nobody may ask too much: that it may call back to this machine.
const SETTINGS: &[(&str, &str)] = &[("PURSER_WEBHOOK_ALLOW", "127.0.0.1")];

/// As `check` runs it, with the program that the tests were just run with.
pub(crate) fn check() -> Result<()> {
    let tested = workspace::metadata()?.target_directory.join("debug").join("purser");
    run(&Options { database: Database::Sqlite, examples: 15, seed: 7, server_bin: Some(tested) })
}

/// Installs what is missing, then sends everything; fails when an answer is not as the document says.
pub(crate) fn run(options: &Options) -> Result<()> {
    let target = workspace::metadata()?.target_directory;
    fs::create_dir_all(&target).with_context(|| format!("cannot create {}", target.display()))?;
    let python = Virtualenv::prepare(&target)?;
    let binary = match &options.server_bin {
        Some(path) => path.canonicalize().with_context(|| format!("no server at {}", path.display()))?,
        None => build(&target)?,
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    LocalSet::new().block_on(&runtime, send_everything(options, &python, &binary, &target))
}

fn build(target: &Path) -> Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--quiet", "--locked", "-p", "server"]);
    workspace::run(command)?;
    Ok(target.join("debug").join("purser"))
}

async fn send_everything(options: &Options, python: &Virtualenv, binary: &Path, target: &Path) -> Result<()> {
    let folder =
        tempfile::Builder::new().prefix("schemathesis-").tempdir_in(target).context("no folder for the data")?;
    let cluster = match options.database {
        Database::Sqlite => None,
        Database::Postgres => Some(Cluster::start(&Programs::find_or_install()?, ClusterOptions::shared())?),
    };
    let url = match &cluster {
        None => format!("sqlite:{}", folder.path().join("purser.sqlite3").display()),
        Some(cluster) => cluster.url("postgres"),
    };
    let settings = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let program = Program { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), url, settings };
    let mut server = Server::start(program.clone()).await?;
    let admin = program.issue_key_for("admin")?;
    let realm = Realm::fill(server.target(), &Target::new(server.address(), &admin)?).await?;
    let document = folder.path().join("openapi.server.json");
    fs::write(&document, realm.document()).context("cannot write the document")?;
    python.validate(&document)?;
    let keys = [("/server/", server.key()), ("/admin/", &admin)];
    let judged = passes::run(python, &server.url(), &keys, &realm, folder.path(), (options.examples, options.seed));
    if judged.is_err() {
        println!("{}", server.last_words());
    }
    judged?;
    server.stop().await?;
    program.verify().map(|verified| println!("{verified}"))
}
