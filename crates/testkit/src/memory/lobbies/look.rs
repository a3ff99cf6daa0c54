//! What a batch must see before it is decided.

use domain::lobbies::{
    Fingerprinted, FirstLook, LobbyId, LobbyStatus, PlayBatch, PlaySnapshot, RankingId, SecondLook, Window,
};
use domain::players::PlayerId;
use domain::tenancy::RealmId;

use super::super::books::Books;
use super::Play;

impl Books {
    /// What both looks of `batch` find, and nothing else.
    pub(super) fn look(&self, batch: &PlayBatch) -> PlaySnapshot {
        let mut seen = PlaySnapshot::default();
        self.look_first(batch.first_look(), &mut seen);
        let second = batch.second_look(&seen);
        self.look_again(second, &mut seen);
        seen
    }

    fn look_first(&self, look: FirstLook, seen: &mut PlaySnapshot) {
        for realm in look.realms {
            seen.put_wanted(realm, self.outgoing.wanted(realm));
        }
        let play = &self.play;
        for key in look.players {
            let player = self.players.get(&key).cloned();
            seen.put_player(key, player);
        }
        for (realm, key) in look.events {
            let event = play.event(realm, &key).cloned();
            seen.put_event(realm, key, event);
        }
        for (realm, key) in look.leaderboards {
            let board = play.leaderboard(realm, &key).cloned();
            seen.put_leaderboard(realm, key, board);
        }
        for (realm, id) in look.attempts {
            seen.put_attempt(realm, id, play.attempts.get(&(realm, id)).cloned());
        }
        for (realm, key) in look.starts {
            let mut of_realm = play.attempts.iter().filter(|((of, _), _)| *of == realm);
            let found = of_realm.find_map(|(_, attempt)| {
                let once = attempt.once.filter(|once| once.key == key)?;
                Some((once.fingerprint, attempt))
            });
            if let Some((_, attempt)) = found {
                seen.put_attempt(realm, attempt.id, Some(attempt.clone()));
            }
            seen.put_start(realm, key, found.map(|(fingerprint, attempt)| (fingerprint, attempt.id)));
        }
        for key in look.requests {
            let known = play.requests.get(&key);
            let known = known.map(|it| Fingerprinted { fingerprint: it.once.fingerprint, result: it.result.clone() });
            seen.put_request(key, known);
        }
        for (realm, id) in look.lobbies {
            seen.put_lobby(realm, id, play.lobbies.get(&(realm, id)).cloned());
        }
        for (realm, key) in look.lobby_keys {
            let id = play.lobbies_of_realm(realm).find(|lobby| lobby.key.as_ref() == Some(&key)).map(|lobby| lobby.id);
            play.put_found(realm, id, seen);
            seen.put_lobby_key(realm, key, id);
        }
    }

    fn look_again(&self, look: SecondLook, seen: &mut PlaySnapshot) {
        let play = &self.play;
        for (key, _, window) in look.memberships {
            let id = self.players.get(&key).and_then(|player| play.membership(key.realm, player.id, &window));
            play.put_found(key.realm, id, seen);
            seen.put_membership(key, window.id, id);
        }
        for (realm, event, window) in look.open {
            let mut oldest_first = play.lobbies_of_realm(realm);
            let is_open =
                |lobby: &domain::lobbies::Lobby| (lobby.event, lobby.window) == (event, window) && lobby.is_open();
            let id = oldest_first.find(|lobby| is_open(lobby)).map(|lobby| lobby.id);
            play.put_found(realm, id, seen);
            seen.put_open(realm, event, window, id);
        }
        for (realm, id) in look.lobbies {
            seen.put_lobby(realm, id, play.lobbies.get(&(realm, id)).cloned());
        }
        for (realm, lobby, key) in look.participants {
            let player = self.players.get(&key);
            let found = player.and_then(|player| play.participants.get(&(realm, lobby, player.id))).copied();
            seen.put_participant(realm, lobby, key, found);
        }
        for (realm, id) in look.rankings {
            seen.put_ranking(realm, id, play.rankings.get(&(realm, id)).cloned());
        }
        for (realm, ranking, key) in look.places {
            let player = self.players.get(&key);
            let found = player.and_then(|player| play.place(realm, ranking, player.id));
            seen.put_place(realm, ranking, key, found);
        }
    }
}

impl Play {
    /// The newest lobby of `window` that `player` is in and that is not stored as closed.
    fn membership(&self, realm: RealmId, player: PlayerId, window: &Window) -> Option<LobbyId> {
        let mut newest_first = self.lobbies_of_realm(realm).rev().filter(|lobby| lobby.window == window.id);
        let is_in = |id: LobbyId| self.participants.contains_key(&(realm, id, player));
        newest_first.find(|lobby| lobby.status() != LobbyStatus::Closed && is_in(lobby.id)).map(|lobby| lobby.id)
    }

    fn place(&self, realm: RealmId, ranking: RankingId, player: PlayerId) -> Option<domain::lobbies::Place> {
        self.places.get(&(realm, ranking, player)).copied()
    }

    /// Puts a lobby that was found among the lobbies.
    fn put_found(&self, realm: RealmId, id: Option<LobbyId>, seen: &mut PlaySnapshot) {
        if let Some(id) = id {
            seen.put_lobby(realm, id, Some(self.lobby(realm, id).clone()));
        }
    }
}
