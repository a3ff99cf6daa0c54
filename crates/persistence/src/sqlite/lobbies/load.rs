//! Loads what a batch must see: every key of its two looks, found or not.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::economy::PlayerKey;
use domain::lobbies::{FirstLook, Lobby, LobbyId, PlayBatch, PlaySnapshot, SecondLook};
use domain::players::PlayerId;
use domain::tenancy::RealmId;

use super::{attempts, configuration, lobby, participants, ranking, requests};
use crate::sqlite::{players, webhooks};

/// Everything that `batch` looks for, as it is now.
pub(super) fn snapshot(connection: &mut SqliteConnection, batch: &PlayBatch) -> QueryResult<PlaySnapshot> {
    let mut snapshot = PlaySnapshot::default();
    first(connection, batch.first_look(), &mut snapshot)?;
    let second_look = batch.second_look(&snapshot);
    second(connection, second_look, &mut snapshot)?;
    Ok(snapshot)
}

fn first(connection: &mut SqliteConnection, look: FirstLook, snapshot: &mut PlaySnapshot) -> QueryResult<()> {
    for realm in look.realms {
        snapshot.put_wanted(realm, webhooks::wanted(connection, realm)?);
    }
    for key in look.players {
        let player = players::find(connection, key.realm, &key.external_id)?;
        snapshot.put_player(key, player);
    }
    for (realm, key) in look.events {
        let event = configuration::event(connection, realm, &key)?;
        snapshot.put_event(realm, key, event);
    }
    for (realm, key) in look.leaderboards {
        let leaderboard = configuration::leaderboard(connection, realm, &key)?;
        snapshot.put_leaderboard(realm, key, leaderboard);
    }
    for (realm, id) in look.attempts {
        snapshot.put_attempt(realm, id, attempts::find(connection, realm, id)?);
    }
    for (realm, key) in look.starts {
        let found = attempts::find_once(connection, realm, key)?;
        let start = found.as_ref().and_then(|attempt| Some((attempt.once?.fingerprint, attempt.id)));
        snapshot.put_start(realm, key, start);
        if let Some(attempt) = found {
            snapshot.put_attempt(realm, attempt.id, Some(attempt));
        }
    }
    for key in look.requests {
        let request = requests::find(connection, &key)?;
        snapshot.put_request(key, request);
    }
    for (realm, id) in look.lobbies {
        snapshot.put_lobby(realm, id, lobby::find(connection, realm, id)?);
    }
    for (realm, key) in look.lobby_keys {
        let found = put_found(snapshot, realm, lobby::find_by_key(connection, realm, &key)?);
        snapshot.put_lobby_key(realm, key, found);
    }
    Ok(())
}

fn second(connection: &mut SqliteConnection, look: SecondLook, snapshot: &mut PlaySnapshot) -> QueryResult<()> {
    for (key, event, window) in look.memberships {
        let found = match known(snapshot, &key) {
            Some(player) => lobby::find_membership(connection, key.realm, player, event, &window)?,
            None => None,
        };
        let found = put_found(snapshot, key.realm, found);
        snapshot.put_membership(key, window.id, found);
    }
    for (realm, event, window) in look.open {
        let found = put_found(snapshot, realm, lobby::find_open(connection, realm, event, window)?);
        snapshot.put_open(realm, event, window, found);
    }
    for (realm, id) in look.lobbies {
        snapshot.put_lobby(realm, id, lobby::find(connection, realm, id)?);
    }
    for (realm, lobby, key) in look.participants {
        let participant = match known(snapshot, &key) {
            Some(player) => participants::find(connection, realm, lobby, player)?,
            None => None,
        };
        snapshot.put_participant(realm, lobby, key, participant);
    }
    for (realm, id) in look.rankings {
        snapshot.put_ranking(realm, id, ranking::find(connection, realm, id)?);
    }
    for (realm, id, key) in look.places {
        let place = match known(snapshot, &key) {
            Some(player) => ranking::find_place(connection, realm, id, player)?,
            None => None,
        };
        snapshot.put_place(realm, id, key, place);
    }
    Ok(())
}

fn known(snapshot: &PlaySnapshot, key: &PlayerKey) -> Option<PlayerId> {
    snapshot.player(key).map(|player| player.id)
}

/// Puts a lobby that was found among the lobbies; its id.
fn put_found(snapshot: &mut PlaySnapshot, realm: RealmId, lobby: Option<Lobby>) -> Option<LobbyId> {
    let lobby = lobby?;
    let id = lobby.id;
    snapshot.put_lobby(realm, id, Some(lobby));
    Some(id)
}
