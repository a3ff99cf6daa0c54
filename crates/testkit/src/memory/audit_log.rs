//! The port of the audit log.

use async_trait::async_trait;
use domain::audit_log::{AuditEntry, AuditId, AuditLog, AuditRow};
use domain::economy::Page;
use domain::players::PlayerId;
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::MemoryStore;

#[async_trait]
impl AuditLog for MemoryStore {
    async fn append(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.lock().books.save_audit(entry);
        Ok(())
    }

    async fn page(&self, realm: RealmId, after: Option<AuditId>, limit: u32) -> Result<Page<AuditRow>, StoreError> {
        let books = &self.lock().books;
        let called = |player: Option<PlayerId>| player.and_then(|player| books.called(realm, player));
        let rows = books.audited(realm, after).map(|entry| AuditRow {
            external_id: called(entry.player),
            into_external_id: called(entry.into),
            entry: entry.clone(),
        });
        Ok(Page::of(rows.collect(), limit))
    }

    async fn of_player(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let books = &self.lock().books;
        let done = books.audited(realm, after).filter(|entry| entry.player == Some(player));
        Ok(Page::of(done.cloned().collect(), limit).rows)
    }
}
