//! The port through which lobbies, attempts and rankings change.

use async_trait::async_trait;
use domain::clock::Timestamp;
use domain::lobbies::{
    Lobby, LobbyChange, LobbyTransition, PlayBatch, PlaySettlement, PlayStore, Rank, RankingId, WantedRank, transitions,
};
use domain::queue::Turn;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::occurrences;

use super::super::MemoryStore;
use super::super::books::Books;
use super::Play;

#[async_trait]
impl PlayStore for MemoryStore {
    async fn settle_play(&self, batch: &PlayBatch, _turn: Turn) -> Result<PlaySettlement, StoreError> {
        let books = &mut self.lock().books;
        let settlement = batch.settle(books.look(batch));
        books.save_play(&settlement);
        self.ring_if(!settlement.events.is_empty());
        Ok(settlement)
    }

    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        let play = &self.lock().books.play;
        Ok(wanted.iter().map(|wanted| play.rank(wanted)).collect())
    }

    async fn sweep_lobbies(&self, now: Timestamp, limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        let Books { play, outgoing, .. } = &mut self.lock().books;
        let is_due = |lobby: &Lobby| lobby.due_at().filter(|due_at| *due_at <= now);
        let due = play.lobbies.iter().filter_map(|(key, lobby)| Some((is_due(lobby)?, *key)));
        let mut due: Vec<(Timestamp, (RealmId, _))> = due.collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let (mut told, mut events) = (Vec::new(), Vec::new());
        for (_, (realm, id)) in due {
            let stored = play.lobby(realm, id).clone();
            let steps = stored.steps(now);
            told.extend(transitions(realm, &steps));
            events.extend(occurrences::lobby_steps(outgoing.wanted(realm), realm, &steps));
            let (lobby, version_before) = (steps.into_iter().last().unwrap_or(stored.clone()), Some(stored.version));
            let lobby = Lobby { version: stored.version + 1, ..lobby };
            play.save_lobby(&LobbyChange { realm, lobby, version_before });
        }
        outgoing.save_events(&events);
        self.ring_if(!events.is_empty());
        Ok(told)
    }
}

impl MemoryStore {
    /// Decides `batch` on what is kept now, and keeps nothing: what an adapter does that loses a race, before it asks again.
    pub fn decide_play_for_nothing(&self, batch: &PlayBatch) -> PlaySettlement {
        batch.settle(self.lock().books.look(batch))
    }
}

impl Play {
    fn rank(&self, wanted: &WantedRank) -> Option<Rank> {
        let WantedRank { realm, ranking, place, .. } = wanted;
        let now = self.places_of(*realm, *ranking).find(|other| other.player == place.player)?;
        let ahead = self.places_of(*realm, *ranking).filter(|other| *other < now).count();
        Some(Rank { rank: count(ahead) + 1, players: self.players_of(*realm, *ranking) })
    }

    /// How many players a ranking has.
    pub(super) fn players_of(&self, realm: RealmId, ranking: RankingId) -> u64 {
        count(self.places_of(realm, ranking).count())
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).expect("a test has few rows")
}
