//! Events, lobbies, attempts and rankings as one value: loaded into a snapshot, changed by a settlement. Decides nothing.

mod configuration;
mod look;
mod merging;
mod reads;
mod save;
mod settling;

use std::collections::BTreeMap;

use domain::lobbies::{
    Attempt, AttemptId, BoardId, ConfigurationKey, Event, EventId, Leaderboard, Lobby, LobbyId, LobbyMembership,
    Participant, Place, Ranking, RankingId, RankingMembership, ScoreRequest, ScoreRequestKey,
};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

/// All that is configured and played.
#[derive(Debug, Default)]
pub(super) struct Play {
    events: BTreeMap<(RealmId, EventId), Event>,
    leaderboards: BTreeMap<(RealmId, BoardId), Leaderboard>,
    lobbies: BTreeMap<(RealmId, LobbyId), Lobby>,
    participants: BTreeMap<(RealmId, LobbyId, PlayerId), Participant>,
    attempts: BTreeMap<(RealmId, AttemptId), Attempt>,
    rankings: BTreeMap<(RealmId, RankingId), Ranking>,
    places: BTreeMap<(RealmId, RankingId, PlayerId), Place>,
    requests: BTreeMap<ScoreRequestKey, ScoreRequest>,
}

impl Play {
    fn event(&self, realm: RealmId, key: &ConfigurationKey) -> Option<&Event> {
        let mut of_realm = self.events.iter().filter(|((of, _), _)| *of == realm);
        of_realm.find(|(_, event)| event.key == *key).map(|(_, event)| event)
    }

    fn leaderboard(&self, realm: RealmId, key: &ConfigurationKey) -> Option<&Leaderboard> {
        let mut of_realm = self.leaderboards.iter().filter(|((of, _), _)| *of == realm);
        of_realm.find(|(_, board)| board.key == *key).map(|(_, board)| board)
    }

    /// The lobbies of `realm`, oldest first.
    fn lobbies_of_realm(&self, realm: RealmId) -> impl DoubleEndedIterator<Item = &Lobby> {
        self.lobbies.iter().filter(move |((of, _), _)| *of == realm).map(|(_, lobby)| lobby)
    }

    /// The players of a lobby, in the order of their ids.
    fn participants_of(&self, realm: RealmId, lobby: LobbyId) -> impl Iterator<Item = &Participant> {
        let of_lobby = self.participants.iter().filter(move |((of, id, _), _)| (*of, *id) == (realm, lobby));
        of_lobby.map(|(_, participant)| participant)
    }

    /// The places of a ranking, in the order of the players' ids.
    fn places_of(&self, realm: RealmId, ranking: RankingId) -> impl Iterator<Item = &Place> {
        let first = (realm, ranking, PlayerId(Uuid::nil()));
        let of_ranking = self.places.range(first..).take_while(move |((of, id, _), _)| (*of, *id) == (realm, ranking));
        of_ranking.map(|(_, place)| place)
    }

    /// The attempts of a player, newest first.
    pub(super) fn attempts_of(&self, realm: RealmId, player: PlayerId) -> Vec<Attempt> {
        let newest_first = self.attempts.iter().rev();
        let of_player = newest_first.filter(|((of, _), attempt)| (*of, attempt.player) == (realm, player));
        of_player.map(|(_, attempt)| attempt.clone()).collect()
    }

    /// The lobbies of a player, newest first.
    pub(super) fn lobbies_of(&self, realm: RealmId, player: PlayerId) -> Vec<LobbyMembership> {
        let newest_first = self.participants.iter().rev();
        let of_player = newest_first.filter(|((of, _, id), _)| (*of, *id) == (realm, player));
        let membership = |participant: &Participant| LobbyMembership {
            lobby: self.lobby(realm, participant.lobby).clone(),
            joined_at: participant.joined_at,
            scored: participant.scored,
        };
        of_player.map(|(_, participant)| membership(participant)).collect()
    }

    /// The rankings that a player is in, by id.
    fn rankings_of(&self, realm: RealmId, player: PlayerId) -> Vec<RankingMembership> {
        let of_player = self.places.iter().filter(|((of, _, id), _)| (*of, *id) == (realm, player));
        let membership = |ranking: &Ranking, place: &Place| RankingMembership {
            ranking: ranking.clone(),
            score: ranking.order.score_of(place.order_key),
            achieved_at: place.achieved_at,
        };
        of_player.map(|((_, ranking, _), place)| membership(self.ranking(realm, *ranking), place)).collect()
    }

    fn lobby(&self, realm: RealmId, id: LobbyId) -> &Lobby {
        self.lobbies.get(&(realm, id)).expect("a lobby is never forgotten")
    }

    fn ranking(&self, realm: RealmId, id: RankingId) -> &Ranking {
        self.rankings.get(&(realm, id)).expect("a ranking is never forgotten")
    }
}
