//! Every read of what one player has, explained: each looks up by more than the realm and an order, which would be a walk over what
//! everybody has.

use diesel::connection::SimpleConnection;
use diesel::debug_query;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::{grants, load, reads};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn sql(statement: &impl QueryFragment<Sqlite>) -> String {
    debug_query::<Sqlite, _>(statement).to_string()
}

#[test]
fn what_one_player_has_is_not_looked_for_among_what_everybody_has() {
    let mut connection = SqliteConnection::establish(":memory:").expect("it opens");
    for migration in [
        include_str!("../../../../../migrations/sqlite/2026-11-21-000000_create_economy/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-000000_import_players/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-100000_player_lives/up.sql"),
        include_str!("../../../../../migrations/sqlite/2026-11-22-300000_create_webhooks/up.sql"),
    ] {
        connection.batch_execute(migration).expect("it applies");
    }
    let (realm, id, limit) = (1, [0_u8; 16].as_slice(), 1);
    let (player, account, key, before) = (id, id, id, id);
    let (state, claimed, expired, pending) = ("", "claimed", "expired", "pending");
    let statements = [
        sql(&grants::PageOfGrants { realm, player, before, state, claimed, now: 0, expired, pending, limit }),
        sql(&grants::CountGrants { now: 0, realm, player }),
        sql(&grants::FindGrant { realm, id }),
        sql(&grants::FindGrantOnce { realm, key }),
        sql(&load::FindAccount { realm, player, kind: "", key: "" }),
        sql(&load::FindEntryOnce { realm, operation: "", key }),
        sql(&reads::FindHoldings { realm, player, kind: "" }),
        sql(&reads::FindAccounts { realm, player, realm_again: realm, player_again: player }),
        sql(&reads::EntriesAfter { realm, account, position: 0, limit }),
        sql(&reads::EntriesBefore { realm, account, position: 0, limit }),
    ];
    for statement in &statements {
        let steps = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(&mut connection);
        let steps = steps.expect("it is explained");
        assert!(!steps.is_empty(), "{statement}");
        for Step { detail } in steps {
            let looks_up = detail.starts_with("SEARCH");
            assert!(!detail.starts_with("SCAN") && !detail.contains("TEMP B-TREE"), "{detail}\n{statement}");
            assert!(!looks_up || 2 <= detail.matches("=?").count(), "{detail}\n{statement}");
        }
    }
}
