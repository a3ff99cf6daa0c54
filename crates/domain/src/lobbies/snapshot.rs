//! What the store knew before a batch, and what the commands before have made of it.
//!
//! "Not loaded" is not "absent": asking for what neither look covers is a bug and panics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Attempt, AttemptId, ConfigurationKey, Event, Fingerprinted, Leaderboard, Lobby, LobbyId, LobbyKey, Participant,
    Place, Ranking, RankingId, ScoreRequestKey, ScoreResult, WindowId,
};
use crate::clock::Timestamp;
use crate::economy::{Fingerprint, KeyDigest, PlayerKey};
use crate::lobbies::EventId;
use crate::players::{Player, PlayerId};
use crate::tenancy::RealmId;
use crate::webhooks::EventNames;

/// A thing that may change: as it was loaded, and as it is by now.
#[derive(Debug, Clone)]
struct Tracked<V> {
    before: Option<V>,
    now: Option<V>,
}

/// Things that may change, by key. Changes come out in the order of the keys.
#[derive(Debug, Clone)]
struct Shelf<K, V>(BTreeMap<K, Tracked<V>>);

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> Shelf<K, V> {
    fn put(&mut self, key: K, before: Option<V>) {
        self.0.insert(key, Tracked { now: before.clone(), before });
    }

    fn get(&self, key: &K, what: &str) -> Option<&V> {
        let tracked = self.0.get(key);
        tracked.unwrap_or_else(|| panic!("{what} outside the footprint was asked for")).now.as_ref()
    }

    fn set(&mut self, key: K, now: Option<V>) {
        self.0.entry(key).or_insert(Tracked { before: None, now: None }).now = now;
    }

    fn changes(&self) -> impl Iterator<Item = (&K, Option<&V>, Option<&V>)> {
        let changed = self.0.iter().filter(|(_, tracked)| tracked.before != tracked.now);
        changed.map(|(key, tracked)| (key, tracked.before.as_ref(), tracked.now.as_ref()))
    }
}

/// What the store knew before a batch.
#[derive(Debug, Clone, Default)]
pub struct PlaySnapshot {
    players: HashMap<PlayerKey, Option<Player>>,
    events: HashMap<(RealmId, ConfigurationKey), Option<Event>>,
    leaderboards: HashMap<(RealmId, ConfigurationKey), Option<Leaderboard>>,
    rankings: HashMap<(RealmId, RankingId), Option<Ranking>>,
    starts: HashMap<(RealmId, KeyDigest), Option<Fingerprinted<AttemptId>>>,
    requests: HashMap<ScoreRequestKey, Option<Fingerprinted<ScoreResult>>>,
    lobby_keys: HashMap<(RealmId, LobbyKey), Option<LobbyId>>,
    memberships: HashMap<(PlayerKey, WindowId), BTreeSet<LobbyId>>,
    open: HashMap<(RealmId, EventId, WindowId), Option<LobbyId>>,
    lobbies: Shelf<(RealmId, LobbyId), Lobby>,
    participants: Shelf<(RealmId, LobbyId, PlayerKey), Participant>,
    attempts: Shelf<(RealmId, AttemptId), Attempt>,
    places: Shelf<(RealmId, RankingId, PlayerKey), Place>,
    wanted: HashMap<RealmId, EventNames>,
}

impl PlaySnapshot {
    /// Adds what is known of a player; `None` when there is no such player.
    pub fn put_player(&mut self, key: PlayerKey, player: Option<Player>) {
        self.players.insert(key, player);
    }

    /// Adds what is known of an event.
    pub fn put_event(&mut self, realm: RealmId, key: ConfigurationKey, event: Option<Event>) {
        self.events.insert((realm, key), event);
    }

    /// Adds what is known of a leaderboard.
    pub fn put_leaderboard(&mut self, realm: RealmId, key: ConfigurationKey, board: Option<Leaderboard>) {
        self.leaderboards.insert((realm, key), board);
    }

    /// Adds what is known of an attempt.
    pub fn put_attempt(&mut self, realm: RealmId, id: AttemptId, attempt: Option<Attempt>) {
        self.attempts.put((realm, id), attempt);
    }

    /// Adds the attempt that was started under an idempotency key. It must be put among the attempts too.
    pub fn put_start(&mut self, realm: RealmId, key: KeyDigest, start: Option<(Fingerprint, AttemptId)>) {
        let start = start.map(|(fingerprint, result)| Fingerprinted { fingerprint, result });
        self.starts.insert((realm, key), start);
    }

    /// Adds the score that came in under an idempotency key.
    pub fn put_request(&mut self, key: ScoreRequestKey, request: Option<Fingerprinted<ScoreResult>>) {
        self.requests.insert(key, request);
    }

    /// Adds what is known of a lobby.
    pub fn put_lobby(&mut self, realm: RealmId, id: LobbyId, lobby: Option<Lobby>) {
        self.lobbies.put((realm, id), lobby);
    }

    /// Adds the lobby that has the studio's name `key`. It must be put among the lobbies too.
    pub fn put_lobby_key(&mut self, realm: RealmId, key: LobbyKey, lobby: Option<LobbyId>) {
        self.lobby_keys.insert((realm, key), lobby);
    }

    /// Adds the newest lobby of a window that a player is in and that is not stored as closed. It must be put among the
    /// lobbies too.
    pub fn put_membership(&mut self, player: PlayerKey, window: WindowId, lobby: Option<LobbyId>) {
        self.memberships.entry((player, window)).or_default().extend(lobby);
    }

    /// Adds the oldest open lobby of a window. It must be put among the lobbies too.
    pub fn put_open(&mut self, realm: RealmId, event: EventId, window: WindowId, lobby: Option<LobbyId>) {
        self.open.insert((realm, event, window), lobby);
    }

    /// Adds what is known of a player in a lobby.
    pub fn put_participant(&mut self, realm: RealmId, lobby: LobbyId, player: PlayerKey, of: Option<Participant>) {
        self.participants.put((realm, lobby, player), of);
    }

    /// Adds what is known of a ranking.
    pub fn put_ranking(&mut self, realm: RealmId, id: RankingId, ranking: Option<Ranking>) {
        self.rankings.insert((realm, id), ranking);
    }

    /// Adds a player's place in a ranking.
    pub fn put_place(&mut self, realm: RealmId, ranking: RankingId, player: PlayerKey, place: Option<Place>) {
        self.places.put((realm, ranking, player), place);
    }

    /// Adds of which events some endpoint of a realm of the first look is told.
    pub fn put_wanted(&mut self, realm: RealmId, wanted: EventNames) {
        self.wanted.insert(realm, wanted);
    }

    pub(super) fn wanted(&self, realm: RealmId) -> EventNames {
        *self.wanted.get(&realm).expect("a realm outside the footprint was asked for")
    }

    /// A player of the first look.
    pub fn player(&self, key: &PlayerKey) -> Option<&Player> {
        self.players.get(key).expect("a player outside the footprint was asked for").as_ref()
    }

    /// An event of the first look.
    pub fn event(&self, realm: RealmId, key: &ConfigurationKey) -> Option<&Event> {
        self.events.get(&(realm, key.clone())).expect("an event outside the footprint was asked for").as_ref()
    }

    /// A leaderboard of the first look.
    pub fn leaderboard(&self, realm: RealmId, key: &ConfigurationKey) -> Option<&Leaderboard> {
        self.leaderboards
            .get(&(realm, key.clone()))
            .expect("a leaderboard outside the footprint was asked for")
            .as_ref()
    }

    /// An attempt of the first look.
    pub fn attempt(&self, realm: RealmId, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&(realm, id), "an attempt")
    }

    pub(super) fn start(&self, realm: RealmId, key: KeyDigest) -> Option<Fingerprinted<AttemptId>> {
        self.starts.get(&(realm, key)).expect("a start outside the footprint was asked for").clone()
    }

    pub(super) fn request(&self, key: &ScoreRequestKey) -> Option<&Fingerprinted<ScoreResult>> {
        self.requests.get(key).expect("a score's key outside the footprint was asked for").as_ref()
    }

    pub(super) fn lobby_of_key(&self, realm: RealmId, key: &LobbyKey) -> Option<LobbyId> {
        *self.lobby_keys.get(&(realm, key.clone())).expect("a lobby's key outside the footprint was asked for")
    }

    pub(super) fn lobby(&self, realm: RealmId, id: LobbyId) -> Option<&Lobby> {
        self.lobbies.get(&(realm, id), "a lobby")
    }

    /// The lobbies of a window that a player is in, newest first.
    pub(super) fn memberships(&self, player: &PlayerKey, window: WindowId) -> Vec<LobbyId> {
        let known = self.memberships.get(&(player.clone(), window));
        known.expect("a membership outside the footprint was asked for").iter().rev().copied().collect()
    }

    /// The lobbies of a window that are open as far as is known, oldest first: a command before may have made them, or made
    /// room in them.
    pub(super) fn open_lobbies(&self, realm: RealmId, event: EventId, window: WindowId) -> Vec<LobbyId> {
        let known = self.open.get(&(realm, event, window)).expect("an open lobby outside the footprint was asked for");
        assert!(known.is_none_or(|id| self.lobby(realm, id).is_some()), "what is open is among the lobbies");
        let lobbies = self.lobbies.0.iter().filter(|((of, _), _)| *of == realm);
        let lobbies = lobbies.filter_map(|(_, tracked)| tracked.now.as_ref());
        let of_window = lobbies.filter(|lobby| (lobby.event, lobby.window) == (event, window));
        of_window.filter(|lobby| lobby.is_open()).map(|lobby| lobby.id).collect()
    }

    pub(super) fn participant(&self, realm: RealmId, lobby: LobbyId, player: &PlayerKey) -> Option<Participant> {
        self.participants.get(&(realm, lobby, player.clone()), "a participant").copied()
    }

    pub(super) fn ranking(&self, realm: RealmId, id: RankingId) -> Option<&Ranking> {
        self.rankings.get(&(realm, id)).expect("a ranking outside the footprint was asked for").as_ref()
    }

    pub(super) fn place(&self, realm: RealmId, ranking: RankingId, player: &PlayerKey) -> Option<Place> {
        self.places.get(&(realm, ranking, player.clone()), "a place").copied()
    }

    pub(super) fn set_player(&mut self, key: PlayerKey, player: Player) {
        self.players.insert(key, Some(player));
    }

    pub(super) fn set_start(&mut self, realm: RealmId, key: KeyDigest, start: Fingerprinted<AttemptId>) {
        self.starts.insert((realm, key), Some(start));
    }

    pub(super) fn set_request(&mut self, key: ScoreRequestKey, request: Fingerprinted<ScoreResult>) {
        self.requests.insert(key, Some(request));
    }

    pub(super) fn set_lobby_key(&mut self, realm: RealmId, key: LobbyKey, lobby: LobbyId) {
        self.lobby_keys.insert((realm, key), Some(lobby));
    }

    /// A player who joins a lobby is in it for whoever looks; only those whose memberships were asked for are noted.
    pub(super) fn set_membership(&mut self, player: &PlayerKey, window: WindowId, lobby: LobbyId) {
        if let Some(known) = self.memberships.get_mut(&(player.clone(), window)) {
            known.insert(lobby);
        }
    }

    /// Whoever left a lobby is looked for another one.
    pub(super) fn unset_membership(&mut self, player: &PlayerKey, window: WindowId, lobby: LobbyId) {
        if let Some(known) = self.memberships.get_mut(&(player.clone(), window)) {
            known.remove(&lobby);
        }
    }

    pub(super) fn set_lobby(&mut self, realm: RealmId, lobby: Lobby) {
        self.lobbies.set((realm, lobby.id), Some(lobby));
    }

    pub(super) fn set_participant(
        &mut self,
        realm: RealmId,
        lobby: LobbyId,
        player: PlayerKey,
        of: Option<Participant>,
    ) {
        self.participants.set((realm, lobby, player), of);
    }

    pub(super) fn set_attempt(&mut self, realm: RealmId, attempt: Attempt) {
        self.attempts.set((realm, attempt.id), Some(attempt));
    }

    /// Ends the attempts that are known of in a lobby, those of `player` or all.
    pub(super) fn end_attempts(&mut self, realm: RealmId, lobby: LobbyId, player: Option<PlayerId>, at: Timestamp) {
        let attempts = self.attempts.0.iter_mut().filter(|((of, _), _)| *of == realm);
        let attempts = attempts.filter_map(|(_, tracked)| tracked.now.as_mut());
        let of_lobby = attempts.filter(|attempt| attempt.lobby == Some(lobby));
        for attempt in of_lobby.filter(|attempt| player.is_none_or(|player| player == attempt.player)) {
            attempt.ends_at = attempt.ends_at.min(at);
        }
    }

    pub(super) fn set_place(&mut self, realm: RealmId, ranking: RankingId, player: PlayerKey, place: Place) {
        self.places.set((realm, ranking, player), Some(place));
    }

    pub(super) fn changed_lobbies(&self) -> impl Iterator<Item = (RealmId, Option<&Lobby>, &Lobby)> {
        let changes = self.lobbies.changes();
        changes.filter_map(|((realm, _), before, now)| now.map(|now| (*realm, before, now)))
    }

    pub(super) fn changed_participants(
        &self,
    ) -> impl Iterator<Item = (RealmId, Option<&Participant>, Option<&Participant>)> {
        self.participants.changes().map(|((realm, _, _), before, now)| (*realm, before, now))
    }

    pub(super) fn changed_attempts(&self) -> impl Iterator<Item = (RealmId, Option<&Attempt>, &Attempt)> {
        let changes = self.attempts.changes();
        changes.filter_map(|((realm, _), before, now)| now.map(|now| (*realm, before, now)))
    }

    pub(super) fn changed_places(&self) -> impl Iterator<Item = (RealmId, RankingId, Option<&Place>, Option<&Place>)> {
        self.places.changes().map(|((realm, ranking, _), before, now)| (*realm, *ranking, before, now))
    }
}
