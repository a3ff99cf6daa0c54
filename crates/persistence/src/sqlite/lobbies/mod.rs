//! Events, lobbies, attempts and rankings in SQLite.
//!
//! A batch is one `BEGIN IMMEDIATE` transaction on the one writer thread, like one of the ledger: [`load`] its two looks, let
//! the domain settle it, [`save`] the settlement. Nobody else writes meanwhile. The ranks that follow are read afterwards, by
//! those who read.

mod attempts;
mod blocks;
mod configuration;
mod load;
mod lobby;
mod merging;
mod participants;
mod parts;
#[cfg(test)]
mod plans_tests;
mod ranking;
#[cfg(test)]
mod ranking_tests;
mod reads;
mod records;
mod requests;
mod save;
mod standings;
mod sweep;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::lobbies::{
    Attempt, AttemptId, Lobby, LobbyDetail, LobbyId, LobbyMembership, LobbyQuery, LobbyReads, LobbyTransition,
    PlayBatch, PlayRecords, PlaySettlement, PlayStore, Rank, Ranking, RankingId, RankingMembership, RankingPage,
    RankingReads, RankingSlice, WantedRank,
};
use domain::players::{ExternalId, PlayerId};
use domain::queue::Turn;
use domain::store::StoreError;
use domain::tenancy::RealmId;

pub(super) use attempts::of_player as attempts_of;
pub(super) use merging::{store as store_merge, view as merge_view};
pub(super) use records::{counts, lobbies as lobbies_of};

use super::{SqliteStore, connection};

#[async_trait]
impl PlayStore for SqliteStore {
    async fn settle_play(&self, batch: &PlayBatch, _turn: Turn) -> Result<PlaySettlement, StoreError> {
        let batch = batch.clone();
        let write = move |connection: &mut SqliteConnection| {
            let settlement = settle(connection, &batch)?;
            let rings = !settlement.events.is_empty();
            Ok((settlement, rings))
        };
        self.write_and_ring(write).await
    }

    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        let wanted = wanted.to_vec();
        let read = move |connection: &mut SqliteConnection| standings::ranks_by_now(connection, &wanted);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn sweep_lobbies(&self, now: Timestamp, limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        let work = move |connection: &mut SqliteConnection| sweep::sweep(connection, now, limit);
        self.write_and_ring(work).await
    }
}

fn settle(connection: &mut SqliteConnection, batch: &PlayBatch) -> QueryResult<PlaySettlement> {
    let snapshot = load::snapshot(connection, batch)?;
    let settlement = batch.settle(snapshot);
    let at = batch.commands().iter().map(|command| command.at).max().unwrap_or(Timestamp::EPOCH);
    save::settlement(connection, &settlement, at)?;
    Ok(settlement)
}

#[async_trait]
impl LobbyReads for SqliteStore {
    async fn lobby(&self, realm: RealmId, id: LobbyId) -> Result<Option<LobbyDetail>, StoreError> {
        let read = move |connection: &mut SqliteConnection| reads::detail(connection, realm, id);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn lobbies(&self, query: &LobbyQuery) -> Result<Page<Lobby>, StoreError> {
        let query = query.clone();
        let read = move |connection: &mut SqliteConnection| reads::page(connection, &query);
        self.readers.run(|connection| connection::read(connection, read)).await
    }
}

#[async_trait]
impl RankingReads for SqliteStore {
    async fn ranking(&self, realm: RealmId, id: RankingId) -> Result<Option<Ranking>, StoreError> {
        let read = move |connection: &mut SqliteConnection| ranking::find(connection, realm, id);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn ranking_page(
        &self,
        realm: RealmId,
        id: RankingId,
        slice: &RankingSlice,
        own: Option<ExternalId>,
    ) -> Result<RankingPage, StoreError> {
        let slice = slice.clone();
        let read =
            move |connection: &mut SqliteConnection| standings::page(connection, realm, id, &slice, own.as_ref());
        self.readers.run(|connection| connection::read(connection, read)).await
    }
}

#[async_trait]
impl PlayRecords for SqliteStore {
    async fn attempts_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let read = move |connection: &mut SqliteConnection| attempts_of(connection, realm, player, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn lobbies_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<LobbyId>,
        limit: u32,
    ) -> Result<Vec<LobbyMembership>, StoreError> {
        let read = move |connection: &mut SqliteConnection| lobbies_of(connection, realm, player, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn rankings_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<RankingId>,
        limit: u32,
    ) -> Result<Vec<RankingMembership>, StoreError> {
        let read = move |connection: &mut SqliteConnection| records::rankings(connection, realm, player, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }
}
