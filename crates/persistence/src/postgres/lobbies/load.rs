//! Loads what a batch must see: its first look with its players locked, then what that leads to, its lobbies locked.
//!
//! Whatever is read before its lock is held is only where to look next. Of players this is nothing: their lock is the first
//! statement. Where they are in rankings is looked for together with it, when the rankings follow from leaderboards that
//! are remembered; if those have changed, it is looked for once more. Lobbies are found in many ways, so they are locked
//! when all of them are known, and what they protect is read after that: players in them, and the attempts that were played
//! in them once more. Places in rankings and attempts outside of lobbies are protected by their player's lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use domain::economy::{KeyDigest, PlayerKey};
use domain::lobbies::{
    Attempt, AttemptId, ConfigurationKey, EventId, FirstLook, Lobby, LobbyId, LobbyKey, LobbyStatus, Place, PlayBatch,
    PlaySnapshot, RankingId, ScoreRequestKey, SecondLook, Window, WindowId,
};
use domain::players::{ExternalId, Player, PlayerId};
use domain::tenancy::RealmId;

use super::remembered::RememberedBoards;
use super::{attempts, configuration, lobby, ranking, requests};
use crate::postgres::attempts::{TransactionId, transaction_id};
use crate::postgres::players;
use crate::postgres::webhooks::endpoints;

/// All that `batch` must see, as it is now, locked as far as it may change; and the transaction that holds the locks.
pub(super) async fn snapshot(
    connection: &AsyncPgConnection,
    batch: &PlayBatch,
    remembered: &RememberedBoards,
) -> QueryResult<(TransactionId, PlaySnapshot)> {
    let realms: BTreeSet<RealmId> = batch.commands().iter().map(|command| command.realm).collect();
    let mut seen = PlaySnapshot::default();
    let first = batch.first_look();
    let likely = remembered.likely_places(batch);
    let mut transaction = TransactionId::default();
    let mut found: HashMap<RealmId, Found> = HashMap::new();
    for realm in &realms {
        let wanted = FirstOfRealm::of(&first, &likely, *realm);
        let (id, of_realm) = wanted.load(connection, &mut seen).await?;
        transaction = id;
        found.insert(*realm, of_realm);
    }
    remembered.put(&first, &seen);
    let second = batch.second_look(&seen);
    for realm in &realms {
        let found = found.remove(realm).unwrap_or_default();
        SecondOfRealm::of(&second, *realm).load(connection, &first, found, &mut seen).await?;
    }
    Ok((transaction, seen))
}

/// The first look in one realm.
struct FirstOfRealm {
    realm: RealmId,
    players: Vec<ExternalId>,
    events: Vec<ConfigurationKey>,
    leaderboards: Vec<ConfigurationKey>,
    attempts: Vec<AttemptId>,
    starts: Vec<KeyDigest>,
    requests: Vec<ScoreRequestKey>,
    lobby_keys: Vec<LobbyKey>,
    /// What the second look will be for, most likely.
    likely: Vec<(RankingId, ExternalId)>,
}

/// What the first look in one realm leads to.
#[derive(Default)]
struct Found {
    players: HashMap<ExternalId, PlayerId>,
    /// Those places that were looked for already.
    places: HashMap<(RankingId, ExternalId), Option<Place>>,
    attempts: Vec<Attempt>,
    lobbies: BTreeSet<LobbyId>,
}

/// Those of one realm.
fn of_realm<'a, T: Clone + 'a>(all: impl IntoIterator<Item = &'a (RealmId, T)>, realm: RealmId) -> Vec<T> {
    all.into_iter().filter(|(of, _)| *of == realm).map(|(_, wanted)| wanted.clone()).collect()
}

/// Those places of one realm.
fn places_of_realm(all: &BTreeSet<(RealmId, RankingId, PlayerKey)>, realm: RealmId) -> Vec<(RankingId, ExternalId)> {
    let places = all.iter().filter(|(of, _, _)| *of == realm);
    places.map(|(_, ranking, key)| (*ranking, key.external_id.clone())).collect()
}

impl FirstOfRealm {
    fn of(look: &FirstLook, likely: &BTreeSet<(RealmId, RankingId, PlayerKey)>, realm: RealmId) -> Self {
        let players = look.players.iter().filter(|key| key.realm == realm);
        Self {
            realm,
            players: players.map(|key| key.external_id.clone()).collect(),
            events: of_realm(&look.events, realm),
            leaderboards: of_realm(&look.leaderboards, realm),
            attempts: of_realm(&look.attempts, realm),
            starts: of_realm(&look.starts, realm),
            requests: look.requests.iter().filter(|key| key.realm == realm).copied().collect(),
            lobby_keys: of_realm(&look.lobby_keys, realm),
            likely: places_of_realm(likely, realm),
        }
    }

    async fn load(
        self,
        connection: &AsyncPgConnection,
        seen: &mut PlaySnapshot,
    ) -> QueryResult<(TransactionId, Found)> {
        let realm = self.realm;
        // In this order on the wire: what is polled first is sent first. Only the lock has to be first.
        let (locked, likely, events, leaderboards, attempts, requests, lobby_keys, told, transaction) = tokio::try_join!(
            biased;
            players::lock(connection, realm, &self.players),
            ranking::places_of_named(connection, realm, &self.likely),
            configuration::events_by_key(connection, realm, &self.events),
            configuration::leaderboards_by_key(connection, realm, &self.leaderboards),
            attempts::find(connection, realm, &self.attempts, &self.starts),
            requests::find(connection, realm, &self.requests),
            lobby::by_keys(connection, realm, &self.lobby_keys),
            endpoints::wanted(connection, realm),
            transaction_id(connection),
        )?;
        seen.put_wanted(realm, told);
        let known: HashMap<ExternalId, PlayerId> =
            locked.iter().map(|player| (player.external_id.clone(), player.id)).collect();
        let mut players: HashMap<ExternalId, Player> =
            locked.into_iter().map(|player| (player.external_id.clone(), player)).collect();
        for external_id in self.players {
            let player = players.remove(&external_id);
            seen.put_player(PlayerKey { realm, external_id }, player);
        }
        let mut events: HashMap<_, _> = events.into_iter().map(|event| (event.key.clone(), event)).collect();
        for key in self.events {
            let event = events.remove(&key);
            seen.put_event(realm, key, event);
        }
        let mut boards: HashMap<_, _> = leaderboards.into_iter().map(|board| (board.key.clone(), board)).collect();
        for key in self.leaderboards {
            let board = boards.remove(&key);
            seen.put_leaderboard(realm, key, board);
        }
        for id in self.attempts {
            seen.put_attempt(realm, id, None);
        }
        for attempt in &attempts {
            seen.put_attempt(realm, attempt.id, Some(attempt.clone()));
        }
        let onces = attempts.iter().filter_map(|attempt| Some((attempt.once?, attempt.id)));
        let onces: HashMap<KeyDigest, _> = onces.map(|(once, id)| (once.key, (once.fingerprint, id))).collect();
        for key in self.starts {
            seen.put_start(realm, key, onces.get(&key).copied());
        }
        for (key, request) in self.requests.into_iter().zip(requests) {
            seen.put_request(key, request);
        }
        for key in self.lobby_keys {
            let lobby = lobby_keys.get(&key).copied();
            seen.put_lobby_key(realm, key, lobby);
        }
        let lobbies = lobby_keys.into_values().collect();
        // Of those who are locked: somebody else may have made another one since.
        let places = self.likely.into_iter().zip(likely).map(|((ranking, name), place)| {
            let place = place.filter(|place| known.get(&name) == Some(&place.player));
            ((ranking, name), place)
        });
        Ok((transaction, Found { places: places.collect(), players: known, attempts, lobbies }))
    }
}

/// The second look in one realm.
struct SecondOfRealm {
    realm: RealmId,
    memberships: Vec<(ExternalId, Window)>,
    open: Vec<(EventId, WindowId)>,
    lobbies: Vec<LobbyId>,
    participants: Vec<(LobbyId, ExternalId)>,
    rankings: Vec<RankingId>,
    places: Vec<(RankingId, ExternalId)>,
}

impl SecondOfRealm {
    fn of(look: &SecondLook, realm: RealmId) -> Self {
        let memberships = look.memberships.iter().filter(|(key, _, _)| key.realm == realm);
        let participants = look.participants.iter().filter(|(of, _, _)| *of == realm);
        let open = look.open.iter().filter(|(of, _, _)| *of == realm);
        Self {
            realm,
            memberships: memberships.map(|(key, _, window)| (key.external_id.clone(), *window)).collect(),
            open: open.map(|(_, event, window)| (*event, *window)).collect(),
            lobbies: of_realm(&look.lobbies, realm),
            participants: participants.map(|(_, lobby, key)| (*lobby, key.external_id.clone())).collect(),
            rankings: of_realm(&look.rankings, realm),
            places: places_of_realm(&look.places, realm),
        }
    }

    async fn load(
        self,
        connection: &AsyncPgConnection,
        first: &FirstLook,
        mut found: Found,
        seen: &mut PlaySnapshot,
    ) -> QueryResult<()> {
        let realm = self.realm;
        let mut left = Vec::new();
        for (ranking, external_id) in self.places {
            let key = (ranking, external_id);
            match found.places.remove(&key) {
                Some(place) => seen.put_place(realm, ranking, PlayerKey { realm, external_id: key.1 }, place),
                None => left.push(key),
            }
        }
        let known = |external_id: &ExternalId| found.players.get(external_id).copied();
        // Who has no row is nowhere.
        let members: Vec<_> =
            self.memberships.iter().filter_map(|(name, window)| Some((known(name)?, *window))).collect();
        let placed: Vec<_> = left.iter().filter_map(|(ranking, name)| Some((*ranking, known(name)?))).collect();
        let (memberships, open, rankings, places) = tokio::try_join!(
            lobby::memberships(connection, realm, &members),
            lobby::open(connection, realm, &self.open),
            ranking::find(connection, realm, &self.rankings),
            ranking::places(connection, realm, &placed),
        )?;
        let lobbies: BTreeSet<LobbyId> = [&memberships, &open]
            .into_iter()
            .flatten()
            .flatten()
            .copied()
            .chain(self.lobbies.iter().copied())
            .chain(of_realm(&first.lobbies, realm))
            .chain(found.lobbies.iter().copied())
            .chain(found.attempts.iter().filter_map(|attempt| attempt.lobby))
            .collect();
        let locked = lobby::lock(connection, realm, &lobbies).await?;
        let locked: BTreeMap<LobbyId, Lobby> = locked.into_iter().map(|lobby| (lobby.id, lobby)).collect();
        // Not before the locks are held.
        let seats: Vec<_> = self.participants.iter().filter_map(|(lobby, name)| Some((*lobby, known(name)?))).collect();
        let played = found.attempts.iter().filter(|attempt| attempt.lobby.is_some());
        let played: Vec<AttemptId> = played.map(|attempt| attempt.id).collect();
        let (participants, attempts) = tokio::try_join!(
            lobby::participants(connection, realm, &seats),
            attempts::find(connection, realm, &played, &[]),
        )?;
        for attempt in attempts {
            seen.put_attempt(realm, attempt.id, Some(attempt));
        }
        let mut participants: HashMap<_, _> = participants.into_iter().map(|of| ((of.lobby, of.player), of)).collect();
        for (lobby, external_id) in self.participants {
            let of = known(&external_id).and_then(|player| participants.remove(&(lobby, player)));
            seen.put_participant(realm, lobby, PlayerKey { realm, external_id }, of);
        }
        let is_over = |id: &LobbyId| locked.get(id).is_none_or(|lobby| lobby.status() == LobbyStatus::Closed);
        let members: Vec<(PlayerId, WindowId)> = members.iter().map(|(player, window)| (*player, window.id)).collect();
        let mut memberships: HashMap<_, _> = members.into_iter().zip(memberships).collect();
        for (external_id, window) in self.memberships {
            let lobby = known(&external_id).and_then(|player| memberships.remove(&(player, window.id))).flatten();
            // It may have been closed while its lock was waited for.
            seen.put_membership(PlayerKey { realm, external_id }, window.id, lobby.filter(|id| !is_over(id)));
        }
        for ((event, window), lobby) in self.open.into_iter().zip(open) {
            seen.put_open(realm, event, window, lobby);
        }
        for (id, ranking) in self.rankings.into_iter().zip(rankings) {
            seen.put_ranking(realm, id, ranking);
        }
        let mut places: HashMap<_, _> = placed.into_iter().zip(places).collect();
        for (ranking, external_id) in left {
            let place = known(&external_id).and_then(|player| places.remove(&(ranking, player))).flatten();
            seen.put_place(realm, ranking, PlayerKey { realm, external_id }, place);
        }
        let mut locked = locked;
        for id in lobbies {
            let lobby = locked.remove(&id);
            seen.put_lobby(realm, id, lobby);
        }
        Ok(())
    }
}
