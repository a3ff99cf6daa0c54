//! The ports that read what was played.

use async_trait::async_trait;
use domain::economy::{Page, PlayerKey};
use domain::lobbies::{
    Attempt, AttemptId, Lobby, LobbyDetail, LobbyId, LobbyMembership, LobbyQuery, LobbyReads, Place, PlayRecords,
    RankedPlayer, Ranking, RankingId, RankingMembership, RankingPage, RankingReads, RankingSlice,
};
use domain::players::{ExternalId, PlayerId};
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::super::MemoryStore;
use super::super::books::Books;

#[async_trait]
impl LobbyReads for MemoryStore {
    async fn lobby(&self, realm: RealmId, id: LobbyId) -> Result<Option<LobbyDetail>, StoreError> {
        let books = &self.lock().books;
        let play = &books.play;
        let Some(lobby) = play.lobbies.get(&(realm, id)).cloned() else { return Ok(None) };
        let event = play.events.get(&(realm, lobby.event)).cloned().expect("a lobby refers to an event that is known");
        let participants = play.participants_of(realm, id);
        let participants = participants.map(|of| (*of, books.name(realm, of.player))).collect();
        Ok(Some(LobbyDetail { lobby, event, participants }))
    }

    async fn lobbies(&self, query: &LobbyQuery) -> Result<Page<Lobby>, StoreError> {
        let play = &self.lock().books.play;
        let wanted = |lobby: &&Lobby| {
            lobby.event == query.event
                && query.status.is_none_or(|status| lobby.at(query.now).status() == status)
                && query.after.is_none_or(|after| lobby.id < after)
        };
        let newest_first = play.lobbies_of_realm(query.realm).rev().filter(wanted);
        Ok(Page::of(newest_first.cloned().collect(), query.limit))
    }
}

#[async_trait]
impl RankingReads for MemoryStore {
    async fn ranking(&self, realm: RealmId, id: RankingId) -> Result<Option<Ranking>, StoreError> {
        Ok(self.lock().books.play.rankings.get(&(realm, id)).cloned())
    }

    async fn ranking_page(
        &self,
        realm: RealmId,
        id: RankingId,
        slice: &RankingSlice,
        own: Option<ExternalId>,
    ) -> Result<RankingPage, StoreError> {
        let books = &self.lock().books;
        let ranked = books.ranked(realm, id);
        let called = |name: &ExternalId| {
            let player = books.players.get(&PlayerKey { realm, external_id: name.clone() })?;
            ranked.iter().find(|entry| entry.place.player == player.id).cloned()
        };
        let entries = match slice {
            RankingSlice::Top(count) => {
                ranked.iter().filter(|entry| entry.rank <= u64::from(*count)).cloned().collect()
            }
            RankingSlice::Around(name, count) => called(name).map_or_else(Vec::new, |centre| {
                let near = |entry: &&RankedPlayer| entry.rank.abs_diff(centre.rank) <= u64::from(*count);
                ranked.iter().filter(near).cloned().collect()
            }),
        };
        let own = own.as_ref().and_then(called);
        Ok(RankingPage { players: books.play.players_of(realm, id), entries, own })
    }
}

#[async_trait]
impl PlayRecords for MemoryStore {
    async fn attempts_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let mut attempts = self.lock().books.play.attempts_of(realm, player);
        attempts.retain(|attempt| after.is_none_or(|after| attempt.id < after));
        Ok(Page::of(attempts, limit).rows)
    }

    async fn lobbies_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<LobbyId>,
        limit: u32,
    ) -> Result<Vec<LobbyMembership>, StoreError> {
        let mut lobbies = self.lock().books.play.lobbies_of(realm, player);
        lobbies.retain(|membership| after.is_none_or(|after| membership.lobby.id < after));
        Ok(Page::of(lobbies, limit).rows)
    }

    async fn rankings_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<RankingId>,
        limit: u32,
    ) -> Result<Vec<RankingMembership>, StoreError> {
        let mut rankings = self.lock().books.play.rankings_of(realm, player);
        rankings.retain(|membership| after.is_none_or(|after| after < membership.ranking.id));
        Ok(Page::of(rankings, limit).rows)
    }
}

impl Books {
    /// The whole ranking, best first.
    fn ranked(&self, realm: RealmId, id: RankingId) -> Vec<RankedPlayer> {
        let names: std::collections::HashMap<PlayerId, &ExternalId> = self
            .players
            .iter()
            .filter(|(key, _)| key.realm == realm)
            .map(|(key, player)| (player.id, &key.external_id))
            .collect();
        let name = |player| (*names.get(&player).expect("a place is a player's who is known")).clone();
        let mut places: Vec<Place> = self.play.places_of(realm, id).copied().collect();
        places.sort();
        (1..).zip(places).map(|(rank, place)| RankedPlayer { rank, place, external_id: name(place.player) }).collect()
    }

    fn name(&self, realm: RealmId, player: PlayerId) -> ExternalId {
        self.called(realm, player).expect("a row refers to a player who is known")
    }
}
