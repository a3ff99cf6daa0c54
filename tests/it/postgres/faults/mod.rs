//! What happens to a database, and what a server makes of it: a clean 503 while it cannot know, and afterwards books in
//! which all that was acknowledged is there once.

mod backends;
mod broken_network;
mod connections;
mod full_disk;
mod locks;
mod outage;

use crate::harness::api::Api;
use crate::harness::load::{Load, Sent, check_books};
use crate::harness::program::Purser;
use crate::postgres::own_cluster::OwnCluster;

const CONNECTIONS: usize = 16;

/// A server under load, on a cluster of its own. The server is never started again, whatever happens to the cluster.
struct Ordeal {
    load: Load,
    purser: Purser,
    api: Api,
    // Last, so that the server is dead when the cluster goes.
    cluster: OwnCluster,
}

impl Ordeal {
    async fn begin(cluster: OwnCluster) -> Self {
        let purser = cluster.serve(&["--migrate"]).await;
        let api = purser.api();
        let load = Load::start(std::slice::from_ref(&api), CONNECTIONS, "ordeal");
        load.acknowledged(50).await;
        Self { load, purser, api, cluster }
    }

    /// Ends the load once the server works again, and checks that the books are in order. Returns what was sent.
    async fn end(self) -> Sent {
        self.load.goes_on(100).await;
        let sent = self.load.stop().await;
        assert_eq!(sent.broken, 0, "the server answered every request");
        sent.repeat(&self.api).await;
        assert_eq!(self.purser.verified().await, check_books(&self.api, &sent).await);
        sent
    }
}
