//! A PostgreSQL server for one test, which it may hurt.

use std::sync::Arc;

use testcluster::{Cluster, Options, Programs};
use tokio::task::block_in_place;

use crate::harness::program::{Home, Purser};
use crate::postgres::session::Session;
use crate::postgres::store::Store;

/// A cluster with one empty database, and the home of the programs that use it. What it does blocks, so a test with one
/// needs a runtime of several threads.
pub(crate) struct OwnCluster {
    cluster: Cluster,
    home: Arc<Home>,
}

impl OwnCluster {
    /// Small, so that it starts soon; it keeps what it has committed, whatever happens to it.
    pub(crate) fn options() -> Options {
        let settings = [("shared_buffers", "16MB"), ("max_wal_size", "64MB"), ("min_wal_size", "32MB")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Options { settings: settings.into(), ..Options::default() }
    }

    /// The same with another setting.
    pub(crate) fn options_with(name: &str, value: &str) -> Options {
        let mut options = Self::options();
        options.settings.push((name.to_owned(), value.to_owned()));
        options
    }

    /// Starts it.
    pub(crate) fn start(options: Options) -> Self {
        let programs = Programs::find().expect("PostgreSQL's programs");
        let cluster = block_in_place(|| Cluster::start(&programs, options)).expect("a cluster");
        let store = Store::at(cluster.url("postgres"));
        Self { cluster, home: Arc::new(Home::with(store, tempfile::tempdir().unwrap())) }
    }

    /// A server on its database.
    pub(crate) async fn serve(&self, options: &[&str]) -> Purser {
        Purser::start_in(Arc::clone(&self.home), options).await
    }

    /// A connection to its database.
    pub(crate) async fn session(&self) -> Session {
        Session::open(self.home.store().url()).await
    }

    /// A connection to its database, if it lets us in now.
    pub(crate) async fn try_session(&self) -> Option<Session> {
        Session::try_open(self.home.store().url()).await.ok()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        self.cluster.log()
    }

    /// How often it has logged `sentence`.
    pub(crate) fn logged(&self, sentence: &str) -> usize {
        self.log().matches(sentence).count()
    }

    /// Ends a process of it without warning.
    pub(crate) fn kill(&self, process: u32) {
        // It may have ended by itself meanwhile.
        drop(self.cluster.kill_backend(process));
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        block_in_place(|| self.cluster.stop_fast()).expect("it stops");
    }

    /// Stops it as a crash does.
    pub(crate) fn crash(&mut self) {
        block_in_place(|| self.cluster.stop_immediate()).expect("it stops");
    }

    /// Starts it again unless it runs.
    pub(crate) fn start_again(&mut self) {
        block_in_place(|| self.cluster.start_again()).expect("it starts");
    }
}
