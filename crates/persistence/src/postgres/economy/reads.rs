//! Pages and balances: reads that decide nothing, each on one view of the database.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::{
    Asset, AssetKey, AssetKind, Balance, Grant, GrantQuery, Holding, LedgerQuery, LedgerRow, Order, Page,
};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::grants::{GrantFilter, grants_of};
use crate::postgres::players;
use crate::postgres::statement::statement;
use crate::rows::economy::{EntryRow, ledger_row};
use crate::rows::{named, time};

statement! {
    /// What a player holds of every asset of a kind, by key.
    FindHoldings<'a> { realm: i64 => BigInt, player: Uuid => SqlUuid, kind: &'a str => Text }
    -> (Text, BigInt, BigInt, BigInt)
    = "SELECT key, balance, created_at, updated_at FROM accounts WHERE realm = $1 AND player = $2 AND kind = $3 ORDER BY key"
}

statement! {
    /// What a player, by the studio's id, holds of every asset of a kind, by key. One row of nulls for a player without any.
    FindHoldingsOf<'a> { realm: i64 => BigInt, external_id: &'a str => Text, kind: &'a str => Text }
    -> (Nullable<Text>, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>)
    = "SELECT held.key, held.balance, held.created_at, held.updated_at
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS owner
        LEFT JOIN LATERAL (
            SELECT key, balance, created_at, updated_at FROM accounts
            WHERE realm = $1 AND player = owner.id AND kind = $3 ORDER BY key OFFSET 0
        ) AS held ON true"
}

/// The SQL types of [`entry_columns`].
pub(in crate::postgres) type EntryColumns =
    (SqlUuid, BigInt, BigInt, Nullable<Text>, Nullable<Text>, Text, Text, BigInt, BigInt, BigInt, Nullable<Text>);

/// The columns of [`EntryRow`], in its order.
macro_rules! entry_columns {
    () => {
        "id, delta, balance_after, reason, source_ref, origin, operation, sequence, position, created_at, parameters::text"
    };
}

pub(in crate::postgres) use entry_columns;

/// Entries with their assets in front: the accounts that are asked for, closed ones included, each with its part of a page.
/// Each account is read from where the page begins, so a page costs the same however long the history before it is.
macro_rules! page_of_entries {
    ($past:literal, $order:literal) => {
        concat!(
            "SELECT asset.kind, asset.key, entry.*
        FROM (
            SELECT id, kind, key FROM accounts
            WHERE realm = $1 AND player = $2 AND ($3 = '' OR kind = $3) AND ($4 = '' OR key = $4)
            UNION ALL
            SELECT id, kind, key FROM closed_accounts
            WHERE realm = $1 AND player = $2 AND ($3 = '' OR kind = $3) AND ($4 = '' OR key = $4) OFFSET 0
        ) AS asset
        CROSS JOIN LATERAL (
            SELECT ",
            entry_columns!(),
            " FROM entries WHERE realm = $1 AND account = asset.id AND position ",
            $past,
            " $5 ORDER BY position ",
            $order,
            " LIMIT $6
        ) AS entry
        ORDER BY entry.position ",
            $order,
            " LIMIT $6"
        )
    };
}

statement! {
    /// Entries of a player past a position, oldest first.
    EntriesAfter<'a> {
        realm: i64 => BigInt, player: Uuid => SqlUuid, kind: &'a str => Text, key: &'a str => Text,
        position: i64 => BigInt, limit: i64 => BigInt,
    }
    -> (Text, Text, EntryColumns) = page_of_entries!(">", "ASC")
}

statement! {
    /// Entries of a player before a position, newest first.
    EntriesBefore<'a> {
        realm: i64 => BigInt, player: Uuid => SqlUuid, kind: &'a str => Text, key: &'a str => Text,
        position: i64 => BigInt, limit: i64 => BigInt,
    }
    -> (Text, Text, EntryColumns) = page_of_entries!("<", "DESC")
}

/// What a player holds of every asset of `kind`; `None` when there is no such player.
pub(super) async fn holdings(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: &ExternalId,
    kind: AssetKind,
) -> QueryResult<Option<Vec<Holding>>> {
    type Row = (Option<String>, Option<i64>, Option<i64>, Option<i64>);
    let statement = FindHoldingsOf { realm: realm.0, external_id: player.as_str(), kind: kind.as_str() };
    let rows: Vec<Row> = statement.load(&mut connection).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let held = rows
        .into_iter()
        .filter_map(|(key, balance, created_at, updated_at)| Some(holding(key?, balance?, created_at?, updated_at?)));
    Ok(Some(held.collect()))
}

/// What a known player holds of every asset of `kind`, by key.
pub(in crate::postgres) async fn holdings_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    kind: AssetKind,
) -> QueryResult<Vec<Holding>> {
    let statement = FindHoldings { realm: realm.0, player: player.0, kind: kind.as_str() };
    let rows: Vec<(String, i64, i64, i64)> = statement.load(&mut connection).await?;
    let held =
        rows.into_iter().map(|(key, balance, created_at, updated_at)| holding(key, balance, created_at, updated_at));
    Ok(held.collect())
}

fn holding(key: String, balance: i64, created_at: i64, updated_at: i64) -> Holding {
    Holding {
        key: AssetKey::restore(key),
        balance: Balance::restore(balance),
        created_at: time(created_at),
        updated_at: time(updated_at),
    }
}

/// A page of a player's ledger: the first rows of each account that is asked for, merged by position.
pub(super) async fn ledger(
    mut connection: &AsyncPgConnection,
    query: &LedgerQuery,
) -> QueryResult<Option<Page<LedgerRow>>> {
    let Some(player) = players::find(connection, query.realm, &query.player).await? else { return Ok(None) };
    let (realm, player, limit) = (query.realm.0, player.id.0, i64::from(query.limit) + 1);
    let kind = query.kind.map_or("", AssetKind::as_str);
    let key = query.key.as_ref().map_or("", AssetKey::as_str);
    let rows: Vec<(String, String, EntryRow)> = match query.order {
        Order::Ascending => {
            let position = query.after.unwrap_or(0);
            EntriesAfter { realm, player, kind, key, position, limit }.load(&mut connection).await?
        }
        Order::Descending => {
            let position = query.after.unwrap_or(i64::MAX);
            EntriesBefore { realm, player, kind, key, position, limit }.load(&mut connection).await?
        }
    };
    let rows = rows.into_iter().map(|(kind, key, row)| {
        let asset = Asset { kind: named("kind of asset", &kind, AssetKind::parse)?, key: AssetKey::restore(key) };
        ledger_row(row, &asset)
    });
    let rows: Vec<LedgerRow> = rows.collect::<QueryResult<_>>()?;
    Ok(Some(Page::of(rows, query.limit)))
}

/// A page of a player's grants.
pub(super) async fn grants(connection: &AsyncPgConnection, query: &GrantQuery) -> QueryResult<Option<Page<Grant>>> {
    let Some(player) = players::find(connection, query.realm, &query.player).await? else { return Ok(None) };
    let limit = i64::from(query.limit) + 1;
    let filter = GrantFilter { status: query.status, after: query.after, limit, now: query.now };
    let rows = grants_of(connection, query.realm, player.id, &filter).await?;
    Ok(Some(Page::of(rows, query.limit)))
}
