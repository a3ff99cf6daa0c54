//! What a store on a file says of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use persistence::sqlite::SqliteStore;
use persistence::{RetryCause, StoreObserver};
use testkit::contract::{Stores, World, run};
use testkit::credit;

use crate::fixture::SqliteFixture;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills the log with 24 MiB, more than is left in it.
const FILL: &str = "CREATE TABLE filler (bytes BLOB); INSERT INTO filler SELECT zeroblob(1048576)
    FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24) SELECT i FROM n)";

/// Counts what it is told.
#[derive(Default)]
struct Told {
    checkpoints: AtomicUsize,
    others: AtomicUsize,
}

impl StoreObserver for Told {
    fn retried(&self, _cause: RetryCause) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    fn busy(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    fn checkpointed(&self, _took: Duration) {
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_long_log_is_copied_into_the_file_and_that_is_told() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    run(async { fixture }, async |world: World| {
        let told = Arc::new(Told::default());
        let observer: Arc<dyn StoreObserver> = told.clone();
        let store = SqliteStore::open_observed(&path, &observer).expect("the file opens");
        let stores = Stores::of(Arc::new(store.clone()));
        let write = store.pools().into_iter().find(|pool| pool.name == "write").expect("there is a writer");
        assert_eq!((write.connections_max, write.waiting), (1, 0));
        stores.settle_one(world.realm, &credit("p", "gold", 1)).await.expect("a credit is accepted");
        assert_eq!(told.checkpoints.load(Ordering::Relaxed), 0);
        crate::faults::execute(&path, FILL);
        let begun = Instant::now();
        let long = store.file_sizes().expect("the file is there");
        assert!(24 * 1_048_576 < long.log_bytes, "{long:?}");
        while told.checkpoints.load(Ordering::Relaxed) == 0 {
            assert!(begun.elapsed() < PATIENCE, "no checkpoint was told");
            stores.settle_one(world.realm, &credit("p", "gold", 1)).await.expect("a credit is accepted");
        }
        assert_eq!(told.others.load(Ordering::Relaxed), 0);
        let copied = store.file_sizes().expect("the file is there");
        assert!(24 * 1_048_576 < copied.database_bytes, "{copied:?}");
    });
}
