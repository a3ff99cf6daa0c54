//! The ports of the economy.

use async_trait::async_trait;
use domain::economy::{
    Asset, AssetKind, AuditPlace, AuditReport, Batch, EconomyReads, EconomyStore, Entry, Grant, GrantQuery, Holding,
    LedgerAudit, LedgerQuery, LedgerRow, Order, Page, Settlement, SpotCheck,
};
use domain::players::{ExternalId, PlayerId};
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::MemoryStore;
use super::books::Books;

#[async_trait]
impl EconomyStore for MemoryStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        let books = &mut self.lock().books;
        let settlement = batch.settle(books.load(batch.footprint()));
        books.save(&settlement);
        self.ring_if(!settlement.events.is_empty());
        Ok(settlement)
    }
}

impl MemoryStore {
    /// Decides `batch` on what is kept now, and keeps nothing: what an adapter does that loses a race, before it asks again.
    pub fn decide_for_nothing(&self, batch: &Batch) -> Settlement {
        batch.settle(self.lock().books.load(batch.footprint()))
    }
}

#[async_trait]
impl EconomyReads for MemoryStore {
    async fn holdings(
        &self,
        realm: RealmId,
        player: &ExternalId,
        kind: AssetKind,
    ) -> Result<Option<Vec<Holding>>, StoreError> {
        let books = &self.lock().books;
        Ok(books.player(realm, player).map(|player| holdings(books, realm, player.id, kind)))
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Option<Page<LedgerRow>>, StoreError> {
        let books = &self.lock().books;
        Ok(books.player(query.realm, &query.player).map(|player| ledger(books, player.id, query)))
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Option<Page<Grant>>, StoreError> {
        let books = &self.lock().books;
        let Some(player) = books.player(query.realm, &query.player) else { return Ok(None) };
        let wanted = |grant: &&Grant| {
            query.status.is_none_or(|status| grant.status_at(query.now) == status)
                && query.after.is_none_or(|after| grant.id < after)
        };
        let rows = books.grants_of(query.realm, player.id).filter(wanted).cloned().collect();
        Ok(Some(Page::of(rows, query.limit)))
    }
}

#[async_trait]
impl LedgerAudit for MemoryStore {
    async fn audit(&self) -> Result<AuditReport, StoreError> {
        Ok(self.lock().books.audit())
    }

    async fn spot_check(&self, after: Option<AuditPlace>, accounts_max: u32) -> Result<SpotCheck, StoreError> {
        Ok(self.lock().books.spot_check(after, accounts_max))
    }
}

/// What `player` holds of every asset of `kind`, by key.
pub(super) fn holdings(books: &Books, realm: RealmId, player: PlayerId, kind: AssetKind) -> Vec<Holding> {
    let accounts = books.open_accounts(realm, player).into_iter();
    let of_kind = accounts.filter(|(_, account)| account.asset.kind == kind);
    let holdings = of_kind.map(|(_, account)| Holding {
        key: account.asset.key.clone(),
        balance: account.balance,
        created_at: account.opened_at,
        updated_at: account.changed_at,
    });
    holdings.collect()
}

fn ledger(books: &Books, player: PlayerId, query: &LedgerQuery) -> Page<LedgerRow> {
    let open = books.open_accounts(query.realm, player).into_iter();
    let accounts = open.chain(books.closed_accounts(query.realm, player)).map(|(_, account)| account);
    let wanted = |asset: &Asset| {
        query.kind.is_none_or(|kind| asset.kind == kind) && query.key.as_ref().is_none_or(|key| asset.key == *key)
    };
    let wanted = accounts.filter(|account| wanted(&account.asset));
    let rows = wanted.flat_map(|account| account.entries.iter().map(|entry| row(&account.asset, entry)));
    let mut rows: Vec<LedgerRow> = rows.collect();
    rows.sort_by_key(|row| row.position);
    if query.order == Order::Descending {
        rows.reverse();
    }
    rows.retain(|row| match query.order {
        Order::Ascending => query.after.is_none_or(|after| after < row.position),
        Order::Descending => query.after.is_none_or(|after| row.position < after),
    });
    Page::of(rows, query.limit)
}

/// `entry` of an account of `asset`, as callers see it.
pub(super) fn row(asset: &Asset, entry: &Entry) -> LedgerRow {
    LedgerRow {
        id: entry.id,
        asset: asset.clone(),
        delta: entry.delta,
        balance_after: entry.balance_after,
        reason: entry.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        source_ref: entry.source_ref.as_ref().map(|source_ref| source_ref.as_str().to_owned()),
        parameters: entry.parameters.clone(),
        origin: entry.origin,
        operation: entry.operation,
        sequence: entry.sequence,
        position: entry.position,
        at: entry.at,
    }
}
