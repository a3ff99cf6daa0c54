//! A store for one test: a PostgreSQL database.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use persistence::postgres::{PostgresAddress, PostgresOptions, PostgresStore};
use testcluster::TestDatabase;
use testkit::contract::Stores;

use crate::harness::program::{Ended, program};
use crate::postgres::session::Session;

/// A database. Dropping it drops the database if it was made for this test.
pub(crate) struct Store {
    url: String,
    _database: Option<TestDatabase>,
}

impl Store {
    /// A database with the schema and nothing in it.
    pub(crate) async fn create(folder: &Path) -> Self {
        let migrated = async |url: &str| migrate(folder, url).await;
        let made = TestDatabase::create(&testcluster::server_url(), &template(), migrated).await;
        Self::of(made.expect("a database can be made for a test"))
    }

    /// A database with nothing at all in it.
    pub(crate) async fn empty() -> Self {
        let made = TestDatabase::empty(&testcluster::server_url()).await;
        Self::of(made.expect("a database can be made for a test"))
    }

    /// A database that is there and stays.
    pub(crate) fn at(url: String) -> Self {
        Self { url, _database: None }
    }

    fn of(database: TestDatabase) -> Self {
        Self { url: database.url(), _database: Some(database) }
    }

    /// All ports of the store.
    pub(crate) async fn opened(&self) -> Stores {
        let address = PostgresAddress::parse(&self.url).expect("the URL of a database");
        let store = PostgresStore::new(&address, PostgresOptions::default()).expect("the options make sense");
        Stores::of(Arc::new(store))
    }

    /// The environment variables that lead a program to it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![("PURSER_DATABASE_URL", self.url.clone().into())]
    }

    /// How the program calls it: without the password.
    pub(crate) fn shown(&self) -> String {
        let (_, address) = self.url.split_once('@').expect("an address behind name and password");
        format!("PostgreSQL at {}", address.split('?').next().expect("a first part"))
    }

    /// The names of the tables that hold `text` anywhere.
    pub(crate) async fn places_with(&self, text: &str) -> Vec<String> {
        let session = Session::open(&self.url).await;
        let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
        let mut found = Vec::new();
        for table in session.texts(tables).await {
            // Bytes are shown in hexadecimal.
            let holds = format!(
                "SELECT 'it does' FROM {table} AS row WHERE position('{text}' IN row::text) > 0
                 OR position(encode('{text}', 'hex') IN row::text) > 0 LIMIT 1"
            );
            if !session.texts(&holds).await.is_empty() {
                found.push(table);
            }
        }
        found
    }

    /// How to reach it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// As an operator does it.
async fn migrate(folder: &Path, url: &str) -> Result<(), String> {
    let mut command = program(folder);
    command.args(["migrate", "up"]).env("PURSER_DATABASE_URL", url);
    let ended = Ended::from(command.output().await.map_err(|error| error.to_string())?);
    if ended.code == Some(0) { Ok(()) } else { Err(format!("{ended:?}")) }
}

/// The name of the template that databases are copied from: another for each state of the migrations.
fn template() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/postgres");
    let files_in = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files_in(folder).flat_map(files_in).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        (fs::read(&file).unwrap(), file).hash(&mut hasher);
    }
    format!("purser_it_{:016x}", hasher.finish())
}
