//! The ledger and the grants in PostgreSQL.
//!
//! A batch is one transaction: lock its players in the order of (realm, studio's id), which keeps everybody else off their
//! accounts, [`load`] the rest of its footprint in statements that see what the locks protect, let the domain settle it,
//! [`save`] the settlement with one statement per table. What no lock can protect, because it does not exist yet (a new
//! player, a new idempotency key), its unique index protects: who comes second fails, and decides again.

pub(super) mod audit;
pub(super) mod grants;
pub(super) mod imports;
pub(super) mod load;
pub(super) mod reads;
pub(super) mod save;

use async_trait::async_trait;
use domain::economy::{
    AssetKind, AuditPlace, AuditReport, Batch, EconomyReads, EconomyStore, Grant, GrantQuery, Holding, LedgerAudit,
    LedgerQuery, LedgerRow, Page, Settlement, SpotCheck,
};
use domain::players::ExternalId;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use scoped_futures::ScopedFutureExt;

pub(super) use grants::{GrantFilter, grant_counts, grants_of};
pub(super) use reads::holdings_of;

use super::PostgresStore;

#[async_trait]
impl EconomyStore for PostgresStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        let footprint = batch.footprint();
        let write = self.lanes.write(
            |connection| load::snapshot(connection, &footprint).scope_boxed(),
            |connection, before| save::decided(connection, batch, before).scope_boxed(),
            |connection, settlement| save::is_kept(connection, settlement).scope_boxed(),
        );
        let settlement = write.await?;
        if !settlement.events.is_empty() {
            self.bell.ring();
        }
        Ok(settlement)
    }
}

#[async_trait]
impl EconomyReads for PostgresStore {
    async fn holdings(
        &self,
        realm: RealmId,
        player: &ExternalId,
        kind: AssetKind,
    ) -> Result<Option<Vec<Holding>>, StoreError> {
        self.readers.read(|connection| reads::holdings(connection, realm, player, kind).scope_boxed()).await
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Option<Page<LedgerRow>>, StoreError> {
        self.readers.view(|connection| reads::ledger(connection, query).scope_boxed()).await
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Option<Page<Grant>>, StoreError> {
        self.readers.view(|connection| reads::grants(connection, query).scope_boxed()).await
    }
}

#[async_trait]
impl LedgerAudit for PostgresStore {
    async fn audit(&self) -> Result<AuditReport, StoreError> {
        self.readers.long_view(|connection| audit::audit(connection).scope_boxed()).await
    }

    async fn spot_check(&self, after: Option<AuditPlace>, accounts_max: u32) -> Result<SpotCheck, StoreError> {
        self.readers.view(|connection| audit::spot_check(connection, after, accounts_max).scope_boxed()).await
    }
}
