//! A PostgreSQL database of its own for each test.

use std::sync::Arc;

use async_trait::async_trait;
use persistence::postgres::{Migrations, PostgresAddress, PostgresOptions, PostgresStore};
use testcluster::TestDatabase;
use testkit::contract::{Fixture, Stores};

/// A new database with its schema in place.
pub(crate) struct PostgresFixture {
    database: TestDatabase,
}

impl PostgresFixture {
    /// Makes the database.
    pub(crate) async fn create() -> Self {
        Self { database: database().await }
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }
}

#[async_trait]
impl Fixture for PostgresFixture {
    async fn open(&self) -> Stores {
        stores(&self.url(), PostgresOptions::default())
    }
}

/// A new database with its schema in place.
pub(crate) async fn database() -> TestDatabase {
    let migrated = async |url: &str| Migrations::of(&address(url)).up().await.map(drop);
    let created = TestDatabase::create(&testcluster::server_url(), &template(), migrated).await;
    created.expect("a database can be made for a test")
}

/// The address in `url`.
pub(crate) fn address(url: &str) -> PostgresAddress {
    PostgresAddress::parse(url).expect("the URL of a test's database")
}

/// The database at `url`, opened, as all its ports.
pub(crate) fn stores(url: &str, options: PostgresOptions) -> Stores {
    Stores::of(Arc::new(PostgresStore::new(&address(url), options).expect("the options make sense")))
}

/// The name of the template that new databases are copied from: another for each state of the migrations.
fn template() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for (path, text) in migration_files() {
        (path, text).hash(&mut hasher);
    }
    format!("purser_contract_{:016x}", hasher.finish())
}

fn migration_files() -> Vec<(std::path::PathBuf, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/postgres");
    let mut files = Vec::new();
    for migration in std::fs::read_dir(folder).expect("there are migrations") {
        for file in std::fs::read_dir(migration.expect("readable").path()).expect("a folder") {
            let path = file.expect("readable").path();
            let text = std::fs::read_to_string(&path).expect("readable");
            files.push((path, text));
        }
    }
    files.sort();
    files
}
