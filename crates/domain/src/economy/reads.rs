//! Reads that decide nothing: balances, ledger pages, grant pages. They never go through the queue.

use async_trait::async_trait;

use super::{Asset, AssetKey, AssetKind, Balance, EntryId, Grant, GrantId, GrantStatus, Operation, Origin, Position};
use crate::clock::Timestamp;
use crate::players::ExternalId;
use crate::store::StoreError;
use crate::tenancy::RealmId;
use crate::text::JsonObject;

/// What a player holds of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The currency or item.
    pub key: AssetKey,
    /// How much.
    pub balance: Balance,
    /// When the account was opened.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// In which order a ledger page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// Which page of a player's ledger is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerQuery {
    /// The realm.
    pub realm: RealmId,
    /// The player.
    pub player: ExternalId,
    /// Only this kind of asset.
    pub kind: Option<AssetKind>,
    /// Only this asset key.
    pub key: Option<AssetKey>,
    /// In which order.
    pub order: Order,
    /// Only rows past this one, in that order.
    pub after: Option<Position>,
    /// At most so many rows.
    pub limit: u32,
}

/// A ledger entry as callers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its id.
    pub id: EntryId,
    /// What changed.
    pub asset: Asset,
    /// By how much.
    pub delta: i64,
    /// What the account held right after.
    pub balance_after: Balance,
    /// Why.
    pub reason: Option<String>,
    /// The caller's own reference.
    pub source_ref: Option<String>,
    /// Attributes of the items, carried over from another platform.
    pub parameters: Option<JsonObject>,
    /// On whose behalf.
    pub origin: Origin,
    /// Which operation.
    pub operation: Operation,
    /// Its place in its account's history.
    pub sequence: i64,
    /// Its place in the player's history.
    pub position: Position,
    /// When.
    pub at: Timestamp,
}

/// Which page of a player's grants is asked for. Newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantQuery {
    /// The realm.
    pub realm: RealmId,
    /// The player.
    pub player: ExternalId,
    /// Only grants that are in this state at `now`.
    pub status: Option<GrantStatus>,
    /// Only grants older than this one.
    pub after: Option<GrantId>,
    /// At most so many.
    pub limit: u32,
    /// The instant at which expiry is judged.
    pub now: Timestamp,
}

/// A page of rows and whether there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<Row> {
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether at least one more row follows.
    pub more: bool,
}

impl<Row> Page<Row> {
    /// The first `limit` of `rows`, which the store read one past the limit to learn whether more follow.
    pub fn of(mut rows: Vec<Row>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = limit < rows.len();
        rows.truncate(limit);
        Self { rows, more }
    }
}

/// Reads the economy of one player. Decides nothing. Every answer is `None` when there is no such player.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait EconomyReads: Send + Sync {
    /// What the player holds of every asset of `kind` that was ever touched, zero balances included, by key.
    async fn holdings(
        &self,
        realm: RealmId,
        player: &ExternalId,
        kind: AssetKind,
    ) -> Result<Option<Vec<Holding>>, StoreError>;

    /// A page of the player's ledger. A row is never skipped or repeated by following pages while writes go on.
    async fn ledger(&self, query: &LedgerQuery) -> Result<Option<Page<LedgerRow>>, StoreError>;

    /// A page of the player's grants, newest first.
    async fn grants(&self, query: &GrantQuery) -> Result<Option<Page<Grant>>, StoreError>;
}
