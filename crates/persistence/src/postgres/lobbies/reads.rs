//! Lobbies as they are read, each read on one view of the database.

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Page;
use domain::lobbies::{Lobby, LobbyDetail, LobbyId, LobbyQuery, LobbyStatus, Participant};
use domain::players::ExternalId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::configuration;
use super::lobby::{LobbyColumns, lobby_columns};
use crate::postgres::statement::statement;
use crate::rows::lobbies::{LobbyRow, ParticipantRow, participant_of};
use crate::rows::unreadable;

statement! {
    /// Lobbies by id.
    FindLobbies { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> LobbyColumns
    = concat!("SELECT found.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT ", lobby_columns!(), " FROM lobbies WHERE realm = $1 AND id = wanted.id LIMIT 1
        ) AS found")
}

statement! {
    /// The players in a lobby, with the studio's ids for them.
    ParticipantsOf { realm: i64 => BigInt, lobby: Uuid => SqlUuid }
    -> ((SqlUuid, SqlUuid, BigInt, Nullable<BigInt>, Nullable<BigInt>), Text)
    = "SELECT participant.*, owner.external_id
        FROM (
            SELECT lobby, player, joined_at, score, achieved_at FROM lobby_participants
            WHERE realm = $1 AND lobby = $2 ORDER BY player OFFSET 0
        ) AS participant
        CROSS JOIN LATERAL (SELECT external_id FROM players WHERE realm = $1 AND id = participant.player LIMIT 1) AS owner"
}

statement! {
    /// Lobbies of an event before an id, newest first.
    PageOfLobbies { realm: i64 => BigInt, event: Uuid => SqlUuid, before: Uuid => SqlUuid, limit: i64 => BigInt }
    -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies WHERE realm = $1 AND event = $2 AND id < $3
        ORDER BY id DESC LIMIT $4")
}

statement! {
    /// Those of them that are not stored as closed.
    PageOfLiveLobbies { realm: i64 => BigInt, event: Uuid => SqlUuid, before: Uuid => SqlUuid, limit: i64 => BigInt }
    -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies
        WHERE realm = $1 AND event = $2 AND id < $3 AND due_at IS NOT NULL ORDER BY id DESC LIMIT $4")
}

/// A lobby with its event and its players.
pub(super) async fn lobby(
    connection: &AsyncPgConnection,
    realm: RealmId,
    id: LobbyId,
) -> QueryResult<Option<LobbyDetail>> {
    let (lobbies, participants) =
        tokio::try_join!(find(connection, realm, id), participants_of(connection, realm, id))?;
    let Some(lobby) = lobbies.into_iter().next() else { return Ok(None) };
    let event = configuration::event_by_id(connection, realm, lobby.event).await?;
    let event = event.ok_or_else(|| unreadable("event of a lobby", &lobby.event.0.to_string()))?;
    Ok(Some(LobbyDetail { lobby, event, participants }))
}

async fn find(mut connection: &AsyncPgConnection, realm: RealmId, id: LobbyId) -> QueryResult<Vec<Lobby>> {
    let rows: Vec<LobbyRow> = FindLobbies { realm: realm.0, ids: vec![id.0] }.load(&mut connection).await?;
    rows.into_iter().map(Lobby::try_from).collect()
}

async fn participants_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    id: LobbyId,
) -> QueryResult<Vec<(Participant, ExternalId)>> {
    let statement = ParticipantsOf { realm: realm.0, lobby: id.0 };
    let rows: Vec<(ParticipantRow, String)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(row, external_id)| (participant_of(row), ExternalId::restore(external_id))).collect())
}

/// A page of an event's lobbies. What is stored may lag behind the clock, so those of a status are picked from several pages
/// of what is stored.
pub(super) async fn lobbies(connection: &AsyncPgConnection, query: &LobbyQuery) -> QueryResult<Page<Lobby>> {
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut before = query.after.map_or(Uuid::max(), |after| after.0);
    let mut picked: Vec<Lobby> = Vec::new();
    loop {
        let rows = stored(connection, query, before).await?;
        let is_last = rows.len() < wanted;
        before = rows.last().map_or(before, |lobby| lobby.id.0);
        let is_wanted = |lobby: &Lobby| query.status.is_none_or(|status| lobby.at(query.now).status() == status);
        picked.extend(rows.into_iter().filter(is_wanted));
        if is_last || wanted <= picked.len() {
            return Ok(Page::of(picked.into_iter().take(wanted).collect(), query.limit));
        }
    }
}

/// One more than a page of what is stored. What is stored as closed stays closed.
async fn stored(mut connection: &AsyncPgConnection, query: &LobbyQuery, before: Uuid) -> QueryResult<Vec<Lobby>> {
    let (realm, event, limit) = (query.realm.0, query.event.0, i64::from(query.limit) + 1);
    let rows: Vec<LobbyRow> = match query.status {
        None | Some(LobbyStatus::Closed) => PageOfLobbies { realm, event, before, limit }.load(&mut connection).await?,
        Some(LobbyStatus::Forming | LobbyStatus::Active) => {
            PageOfLiveLobbies { realm, event, before, limit }.load(&mut connection).await?
        }
    };
    rows.into_iter().map(Lobby::try_from).collect()
}
