//! Stores what the clock has made of lobbies that nobody has touched since.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::{Lobby, LobbyChange, LobbyTransition, transitions};
use domain::tenancy::RealmId;

use super::lobby::{self, LobbyColumns, lobby_columns};
use crate::rows::lobbies::LobbyRow;
use crate::sqlite::statement::statement;

statement! {
    /// Lobbies that the clock moves on by an instant, those that are due longest first.
    DueLobbies { now: i64 => BigInt, limit: i64 => BigInt } -> (BigInt, LobbyColumns)
    = concat!("SELECT l.realm, ", lobby_columns!(), " FROM lobbies l INDEXED BY lobbies_due
        WHERE l.due_at <= ? ORDER BY l.due_at, l.realm, l.id LIMIT ?")
}

/// Moves at most `limit` lobbies on that are due at `now`; how.
pub(super) fn sweep(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> QueryResult<Vec<LobbyTransition>> {
    let statement = DueLobbies { now: now.unix_micros(), limit: i64::from(limit) };
    let mut moved = Vec::new();
    for (realm, row) in statement.load::<(i64, LobbyRow)>(connection)? {
        let (realm, stored) = (RealmId(realm), Lobby::try_from(row)?);
        let steps = stored.steps(now);
        moved.extend(transitions(realm, &steps));
        if let Some(by_now) = steps.into_iter().last() {
            let lobby = Lobby { version: stored.version + 1, ..by_now };
            lobby::store(connection, &LobbyChange { realm, lobby, version_before: Some(stored.version) })?;
        }
    }
    Ok(moved)
}
