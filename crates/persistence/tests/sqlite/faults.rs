//! A fault at every statement of a settlement: nothing of the batch is stored, and the store goes on.
//!
//! The faults are triggers that refuse one kind of change of one table, put into the file from outside.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use testkit::contract::faults::a_fault_stores_nothing;
use testkit::contract::{Fixture, World, run};
use testkit::credit;

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

pub(crate) fn execute(path: &Path, sql: &str) {
    let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
    outside.batch_execute("PRAGMA busy_timeout = 5000").expect("set");
    outside.batch_execute(sql).expect("the statement runs");
}

#[test]
fn nothing_of_a_batch_is_stored_when_any_of_its_statements_fails() {
    for (change, table) in FAULTS {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let fixture = runtime.block_on(SqliteFixture::create());
        let path = fixture.path();
        let when = format!("BEFORE {change} ON {table}");
        run(async { fixture }, async |world: World| {
            let hurt = async || {
                execute(&path, &format!("CREATE TRIGGER fault {when} BEGIN SELECT RAISE(FAIL, 'fault'); END"));
            };
            a_fault_stores_nothing(world, &when, hurt, async || execute(&path, "DROP TRIGGER fault")).await;
        });
    }
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
