//! A fault at every statement of a ban, a merge, an erasure: nothing of it is stored, and the store goes on.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use domain::players::EraseOutcome;
use domain::store::StoreError;
use serde_json::json;
use testkit::contract::{World, run};
use testkit::{coins, create_grant, credit, grant_item, import_player};

use crate::fixture::SqliteFixture;
use crate::life_commands::{ban, erase, merge};

const BAN: [&str; 2] = ["UPDATE OF banned_at ON players", "INSERT ON audit_log"];

const MERGE: [&str; 13] = [
    "INSERT ON closed_accounts",
    "DELETE ON accounts",
    "UPDATE OF player ON accounts",
    "UPDATE OF player ON closed_accounts",
    "UPDATE OF balance ON accounts",
    "INSERT ON entries",
    "UPDATE ON ledger_positions",
    "UPDATE OF player ON grants",
    "UPDATE OF merged_into ON players",
    "UPDATE OF context_snapshot ON players",
    "UPDATE OF external_id ON players",
    "INSERT ON player_merges",
    "INSERT ON audit_log",
];

const ERASE: [&str; 6] = [
    "UPDATE OF reason ON entries",
    "UPDATE OF metadata ON grants",
    "UPDATE OF reason ON audit_log",
    "UPDATE OF external_id ON players",
    "INSERT ON player_erasures",
    "INSERT ON audit_log",
];

#[derive(QueryableByName, PartialEq, Debug)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Every row of every table, as text.
fn everything(path: &Path) -> Vec<String> {
    let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
    let mut lines = |sql: &str| diesel::sql_query(sql).load::<Line>(&mut outside).expect("readable");
    let tables = lines("SELECT name AS line FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let select = |Line { line: table }: Line| {
        let columns = format!(
            "SELECT group_concat('quote(' || name || ')', '||'',''||') AS line FROM pragma_table_info('{table}')"
        );
        (table, columns)
    };
    let mut rows = Vec::new();
    for (table, columns) in tables.into_iter().map(select) {
        for Line { line } in lines(&columns) {
            rows.extend(
                lines(&format!("SELECT {line} AS line FROM {table}"))
                    .into_iter()
                    .map(|row| format!("{table}: {}", row.line)),
            );
        }
    }
    rows
}

fn execute(path: &Path, sql: &str) {
    let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
    outside.batch_execute("PRAGMA busy_timeout = 5000").expect("set");
    outside.batch_execute(sql).expect("the statement runs");
}

/// A target, a source with everything, and somebody who was merged into the source before.
async fn prepare(world: &World) {
    let some = json!({ "some": "thing" });
    let drafts = [
        import_player("source", "i").with_context(&some),
        credit("source", "gold", 3).because("why"),
        grant_item("source", "sword", 1).because("why"),
        create_grant("source", "g", vec![coins("gold", 1)]).with_metadata(&some),
        credit("earlier", "gold", 5).because("why"),
        credit("target", "gold", 10).because("why"),
    ];
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    let lives = &world.stores.lives;
    assert!(lives.merge(&merge(world.realm, "earlier", "source")).await.expect("works").is_ok());
    assert!(lives.change_ban(&ban(world.realm, "source", "why")).await.expect("works").is_ok());
}

fn a_fault_stores_nothing<T: std::fmt::Debug>(
    faults: &[&str],
    change: impl AsyncFn(&World) -> Result<T, StoreError>,
    is_done: impl Fn(&T) -> bool,
) {
    for when in faults {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let fixture = runtime.block_on(SqliteFixture::create());
        let path = fixture.path();
        run(async { fixture }, async |world: World| {
            prepare(&world).await;
            let before = everything(&path);
            execute(&path, &format!("CREATE TRIGGER fault BEFORE {when} BEGIN SELECT RAISE(FAIL, 'fault'); END"));
            let failed = change(&world).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{when}: {failed:?}");
            execute(&path, "DROP TRIGGER fault");
            assert_eq!(everything(&path), before, "{when}");
            let done = change(&world).await.expect("the store goes on");
            assert!(is_done(&done), "{when}: {done:?}");
            assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0, "{when}");
        });
    }
}

#[test]
fn nothing_of_a_ban_is_stored_when_any_of_its_statements_fails() {
    let change = async |world: &World| world.stores.lives.change_ban(&ban(world.realm, "target", "why")).await;
    a_fault_stores_nothing(&BAN, change, Result::is_ok);
}

#[test]
fn nothing_of_a_merge_is_stored_when_any_of_its_statements_fails() {
    let change = async |world: &World| world.stores.lives.merge(&merge(world.realm, "source", "target")).await;
    a_fault_stores_nothing(&MERGE, change, Result::is_ok);
}

#[test]
fn nothing_of_an_erasure_is_stored_when_any_of_its_statements_fails() {
    let change = async |world: &World| world.stores.lives.erase(&erase(world.realm, "source", None)).await;
    a_fault_stores_nothing(&ERASE, change, |outcome| matches!(outcome, EraseOutcome::Erased(_)));
}
