//! Stores a settlement, in the order in which rows refer to each other, and looks up the ranks that follow from it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::{Place, PlaySettlement, RankingId, WantedRank};
use domain::tenancy::RealmId;

use super::{attempts, lobby, participants, ranking, requests, standings};
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

/// Completes the outcomes of a stored `settlement` that want a rank.
pub(super) fn ranks(connection: &mut SqliteConnection, settlement: &mut PlaySettlement) -> QueryResult<()> {
    let mut by_ranking: BTreeMap<(RealmId, RankingId), Vec<WantedRank>> = BTreeMap::new();
    for wanted in &settlement.ranks {
        by_ranking.entry((wanted.realm, wanted.ranking)).or_default().push(*wanted);
    }
    for ((realm, ranking), wanted) in by_ranking {
        let places: Vec<Place> = wanted.iter().map(|wanted| wanted.place).collect();
        let found = standings::ranks(connection, realm, ranking, &places)?;
        wanted.iter().zip(found).for_each(|(wanted, found)| settlement.answer_rank(wanted, found));
    }
    Ok(())
}
