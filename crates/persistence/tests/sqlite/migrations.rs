//! The migrations: up, down and up again, and two processes at once.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;
use persistence::sqlite::Migrations;

#[derive(QueryableByName, PartialEq, Debug)]
struct SchemaRow {
    #[diesel(sql_type = Text)]
    sql: String,
}

fn schema(path: &Path) -> Vec<SchemaRow> {
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
    let select = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    diesel::sql_query(select).load(&mut connection).expect("the schema is readable")
}

#[test]
fn every_migration_goes_up_and_down_and_up_again_to_the_same_schema() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("purser.sqlite3");
    let migrations = Migrations::of(&path);
    let applied = migrations.up().expect("applied");
    assert!(!applied.is_empty());
    assert!(migrations.status().expect("known").iter().all(|state| state.applied));
    let up = schema(&path);
    for name in applied.iter().rev() {
        assert_eq!(migrations.down().expect("reverted"), *name);
    }
    assert!(migrations.down().is_err(), "nothing is left to revert");
    assert_eq!(schema(&path).len(), 1, "only the list of migrations is left: {:?}", schema(&path));
    assert_eq!(migrations.up().expect("applied again"), applied);
    assert_eq!(schema(&path), up);
    assert!(migrations.up().expect("nothing to do").is_empty());
}

#[test]
fn many_at_once_apply_each_migration_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("purser.sqlite3");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Migrations::of(&path).up().expect("applied by one of us").len())
        })
        .collect();
    let applied: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    assert_eq!(applied, Migrations::of(&path).status().expect("known").len());
}
