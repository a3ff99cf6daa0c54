//! Lobbies as they are read: one with all in it, and pages of them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::economy::Page;
use domain::lobbies::{Lobby, LobbyDetail, LobbyId, LobbyQuery, LobbyStatus};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::lobby::{self, LobbyColumns, lobby_columns};
use super::{configuration, participants};
use crate::rows::lobbies::LobbyRow;
use crate::rows::unreadable;
use crate::sqlite::statement::statement;

statement! {
    /// Lobbies of an event before an id, newest first.
    PageOfLobbies<'a> {
        realm: i64 => BigInt, event: &'a [u8] => Binary, before: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies l INDEXED BY lobbies_by_event
        WHERE l.realm = ? AND l.event = ? AND l.id < ? ORDER BY l.id DESC LIMIT ?")
}

statement! {
    /// Lobbies of an event before an id that are not stored as closed, newest first.
    PageOfLiveLobbies<'a> {
        realm: i64 => BigInt, event: &'a [u8] => Binary, before: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> LobbyColumns
    = concat!("SELECT ", lobby_columns!(), " FROM lobbies l INDEXED BY lobbies_live
        WHERE l.realm = ? AND l.event = ? AND l.id < ? AND l.due_at IS NOT NULL ORDER BY l.id DESC LIMIT ?")
}

/// A lobby with its event and its players.
pub(super) fn detail(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: LobbyId,
) -> QueryResult<Option<LobbyDetail>> {
    let Some(lobby) = lobby::find(connection, realm, id)? else { return Ok(None) };
    let event = configuration::event_by_id(connection, realm, lobby.event)?;
    let event = event.ok_or_else(|| unreadable("event of a lobby", &lobby.event.0.to_string()))?;
    let participants = participants::find_all(connection, realm, id)?;
    Ok(Some(LobbyDetail { lobby, event, participants }))
}

/// A page of an event's lobbies. What they are by now is not stored, so they are read on until a page is full.
pub(super) fn page(connection: &mut SqliteConnection, query: &LobbyQuery) -> QueryResult<Page<Lobby>> {
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut rows: Vec<Lobby> = Vec::new();
    let mut after = query.after;
    loop {
        let next = next(connection, query, after)?;
        let is_last = next.len() < wanted;
        after = next.last().map(|lobby| lobby.id);
        let is_wanted = |lobby: &Lobby| query.status.is_none_or(|status| lobby.at(query.now).status() == status);
        rows.extend(next.into_iter().filter(is_wanted));
        if is_last || wanted <= rows.len() {
            return Ok(Page::of(rows, query.limit));
        }
    }
}

fn next(connection: &mut SqliteConnection, query: &LobbyQuery, after: Option<LobbyId>) -> QueryResult<Vec<Lobby>> {
    let before = after.map_or(Uuid::max(), |lobby| lobby.0);
    let (realm, event, before) = (query.realm.0, query.event.0.as_bytes(), before.as_bytes());
    let limit = i64::from(query.limit) + 1;
    let rows: Vec<LobbyRow> = match query.status {
        None | Some(LobbyStatus::Closed) => PageOfLobbies { realm, event, before, limit }.load(connection)?,
        Some(LobbyStatus::Forming | LobbyStatus::Active) => {
            PageOfLiveLobbies { realm, event, before, limit }.load(connection)?
        }
    };
    rows.into_iter().map(Lobby::try_from).collect()
}
