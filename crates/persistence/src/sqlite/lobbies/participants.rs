//! Players in lobbies.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{LobbyId, Participant, ParticipantChange};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;

use crate::rows::lobbies::{ParticipantRow, participant_of};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

type ParticipantColumns = (Binary, Binary, BigInt, Nullable<BigInt>, Nullable<BigInt>);

statement! {
    /// A player in a lobby.
    FindParticipant<'a> { realm: i64 => BigInt, lobby: &'a [u8] => Binary, player: &'a [u8] => Binary } -> ParticipantColumns
    = "SELECT lobby, player, joined_at, score, achieved_at FROM lobby_participants
        WHERE realm = ? AND lobby = ? AND player = ?"
}

statement! {
    /// The players in a lobby, with what they are called.
    FindParticipants<'a> { realm: i64 => BigInt, lobby: &'a [u8] => Binary } -> (ParticipantColumns, Text)
    = "SELECT m.lobby, m.player, m.joined_at, m.score, m.achieved_at, p.external_id FROM lobby_participants m
        CROSS JOIN players p ON p.realm = m.realm AND p.id = m.player WHERE m.realm = ? AND m.lobby = ?"
}

statement! {
    /// Puts a player into a lobby.
    InsertParticipant<'a> {
        realm: i64 => BigInt, lobby: &'a [u8] => Binary, player: &'a [u8] => Binary, joined_at: i64 => BigInt,
        score: Option<i64> => Nullable<BigInt>, achieved_at: Option<i64> => Nullable<BigInt>,
    }
    -> () = "INSERT INTO lobby_participants (realm, lobby, player, joined_at, score, achieved_at) VALUES (?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Changes how a player stands in a lobby.
    UpdateParticipant<'a> {
        joined_at: i64 => BigInt, score: Option<i64> => Nullable<BigInt>, achieved_at: Option<i64> => Nullable<BigInt>,
        realm: i64 => BigInt, lobby: &'a [u8] => Binary, player: &'a [u8] => Binary,
    }
    -> () = "UPDATE lobby_participants SET joined_at = ?, score = ?, achieved_at = ?
        WHERE realm = ? AND lobby = ? AND player = ?"
}

statement! {
    /// Takes a player out of a lobby.
    DeleteParticipant<'a> { realm: i64 => BigInt, lobby: &'a [u8] => Binary, player: &'a [u8] => Binary }
    -> () = "DELETE FROM lobby_participants WHERE realm = ? AND lobby = ? AND player = ?"
}

/// A player in a lobby.
pub(super) fn find(
    connection: &mut SqliteConnection,
    realm: RealmId,
    lobby: LobbyId,
    player: PlayerId,
) -> QueryResult<Option<Participant>> {
    let statement = FindParticipant { realm: realm.0, lobby: lobby.0.as_bytes(), player: player.0.as_bytes() };
    let found = statement.get_result::<ParticipantRow>(connection).optional()?;
    Ok(found.map(participant_of))
}

/// The players in a lobby, with what they are called.
pub(super) fn find_all(
    connection: &mut SqliteConnection,
    realm: RealmId,
    lobby: LobbyId,
) -> QueryResult<Vec<(Participant, ExternalId)>> {
    let statement = FindParticipants { realm: realm.0, lobby: lobby.0.as_bytes() };
    let rows = statement.load::<(ParticipantRow, String)>(connection)?;
    Ok(rows.into_iter().map(|(row, name)| (participant_of(row), ExternalId::restore(name))).collect())
}

/// Puts a player into a lobby, changes how they stand there, or takes them out.
pub(super) fn store(connection: &mut SqliteConnection, change: &ParticipantChange) -> QueryResult<()> {
    let ParticipantChange { realm, before, after } = change;
    let stored = match (before, after) {
        (None, None) => return Ok(()),
        (None, Some(after)) => insert(connection, *realm, after)?,
        (Some(_), Some(after)) => update(connection, *realm, after)?,
        (Some(before), None) => delete(connection, *realm, before)?,
    };
    exactly_one(stored)
}

fn insert(connection: &mut SqliteConnection, realm: RealmId, participant: &Participant) -> QueryResult<usize> {
    let statement = InsertParticipant {
        realm: realm.0,
        lobby: participant.lobby.0.as_bytes(),
        player: participant.player.0.as_bytes(),
        joined_at: participant.joined_at.unix_micros(),
        score: participant.scored.map(|scored| scored.score.thousandths()),
        achieved_at: participant.scored.map(|scored| scored.achieved_at.unix_micros()),
    };
    statement.execute(connection)
}

fn update(connection: &mut SqliteConnection, realm: RealmId, participant: &Participant) -> QueryResult<usize> {
    let statement = UpdateParticipant {
        joined_at: participant.joined_at.unix_micros(),
        score: participant.scored.map(|scored| scored.score.thousandths()),
        achieved_at: participant.scored.map(|scored| scored.achieved_at.unix_micros()),
        realm: realm.0,
        lobby: participant.lobby.0.as_bytes(),
        player: participant.player.0.as_bytes(),
    };
    statement.execute(connection)
}

fn delete(connection: &mut SqliteConnection, realm: RealmId, participant: &Participant) -> QueryResult<usize> {
    let Participant { lobby, player, .. } = participant;
    DeleteParticipant { realm: realm.0, lobby: lobby.0.as_bytes(), player: player.0.as_bytes() }.execute(connection)
}
