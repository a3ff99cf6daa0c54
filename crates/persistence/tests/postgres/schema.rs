//! Both schemas, as the databases themselves describe them: the same tables, columns, keys, references and named rules, and
//! every key of a table with players' data begins with the realm.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryableByName;
use diesel::prelude::*;
use diesel::sql_types::Text;
use persistence::sqlite::Migrations;

use crate::fixture::PostgresFixture;
use crate::outside::Outside;
use testkit::contract::Fixture as _;

/// What a schema says of one table. Texts are `name type null|not null`, `unique|index (columns) where`, `(columns) ->
/// table (columns)` and names of rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    columns: BTreeSet<String>,
    primary_key: String,
    indexes: BTreeSet<String>,
    references: BTreeSet<String>,
    rules: BTreeSet<String>,
}

/// A schema: its tables by name.
pub(crate) type Schema = BTreeMap<String, Table>;

/// Where the positions of entries come from differs: PostgreSQL draws them from a sequence (its migrations say why).
const ONLY_ON_SQLITE: &str = "ledger_positions";

/// Finds events without a position. On SQLite they have one from the beginning.
const QUEUE_ON_POSTGRES: (&str, &str) = ("outbox_events", "index (realm, occurred_at, id) where position IS NULL");

/// Finds what is due in all realms at once, whatever realm it is in.
const OF_ALL_REALMS: &str = "index (due_at, realm, id) where due_at IS NOT NULL";

/// Define the realms, or are found before the realm is known, or belong to none.
const DIRECTORY: [&str; 5] = ["studios", "games", "realms", "api_keys", "installation"];

#[tokio::test(flavor = "multi_thread")]
async fn both_schemas_carry_the_same_tables_columns_keys_and_rules() {
    let fixture = PostgresFixture::create().await;
    drop(fixture.open().await);
    let mut postgres = of_postgres(&fixture.url()).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("purser.sqlite3");
    Migrations::of(&path).up().expect("a new file takes its migrations");
    let mut sqlite = of_sqlite(&path.to_string_lossy());
    assert!(sqlite.remove(ONLY_ON_SQLITE).is_some());
    let (table, queue) = QUEUE_ON_POSTGRES;
    assert!(postgres.get_mut(table).is_some_and(|table| table.indexes.remove(queue)));
    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&postgres), names(&sqlite));
    for (name, table) in &postgres {
        assert_eq!(Some(table), sqlite.get(name), "{name}");
        assert!(!table.columns.is_empty() && !table.primary_key.is_empty(), "{name}");
    }
    assert!(32 <= postgres.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_players_data_begins_with_the_realm() {
    let fixture = PostgresFixture::create().await;
    let schema = of_postgres(&fixture.url()).await;
    let players_data = schema.iter().filter(|(name, _)| !DIRECTORY.contains(&name.as_str()));
    let mut seen = 0;
    for (name, table) in players_data {
        assert!(table.primary_key.starts_with("(realm"), "{name}");
        let mut of_a_realm = table.indexes.iter().filter(|index| *index != OF_ALL_REALMS);
        assert!(of_a_realm.all(|index| index.contains("(realm, ")), "{name}: {:?}", table.indexes);
        assert!(table.references.iter().all(|to| to.starts_with("(realm")), "{name}: {:?}", table.references);
        seen += 1;
    }
    assert_eq!(seen, 27);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_the_schema_refuse_what_the_domain_forbids() {
    let fixture = PostgresFixture::create().await;
    let mut outside = Outside::connect(&fixture.url()).await;
    let fill = "
        INSERT INTO studios VALUES (gen_random_uuid(), 's', 0);
        INSERT INTO games SELECT gen_random_uuid(), id, 'g', 0 FROM studios;
        INSERT INTO realms SELECT 1, id, 'sandbox' FROM games;
        INSERT INTO players VALUES (1, gen_random_uuid(), 'p', 0, 0);
        INSERT INTO accounts SELECT 1, id, 'currency', 'gold', gen_random_uuid(), 1, 1, 0, 0 FROM players;
        INSERT INTO entries SELECT 1, id, 1, 1, gen_random_uuid(), 1, 1, 'x', 'server', 'x', NULL, NULL, NULL, NULL, NULL, 0
            FROM accounts";
    outside.execute(fill).await;
    for forbidden in [
        "UPDATE accounts SET balance = -1",
        "UPDATE accounts SET balance = 9007199254740992",
        "UPDATE accounts SET version = 0",
        "UPDATE accounts SET kind = 'pony'",
        "UPDATE entries SET delta = 0",
        "UPDATE entries SET balance_after = -1",
        "UPDATE entries SET sequence = 0",
        "UPDATE entries SET delta = balance_after + 1",
        "UPDATE entries SET fingerprint = sha256('x')",
        "UPDATE players SET external_id = ''",
        "UPDATE players SET banned_at = 1",
        "INSERT INTO closed_accounts SELECT 1, id, id, 'currency', 'gold', 0, 0, 0 FROM players",
        "INSERT INTO player_merges SELECT 1, id, sha256('s'), id, 't', NULL, 0 FROM players",
        "INSERT INTO player_erasures SELECT 1, gen_random_uuid(), sha256('s'), NULL, 0 FROM players",
        "INSERT INTO audit_log SELECT 1, id, 0, 'x', '', NULL, NULL, NULL, NULL FROM players",
        "INSERT INTO installation VALUES (2, sha256('s'))",
        "DELETE FROM players",
    ] {
        assert!(outside.refuses(forbidden).await, "{forbidden}");
    }
}

/// The schema of the PostgreSQL database at `url`.
pub(crate) async fn of_postgres(url: &str) -> Schema {
    let mut outside = Outside::connect(url).await;
    let mut schema = Schema::new();
    // Lines of `table|what|text`, made by the server's own functions.
    let select = "
        SELECT c.relname || '|column|' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
                || CASE WHEN a.attnotnull THEN ' not null' ELSE ' null' END AS text
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
        UNION ALL
        SELECT c.relname || '|' || CASE WHEN i.indisprimary THEN 'primary' WHEN i.indisunique THEN 'unique' ELSE 'index' END
                || '|(' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (number, n)
                    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number) || ')'
                || coalesce(' where ' || pg_get_expr(i.indpred, c.oid, true), '')
            FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT c.relname || '|' || CASE k.contype WHEN 'c' THEN 'rule|' || k.conname ELSE 'reference|'
                || regexp_replace(pg_get_constraintdef(k.oid), '^FOREIGN KEY ', '') END
            FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'f')
            WHERE c.relnamespace = 'public'::regnamespace";
    for line in outside.texts(select).await {
        let mut parts = line.splitn(3, '|');
        let (table, what, text) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        if table == "__diesel_schema_migrations" {
            continue;
        }
        let table = schema.entry(table.to_owned()).or_default();
        match what {
            "column" => drop(table.columns.insert(plain_type(text))),
            "primary" => text.clone_into(&mut table.primary_key),
            "reference" => {
                let spaced = text.replace(" REFERENCES ", " -> ").replace('(', " (");
                table.references.insert(spaced.trim().to_owned());
            }
            "rule" => drop(table.rules.insert(text.to_owned())),
            // Names that are words of SQL come quoted, and texts with their type.
            kind => drop(table.indexes.insert(format!("{kind} {}", text.replace('"', "").replace("'::text", "'")))),
        }
    }
    schema
}

/// A column with the kind of its type, which both databases have: number, text or bytes.
fn plain_type(column: &str) -> String {
    let mut words: Vec<&str> = column.split(' ').collect();
    words[1] = match words[1] {
        "bigint" | "boolean" | "INTEGER" => "number",
        "text" | "json" | "TEXT" => "text",
        "uuid" | "bytea" | "BLOB" => "bytes",
        other => panic!("a type that this test does not know: {other}"),
    };
    words.join(" ")
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

/// The schema of the SQLite file at `path`.
fn of_sqlite(path: &str) -> Schema {
    let mut connection = SqliteConnection::establish(path).expect("the file opens");
    let mut lines = |sql: &str| -> Vec<String> {
        let rows = diesel::sql_query(sql).load::<Line>(&mut connection);
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).into_iter().map(|row| row.text).collect()
    };
    let mut schema = Schema::new();
    let tables =
        "SELECT name AS text FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'";
    for name in lines(tables) {
        let mut table = Table::default();
        let columns = format!(
            "SELECT name || ' ' || type || CASE WHEN \"notnull\" THEN ' not null' ELSE ' null' END AS text
            FROM pragma_table_info('{name}')"
        );
        table.columns = lines(&columns).iter().map(|column| plain_type(column)).collect();
        let key = format!("SELECT name AS text FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk");
        table.primary_key = format!("({})", lines(&key).join(", "));
        let indexes = format!("SELECT name AS text FROM pragma_index_list('{name}') WHERE origin <> 'pk'");
        for index in lines(&indexes) {
            let columns = lines(&format!("SELECT name AS text FROM pragma_index_info('{index}') ORDER BY seqno"));
            let unique = format!(
                "SELECT CASE WHEN \"unique\" THEN 'unique' ELSE 'index' END AS text FROM pragma_index_list('{name}') WHERE name = '{index}'"
            );
            let condition = format!(
                "SELECT coalesce(substr(sql, instr(sql, ' WHERE ')), '') AS text FROM sqlite_schema WHERE name = '{index}'"
            );
            let condition = lines(&condition).concat();
            let condition = condition.strip_prefix(" WHERE ").map(|condition| format!(" where {condition}"));
            // A number stands for a truth value, which PostgreSQL knows.
            let condition = condition.map(|condition| condition.trim_end_matches(" = 1").to_owned());
            let condition = condition.unwrap_or_default();
            table.indexes.insert(format!("{} ({}){condition}", lines(&unique).concat(), columns.join(", ")));
        }
        let references = format!(
            "SELECT '(' || group_concat(\"from\", ', ') || ') -> ' || \"table\" || ' (' || group_concat(\"to\", ', ') || ')' AS text
            FROM (SELECT * FROM pragma_foreign_key_list('{name}') ORDER BY id, seq) GROUP BY id"
        );
        table.references = lines(&references).into_iter().collect();
        let text = lines(&format!("SELECT sql AS text FROM sqlite_schema WHERE name = '{name}'")).concat();
        let named = text.split("CONSTRAINT ").skip(1).filter_map(|rule| rule.split_whitespace().next());
        table.rules = named.map(str::to_owned).collect();
        schema.insert(name, table);
    }
    schema
}
