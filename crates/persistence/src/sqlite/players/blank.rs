//! Blanks the free text of a player before they are erased, a bounded piece in each transaction, so that a long history
//! holds no other player up.
//!
//! A piece walks each account by position, the grants and the events that are kept by id, and remembers how far it came. The ledger only grows at its
//! end, so what was passed needs no second look; what came meanwhile is for the transaction that erases.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::sqlite::SqliteConnection;
use domain::economy::Position;
use domain::players::{EraseCommand, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::erase;
use crate::rows::StoredUuid;
use crate::sqlite::statement::statement;
use crate::sqlite::webhooks;

/// How many entries, grants or events are blanked in one transaction.
const PIECE: i64 = 1_000;

statement! {
    /// All accounts of a player, open and closed, with their numbers of entries.
    FindAllAccounts<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, realm_again: i64 => BigInt, player_again: &'a [u8] => Binary,
    }
    -> (Binary, BigInt)
    = "SELECT id, version FROM accounts WHERE realm = ? AND player = ?
        UNION ALL SELECT id, version FROM closed_accounts INDEXED BY closed_accounts_by_player WHERE realm = ? AND player = ?"
}

statement! {
    /// Where the next entries of an account past a position end, and how many they are.
    EndOfPiece<'a> { realm: i64 => BigInt, account: &'a [u8] => Binary, after: i64 => BigInt, limit: i64 => BigInt }
    -> (Nullable<BigInt>, BigInt)
    = "SELECT max(position), count(*) FROM (SELECT position FROM entries
        WHERE realm = ? AND account = ? AND position > ? ORDER BY position LIMIT ?)"
}

statement! {
    /// Blanks what was said of entries of an account.
    BlankEntries<'a> { realm: i64 => BigInt, account: &'a [u8] => Binary, after: i64 => BigInt, last: i64 => BigInt }
    -> () = "UPDATE entries SET reason = NULL, source_ref = NULL, parameters = NULL
        WHERE realm = ? AND account = ? AND position > ? AND position <= ?
        AND (reason IS NOT NULL OR source_ref IS NOT NULL OR parameters IS NOT NULL)"
}

statement! {
    /// Where the next grants of a player past an id end, and how many they are.
    EndOfGrants<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary, after: &'a [u8] => Binary, limit: i64 => BigInt }
    -> (Nullable<Binary>, BigInt)
    = "SELECT max(id), count(*) FROM (SELECT id FROM grants
        WHERE realm = ? AND player = ? AND id > ? ORDER BY id LIMIT ?)"
}

statement! {
    /// Blanks what was said of grants of a player, and of the items in them.
    BlankGrants<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, after: &'a [u8] => Binary, last: &'a [u8] => Binary,
    }
    -> () = "UPDATE grants INDEXED BY grants_by_player SET source_ref = NULL, metadata = NULL, entries = (
            SELECT json_group_array(json_remove(entry.value, '$.parameters') ORDER BY entry.key)
            FROM json_each(grants.entries) AS entry
        )
        WHERE realm = ? AND player = ? AND id > ? AND id <= ?
        AND (source_ref IS NOT NULL OR metadata IS NOT NULL OR instr(entries, '\"parameters\":'))"
}

/// How far the free text of a player is blanked.
#[derive(Debug, Default)]
pub(super) struct Blanked {
    /// Whose.
    player: Option<PlayerId>,
    /// Of each account, the last position and the number of entries up to it.
    accounts: HashMap<Uuid, (Position, i64)>,
    /// The last grant.
    grant: Uuid,
    /// The last event.
    event: Uuid,
}

impl Blanked {
    fn of(player: PlayerId) -> Self {
        Self { player: Some(player), ..Self::default() }
    }

    fn reached(&self, account: Uuid) -> (Position, i64) {
        self.accounts.get(&account).copied().unwrap_or((0, 0))
    }
}

/// Blanks the next piece if what is left is more than a piece and `command` still erases that player. How far that came,
/// and whether more than a piece may be left.
pub(super) fn piece(
    connection: &mut SqliteConnection,
    command: &EraseCommand,
    mut blanked: Blanked,
) -> QueryResult<(Blanked, bool)> {
    let view = erase::view(connection, command)?;
    let Some(effect) = command.decide(&view).effect else { return Ok((blanked, false)) };
    let (realm, player) = (command.realm, effect.erasure.player);
    if blanked.player != Some(player) {
        blanked = Blanked::of(player);
    }
    let accounts = accounts(connection, realm, player)?;
    let left: i64 = accounts.iter().map(|(account, version)| version - blanked.reached(*account).1).sum();
    if PIECE < left {
        entries(connection, realm, &accounts, &mut blanked, PIECE)?;
        return Ok((blanked, true));
    }
    let after = blanked.grant;
    let id = player.0.as_bytes().as_slice();
    let piece = EndOfGrants { realm: realm.0, player: id, after: after.as_bytes(), limit: PIECE };
    match piece.get_result::<(Option<StoredUuid>, i64)>(connection)? {
        (Some(last), PIECE) => {
            blanked.grant = last.0;
            let (after, last) = (after.as_bytes().as_slice(), last.0.as_bytes().as_slice());
            BlankGrants { realm: realm.0, player: id, after, last }.execute(connection)?;
            Ok((blanked, true))
        }
        (_, _) => match webhooks::blank_piece(connection, realm, player, blanked.event, PIECE)? {
            Some(last) => {
                blanked.event = last;
                Ok((blanked, true))
            }
            None => Ok((blanked, false)),
        },
    }
}

/// Blanks all that `blanked` has not come past.
pub(super) fn rest(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    blanked: &Blanked,
) -> QueryResult<()> {
    let reached = if blanked.player == Some(player) { blanked.accounts.clone() } else { HashMap::new() };
    let mut blanked = Blanked { accounts: reached, ..Blanked::of(player) };
    let accounts = accounts(connection, realm, player)?;
    entries(connection, realm, &accounts, &mut blanked, i64::MAX)?;
    webhooks::blank_all(connection, realm, player)?;
    // All of the grants: those that a merge brought meanwhile may be older than the ones passed.
    let (player, after, last) = (player.0.as_bytes().as_slice(), Uuid::nil(), Uuid::max());
    let (after, last) = (after.as_bytes().as_slice(), last.as_bytes().as_slice());
    BlankGrants { realm: realm.0, player, after, last }.execute(connection).map(drop)
}

fn accounts(connection: &mut SqliteConnection, realm: RealmId, player: PlayerId) -> QueryResult<Vec<(Uuid, i64)>> {
    let (realm, player) = (realm.0, player.0.as_bytes().as_slice());
    let statement = FindAllAccounts { realm, player, realm_again: realm, player_again: player };
    let rows = statement.load::<(StoredUuid, i64)>(connection)?;
    Ok(rows.into_iter().map(|(id, version)| (id.0, version)).collect())
}

/// Blanks at most `limit` further entries of `accounts`.
fn entries(
    connection: &mut SqliteConnection,
    realm: RealmId,
    accounts: &[(Uuid, i64)],
    blanked: &mut Blanked,
    mut limit: i64,
) -> QueryResult<()> {
    for (id, version) in accounts {
        let (after, passed) = blanked.reached(*id);
        if passed == *version || limit == 0 {
            continue;
        }
        let (realm, account) = (realm.0, id.as_bytes().as_slice());
        let piece = EndOfPiece { realm, account, after, limit };
        if let (Some(last), count) = piece.get_result::<(Option<i64>, i64)>(connection)? {
            BlankEntries { realm, account, after, last }.execute(connection)?;
            blanked.accounts.insert(*id, (last, passed + count));
            limit -= count;
        }
    }
    Ok(())
}
