//! Somebody else who is connected to a database.

use tokio_postgres::{Client, NoTls};

/// A connection. Dropping it ends it, and with it what it holds locked.
pub(crate) struct Session(Client);

impl Session {
    pub(crate) async fn open(url: &str) -> Self {
        Self::try_open(url).await.expect("the database can be reached")
    }

    /// Opens it if the server lets us in.
    pub(crate) async fn try_open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        // It ends with the client, or with the server, which shows in the next statement.
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.0.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The first column of every row, which is text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        self.try_texts(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The first column of every row, if the server answers.
    pub(crate) async fn try_texts(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        Ok(self.0.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
    }
}
