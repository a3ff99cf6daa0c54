//! For the tests of this module: all that is stored of events, lobbies, attempts and rankings as one value.

use std::collections::BTreeMap;

use super::*;
use crate::clock::Timestamp;
use crate::economy::PlayerKey;
use crate::economy::test_books::{REALM, external_id};
use crate::players::{ExternalId, Player, PlayerId};
use crate::tenancy::RealmId;
use crate::webhooks::EventNames;

/// Everything that is stored, and what was told of lobbies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arena {
    pub(super) players: BTreeMap<PlayerKey, Player>,
    pub(super) events: Vec<Event>,
    pub(super) leaderboards: Vec<Leaderboard>,
    pub(super) lobbies: BTreeMap<(RealmId, LobbyId), Lobby>,
    pub(super) participants: BTreeMap<(RealmId, LobbyId, PlayerId), Participant>,
    pub(super) attempts: BTreeMap<(RealmId, AttemptId), Attempt>,
    pub(super) rankings: BTreeMap<(RealmId, RankingId), Ranking>,
    pub(super) places: BTreeMap<(RealmId, RankingId, PlayerId), Place>,
    pub(super) requests: BTreeMap<ScoreRequestKey, ScoreRequest>,
    pub(super) told: Vec<LobbyTransition>,
}

impl Arena {
    /// One with these events, in every realm.
    pub(super) fn of(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }

    pub(super) fn with_board(self, board: Leaderboard) -> Self {
        Self { leaderboards: vec![board], ..self }
    }

    /// Settles `commands` as one batch on exactly what both looks ask for, and stores what it comes to.
    pub(super) fn settle(&mut self, commands: Vec<PlayCommand>) -> PlaySettlement {
        let batch = PlayBatch::new(commands);
        let settlement = batch.settle(self.look(&batch));
        assert_eq!(settlement.outcomes.len(), batch.commands().len());
        self.save(&settlement);
        settlement
    }

    pub(super) fn outcome(&mut self, command: PlayCommand) -> PlayOutcome {
        self.settle(vec![command]).outcomes.remove(0)
    }

    /// Settles `command`, which is not refused.
    pub(super) fn accept(&mut self, command: PlayCommand) -> PlayOutcome {
        let outcome = self.outcome(command);
        assert!(outcome.is_ok(), "{outcome:?}");
        outcome
    }

    /// The same, for those whose answer nobody needs.
    pub(super) fn apply(&mut self, command: PlayCommand) {
        drop(self.accept(command));
    }

    pub(super) fn look(&self, batch: &PlayBatch) -> PlaySnapshot {
        let mut seen = PlaySnapshot::default();
        self.look_first(batch.first_look(), &mut seen);
        let second = batch.second_look(&seen);
        self.look_again(second, &mut seen);
        seen
    }

    fn look_first(&self, look: FirstLook, seen: &mut PlaySnapshot) {
        for realm in look.realms {
            seen.put_wanted(realm, EventNames::ALL);
        }
        for key in look.players {
            let player = self.players.get(&key).cloned();
            seen.put_player(key, player);
        }
        for (realm, key) in look.events {
            let event = self.events.iter().find(|event| event.key == key).cloned();
            seen.put_event(realm, key, event);
        }
        for (realm, key) in look.leaderboards {
            let board = self.leaderboards.iter().find(|board| board.key == key).cloned();
            seen.put_leaderboard(realm, key, board);
        }
        for (realm, id) in look.attempts {
            seen.put_attempt(realm, id, self.attempts.get(&(realm, id)).cloned());
        }
        for (realm, key) in look.starts {
            let found = self.attempts.iter().filter(|((of, _), _)| *of == realm);
            let found = found.map(|(_, attempt)| attempt);
            let found =
                found.filter_map(|attempt| Some((attempt.once.filter(|once| once.key == key)?, attempt))).next();
            if let Some((_, attempt)) = found {
                seen.put_attempt(realm, attempt.id, Some(attempt.clone()));
            }
            seen.put_start(realm, key, found.map(|(once, attempt)| (once.fingerprint, attempt.id)));
        }
        for key in look.requests {
            let known = self.requests.get(&key);
            let known = known.map(|it| Fingerprinted { fingerprint: it.once.fingerprint, result: it.result.clone() });
            seen.put_request(key, known);
        }
        for (realm, id) in look.lobbies {
            seen.put_lobby(realm, id, self.lobbies.get(&(realm, id)).cloned());
        }
        for (realm, key) in look.lobby_keys {
            let found = self.find_lobby(realm, |lobby| lobby.key.as_ref() == Some(&key));
            let id = self.put_found(found, realm, seen);
            seen.put_lobby_key(realm, key, id);
        }
    }

    fn look_again(&self, look: SecondLook, seen: &mut PlaySnapshot) {
        for (key, event, window) in look.memberships {
            let newest = self.memberships(&key, event, window.id).pop();
            let id = self.put_found(newest, key.realm, seen);
            seen.put_membership(key, window.id, id);
        }
        for (realm, event, window) in look.open {
            let oldest = self.open_lobbies(realm, event, window).into_iter().next();
            let id = self.put_found(oldest, realm, seen);
            seen.put_open(realm, event, window, id);
        }
        for (realm, id) in look.lobbies {
            seen.put_lobby(realm, id, self.lobbies.get(&(realm, id)).cloned());
        }
        for (realm, lobby, key) in look.participants {
            let found = self.id_of(&key).and_then(|player| self.participants.get(&(realm, lobby, player))).copied();
            seen.put_participant(realm, lobby, key, found);
        }
        for (realm, id) in look.rankings {
            seen.put_ranking(realm, id, self.rankings.get(&(realm, id)).cloned());
        }
        for (realm, ranking, key) in look.places {
            let found = self.id_of(&key).and_then(|player| self.places.get(&(realm, ranking, player))).copied();
            seen.put_place(realm, ranking, key, found);
        }
    }

    fn put_found(&self, found: Option<&Lobby>, realm: RealmId, seen: &mut PlaySnapshot) -> Option<LobbyId> {
        let lobby = found?;
        seen.put_lobby(realm, lobby.id, Some(lobby.clone()));
        Some(lobby.id)
    }

    fn find_lobby(&self, realm: RealmId, wanted: impl Fn(&Lobby) -> bool) -> Option<&Lobby> {
        self.lobbies.iter().find(|((of, _), lobby)| *of == realm && wanted(lobby)).map(|(_, lobby)| lobby)
    }

    /// The lobbies of a window that a player is in and that are not stored as closed, oldest first.
    pub(super) fn memberships(&self, key: &PlayerKey, event: EventId, window: WindowId) -> Vec<&Lobby> {
        let Some(player) = self.id_of(key) else { return Vec::new() };
        let lobbies = self.lobbies.iter().filter(|((realm, _), _)| *realm == key.realm).map(|(_, lobby)| lobby);
        let lobbies = lobbies.filter(|lobby| (lobby.event, lobby.window) == (event, window));
        let lobbies = lobbies.filter(|lobby| lobby.status() != LobbyStatus::Closed);
        lobbies.filter(|lobby| self.participants.contains_key(&(key.realm, lobby.id, player))).collect()
    }

    /// The lobbies of a window that are stored as open, oldest first.
    pub(super) fn open_lobbies(&self, realm: RealmId, event: EventId, window: WindowId) -> Vec<&Lobby> {
        let lobbies = self.lobbies.iter().filter(|((of, _), _)| *of == realm).map(|(_, lobby)| lobby);
        lobbies.filter(|lobby| (lobby.event, lobby.window) == (event, window) && lobby.is_open()).collect()
    }

    fn id_of(&self, key: &PlayerKey) -> Option<PlayerId> {
        self.players.get(key).map(|player| player.id)
    }

    pub(super) fn player(&self, name: &str) -> Option<&Player> {
        self.players.get(&PlayerKey { realm: REALM, external_id: external_id(name) })
    }

    pub(super) fn lobby(&self, id: LobbyId) -> &Lobby {
        &self.lobbies[&(REALM, id)]
    }

    pub(super) fn attempt(&self, id: AttemptId) -> &Attempt {
        &self.attempts[&(REALM, id)]
    }

    /// What counts of a player in a lobby.
    pub(super) fn scored(&self, lobby: LobbyId, name: &str) -> Option<Scored> {
        self.participants.get(&(REALM, lobby, self.player(name)?.id))?.scored
    }

    /// What a lobby is read as.
    pub(super) fn detail(&self, realm: RealmId, id: LobbyId) -> LobbyDetail {
        let lobby = self.lobbies[&(realm, id)].clone();
        let event = self.events.iter().find(|event| event.id == lobby.event).unwrap().clone();
        let participants = self.participants.iter().filter(|((of, lobby, _), _)| (*of, *lobby) == (realm, id));
        let participants = participants.map(|(_, of)| (*of, self.called(of.player))).collect();
        LobbyDetail { lobby, event, participants }
    }

    fn called(&self, player: PlayerId) -> ExternalId {
        self.players.iter().find(|(_, known)| known.id == player).unwrap().0.external_id.clone()
    }

    /// Stores what the clock has made of all lobbies.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Vec<LobbyTransition> {
        let mut told = Vec::new();
        for ((realm, _), lobby) in &mut self.lobbies {
            let steps = lobby.steps(now);
            told.extend(super::settle::transitions(*realm, &steps));
            if let Some(last) = steps.into_iter().last() {
                *lobby = Lobby { version: lobby.version + 1, ..last };
            }
        }
        self.told.extend(told.iter().copied());
        told
    }

    /// The same without what counts how often something was stored.
    pub(super) fn unversioned(mut self) -> Self {
        self.lobbies.values_mut().for_each(|lobby| lobby.version = 0);
        self
    }

    fn save(&mut self, settlement: &PlaySettlement) {
        for (realm, player) in &settlement.new_players {
            let key = PlayerKey { realm: *realm, external_id: player.external_id.clone() };
            assert_eq!(self.players.insert(key, player.clone()), None, "a player is made once");
        }
        for (realm, player) in &settlement.seen_players {
            let key = PlayerKey { realm: *realm, external_id: player.external_id.clone() };
            assert!(self.players.insert(key, player.clone()).is_some(), "a player that is seen is known");
        }
        for LobbyChange { realm, lobby, version_before } in &settlement.lobbies {
            let known = self.lobbies.insert((*realm, lobby.id), lobby.clone());
            assert_eq!(known.map(|known| known.version), *version_before, "a lobby changes from what was loaded");
        }
        settlement.participants.iter().for_each(|change| self.save_participant(change));
        for change in &settlement.lobbies {
            let (realm, lobby) = (change.realm, &change.lobby);
            let counted = self.participants.keys().filter(|(of, id, _)| (*of, *id) == (realm, lobby.id)).count();
            assert_eq!(usize::try_from(lobby.players).unwrap(), counted, "a lobby knows how many players it has");
            let same_key = |other: &Lobby| lobby.key.is_some() && other.key == lobby.key;
            let of_key = self.lobbies.iter().filter(|((of, _), other)| *of == realm && same_key(other)).count();
            assert!(of_key <= 1, "the studio's name for a lobby happens once");
        }
        for EarlyEnd { realm, lobby, player, at } in &settlement.early_ends {
            let of_realm = self.attempts.iter_mut().filter(|((of, _), _)| of == realm);
            for (_, attempt) in of_realm.filter(|(_, attempt)| attempt.lobby == Some(*lobby)) {
                if player.is_none_or(|player| player == attempt.player) {
                    attempt.ends_at = attempt.ends_at.min(*at);
                }
            }
        }
        for AttemptChange { realm, attempt, is_new } in &settlement.attempts {
            let known = self.attempts.insert((*realm, attempt.id), attempt.clone());
            assert_eq!(known.is_none(), *is_new, "an attempt is made once");
            let Some(known) = known else { continue };
            assert_eq!((known.player, known.ends_at), (attempt.player, attempt.ends_at), "these do not change");
        }
        for (realm, ranking) in &settlement.rankings {
            let known = self.rankings.insert((*realm, ranking.id), ranking.clone());
            assert!(known.is_none_or(|known| known == *ranking), "a ranking never changes");
        }
        for (realm, change) in &settlement.places {
            let player = change.before.or(change.after).unwrap().player;
            let key = (*realm, change.ranking, player);
            assert!(self.rankings.contains_key(&(*realm, change.ranking)), "a place is in a ranking");
            let known = match change.after {
                Some(after) => self.places.insert(key, after),
                None => self.places.remove(&key),
            };
            assert_eq!(known, change.before, "a place changes from what was loaded");
        }
        for request in &settlement.requests {
            let key = ScoreRequestKey { realm: request.realm, operation: request.operation, key: request.once.key };
            assert_eq!(self.requests.insert(key, request.clone()), None, "an idempotency key is used once");
        }
        for wanted in &settlement.ranks {
            let place = self.places.get(&(wanted.realm, wanted.ranking, wanted.place.player));
            assert_eq!(place, Some(&wanted.place), "a rank is wanted of a place that is there");
        }
        self.told.extend(settlement.transitions.iter().copied());
    }

    pub(super) fn save_participant(&mut self, change: &ParticipantChange) {
        let one = change.before.or(change.after).unwrap();
        let key = (change.realm, one.lobby, one.player);
        let known = match change.after {
            Some(after) => self.participants.insert(key, after),
            None => self.participants.remove(&key),
        };
        assert_eq!(known, change.before, "a participant changes from what was loaded");
    }
}
