//! Every statement, explained on empty tables and on full ones: none scans a table that grows, and each look-up uses more
//! of a key than its realm. And every statement on a table that is distributed by realm names the realm.

use std::path::Path;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::economy::{audit, grants, imports, load, reads, save};
use super::lobbies::{attempts as tries, blocks, configuration, lobby, pages, ranking, ranks, reads as lobby_reads};
use super::lobbies::{records, requests, sections, sweep};
use super::players::{self, ban, blank, erase, export, lives, merge, moving};
use super::pool::connect;
use super::webhooks::{
    deliveries, discard, dispatch, endpoints, expiry, feed, numbers, outbox, publish, record, replay,
};
use super::{PostgresAddress, attempts, audit_log, distribution, keys, migrations, tenancy};

/// A statement: its name, its text, and the SQL types of its binds.
type Statement = (&'static str, &'static str, &'static [&'static str]);

macro_rules! statements {
    ($($module:ident::{$($name:ident),+ $(,)?}),+ $(,)?) => {
        &[$($((stringify!($name), $module::$name::SQL, $module::$name::BINDS)),+),+]
    };
}

const STATEMENTS: &[Statement] = statements! {
    attempts::{TransactionOutcome, CurrentTransaction},
    migrations::{IsMigrated, AppliedVersions},
    distribution::{HasCitus},
    tenancy::{InsertStudio, AllStudios, InsertGame, AllGames, InsertRealm, FindRealm, AllRealms},
    keys::{FindKeys, AllKeys, InsertKey, ExpireKey, ReviseKey, RevokeKey, MarkKeyUsed},
    players::{FindPlayer, LockPlayers, UpsertPlayers, MarkPlayersSeen, FindParticulars},
    ban::{SetBan},
    merge::{FindMerge, WasErased, FindAccountsOfTwo, FindClosedAccounts, CountGrantsOf},
    moving::{
        CloseAccounts, MoveAccounts, MoveClosedAccounts, MoveGrants, InheritContext, MarkMerged, InsertMerge,
    },
    erase::{FindErasure, FindHistories, Anonymise, InsertErasure},
    blank::{PositionOf, BlankEntries, FindGrantsToBlank, BlankGrants, BlankGrantsOf, BlankReasons},
    export::{ExportAccounts, ExportEntries},
    lives::{InsertSecretCheck, ReplaceSecretCheck, FindSecretCheck},
    audit_log::{InsertAuditEntry, FindAuditEntry, PageOfAuditLog, AuditOfPlayer},
    load::{FindAccountsAndEntries, NextBlock},
    grants::{FindGrants, FindGrantsOnce, PageOfGrants, CountGrants, InsertGrants, ClaimGrants},
    imports::{FindImportsOnce, InsertImports, UpdateContexts},
    reads::{FindHoldings, FindHoldingsOf, EntriesAfter, EntriesBefore},
    save::{UpsertAccounts, InsertEntries, FindEntry},
    audit::{AllAccounts, AllClosedAccounts, Orphans, SomeAccounts},
    configuration::{
        FindEvents, FindLeaderboards, LockEvent, LockLeaderboard, FindEvent, FindLeaderboard, PageOfEvents,
        PageOfLeaderboards, InsertEvent, InsertLeaderboard, UpdateEvent, UpdateLeaderboard,
    },
    tries::{FindAttempts, AttemptsOf, UpsertAttempts, EndAttempts, MoveAttempts},
    requests::{FindScoreRequests, InsertScoreRequests},
    lobby::{
        LockLobbies, FindLobbyKeys, FindMemberships, FindOpenLobbies, FindParticipants, UpsertLobbies,
        UpsertParticipants, DeleteParticipants,
    },
    sweep::{FindDue, LockDue},
    lobby_reads::{FindLobbies, ParticipantsOf, PageOfLobbies, PageOfLiveLobbies},
    records::{CountPlay, LobbiesOf, RankingsOf, LobbiesOfTwo, RankingsOfTwo},
    ranking::{LockRankings, FindRankings, FindPlaces, FindNamedPlaces, UpsertPlaces, DeletePlaces},
    blocks::{
        CountInBlocks, CountInSections, FindCuts, FindBlocksBefore, FindSectionsBefore, UpsertBlocks, UpsertSections,
        DeleteBlock, DeleteSection,
    },
    sections::{FindBlocksOfSections, FindBlocks},
    ranks::{CountBetween},
    pages::{FirstEntries, EntriesAround},
    endpoints::{
        LockRealm, FindRealmOf, FindEndpoints, FindWanted, FindEndpoint, LockEndpoint, UpsertEndpoint, RemoveEndpoint,
    },
    outbox::{InsertEvents, InsertUnknownEvents, MoveEvents, BlankWords},
    publish::{FindUnpublished, LockUnpublished, WaitForPublisher, InsertDeliveries, SetPositions},
    dispatch::{FindDueDeliveries, ClaimDeliveries},
    numbers::{FindNumbers, DrawNumbers, InsertNumbers},
    record::{LockEndpoints, InsertAttempts, MoveDeliveries},
    deliveries::{PageOfDeliveries, FindDelivery, AttemptsOfDelivery, CountPending, FirstDue, CountUnpublished},
    replay::{EventsBetween, FindStatuses, QueueDeliveries, MakeDue},
    feed::{PageOfFeed, FindEvent},
    expiry::{AllWanted, AllSweeps, MoveSweep, DeleteSweep, LockExpired, FindNotices, InsertNotice},
    discard::{
        FindOld, DeleteEvents, DeleteDeliveries, DeleteAttempts, FindRemoved, DeleteDeliveriesOf, DeleteAttemptsOf,
        DeleteEndpoint,
    },
};

/// The tables that are distributed by realm. They grow with the players; the others, the directory, with the games.
const GROWING: [&str; 27] = [
    "players",
    "accounts",
    "entries",
    "grants",
    "player_imports",
    "closed_accounts",
    "player_merges",
    "player_erasures",
    "audit_log",
    "events",
    "leaderboards",
    "lobbies",
    "lobby_participants",
    "attempts",
    "score_requests",
    "rankings",
    "ranking_entries",
    "ranking_blocks",
    "ranking_sections",
    "api_key_notices",
    "grant_expiry_sweeps",
    "webhook_endpoints",
    "outbox_positions",
    "outbox_events",
    "webhook_deliveries",
    "webhook_attempts",
    "player_numbers",
];

/// Those that read a whole realm, because that is what they are for.
const READS_A_WHOLE_REALM: [&str; 3] = ["AllAccounts", "AllClosedAccounts", "Orphans"];

/// Those that read all rows that a realm has, because those are few: its endpoints, the one row that it has, or the first ones of
/// what it has in a queue.
const READS_A_FEW_OF_A_REALM: [&str; 4] = ["FindEndpoints", "FindWanted", "DeleteSweep", "LockUnpublished"];

/// Find what there is to do, whatever realm it is in. What they lead to is done realm by realm.
const LOOKS_IN_ALL_REALMS: [&str; 10] = [
    "FindDue",
    "FindUnpublished",
    "FindDueDeliveries",
    "CountPending",
    "FirstDue",
    "CountUnpublished",
    "AllWanted",
    "AllSweeps",
    "FindOld",
    "FindRemoved",
];

/// Looks through the few lobbies that a player has been in since a window began, and through the events past a position.
const LOOKS_THROUGH_A_FEW: [&str; 2] = ["FindMemberships", "PageOfFeed"];

/// Lists of the directory and of the catalog, in full, and what is as short as they are.
const READS_THE_DIRECTORY: [&str; 8] =
    ["AllStudios", "AllGames", "AllRealms", "AllKeys", "AppliedVersions", "HasCitus", "AllWanted", "AllSweeps"];

/// Tables that are about as short as the directory, for those that look in all realms.
const MAY_BE_SCANNED: [&str; 2] = ["Seq Scan on webhook_endpoints", "Seq Scan on realms"];

/// What looks like a filter of rows and is none: a condition on a sum, or on no row at all, and those of partial indexes, which a
/// row must still meet when it is locked.
const NO_FILTERS: [&str; 4] =
    ["Filter: (sum(", "One-Time Filter:", "Filter: (\"position\" IS NULL)", "Filter: (status = 'pending'::text)"];

/// Enough rows that a plan that reads all of them would be chosen only by mistake.
const FILL: &str = "
    INSERT INTO studios SELECT gen_random_uuid(), 'studio-' || n, n FROM generate_series(1, 20) n;
    INSERT INTO games SELECT gen_random_uuid(), id, 'game-' || n, n FROM studios, generate_series(1, 5) n;
    INSERT INTO realms SELECT nextval('realm_ids'), id, 'sandbox' FROM games;
    INSERT INTO api_keys SELECT id, gen_random_uuid(), lpad(id::text, 10, '0'), sha256('k'), 'key', 'admin', 0 FROM realms;
    INSERT INTO players SELECT (SELECT min(id) FROM realms), gen_random_uuid(), 'player-' || n, n, n FROM generate_series(1, 20000) n;
    INSERT INTO accounts SELECT realm, id, 'currency', 'gold', gen_random_uuid(), 1, 1, 0, 0 FROM players;
    INSERT INTO entries SELECT realm, id, 1, 1, gen_random_uuid(), 1, 1, 'wallet.credit', 'server', 'x', NULL, NULL, NULL,
        sha256(id::text::bytea), sha256('f'), 0 FROM accounts;
    INSERT INTO grants SELECT realm, gen_random_uuid(), id, 'reward', '[]', 'api', NULL, NULL, 'claim', NULL, NULL, NULL, 0,
        'x', sha256(id::text::bytea), sha256('f') FROM players;
    INSERT INTO player_imports SELECT realm, sha256(id::text::bytea), sha256('f'), id, 0 FROM players;
    INSERT INTO closed_accounts SELECT realm, gen_random_uuid(), id, 'currency', 'gold', 1, 0, 0 FROM players;
    INSERT INTO player_merges SELECT realm, id, sha256(id::text::bytea), id, sha256('t'), NULL, 0 FROM players;
    INSERT INTO player_erasures SELECT realm, id, sha256(id::text::bytea), NULL, 0 FROM players;
    INSERT INTO audit_log SELECT realm, gen_random_uuid(), 0, 'x', 'player.ban', id, NULL, 'x', NULL FROM players;
    INSERT INTO events SELECT (SELECT min(id) FROM realms), gen_random_uuid(), 'event-' || n, '{}', 1, 0, 0
        FROM generate_series(1, 20) n;
    INSERT INTO leaderboards SELECT realm, id, key, '{}', 1, 0, 0 FROM events;
    INSERT INTO lobbies SELECT players.realm, players.id, events.id, events.id, external_id, 'grouped', 'best', 'descending', 4,
        false, '[]', 2, NULL, 'active', 0, NULL, 0, 0, NULL, 0, false, 1
        FROM players CROSS JOIN (SELECT id FROM events LIMIT 1) AS events;
    INSERT INTO lobby_participants SELECT realm, id, id, 0, NULL, NULL FROM lobbies;
    INSERT INTO attempts SELECT realm, gen_random_uuid(), id, event, window_id, id, event, '{}', 0, false, 0, 0, NULL, 'in_progress',
        sha256(id::text::bytea), sha256('f') FROM lobbies;
    INSERT INTO score_requests SELECT realm, 'leaderboard.score', sha256(id::text::bytea), sha256('f'), '{}', 0 FROM players;
    INSERT INTO rankings SELECT realm, gen_random_uuid(), id, 0, '', 'best', 'descending', 0 FROM events;
    INSERT INTO ranking_entries SELECT players.realm, rankings.id, players.id, 1, 1
        FROM players CROSS JOIN (SELECT id FROM rankings LIMIT 2) AS rankings;
    INSERT INTO ranking_blocks SELECT players.realm, rankings.id, 1, 1, players.id, 1
        FROM players CROSS JOIN (SELECT id FROM rankings LIMIT 2) AS rankings;
    INSERT INTO ranking_sections SELECT * FROM ranking_blocks;
    INSERT INTO webhook_endpoints SELECT (SELECT min(id) FROM realms), gen_random_uuid(), 'https://example.com/' || n, '', 'json', '*',
        NULL, NULL, NULL, 'x', NULL, NULL, NULL, NULL, NULL, 0, 0, NULL FROM generate_series(1, 20) n;
    INSERT INTO outbox_events SELECT realm, id, nullif(created_at % 2, 0) * created_at, 'wallet.changed', created_at, id, '{}', NULL
        FROM players;
    INSERT INTO webhook_deliveries SELECT outbox_events.realm, outbox_events.id, endpoint.id, outbox_events.id, 'wallet.changed', 0,
        CASE occurred_at % 2 WHEN 0 THEN 'pending' ELSE 'delivered' END, 0, 0,
        CASE occurred_at % 2 WHEN 0 THEN occurred_at END, NULL, CASE occurred_at % 2 WHEN 1 THEN occurred_at END
        FROM outbox_events CROSS JOIN (SELECT id FROM webhook_endpoints LIMIT 1) AS endpoint;
    INSERT INTO webhook_attempts SELECT realm, id, 1, 0, 0, 200, '', NULL, NULL FROM webhook_deliveries;
    INSERT INTO player_numbers SELECT realm, id, created_at FROM players;
    INSERT INTO api_key_notices SELECT realm, id, 0, 7, 0 FROM api_keys;
    INSERT INTO grant_expiry_sweeps SELECT id, 0 FROM realms;
    INSERT INTO outbox_positions SELECT id, 0, 0 FROM realms;
    ANALYZE";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

#[test]
fn every_statement_is_listed_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
    let mut sources = String::new();
    for folder in [
        folder.clone(),
        folder.join("economy"),
        folder.join("players"),
        folder.join("lobbies"),
        folder.join("webhooks"),
    ] {
        for file in std::fs::read_dir(folder).expect("the sources are there") {
            let path = file.expect("readable").path();
            let is_statement_macro = path.file_name().is_some_and(|name| name == "statement.rs");
            if path.is_file() && !is_statement_macro {
                sources.push_str(&std::fs::read_to_string(path).expect("readable"));
            }
        }
    }
    let declared = sources.lines().filter(|line| line.starts_with("statement! {")).count();
    assert_eq!(declared, STATEMENTS.len());
    assert!(30 < declared);
}

#[test]
fn every_statement_on_a_distributed_table_names_the_realm() {
    for (name, sql, _) in STATEMENTS {
        let words: Vec<&str> = sql.split(|letter: char| letter.is_whitespace() || "()".contains(letter)).collect();
        let mentions = words
            .windows(2)
            .filter(|pair| ["FROM", "JOIN", "UPDATE", "INTO"].contains(&pair[0]) && GROWING.contains(&pair[1]));
        let inserts = sql.contains("INSERT INTO") && sql.contains("(realm, ") && sql.contains("SELECT $1, n.");
        let named = sql.matches("realm = $1").count() + usize::from(inserts);
        assert!(mentions.count() <= named || LOOKS_IN_ALL_REALMS.contains(name), "{name}: {sql}");
        // The time is given, so that every copy of a row has the same.
        assert!(!sql.to_lowercase().contains("now()") && !sql.to_uppercase().contains("CURRENT_TIME"), "{name}");
    }
}

#[test]
fn no_statement_scans_a_table_that_grows_however_empty_it_was_when_planned() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let server = testcluster::server_url();
        let database = testcluster::TestDatabase::empty(&server).await.expect("a database can be made");
        let address = PostgresAddress::parse(&database.url()).expect("the URL of a test's database");
        migrations::Migrations::of(&address).up().await.expect("migrated");
        explain_all(&address, "empty").await;
        let mut outside = connect(&address, std::time::Duration::from_secs(600)).await.expect("connected");
        outside.batch_execute(&FILL.replace("20000", "20")).await.expect("filled a little");
        explain_all(&address, "small").await;
        outside
            .batch_execute(
                "TRUNCATE studios, rankings, score_requests, outbox_events, webhook_attempts, player_numbers CASCADE",
            )
            .await
            .expect("emptied");
        outside.batch_execute(FILL).await.expect("filled");
        explain_all(&address, "full").await;
    });
}

async fn explain_all(address: &PostgresAddress, tables: &str) {
    let mut connection = connect(address, std::time::Duration::from_secs(60)).await.expect("connected");
    for statement in STATEMENTS {
        let plan = explain(&mut connection, statement).await;
        let (name, sql, _) = statement;
        let told = format!("{name} on {tables} tables:\n{plan}");
        if READS_THE_DIRECTORY.contains(name) {
            continue;
        }
        let is_scan = |line: &str| line.contains("Seq Scan") && !MAY_BE_SCANNED.iter().any(|few| line.contains(few));
        assert!(!plan.lines().any(is_scan), "{told}");
        let whole_realm = plan.lines().any(|line| line.trim().starts_with("Index Cond: ") && only_realm(line));
        let may = READS_A_WHOLE_REALM.contains(name) || READS_A_FEW_OF_A_REALM.contains(name);
        assert!(!whole_realm || may, "{told}");
        // A place in an order is a place in an index.
        let compares = |line: &&str| line.contains("ROW(");
        assert!(plan.lines().filter(compares).all(|line| line.trim().starts_with("Index Cond: ")), "{told}");
        // A look-up by a whole key is one step into an index, never a list of candidates to be filtered.
        let looks_up = sql.contains("LIMIT 1") && !LOOKS_THROUGH_A_FEW.contains(name);
        if looks_up && !READS_A_WHOLE_REALM.contains(name) {
            let is_filter =
                |line: &str| line.contains("Filter:") && !NO_FILTERS.iter().any(|known| line.contains(known));
            assert!(!plan.lines().any(is_filter) && !plan.contains("Hash") && !plan.contains("Merge"), "{told}");
        }
    }
}

/// Whether an index condition uses nothing but the realm.
fn only_realm(line: &str) -> bool {
    let condition = line.trim().trim_start_matches("Index Cond: ");
    condition.trim_matches(['(', ')']).ends_with("realm = $1") && !condition.contains(" AND ")
}

async fn explain(connection: &mut AsyncPgConnection, (name, sql, binds): &Statement) -> String {
    let types: Vec<String> = binds.iter().map(|bind| type_of(bind)).collect();
    let declared = if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
    let nulls = if types.is_empty() { String::new() } else { format!("({})", vec!["NULL"; types.len()].join(", ")) };
    connection.batch_execute(&format!("PREPARE explained{declared} AS {sql}")).await.expect(name);
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE explained{nulls}");
    let lines: Vec<Line> = diesel::sql_query(explain).load(connection).await.expect(name);
    connection.batch_execute("DEALLOCATE explained").await.expect(name);
    lines.into_iter().map(|line| line.text + "\n").collect()
}

/// PostgreSQL's name for a SQL type as the statements write it.
fn type_of(bind: &str) -> String {
    let inner = |wrapper: &str| bind.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix('>'));
    if let Some(element) = inner("Array<") {
        return type_of(element) + "[]";
    }
    if let Some(present) = inner("Nullable<") {
        return type_of(present);
    }
    let name = match bind {
        "BigInt" => "bigint",
        "Bool" => "boolean",
        "Text" => "text",
        "Binary" => "bytea",
        "SqlUuid" => "uuid",
        other => panic!("a SQL type that this test does not know: {other}"),
    };
    name.to_owned()
}
