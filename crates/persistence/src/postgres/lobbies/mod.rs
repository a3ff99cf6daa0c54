//! Lobbies, attempts and rankings in PostgreSQL, and what is configured of them.
//!
//! A batch is one transaction, as with the ledger: [`load`] locks its players in the order of (realm, studio's id) and then
//! its lobbies in the order of their ids, the domain settles it, [`save`] locks the rankings in the order of their ids and
//! stores the settlement with one statement per table. What no lock can protect, because it does not exist yet, its unique
//! index protects: who comes second fails, and decides again.

pub(super) mod attempts;
pub(super) mod blocks;
pub(super) mod configuration;
mod load;
pub(super) mod lobby;
pub(super) mod pages;
pub(super) mod ranking;
#[cfg(test)]
mod ranking_tests;
pub(super) mod ranks;
pub(super) mod reads;
pub(super) mod records;
pub(super) mod remembered;
pub(super) mod requests;
mod save;
pub(super) mod sections;
pub(super) mod sweep;

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
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
use scoped_futures::ScopedFutureExt;

use super::PostgresStore;

#[async_trait]
impl PlayStore for PostgresStore {
    async fn settle_play(&self, batch: &PlayBatch, turn: Turn) -> Result<PlaySettlement, StoreError> {
        let turn = Mutex::new(turn);
        let write = self.lanes.write(
            |connection| load::snapshot(connection, batch, &self.boards).scope_boxed(),
            |connection, before| save::decided(connection, batch, before, &turn).scope_boxed(),
            |connection, settlement| save::is_kept(connection, settlement).scope_boxed(),
        );
        let settlement = write.await?;
        if !settlement.events.is_empty() {
            self.bell.ring();
        }
        Ok(settlement)
    }

    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        let mut found = vec![None; wanted.len()];
        let realms: BTreeSet<RealmId> = wanted.iter().map(|wanted| wanted.realm).collect();
        for realm in realms {
            let (numbers, places): (Vec<_>, Vec<_>) = (0..)
                .zip(wanted)
                .filter(|(_, wanted)| wanted.realm == realm)
                .map(|(number, wanted): (usize, _)| (number, (wanted.ranking, wanted.place)))
                .unzip();
            let places = places.as_slice();
            let mut ranks =
                self.readers.read(|connection| ranks::ranks(connection, realm, places).scope_boxed()).await?;
            // Somebody moved on since, which is rare.
            if ranks.contains(&None) {
                let look = self.readers.view(|connection| ranks::ranks_by_now(connection, realm, places).scope_boxed());
                ranks = look.await?;
            }
            for (number, rank) in numbers.into_iter().zip(ranks) {
                if let Some(found) = found.get_mut(number) {
                    *found = rank;
                }
            }
        }
        Ok(found)
    }

    async fn sweep_lobbies(&self, now: Timestamp, limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        let write = self.lanes.write(
            |connection| sweep::load(connection, now, limit).scope_boxed(),
            |connection, locked| sweep::store(connection, locked, now).scope_boxed(),
            |connection, swept| sweep::is_kept(connection, swept).scope_boxed(),
        );
        let swept = write.await?;
        if !swept.events.is_empty() {
            self.bell.ring();
        }
        Ok(swept.transitions)
    }
}

#[async_trait]
impl LobbyReads for PostgresStore {
    async fn lobby(&self, realm: RealmId, id: LobbyId) -> Result<Option<LobbyDetail>, StoreError> {
        self.readers.view(|connection| reads::lobby(connection, realm, id).scope_boxed()).await
    }

    async fn lobbies(&self, query: &LobbyQuery) -> Result<Page<Lobby>, StoreError> {
        self.readers.view(|connection| reads::lobbies(connection, query).scope_boxed()).await
    }
}

#[async_trait]
impl RankingReads for PostgresStore {
    async fn ranking(&self, realm: RealmId, id: RankingId) -> Result<Option<Ranking>, StoreError> {
        let ids = &[id];
        let found = self.readers.read(|connection| ranking::find(connection, realm, ids).scope_boxed()).await?;
        Ok(found.into_iter().flatten().next())
    }

    async fn ranking_page(
        &self,
        realm: RealmId,
        id: RankingId,
        slice: &RankingSlice,
        own: Option<ExternalId>,
    ) -> Result<RankingPage, StoreError> {
        let own = own.as_ref();
        if pages::is_one_statement(slice, own) {
            return self.readers.read(|connection| pages::page(connection, realm, id, slice, own).scope_boxed()).await;
        }
        self.readers.view(|connection| pages::page(connection, realm, id, slice, own).scope_boxed()).await
    }
}

#[async_trait]
impl PlayRecords for PostgresStore {
    async fn attempts_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(|connection| attempts::of_player(connection, realm, player, after, limit).scope_boxed()).await
    }

    async fn lobbies_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<LobbyId>,
        limit: u32,
    ) -> Result<Vec<LobbyMembership>, StoreError> {
        self.readers.read(|connection| records::lobbies_of(connection, realm, player, after, limit).scope_boxed()).await
    }

    async fn rankings_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<RankingId>,
        limit: u32,
    ) -> Result<Vec<RankingMembership>, StoreError> {
        self.readers
            .read(|connection| records::rankings_of(connection, realm, player, after, limit).scope_boxed())
            .await
    }
}
