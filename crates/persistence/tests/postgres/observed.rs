//! What a store on PostgreSQL says of itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use persistence::postgres::{PostgresAddress, PostgresOptions, PostgresStore};
use persistence::{PoolState, RetryCause, StoreObserver};
use testkit::contract::Stores;
use testkit::credit;

use crate::faults::on_postgres;
use crate::proxy::{Cut, Proxy};

/// Keeps what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<RetryCause>>);

impl StoreObserver for Told {
    fn retried(&self, cause: RetryCause) {
        self.0.lock().unwrap().push(cause);
    }

    fn busy(&self) {}

    fn checkpointed(&self, _took: Duration) {}
}

impl Told {
    fn causes(&self) -> Vec<RetryCause> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn observed(url: &str) -> (PostgresStore, Stores, Arc<Told>) {
    let told = Arc::new(Told::default());
    let address = PostgresAddress::parse(url).expect("the URL of a test's database");
    let store = PostgresStore::observed(&address, PostgresOptions::default(), told.clone()).expect("it is sound");
    (store.clone(), Stores::of(Arc::new(store)), told)
}

#[test]
fn a_connection_that_is_lost_is_told_as_the_cause_of_another_attempt() {
    on_postgres(async |world, url| {
        let proxy = Proxy::to(&url).await;
        let (store, stores, told) = observed(&proxy.url());
        let credit = credit("p", "gold", 1);
        stores.settle_one(world.realm, &credit).await.expect("a credit is accepted");
        let idle = PoolState { name: "write", connections_max: 2, in_use: 0, idle: 1, waiting: 0 };
        assert_eq!(store.pools().first(), Some(&idle));
        assert_eq!(told.causes(), []);
        proxy.cut_next(Cut::Before);
        stores.settle_one(world.realm, &credit).await.expect("a credit is accepted");
        let causes = told.causes();
        assert!(causes.contains(&RetryCause::Connection), "{causes:?}");
    });
}
