//! What is handed out of a player's data: read in parts, whose first says how much belongs to it.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::economy::{Grant, GrantId, LedgerRow, Position};
use domain::players::{ExportAccount, ExportHead, ExternalId, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::{find, particulars};
use crate::postgres::economy;
use crate::postgres::statement::statement;
use crate::rows::economy::{EntryRow, ledger_row};
use crate::rows::players::{ExportAccountRow, export_account};

statement! {
    /// All accounts of a player: open ones by asset, then closed ones. A closed one holds nothing, and changed last when it
    /// was closed.
    ExportAccounts { realm: i64 => BigInt, player: Uuid => SqlUuid }
    -> ((SqlUuid, Text, Text, BigInt, BigInt, BigInt, BigInt), Bool)
    = "SELECT id, kind, key, balance, version, created_at, updated_at, closed
        FROM (
            SELECT id, kind, key, balance, version, created_at, updated_at, false AS closed
            FROM accounts WHERE realm = $1 AND player = $2
            UNION ALL
            SELECT id, kind, key, 0, version, created_at, closed_at, true
            FROM closed_accounts WHERE realm = $1 AND player = $2
        ) AS account
        ORDER BY closed, kind, key, id"
}

statement! {
    /// Entries of an account past a position, up to a sequence number, oldest first.
    ExportEntries {
        realm: i64 => BigInt, account: Uuid => SqlUuid, position: i64 => BigInt, version: i64 => BigInt,
        limit: i64 => BigInt,
    }
    -> economy::reads::EntryColumns
    = concat!("SELECT ", economy::reads::entry_columns!(), " FROM entries
        WHERE realm = $1 AND account = $2 AND position > $3 AND sequence <= $4 ORDER BY position LIMIT $5")
}

/// What an export of `player` begins with; the statements must see one view.
pub(super) async fn head(
    connection: &AsyncPgConnection,
    realm: RealmId,
    player: &ExternalId,
) -> QueryResult<Option<ExportHead>> {
    let Some(player) = find(connection, realm, player).await? else { return Ok(None) };
    let ((last_context_snapshot, ban_reason), accounts) =
        tokio::try_join!(particulars(connection, realm, player.id), accounts_of(connection, realm, player.id))?;
    Ok(Some(ExportHead { player, last_context_snapshot, ban_reason, accounts }))
}

async fn accounts_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
) -> QueryResult<Vec<ExportAccount>> {
    let statement = ExportAccounts { realm: realm.0, player: player.0 };
    let rows: Vec<(ExportAccountRow, bool)> = statement.load(&mut connection).await?;
    rows.into_iter().map(|(row, closed)| export_account(row, closed)).collect()
}

/// Entries of `account` past `after`.
pub(super) async fn entries(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    account: &ExportAccount,
    after: Position,
    limit: u32,
) -> QueryResult<Vec<LedgerRow>> {
    let (realm, version, limit) = (realm.0, account.version, i64::from(limit));
    let statement = ExportEntries { realm, account: account.id.0, position: after, version, limit };
    let rows: Vec<EntryRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(|row| ledger_row(row, &account.asset)).collect()
}

/// Grants of `player` older than `after`.
pub(super) async fn grants(
    connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<GrantId>,
    limit: u32,
) -> QueryResult<Vec<Grant>> {
    // Grants in any state, so it does not matter at which instant that is judged.
    let now = Timestamp::from_unix_micros(0);
    let filter = economy::GrantFilter { status: None, after, limit: i64::from(limit), now };
    economy::grants_of(connection, realm, player, &filter).await
}
