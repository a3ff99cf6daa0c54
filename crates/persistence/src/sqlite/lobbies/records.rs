//! What a player has played.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{
    Lobby, LobbyId, LobbyMembership, Participant, Place, PlayCounts, Ranking, RankingId, RankingMembership,
};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::lobby::{LobbyColumns, lobby_columns};
use crate::rows::lobbies::{LobbyRow, ParticipantRow, RankingRow, participant_of, ranking_of};
use crate::rows::time;
use crate::sqlite::statement::statement;

type MembershipColumns = (Binary, Binary, BigInt, Nullable<BigInt>, Nullable<BigInt>);

statement! {
    /// Lobbies of a player before an id, newest first, and how they stand there.
    LobbiesOfPlayer<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, before: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> (LobbyColumns, MembershipColumns)
    = concat!("SELECT ", lobby_columns!(), ", m.lobby, m.player, m.joined_at, m.score, m.achieved_at
        FROM lobby_participants m INDEXED BY lobby_participants_by_player
        CROSS JOIN lobbies l ON l.realm = m.realm AND l.id = m.lobby
        WHERE m.realm = ? AND m.player = ? AND m.lobby < ? ORDER BY m.lobby DESC LIMIT ?")
}

statement! {
    /// Rankings that a player is in, past an id, and where.
    RankingsOfPlayer<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, after: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> ((Binary, Binary, BigInt, Text, Text, Text), BigInt, BigInt)
    = "SELECT r.id, r.board, r.period_starts_at, r.segment, r.aggregation, r.sort_order, e.order_key, e.achieved_at
        FROM ranking_entries e
        CROSS JOIN rankings r ON r.realm = e.realm AND r.id = e.ranking
        WHERE e.realm = ? AND e.player = ? AND ? < e.ranking ORDER BY e.ranking LIMIT ?"
}

statement! {
    /// How much a player has played.
    CountPlay<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, realm_of_lobbies: i64 => BigInt, of_lobbies: &'a [u8] => Binary,
        realm_of_rankings: i64 => BigInt, of_rankings: &'a [u8] => Binary,
    }
    -> (BigInt, BigInt, BigInt)
    = "SELECT (SELECT count(*) FROM attempts INDEXED BY attempts_by_player WHERE realm = ? AND player = ?),
        (SELECT count(*) FROM lobby_participants INDEXED BY lobby_participants_by_player WHERE realm = ? AND player = ?),
        (SELECT count(*) FROM ranking_entries WHERE realm = ? AND player = ?)"
}

/// Lobbies of `player` before `after` and how they stand there, newest first, at most `limit`.
pub(super) fn participations(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<LobbyId>,
    limit: i64,
) -> QueryResult<Vec<(Lobby, Participant)>> {
    let before = after.map_or(Uuid::max(), |lobby| lobby.0);
    let (player, before) = (player.0.as_bytes(), before.as_bytes());
    let statement = LobbiesOfPlayer { realm: realm.0, player, before, limit };
    let rows = statement.load::<(LobbyRow, ParticipantRow)>(connection)?;
    rows.into_iter().map(|(lobby, row)| Ok((Lobby::try_from(lobby)?, participant_of(row)))).collect()
}

/// Lobbies of `player` before `after`, newest first, at most `limit`.
pub(in crate::sqlite) fn lobbies(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<LobbyId>,
    limit: u32,
) -> QueryResult<Vec<LobbyMembership>> {
    let found = participations(connection, realm, player, after, i64::from(limit))?;
    let membership = |(lobby, Participant { joined_at, scored, .. })| LobbyMembership { lobby, joined_at, scored };
    Ok(found.into_iter().map(membership).collect())
}

/// Rankings that `player` is in past `after` and their places there, by id, at most `limit`.
pub(super) fn places(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<RankingId>,
    limit: i64,
) -> QueryResult<Vec<(Ranking, Place)>> {
    let after = after.map_or(Uuid::nil(), |ranking| ranking.0);
    let statement = RankingsOfPlayer { realm: realm.0, player: player.0.as_bytes(), after: after.as_bytes(), limit };
    let rows = statement.load::<(RankingRow, i64, i64)>(connection)?;
    let restore = |(ranking, order_key, achieved_at): (RankingRow, i64, i64)| {
        Ok((ranking_of(ranking)?, Place { order_key, achieved_at: time(achieved_at), player }))
    };
    rows.into_iter().map(restore).collect()
}

/// Rankings that `player` is in past `after`, by id, at most `limit`.
pub(super) fn rankings(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<RankingId>,
    limit: u32,
) -> QueryResult<Vec<RankingMembership>> {
    let found = places(connection, realm, player, after, i64::from(limit))?;
    let membership = |(ranking, place): (Ranking, Place)| RankingMembership {
        score: ranking.order.score_of(place.order_key),
        achieved_at: place.achieved_at,
        ranking,
    };
    Ok(found.into_iter().map(membership).collect())
}

/// How much `player` has played.
pub(in crate::sqlite) fn counts(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
) -> QueryResult<PlayCounts> {
    let (realm, player) = (realm.0, player.0.as_bytes().as_slice());
    let statement = CountPlay {
        realm,
        player,
        realm_of_lobbies: realm,
        of_lobbies: player,
        realm_of_rankings: realm,
        of_rankings: player,
    };
    let (attempts, lobbies, rankings) = statement.get_result::<(i64, i64, i64)>(connection)?;
    let count = |number| u64::try_from(number).unwrap_or(0);
    Ok(PlayCounts { attempts: count(attempts), lobbies: count(lobbies), rankings: count(rankings) })
}
