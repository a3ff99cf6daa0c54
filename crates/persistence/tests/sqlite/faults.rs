//! A fault at every statement of a settlement: nothing of the batch is stored, and the store goes on.
//!
//! The faults are triggers that refuse one kind of change of one table, put into the file from outside.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use domain::clock::Timestamp;
use domain::economy::{AssetKind, Batch, Grant, GrantId, GrantQuery};
use domain::store::StoreError;
use testkit::contract::{Fixture, World, run};
use testkit::{Draft, START, ack, coins, create_grant, credit, external_id, immediate_grant};

use crate::fixture::{SqliteFixture, stores};

/// Every change that a settlement can make, as the trigger that forbids it.
const FAULTS: [(&str, &str); 8] = [
    ("INSERT", "players"),
    ("UPDATE", "players"),
    ("INSERT", "accounts"),
    ("UPDATE", "accounts"),
    ("INSERT", "entries"),
    ("UPDATE", "ledger_positions"),
    ("INSERT", "grants"),
    ("UPDATE", "grants"),
];

fn execute(path: &Path, sql: &str) {
    let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
    outside.batch_execute("PRAGMA busy_timeout = 5000").expect("set");
    outside.batch_execute(sql).expect("the statement runs");
}

/// A batch that makes every kind of change: a new player and account, a known one much later, grants new and acknowledged.
fn everything(pending: GrantId, key: &str) -> Vec<Draft> {
    let later = std::time::Duration::from_secs(3_600);
    vec![
        credit("known", "gold", 5).keyed(&format!("{key}-1")).after(later),
        credit("new", "gold", 7).keyed(&format!("{key}-2")).after(later),
        immediate_grant("known", &format!("{key}-3"), vec![coins("gems", 1)]).after(later),
        create_grant("new", &format!("{key}-4"), vec![coins("gold", 1)]).after(later),
        ack("known", pending).after(later),
    ]
}

#[test]
fn nothing_of_a_batch_is_stored_when_any_of_its_statements_fails() {
    for (change, table) in FAULTS {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let fixture = runtime.block_on(SqliteFixture::create());
        let path = fixture.path();
        run(async { fixture }, async |world: World| {
            let pending = prepare(&world).await;
            let before = everything_seen(&world).await;
            let when = format!("BEFORE {change} ON {table}");
            execute(&path, &format!("CREATE TRIGGER fault {when} BEGIN SELECT RAISE(FAIL, 'fault'); END"));

            let commands = everything(pending, "batch").iter().map(|draft| draft.in_realm(world.realm)).collect();
            let batch = Batch::new(commands);
            let failed = world.stores.economy.settle(&batch).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{when}: {failed:?}");
            assert_eq!(everything_seen(&world).await, before, "{when}");

            execute(&path, "DROP TRIGGER fault");
            let settled = world.stores.economy.settle(&batch).await.expect("the store goes on");
            assert!(settled.outcomes.iter().all(Result::is_ok), "{when}: {:?}", settled.outcomes);
            assert_eq!(world.gold("known").await, Some(15), "{when}");
            assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0, "{when}");
        });
    }
}

async fn prepare(world: &World) -> GrantId {
    let outcomes =
        world.settle(&[credit("known", "gold", 10), create_grant("known", "first", vec![coins("gold", 1)])]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    grants_of_known(world).await.first().expect("it was created").id
}

/// Everything that can be seen of the two players, as text.
async fn everything_seen(world: &World) -> String {
    let mut seen = String::new();
    for player in ["known", "new"] {
        let (realm, id) = (world.realm, external_id(player));
        let profile = world.stores.players.profile(realm, &id, 50, now()).await;
        let wallet = world.stores.reads.holdings(realm, &id, AssetKind::Currency).await;
        seen.push_str(&format!("{profile:?} {wallet:?}\n"));
    }
    let audit = world.stores.audit.audit().await;
    seen + &format!("{audit:?}")
}

async fn grants_of_known(world: &World) -> Vec<Grant> {
    let (realm, player) = (world.realm, external_id("known"));
    let query = GrantQuery { realm, player, status: None, after: None, limit: 10, now: now() };
    world.stores.reads.grants(&query).await.expect("the store works").expect("the player exists").rows
}

fn now() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

#[test]
fn a_balance_that_another_program_changed_is_found_by_the_audit() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    run(async { fixture }, async |world: World| {
        let settled = world.settle(&[credit("p", "gold", 10), credit("q", "gold", 10)]).await;
        assert!(settled.iter().all(Result::is_ok));
        execute(&path, "UPDATE accounts SET balance = 11 WHERE id = (SELECT min(id) FROM accounts)");
        execute(&path, "DELETE FROM accounts WHERE id = (SELECT max(id) FROM accounts)");
        let report = world.stores.audit.audit().await.expect("audited");
        assert_eq!(report.differences_count, 2, "{report:?}");
    });
}

#[test]
fn the_checks_of_the_schema_refuse_what_the_rules_forbid() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    run(async { fixture }, async |world: World| {
        assert!(world.settle_one(&credit("p", "gold", 10)).await.is_ok());
        let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
        for forbidden in [
            "UPDATE accounts SET balance = -1",
            "UPDATE accounts SET balance = 9007199254740992",
            "UPDATE accounts SET version = 0",
            "UPDATE accounts SET kind = 'pony'",
            "UPDATE entries SET delta = 0",
            "UPDATE entries SET balance_after = -1",
            "UPDATE entries SET sequence = 0",
            "UPDATE entries SET delta = balance_after + 1",
            "UPDATE entries SET fingerprint = zeroblob(32)",
            "UPDATE players SET external_id = ''",
        ] {
            assert!(outside.batch_execute(forbidden).is_err(), "{forbidden}");
        }
    });
}

#[test]
fn a_store_whose_schema_is_behind_is_not_healthy() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let fixture = SqliteFixture::create().await;
        let open = fixture.open().await;
        assert!(open.health.check().await.is_ok());
        execute(&fixture.path(), "DELETE FROM __diesel_schema_migrations");
        assert!(stores(&fixture.path()).health.check().await.is_err());
    });
}
