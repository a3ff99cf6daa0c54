//! The ledger and the grants in SQLite.
//!
//! A batch is one `BEGIN IMMEDIATE` transaction on the one writer thread: [`load`] its footprint, let the domain settle it,
//! [`save`] the settlement. There is nothing to lock, and nothing to retry, because nobody else writes meanwhile. The
//! statements are single-row and prepared once: in process, a statement costs microseconds and the pages it touches.

mod audit;
mod grants;
mod imports;
mod load;
#[cfg(test)]
mod plans_tests;
mod reads;
mod save;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::economy::{
    AssetKind, AuditPlace, AuditReport, Batch, EconomyReads, EconomyStore, Grant, GrantQuery, Holding, LedgerAudit,
    LedgerQuery, LedgerRow, Page, Settlement, SpotCheck,
};
use domain::players::ExternalId;
use domain::store::StoreError;
use domain::tenancy::RealmId;

#[cfg(test)]
pub(super) use grants::sql_of_expired;
pub(super) use grants::{GrantFilter, expired as expired_grants, find as find_grant, grant_counts, grants_of};
pub(super) use load::last_position;
pub(super) use reads::{entries_after, holdings_of};
pub(super) use save::{exactly_one, store_account, store_entry, store_position};

use super::{SqliteStore, connection, webhooks};

#[async_trait]
impl EconomyStore for SqliteStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        let batch = batch.clone();
        let write = move |connection: &mut SqliteConnection| {
            let settlement = settle(connection, &batch)?;
            let rings = !settlement.events.is_empty();
            Ok((settlement, rings))
        };
        self.write_and_ring(write).await
    }
}

fn settle(connection: &mut SqliteConnection, batch: &Batch) -> QueryResult<Settlement> {
    let before = load::snapshot(connection, batch.footprint())?;
    let settlement = batch.settle(before);
    save::settlement(connection, &settlement)?;
    webhooks::store(connection, &settlement.events)?;
    Ok(settlement)
}

#[async_trait]
impl EconomyReads for SqliteStore {
    async fn holdings(
        &self,
        realm: RealmId,
        player: &ExternalId,
        kind: AssetKind,
    ) -> Result<Option<Vec<Holding>>, StoreError> {
        let player = player.clone();
        let read = move |connection: &mut SqliteConnection| reads::holdings(connection, realm, &player, kind);
        self.readers.run(|connection| connection::read(connection, read)).await
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Option<Page<LedgerRow>>, StoreError> {
        let query = query.clone();
        let read = move |connection: &mut SqliteConnection| reads::ledger(connection, &query);
        self.readers.run(|connection| connection::read(connection, read)).await
    }

    async fn grants(&self, query: &GrantQuery) -> Result<Option<Page<Grant>>, StoreError> {
        let query = query.clone();
        let read = move |connection: &mut SqliteConnection| reads::grants(connection, &query);
        self.readers.run(|connection| connection::read(connection, read)).await
    }
}

#[async_trait]
impl LedgerAudit for SqliteStore {
    async fn audit(&self) -> Result<AuditReport, StoreError> {
        self.readers.run(|connection| connection::read(connection, audit::audit)).await
    }

    async fn spot_check(&self, after: Option<AuditPlace>, accounts_max: u32) -> Result<SpotCheck, StoreError> {
        let check = move |connection: &mut SqliteConnection| audit::spot_check(connection, after, accounts_max);
        self.readers.run(move |connection| connection::read(connection, check)).await
    }
}
