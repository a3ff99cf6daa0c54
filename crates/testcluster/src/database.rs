//! A database for one test, made as a copy of a prepared one and dropped with its value.

use std::error::Error;
use std::time::Duration;
use std::{fmt, thread};

use thiserror::Error;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls};

use crate::{random, template, url};

/// How long a server may take to answer the calls that come with a dropped database, when nobody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database of one test. Dropping it drops the database, whoever is connected to it.
pub struct TestDatabase {
    server: String,
    name: String,
}

/// Why there is no database.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The server's address cannot be read or the server not reached. The address may hold a password, so it is not shown.
    #[error("cannot connect to the PostgreSQL server for tests")]
    Connect(#[source] tokio_postgres::Error),
    /// The server refused.
    #[error("cannot {action} the database {database}")]
    Statement {
        /// What was tried.
        action: &'static str,
        /// With which one.
        database: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The caller's preparation failed.
    #[error("cannot prepare the template {template}")]
    Prepare {
        /// The template.
        template: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The template's name cannot be one.
    #[error("{template:?} cannot be a template's name: take at most 48 lower-case letters, digits and '_'")]
    Name {
        /// The name.
        template: String,
    },
}

impl TestDatabase {
    /// Makes a copy of the database `template` on `server_url`. The template is made when it is missing: `prepare` gets the
    /// address of an empty database and fills it. Say in the template's name what it is filled with, best by a hash:
    /// one that exists is taken as it is.
    ///
    /// # Errors
    /// [`DatabaseError`], when the server is not there, refuses, or the preparation fails.
    pub async fn create<E: Into<Box<dyn Error + Send + Sync>>>(
        server_url: &str,
        template: &str,
        prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<Self, DatabaseError> {
        let client = connect(server_url).await?;
        template::ensure(&client, server_url, template, prepare).await?;
        Self::copy(&client, server_url, template).await
    }

    /// Makes a database with nothing in it.
    ///
    /// # Errors
    /// [`DatabaseError`], when the server is not there or refuses.
    pub async fn empty(server_url: &str) -> Result<Self, DatabaseError> {
        let client = connect(server_url).await?;
        Self::copy(&client, server_url, "template0").await
    }

    /// How to reach it.
    #[must_use]
    pub fn url(&self) -> String {
        url::with_database(&self.server, &self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn copy(client: &Client, server_url: &str, template: &str) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Statement { action: "copy", database: template.to_owned(), source };
        // The time is in the name, so that those of killed tests can be told from those of running ones.
        let seconds = client.query_one("SELECT extract(epoch FROM now())::bigint", &[]).await.map_err(failed)?;
        let seconds: i64 = seconds.get(0);
        let name = format!("{}{seconds}_{}", template::TEST_PREFIX, random::hexadecimal::<8>());
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.map_err(failed)?;
        Ok(Self { server: server_url.to_owned(), name })
    }
}

impl Drop for TestDatabase {
    /// In a thread with a runtime of its own: a destructor cannot wait on the one that it may be called from. When it
    /// fails the server is gone, or the next template's maker cleans up.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let drop = async { drop_database(&connect(&server).await.ok()?, &name).await.ok() };
            runtime.block_on(async { timeout(PATIENCE, drop).await.ok()? })
        });
        let _ = dropping.join();
    }
}

impl fmt::Debug for TestDatabase {
    /// Without the server's address, which holds a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TestDatabase").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Connects to the database of the server's address; the connection ends with the client.
pub(crate) async fn connect(server_url: &str) -> Result<Client, DatabaseError> {
    let config: Config = server_url.parse().map_err(DatabaseError::Connect)?;
    let (client, connection) = config.connect(NoTls).await.map_err(DatabaseError::Connect)?;
    tokio::spawn(connection);
    Ok(client)
}

/// Drops a database, whoever is connected to it.
pub(crate) async fn drop_database(client: &Client, name: &str) -> Result<(), DatabaseError> {
    let dropped = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    dropped.map_err(|source| DatabaseError::Statement { action: "drop", database: name.to_owned(), source })
}
