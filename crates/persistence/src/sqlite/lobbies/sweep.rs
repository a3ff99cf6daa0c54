//! Stores what the clock has made of lobbies that nobody has touched since.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::{Lobby, LobbyChange, LobbyTransition, transitions};
use domain::tenancy::RealmId;
use domain::webhooks::{EventNames, occurrences};

use super::lobby::{self, LobbyColumns, lobby_columns};
use crate::rows::lobbies::LobbyRow;
use crate::sqlite::statement::statement;
use crate::sqlite::webhooks;

statement! {
    /// Lobbies that the clock moves on by an instant, those that are due longest first.
    DueLobbies { now: i64 => BigInt, limit: i64 => BigInt } -> (BigInt, LobbyColumns)
    = concat!("SELECT l.realm, ", lobby_columns!(), " FROM lobbies l INDEXED BY lobbies_due
        WHERE l.due_at <= ? ORDER BY l.due_at, l.realm, l.id LIMIT ?")
}

/// Moves at most `limit` lobbies on that are due at `now`; how, and whether that is an event.
pub(super) fn sweep(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> QueryResult<(Vec<LobbyTransition>, bool)> {
    let statement = DueLobbies { now: now.unix_micros(), limit: i64::from(limit) };
    let (mut moved, mut events) = (Vec::new(), Vec::new());
    let mut wanted: BTreeMap<RealmId, EventNames> = BTreeMap::new();
    for (realm, row) in statement.load::<(i64, LobbyRow)>(connection)? {
        let (realm, stored) = (RealmId(realm), Lobby::try_from(row)?);
        let steps = stored.steps(now);
        moved.extend(transitions(realm, &steps));
        let wanted = match wanted.get(&realm) {
            Some(wanted) => *wanted,
            None => *wanted.entry(realm).or_insert(webhooks::wanted(connection, realm)?),
        };
        events.extend(occurrences::lobby_steps(wanted, realm, &steps));
        if let Some(by_now) = steps.into_iter().last() {
            let lobby = Lobby { version: stored.version + 1, ..by_now };
            lobby::store(connection, &LobbyChange { realm, lobby, version_before: Some(stored.version) })?;
        }
    }
    webhooks::store(connection, &events)?;
    Ok((moved, !events.is_empty()))
}
