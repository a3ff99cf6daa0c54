//! What two players have played who become one.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{MergedLobby, MergedRanking, PlayMergeEffect, PlayMergeView};
use domain::players::PlayerId;
use domain::tenancy::RealmId;

use super::{lobby, participants, ranking, records};
use crate::sqlite::statement::statement;

statement! {
    /// Gives all attempts of one player to another.
    MoveAttempts<'a> { target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary }
    -> () = "UPDATE attempts INDEXED BY attempts_by_player SET player = ? WHERE realm = ? AND player = ?"
}

/// What must be seen of it to merge `source` into `target`.
pub(in crate::sqlite) fn view(
    connection: &mut SqliteConnection,
    realm: RealmId,
    source: PlayerId,
    target: PlayerId,
) -> QueryResult<PlayMergeView> {
    let mut lobbies = Vec::new();
    for (lobby, source) in records::participations(connection, realm, source, None, i64::MAX)? {
        let target = participants::find(connection, realm, lobby.id, target)?;
        lobbies.push(MergedLobby { lobby, source, target });
    }
    let mut rankings = Vec::new();
    for (ranking, source) in records::places(connection, realm, source, None, i64::MAX)? {
        let target = ranking::find_place(connection, realm, ranking.id, target)?;
        rankings.push(MergedRanking { ranking, source, target });
    }
    let attempts = records::counts(connection, realm, source)?.attempts;
    Ok(PlayMergeView { attempts, lobbies, rankings })
}

/// Stores what a merge makes of it. How lobbies moved on by that is among the events of the merge.
pub(in crate::sqlite) fn store(
    connection: &mut SqliteConnection,
    realm: RealmId,
    (source, target): (PlayerId, PlayerId),
    effect: &PlayMergeEffect,
) -> QueryResult<()> {
    let (from, to) = (source.0.as_bytes(), target.0.as_bytes());
    MoveAttempts { target: to, realm: realm.0, source: from }.execute(connection)?;
    for change in &effect.lobbies {
        lobby::store(connection, change)?;
    }
    for change in &effect.participants {
        participants::store(connection, change)?;
    }
    for (realm, change) in &effect.places {
        ranking::apply(connection, *realm, change)?;
    }
    Ok(())
}
