//! The prepared database that those of the tests are copies of: made once, by whichever test comes first.

use std::error::Error;

use tokio_postgres::Client;

use crate::database::{self, DatabaseError};
use crate::url;

/// What the names of all tests' databases begin with, before the time they were made at.
pub(crate) const TEST_PREFIX: &str = "purser_test_";

/// The longest name that leaves room for `_unfinished` in PostgreSQL's 63 bytes.
const NAME_MAX: usize = 48;

/// Held while a template is made. The number is arbitrary; the lock lives in the server's maintenance database.
const LOCK: i64 = 0x7075_7273_6572;

/// Databases of tests that are an hour old and that nobody uses: their tests were killed.
const ABANDONED: &str = "SELECT datname FROM pg_database WHERE datname ~ '^purser_test_[0-9]+_' \
    AND split_part(datname, '_', 3)::bigint < extract(epoch FROM now()) - 3600 \
    AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)";

/// Makes the template unless it is there. Somebody else who is making it is waited for.
pub(crate) async fn ensure<E: Into<Box<dyn Error + Send + Sync>>>(
    client: &Client,
    server_url: &str,
    template: &str,
    prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
) -> Result<(), DatabaseError> {
    if !is_name(template) {
        return Err(DatabaseError::Name { template: template.to_owned() });
    }
    if exists(client, template).await? {
        return Ok(());
    }
    let lock = "SELECT pg_advisory_lock($1)";
    client.execute(lock, &[&LOCK]).await.map_err(failed("lock", template))?;
    let made = if exists(client, template).await? { Ok(()) } else { make(client, server_url, template, prepare).await };
    // If this fails the connection is broken, which also ends the lock.
    let _ = client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await;
    made
}

/// Under another name until it is complete: whoever dies half-way leaves no template.
async fn make<E: Into<Box<dyn Error + Send + Sync>>>(
    client: &Client,
    server_url: &str,
    template: &str,
    prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
) -> Result<(), DatabaseError> {
    remove_abandoned(client).await?;
    let unfinished = format!("{template}_unfinished");
    database::drop_database(client, &unfinished).await?;
    let create = format!("CREATE DATABASE {unfinished} TEMPLATE template0");
    client.batch_execute(&create).await.map_err(failed("create", &unfinished))?;
    let prepared = prepare(&url::with_database(server_url, &unfinished)).await;
    prepared.map_err(|source| DatabaseError::Prepare { template: template.to_owned(), source: source.into() })?;
    // Nobody may be connected to what is renamed or copied, neither now nor later.
    let close = format!("ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false");
    client.batch_execute(&close).await.map_err(failed("close", &unfinished))?;
    let disconnect = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    client.execute(disconnect, &[&unfinished]).await.map_err(failed("close", &unfinished))?;
    let rename = format!("ALTER DATABASE {unfinished} RENAME TO {template}");
    client.batch_execute(&rename).await.map_err(failed("rename", &unfinished))
}

async fn remove_abandoned(client: &Client) -> Result<(), DatabaseError> {
    for row in client.query(ABANDONED, &[]).await.map_err(failed("list", TEST_PREFIX))? {
        database::drop_database(client, row.get(0)).await?;
    }
    Ok(())
}

async fn exists(client: &Client, template: &str) -> Result<bool, DatabaseError> {
    let found = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&template]).await;
    Ok(found.map_err(failed("find", template))?.is_some())
}

/// A name that needs no quotes.
fn is_name(name: &str) -> bool {
    let may_contain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= NAME_MAX && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(may_contain)
}

fn failed(action: &'static str, database: &str) -> impl FnOnce(tokio_postgres::Error) -> DatabaseError {
    let database = database.to_owned();
    move |source| DatabaseError::Statement { action, database, source }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_that_would_need_quotes_is_refused() {
        assert!(is_name("purser_template_0123abcd"));
        for name in ["", "Upper", "with-dash", "0digit", "a\"b", &"a".repeat(49)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
