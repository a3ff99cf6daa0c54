//! Connections as tests make them.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// How long anything may take before its test fails. Far more than anything needs, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects; the connection ends with the client.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The single number that a query answers.
pub(crate) async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// Asks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many entries a folder has.
pub(crate) fn entries(folder: &Path) -> usize {
    folder.read_dir().unwrap().count()
}
