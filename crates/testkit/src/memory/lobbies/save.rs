//! Keeps what a batch came to. Panics where a database would refuse: such a settlement is a bug.

use std::collections::HashSet;

use domain::economy::PlayerKey;
use domain::lobbies::{
    Attempt, AttemptChange, EarlyEnd, LobbyChange, LobbyId, ParticipantChange, PlaceChange, PlaySettlement, Ranking,
    ScoreRequest, ScoreRequestKey,
};
use domain::players::{Player, PlayerId};
use domain::tenancy::RealmId;

use super::super::books::Books;
use super::Play;

impl Books {
    /// Keeps what a batch came to, in the order of its fields.
    pub(super) fn save_play(&mut self, settlement: &PlaySettlement) {
        for (realm, player) in &settlement.new_players {
            assert!(self.put_player(*realm, player).is_none(), "a player is inserted once");
        }
        for (realm, player) in &settlement.seen_players {
            assert!(self.put_player(*realm, player).is_some(), "a player that is seen is known");
        }
        let known: HashSet<_> = self.players.iter().map(|(key, player)| (key.realm, player.id)).collect();
        for change in &settlement.lobbies {
            self.play.save_lobby(change);
        }
        for change in &settlement.participants {
            change.after.iter().for_each(|after| require_known(&known, change.realm, after.player));
            self.play.save_participant(change);
        }
        for change in &settlement.lobbies {
            self.play.require_counted(change.realm, change.lobby.id);
        }
        for early_end in &settlement.early_ends {
            self.play.end_early(early_end);
        }
        for change in &settlement.attempts {
            require_known(&known, change.realm, change.attempt.player);
            self.play.save_attempt(change);
        }
        for (realm, ranking) in &settlement.rankings {
            self.play.save_ranking(*realm, ranking);
        }
        for (realm, change) in &settlement.places {
            change.after.iter().for_each(|after| require_known(&known, *realm, after.player));
            self.play.save_place(*realm, change);
        }
        for request in &settlement.requests {
            self.play.save_request(request);
        }
        self.outgoing.save_events(&settlement.events);
    }

    fn put_player(&mut self, realm: RealmId, player: &Player) -> Option<Player> {
        self.players.insert(PlayerKey { realm, external_id: player.external_id.clone() }, player.clone())
    }
}

fn require_known(known: &HashSet<(RealmId, PlayerId)>, realm: RealmId, player: PlayerId) {
    assert!(known.contains(&(realm, player)), "a row refers to a player who is known");
}

impl Play {
    pub(super) fn save_lobby(&mut self, change: &LobbyChange) {
        let LobbyChange { realm, lobby, version_before } = change;
        assert!(self.events.contains_key(&(*realm, lobby.event)), "a lobby refers to an event that is known");
        assert!(lobby.players <= lobby.capacity, "players fit into their lobby");
        let same_key = |other: &domain::lobbies::Lobby| other.key.is_some() && other.key == lobby.key;
        let key_taken = self.lobbies_of_realm(*realm).any(|other| other.id != lobby.id && same_key(other));
        assert!(!key_taken, "the studio's name for a lobby happens once");
        let known = self.lobbies.insert((*realm, lobby.id), lobby.clone());
        let version = known.map(|known| known.version);
        assert_eq!(version, *version_before, "a lobby is changed from the version that was loaded");
        assert_eq!(lobby.version, version.unwrap_or(0) + 1, "versions follow each other");
    }

    pub(super) fn save_participant(&mut self, change: &ParticipantChange) {
        let one = change.before.or(change.after).expect("a change is of a participant");
        let key = (change.realm, one.lobby, one.player);
        assert!(self.lobbies.contains_key(&(change.realm, one.lobby)), "a participant is in a lobby that is known");
        let known = match change.after {
            Some(after) => {
                assert_eq!((after.lobby, after.player), (one.lobby, one.player), "a change is of one participant");
                self.participants.insert(key, after)
            }
            None => self.participants.remove(&key),
        };
        assert_eq!(known, change.before, "a participant changes from what was loaded");
    }

    /// What a lobby says of its number of players is right.
    pub(super) fn require_counted(&self, realm: RealmId, id: LobbyId) {
        let counted = u32::try_from(self.participants_of(realm, id).count()).expect("a lobby has few players");
        assert_eq!(self.lobby(realm, id).players, counted, "a lobby knows how many players it has");
    }

    fn save_attempt(&mut self, change: &AttemptChange) {
        let AttemptChange { realm, attempt, is_new } = change;
        let same_key = |other: &Attempt| match (other.once, attempt.once) {
            (Some(one), Some(other)) => one.key == other.key,
            (None, _) | (_, None) => false,
        };
        let mut others = self.attempts.iter().filter(|((of, id), _)| of == realm && *id != attempt.id);
        assert!(!others.any(|(_, other)| same_key(other)), "an idempotency key is used once");
        assert!(self.events.contains_key(&(*realm, attempt.event)), "an attempt is at an event that is known");
        let key = (*realm, attempt.id);
        assert_eq!(self.attempts.contains_key(&key), !is_new, "an attempt is inserted once, and updated after that");
        let stored = self.attempts.entry(key).or_insert_with(|| attempt.clone());
        let Attempt { metrics, score, status, completed_at, .. } = attempt.clone();
        *stored = Attempt { metrics, score, status, completed_at, ..stored.clone() };
        assert_eq!(stored, attempt, "nothing else of an attempt changes");
    }

    fn end_early(&mut self, early_end: &EarlyEnd) {
        let EarlyEnd { realm, lobby, player, at } = *early_end;
        let concerned = |attempt: &Attempt| {
            attempt.lobby == Some(lobby) && player.is_none_or(|player| player == attempt.player) && at < attempt.ends_at
        };
        let of_realm = self.attempts.iter_mut().filter(|((of, _), _)| *of == realm);
        for (_, attempt) in of_realm.filter(|(_, attempt)| concerned(attempt)) {
            attempt.ends_at = at;
        }
    }

    fn save_ranking(&mut self, realm: RealmId, ranking: &Ranking) {
        let known = self.rankings.entry((realm, ranking.id)).or_insert_with(|| ranking.clone());
        assert_eq!(known, ranking, "a ranking never changes");
    }

    pub(super) fn save_place(&mut self, realm: RealmId, change: &PlaceChange) {
        let one = change.before.or(change.after).expect("a change is of a place");
        assert!(self.rankings.contains_key(&(realm, change.ranking)), "a place is in a ranking that is known");
        let key = (realm, change.ranking, one.player);
        let known = match change.after {
            Some(after) => {
                assert_eq!(after.player, one.player, "a change is of one player");
                self.places.insert(key, after)
            }
            None => self.places.remove(&key),
        };
        assert_eq!(known, change.before, "a place changes from what was loaded");
    }

    fn save_request(&mut self, request: &ScoreRequest) {
        let ScoreRequest { realm, operation, once, .. } = *request;
        let key = ScoreRequestKey { realm, operation, key: once.key };
        assert!(self.requests.insert(key, request.clone()).is_none(), "an idempotency key is used once");
    }
}
