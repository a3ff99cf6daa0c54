//! What can go wrong on the way to the database and in it: nothing is half stored, nothing twice, and the store goes on.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{Batch, Settlement};
use domain::store::StoreError;
use persistence::postgres::PostgresOptions;
use testkit::contract::faults::a_fault_stores_nothing;
use testkit::contract::{Stores, World, run};
use testkit::{Draft, START, credit};

use crate::fixture::{PostgresFixture, stores};
use crate::outside::Outside;
use crate::proxy::{Cut, Proxy};

/// Every change that a settlement can make, as the trigger that forbids it.
const FAULTS: [(&str, &str); 7] = [
    ("INSERT", "players"),
    ("UPDATE", "players"),
    ("INSERT", "accounts"),
    ("UPDATE", "accounts"),
    ("INSERT", "entries"),
    ("INSERT", "grants"),
    ("UPDATE", "grants"),
];

/// Runs `claim` on a world in a new database, with its URL.
pub(crate) fn on_postgres(claim: impl AsyncFnOnce(World, String)) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(PostgresFixture::create());
    let url = fixture.url();
    run(async { fixture }, async |world: World| claim(world, url).await);
}

fn batch(world: &World, drafts: &[Draft]) -> Batch {
    Batch::new(drafts.iter().map(|draft| draft.in_realm(world.realm)).collect())
}

fn all_ok(settled: &Result<Settlement, StoreError>) -> bool {
    settled.as_ref().is_ok_and(|settlement| settlement.outcomes.iter().all(Result::is_ok))
}

/// A credit that a repeat would double, and one that a repeat could not.
fn two_credits() -> [Draft; 2] {
    [credit("p", "gold", 5), credit("p", "gold", 7).keyed("once")]
}

#[test]
fn nothing_of_a_batch_is_stored_when_any_of_its_statements_fails() {
    for (change, table) in FAULTS {
        on_postgres(async |world, url| {
            let when = format!("BEFORE {change} ON {table}");
            let mut outside = Outside::connect(&url).await;
            // With a code that is no passing trouble, or the store would try again for seconds.
            let function = "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'fault' USING ERRCODE = 'check_violation'; END $$";
            outside.execute(function).await;
            let trigger = format!("CREATE TRIGGER fault {when} FOR EACH ROW EXECUTE FUNCTION fault()");
            let mut other = Outside::connect(&url).await;
            let mended = async || other.execute(&format!("DROP TRIGGER fault ON {table}")).await;
            a_fault_stores_nothing(world, &when, async || outside.execute(&trigger).await, mended).await;
        });
    }
}

/// Settles [`two_credits`] over a connection that is cut as `cut` says, once.
async fn settle_through(world: &World, url: &str, cut: Cut) {
    let proxy = Proxy::to(url).await;
    let through = stores(&proxy.url(), PostgresOptions::default());
    let warm = through.economy.settle(&batch(world, &[credit("p", "gold", 100)])).await;
    assert!(all_ok(&warm), "{warm:?}");
    proxy.cut_next(cut);
    let settled = through.economy.settle(&batch(world, &two_credits())).await;
    assert!(all_ok(&settled), "{cut:?}: {settled:?}");
    assert_eq!(proxy.cuts(), 1, "{cut:?}");
    assert_eq!(world.gold("p").await, Some(112), "{cut:?}");
    assert_eq!(world.history("p").await.len(), 3, "{cut:?}");
    let again = through.economy.settle(&batch(world, &[credit("p", "gold", 1)])).await;
    assert!(all_ok(&again), "{cut:?}: {again:?}");
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_out_and_not_repeated() {
    on_postgres(async |world, url| settle_through(&world, &url, Cut::After).await);
}

#[test]
fn a_commit_that_is_cut_off_on_its_way_is_found_out_and_never_doubled() {
    on_postgres(async |world, url| settle_through(&world, &url, Cut::During).await);
}

#[test]
fn a_commit_that_never_arrived_is_made_again() {
    on_postgres(async |world, url| settle_through(&world, &url, Cut::Before).await);
}

#[test]
fn connections_that_died_in_the_pool_are_replaced_unnoticed() {
    on_postgres(async |world, url| {
        let outcomes = world.settle(&two_credits()).await;
        assert!(outcomes.iter().all(Result::is_ok));
        for _ in 0..3 {
            let mut outside = Outside::connect(&url).await;
            let kill = "SELECT pg_terminate_backend(pid)::text AS text FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'purser'";
            assert!(!outside.texts(kill).await.is_empty());
            assert!(world.settle_one(&credit("p", "gold", 1)).await.is_ok());
            assert!(world.gold("p").await.is_some());
        }
        assert_eq!(world.gold("p").await, Some(15));
    });
}

#[test]
fn the_first_error_is_reported_when_further_attempts_do_not_help() {
    on_postgres(async |world, url| {
        let mut outside = Outside::connect(&url).await;
        let hurt = "CREATE SEQUENCE tries; CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'attempt %', nextval('tries') USING ERRCODE = 'serialization_failure'; END $$;
            CREATE TRIGGER fault BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION fault()";
        outside.execute(hurt).await;
        let failed = world.stores.economy.settle(&batch(&world, &two_credits()[..1])).await;
        let error = format!("{:?}", failed.expect_err("it cannot be stored"));
        assert!(error.contains("attempt 1\""), "{error}");
        let attempts = outside.texts("SELECT last_value::text AS text FROM tries").await;
        assert!(3 <= attempts[0].parse::<u32>().expect("a number"), "{attempts:?}");
    });
}

#[test]
fn a_deadlock_that_another_program_causes_is_lost_once_and_then_won() {
    on_postgres(async |world, url| {
        assert!(world.settle(&[credit("p1", "gold", 1), credit("p2", "gold", 1)]).await.iter().all(Result::is_ok));
        let mut outside = Outside::connect(&url).await;
        let lock = |player| format!("SELECT FROM players WHERE external_id = '{player}' FOR UPDATE");
        // Ours is the one that finds the deadlock, and so the one that is ended for it.
        outside.execute("SET deadlock_timeout = '60s'; BEGIN").await;
        outside.execute(&lock("p2")).await;
        let economy = world.stores.economy.clone();
        let both = batch(&world, &[credit("p1", "gold", 2), credit("p2", "gold", 2)]);
        let settling = tokio::spawn(async move { economy.settle(&both).await });
        wait_for_a_waiting_lock(&url).await;
        outside.execute(&lock("p1")).await;
        outside.execute("COMMIT").await;
        let settled = settling.await.expect("no panic");
        assert!(all_ok(&settled), "{settled:?}");
        assert_eq!((world.gold("p1").await, world.gold("p2").await), (Some(3), Some(3)));
        let deadlocks = "SELECT deadlocks::text AS text FROM pg_stat_database WHERE datname = current_database()";
        until(&url, deadlocks, |counted| counted == ["1"]).await;
    });
}

/// An instant, for what does not depend on it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

/// Waits until some session waits for a lock.
async fn wait_for_a_waiting_lock(url: &str) {
    let waiting = "SELECT pid::text AS text FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(url, waiting, |sessions| !sessions.is_empty()).await;
}

/// Asks until the answer is as it should be.
pub(crate) async fn until(url: &str, sql: &str, is_so: impl Fn(&[String]) -> bool) {
    let mut outside = Outside::connect(url).await;
    for _ in 0..2_000 {
        if is_so(&outside.texts(sql).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be: {sql}");
}

/// Holds `player`'s row until the returned connection ends.
pub(crate) async fn hold(url: &str, player: &str) -> Outside {
    let mut outside = Outside::connect(url).await;
    outside.execute("BEGIN").await;
    outside.execute(&format!("SELECT FROM players WHERE external_id = '{player}' FOR UPDATE")).await;
    outside
}

async fn settle(stores: &Stores, batch: Batch) -> Result<Settlement, StoreError> {
    stores.economy.settle(&batch).await
}

#[test]
fn a_caller_who_gets_no_connection_in_time_is_told_that_nothing_was_done() {
    on_postgres(async |world, url| {
        assert!(world.settle(&[credit("p", "gold", 1), credit("q", "gold", 1)]).await.iter().all(Result::is_ok));
        let wait_max = Duration::from_millis(100);
        let narrow = stores(&url, PostgresOptions { lanes: 1, wait_max, ..PostgresOptions::default() });
        let held = hold(&url, "p").await;
        let first = tokio::spawn({
            let (narrow, batch) = (narrow.clone(), batch(&world, &[credit("p", "gold", 1)]));
            async move { settle(&narrow, batch).await }
        });
        wait_for_a_waiting_lock(&url).await;
        let second = settle(&narrow, batch(&world, &[credit("q", "gold", 1)])).await;
        assert!(matches!(second, Err(StoreError::Overloaded)), "{second:?}");
        drop(held);
        assert!(all_ok(&first.await.expect("no panic")));
        assert!(all_ok(&settle(&narrow, batch(&world, &[credit("q", "gold", 1)])).await));
        assert_eq!((world.gold("p").await, world.gold("q").await), (Some(2), Some(2)));
    });
}

#[test]
fn a_statement_that_takes_too_long_is_ended_and_stores_nothing() {
    on_postgres(async |world, url| {
        assert!(world.settle_one(&credit("p", "gold", 1)).await.is_ok());
        let statement_timeout = Duration::from_millis(200);
        let hasty = stores(&url, PostgresOptions { statement_timeout, ..PostgresOptions::default() });
        let held = hold(&url, "p").await;
        let failed = settle(&hasty, batch(&world, &[credit("p", "gold", 1)])).await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        drop(held);
        assert!(all_ok(&settle(&hasty, batch(&world, &[credit("p", "gold", 1)])).await));
        assert_eq!(world.gold("p").await, Some(2));
    });
}

#[test]
fn a_write_that_nobody_waits_for_any_more_leaves_no_transaction_open() {
    on_postgres(async |world, url| {
        assert!(world.settle_one(&credit("p", "gold", 1)).await.is_ok());
        let held = hold(&url, "p").await;
        let economy = world.stores.economy.clone();
        let abandoned = batch(&world, &[credit("p", "gold", 1)]);
        let settling = tokio::spawn(async move { economy.settle(&abandoned).await });
        wait_for_a_waiting_lock(&url).await;
        settling.abort();
        assert!(settling.await.expect_err("it was dropped").is_cancelled());
        drop(held);
        // The next one neither waits for it nor sees it half done.
        assert!(world.settle_one(&credit("p", "gold", 5)).await.is_ok());
        assert_eq!(world.gold("p").await, Some(6));
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0);
    });
}

#[test]
fn a_balance_that_another_program_changed_is_found_by_the_audit() {
    on_postgres(async |world, url| {
        let settled = world.settle(&[credit("p", "gold", 10), credit("q", "gold", 10)]).await;
        assert!(settled.iter().all(Result::is_ok));
        let mut outside = Outside::connect(&url).await;
        outside
            .execute("UPDATE accounts SET balance = 11 WHERE id = (SELECT id FROM accounts ORDER BY id LIMIT 1)")
            .await;
        outside.execute("DELETE FROM accounts WHERE id = (SELECT id FROM accounts ORDER BY id DESC LIMIT 1)").await;
        let report = world.stores.audit.audit().await.expect("audited");
        assert_eq!(report.differences_count, 2, "{report:?}");
    });
}
