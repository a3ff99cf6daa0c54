//! The ports of the economy and of players.

use async_trait::async_trait;
use domain::clock::Timestamp;
use domain::economy::{
    Asset, AssetKind, AuditReport, Batch, EconomyReads, EconomyStore, Entry, Grant, GrantQuery, GrantStatus, Holding,
    LedgerAudit, LedgerQuery, LedgerRow, Order, Page, Settlement,
};
use domain::players::{ExternalId, PlayerId, PlayerReads, Profile};
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
        Ok(settlement)
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
impl PlayerReads for MemoryStore {
    async fn profile(
        &self,
        realm: RealmId,
        player: &ExternalId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Profile>, StoreError> {
        let books = &self.lock().books;
        let Some(player) = books.player(realm, player) else { return Ok(None) };
        let grants: Vec<Grant> = books.grants_of(realm, player.id).cloned().collect();
        let pending = grants.iter().filter(|grant| grant.status_at(now) == GrantStatus::Pending);
        let mut inventory = holdings(books, realm, player.id, AssetKind::Item);
        inventory.retain(|holding| 0 < holding.balance.get());
        Ok(Some(Profile {
            player: player.clone(),
            last_context_snapshot: books.context(player.id).cloned(),
            grants: count(grants.len()),
            pending_grants: count(pending.count()),
            recent_grants: Page::of(grants, limit).rows,
            inventory,
            wallet: holdings(books, realm, player.id, AssetKind::Currency),
        }))
    }
}

#[async_trait]
impl LedgerAudit for MemoryStore {
    async fn audit(&self) -> Result<AuditReport, StoreError> {
        Ok(self.lock().books.audit())
    }
}

fn holdings(books: &Books, realm: RealmId, player: PlayerId, kind: AssetKind) -> Vec<Holding> {
    let of_kind = books.accounts_of(realm, player).filter(|(asset, _)| asset.kind == kind);
    let holdings = of_kind.map(|(asset, account)| Holding {
        key: asset.key.clone(),
        balance: account.balance,
        created_at: account.opened_at,
        updated_at: account.changed_at,
    });
    holdings.collect()
}

fn ledger(books: &Books, player: PlayerId, query: &LedgerQuery) -> Page<LedgerRow> {
    let accounts = books.accounts_of(query.realm, player).filter(|(asset, _)| {
        query.kind.is_none_or(|kind| asset.kind == kind) && query.key.as_ref().is_none_or(|key| asset.key == *key)
    });
    let mut rows: Vec<LedgerRow> =
        accounts.flat_map(|(asset, account)| account.entries.iter().map(|entry| row(asset, entry))).collect();
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

fn row(asset: &Asset, entry: &Entry) -> LedgerRow {
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

fn count(rows: usize) -> u64 {
    u64::try_from(rows).expect("a test has few rows")
}
