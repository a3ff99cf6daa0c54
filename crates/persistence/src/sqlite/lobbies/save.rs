//! Stores a settlement, in the order in which rows refer to each other.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::PlaySettlement;

use super::{attempts, lobby, participants, ranking, requests};
use crate::sqlite::{players, webhooks};

/// Stores all of `settlement`, whose rankings begin at `at` if they are new. Fails on the first row that cannot be stored, and
/// leaves undoing to the transaction.
pub(super) fn settlement(
    connection: &mut SqliteConnection,
    settlement: &PlaySettlement,
    at: Timestamp,
) -> QueryResult<()> {
    for (realm, player) in &settlement.new_players {
        players::insert(connection, *realm, player)?;
    }
    for (realm, player) in &settlement.seen_players {
        players::mark_seen(connection, *realm, player.id, player.last_seen_at)?;
    }
    for change in &settlement.lobbies {
        lobby::store(connection, change)?;
    }
    for change in &settlement.participants {
        participants::store(connection, change)?;
    }
    for end in &settlement.early_ends {
        attempts::end(connection, end)?;
    }
    for change in &settlement.attempts {
        attempts::store(connection, change)?;
    }
    for (realm, of) in &settlement.rankings {
        ranking::begin(connection, *realm, of, at)?;
    }
    for (realm, change) in &settlement.places {
        ranking::apply(connection, *realm, change)?;
    }
    for request in &settlement.requests {
        requests::insert(connection, request)?;
    }
    webhooks::store(connection, &settlement.events)
}
