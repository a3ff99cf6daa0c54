//! Pages and balances: reads that decide nothing, each in one read transaction of a reader thread.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{
    AccountId, Asset, AssetKey, AssetKind, Balance, Grant, GrantQuery, Holding, LedgerQuery, LedgerRow, Order, Page,
    Position,
};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;

use super::grants::{GrantFilter, grants_of};
use crate::rows::economy::{EntryRow, ledger_row};
use crate::rows::{StoredUuid, named, time};
use crate::sqlite::players;
use crate::sqlite::statement::statement;

statement! {
    /// What a player holds of every asset of a kind, by key.
    FindHoldings<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary, kind: &'a str => Text }
    -> (Text, BigInt, BigInt, BigInt)
    = "SELECT key, balance, created_at, updated_at FROM accounts WHERE realm = ? AND player = ? AND kind = ? ORDER BY key"
}

statement! {
    /// A player's accounts, and those that were emptied into them. The index is named because SQLite, which takes a realm
    /// for something small, prefers the table's own order.
    FindAccounts<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, realm_again: i64 => BigInt, player_again: &'a [u8] => Binary,
    }
    -> (Binary, Text, Text)
    = "SELECT id, kind, key FROM accounts WHERE realm = ? AND player = ?
        UNION ALL SELECT id, kind, key FROM closed_accounts INDEXED BY closed_accounts_by_player WHERE realm = ? AND player = ?"
}

type EntryColumns =
    (Binary, BigInt, BigInt, Nullable<Text>, Nullable<Text>, Text, Text, BigInt, BigInt, BigInt, Nullable<Text>);

/// The columns of [`EntryRow`], in its order.
macro_rules! entry_columns {
    () => {
        "id, delta, balance_after, reason, source_ref, origin, operation, sequence, position, created_at, parameters"
    };
}

statement! {
    /// Entries of an account past a position, oldest first.
    EntriesAfter<'a> { realm: i64 => BigInt, account: &'a [u8] => Binary, position: i64 => BigInt, limit: i64 => BigInt }
    -> EntryColumns
    = concat!("SELECT ", entry_columns!(), " FROM entries
        WHERE realm = ? AND account = ? AND position > ? ORDER BY position ASC LIMIT ?")
}

statement! {
    /// Entries of an account before a position, newest first.
    EntriesBefore<'a> { realm: i64 => BigInt, account: &'a [u8] => Binary, position: i64 => BigInt, limit: i64 => BigInt }
    -> EntryColumns
    = concat!("SELECT ", entry_columns!(), " FROM entries
        WHERE realm = ? AND account = ? AND position < ? ORDER BY position DESC LIMIT ?")
}

/// What a player holds of every asset of `kind`; `None` when there is no such player.
pub(super) fn holdings(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: &ExternalId,
    kind: AssetKind,
) -> QueryResult<Option<Vec<Holding>>> {
    match players::find(connection, realm, player)? {
        Some(player) => holdings_of(connection, realm, player.id, kind).map(Some),
        None => Ok(None),
    }
}

/// What a known player holds of every asset of `kind`, by key.
pub(in crate::sqlite) fn holdings_of(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    kind: AssetKind,
) -> QueryResult<Vec<Holding>> {
    let statement = FindHoldings { realm: realm.0, player: player.0.as_bytes(), kind: kind.as_str() };
    let rows = statement.load::<(String, i64, i64, i64)>(connection)?;
    let holdings = rows.into_iter().map(|(key, balance, created_at, updated_at)| Holding {
        key: AssetKey::restore(key),
        balance: Balance::restore(balance),
        created_at: time(created_at),
        updated_at: time(updated_at),
    });
    Ok(holdings.collect())
}

/// A page of a player's ledger: the first rows of each account that is asked for, merged by position. Each account is read
/// from where the page begins, so a page costs the same however long the history before it is.
pub(super) fn ledger(connection: &mut SqliteConnection, query: &LedgerQuery) -> QueryResult<Option<Page<LedgerRow>>> {
    let Some(player) = players::find(connection, query.realm, &query.player)? else { return Ok(None) };
    let (realm, player) = (query.realm.0, player.id.0.as_bytes().as_slice());
    let statement = FindAccounts { realm, player, realm_again: realm, player_again: player };
    let accounts = statement.load::<(StoredUuid, String, String)>(connection)?;
    let mut rows = Vec::new();
    for (account, kind, key) in accounts {
        let asset = Asset { kind: named("kind of asset", &kind, AssetKind::parse)?, key: AssetKey::restore(key) };
        let other_kind = query.kind.is_some_and(|wanted| wanted != asset.kind);
        let other_key = query.key.as_ref().is_some_and(|wanted| *wanted != asset.key);
        if !other_kind && !other_key {
            rows.extend(entries(connection, query, account, &asset)?);
        }
    }
    match query.order {
        Order::Ascending => rows.sort_by_key(|row| row.position),
        Order::Descending => rows.sort_by_key(|row| std::cmp::Reverse(row.position)),
    }
    Ok(Some(Page::of(rows, query.limit)))
}

fn entries(
    connection: &mut SqliteConnection,
    query: &LedgerQuery,
    account: StoredUuid,
    asset: &Asset,
) -> QueryResult<Vec<LedgerRow>> {
    let (realm, account, limit) = (query.realm.0, account.0.as_bytes().as_slice(), i64::from(query.limit) + 1);
    let rows: Vec<EntryRow> = match query.order {
        Order::Ascending => {
            EntriesAfter { realm, account, position: query.after.unwrap_or(0), limit }.load(connection)?
        }
        Order::Descending => {
            EntriesBefore { realm, account, position: query.after.unwrap_or(i64::MAX), limit }.load(connection)?
        }
    };
    rows.into_iter().map(|row| ledger_row(row, asset)).collect()
}

/// Entries of one account past a position, oldest first, at most `limit`.
pub(in crate::sqlite) fn entries_after(
    connection: &mut SqliteConnection,
    realm: RealmId,
    account: AccountId,
    asset: &Asset,
    (position, limit): (Position, u32),
) -> QueryResult<Vec<LedgerRow>> {
    let (account, limit) = (account.0.as_bytes().as_slice(), i64::from(limit));
    let rows: Vec<EntryRow> = EntriesAfter { realm: realm.0, account, position, limit }.load(connection)?;
    rows.into_iter().map(|row| ledger_row(row, asset)).collect()
}

/// A page of a player's grants.
pub(super) fn grants(connection: &mut SqliteConnection, query: &GrantQuery) -> QueryResult<Option<Page<Grant>>> {
    let Some(player) = players::find(connection, query.realm, &query.player)? else { return Ok(None) };
    let limit = i64::from(query.limit) + 1;
    let filter = GrantFilter { status: query.status, after: query.after, limit, now: query.now };
    let rows = grants_of(connection, query.realm, player.id, &filter)?;
    Ok(Some(Page::of(rows, query.limit)))
}
