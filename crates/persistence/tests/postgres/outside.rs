//! A connection that is not the store's: it looks at the database, and hurts it.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// A connection of the test's own.
pub(crate) struct Outside {
    pub(crate) connection: AsyncPgConnection,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

impl Outside {
    pub(crate) async fn connect(url: &str) -> Self {
        Self { connection: AsyncPgConnection::establish(url).await.expect("the test's database can be reached") }
    }

    /// Runs statements that must succeed.
    pub(crate) async fn execute(&mut self, sql: &str) {
        self.connection.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Whether statements fail.
    pub(crate) async fn refuses(&mut self, sql: &str) -> bool {
        self.connection.batch_execute(sql).await.is_err()
    }

    /// The column `text` of a query.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = diesel::sql_query(sql).load::<Row>(&mut self.connection).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).into_iter().map(|row| row.text).collect()
    }
}
