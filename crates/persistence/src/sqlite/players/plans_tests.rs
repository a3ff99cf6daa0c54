//! Every statement on players' lives, explained: none walks a table, nor all that a realm has in one.

use diesel::connection::SimpleConnection;
use diesel::debug_query;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::{FindParticulars, ban, blank, erase, export, merge, merge_effect};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn sql(statement: &impl QueryFragment<Sqlite>) -> String {
    debug_query::<Sqlite, _>(statement).to_string()
}

/// Explains `sql`, which is to look up by more than the realm wherever it looks.
fn explain(connection: &mut SqliteConnection, sql: &str) {
    let steps =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<Step>(connection).expect("it is explained");
    assert!(!steps.is_empty(), "{sql}");
    for Step { detail } in steps {
        // The one virtual table is the list in a row that was found.
        let small = ["CONSTANT ROW", "subquery", "VIRTUAL TABLE"].iter().any(|what| detail.contains(what));
        let walks = detail.starts_with("SCAN") && !small;
        assert!(!walks && !detail.ends_with("(realm=?)"), "{detail}\n{sql}");
    }
}

#[test]
fn every_statement_has_a_plan_that_touches_only_what_it_is_about() {
    let mut connection = SqliteConnection::establish(":memory:").expect("it opens");
    for migration in [
        include_str!("../../../../../migrations/sqlite/2026-11-21-000000_create_economy/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-000000_import_players/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-100000_player_lives/up.sql"),
    ] {
        connection.batch_execute(migration).expect("it applies");
    }
    let (realm, id) = (1, [0_u8; 16].as_slice());
    let (player, source, target) = (id, id, id);
    let statements = [
        sql(&FindParticulars { realm, id }),
        sql(&ban::UpdateBan { banned_at: None, ban_reason: None, realm, id }),
        sql(&blank::FindAllAccounts { realm, player, realm_again: realm, player_again: player }),
        sql(&blank::EndOfPiece { realm, account: id, after: 0, limit: 1 }),
        sql(&blank::BlankEntries { realm, account: id, after: 0, last: 1 }),
        sql(&blank::EndOfGrants { realm, player, after: id, limit: 1 }),
        sql(&blank::BlankGrants { realm, player, after: id, last: id }),
        sql(&erase::FindErasure { realm, digest: id, key: None }),
        sql(&erase::BlankAuditLog { realm, player, merged_realm: realm, merged_into: player }),
        sql(&erase::MarkErased { placeholder: "", deleted_at: 0, realm, id }),
        sql(&export::OpenAccounts { realm, player }),
        sql(&export::ClosedAccounts { realm, player }),
        sql(&merge::FindMerge { realm, source_digest: id, target_digest: id, key: None }),
        sql(&merge::WasErased { realm, digest: id }),
        sql(&merge::FindHeldAccounts { realm, player }),
        sql(&merge::FindClosedAccounts { realm, player }),
        sql(&merge::CountAllGrants { realm, player }),
        sql(&merge_effect::KeepClosedAccount {
            target,
            version: 1,
            closed_at: 0,
            realm,
            player,
            kind: "",
            key: "",
            id,
            version_before: 1,
        }),
        sql(&merge_effect::DeleteAccount { realm, player, kind: "", key: "" }),
        sql(&merge_effect::MoveAccounts { target, realm, source }),
        sql(&merge_effect::MoveClosedAccounts { target, realm, source }),
        sql(&merge_effect::MoveGrants { target, realm, source }),
        sql(&merge_effect::MoveMerged { target, realm, source }),
        sql(&merge_effect::InheritContext { source_realm: realm, source, realm, target }),
        sql(&merge_effect::MarkMerged { placeholder: "", target, realm, source }),
        sql(&super::FindPlayer { realm, external_id: "" }),
    ];
    for statement in statements {
        explain(&mut connection, &statement);
    }
}
