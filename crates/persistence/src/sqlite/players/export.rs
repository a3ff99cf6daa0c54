//! What is known of a player, as it is read for an export.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{LedgerRow, Position};
use domain::players::{ExportAccount, ExportHead, ExternalId};
use domain::tenancy::RealmId;

use super::{find, particulars};
use crate::rows::players::{ExportAccountRow, export_account};
use crate::sqlite::economy;
use crate::sqlite::statement::statement;

type AccountColumns = (Binary, Text, Text, BigInt, BigInt, BigInt, BigInt);

statement! {
    /// The open accounts of a player, by asset.
    OpenAccounts<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary } -> AccountColumns
    = "SELECT id, kind, key, balance, version, created_at, updated_at FROM accounts
        WHERE realm = ? AND player = ? ORDER BY kind, key"
}

statement! {
    /// The closed accounts of a player, by asset.
    ClosedAccounts<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary } -> AccountColumns
    = "SELECT id, kind, key, 0, version, created_at, closed_at FROM closed_accounts INDEXED BY closed_accounts_by_player
        WHERE realm = ? AND player = ? ORDER BY kind, key, id"
}

/// What an export of a player begins with.
pub(super) fn head(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: &ExternalId,
) -> QueryResult<Option<ExportHead>> {
    let Some(player) = find(connection, realm, player)? else { return Ok(None) };
    let (last_context_snapshot, ban_reason) = particulars(connection, realm, player.id)?;
    let (realm, id) = (realm.0, player.id.0.as_bytes().as_slice());
    let open = OpenAccounts { realm, player: id }.load::<ExportAccountRow>(connection)?;
    let closed = ClosedAccounts { realm, player: id }.load::<ExportAccountRow>(connection)?;
    let open = open.into_iter().map(|row| export_account(row, false));
    let closed = closed.into_iter().map(|row| export_account(row, true));
    let accounts: QueryResult<Vec<ExportAccount>> = open.chain(closed).collect();
    Ok(Some(ExportHead { player, last_context_snapshot, ban_reason, accounts: accounts? }))
}

/// Entries of an account, no further than the head saw it.
pub(super) fn entries(
    connection: &mut SqliteConnection,
    realm: RealmId,
    account: &ExportAccount,
    after: Position,
    limit: u32,
) -> QueryResult<Vec<LedgerRow>> {
    let mut rows = economy::entries_after(connection, realm, account.id, &account.asset, (after, limit))?;
    rows.retain(|row| row.sequence <= account.version);
    Ok(rows)
}
