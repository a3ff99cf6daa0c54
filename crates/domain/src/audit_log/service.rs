//! The use cases of the audit log: note what was done, read it back.

use std::sync::Arc;

use super::{AuditAction, AuditEntry, AuditId, AuditLog, AuditRow};
use crate::clock::Clock;
use crate::economy::{Failure, Page};
use crate::ids::Ids;
use crate::keys::Caller;
use crate::players::PlayerId;
use crate::text::JsonObject;

/// The use cases of the audit log.
pub struct AuditTrail {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl AuditTrail {
    /// Puts the use cases on their ports.
    pub fn new(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { log, clock, ids }
    }

    /// Notes that `caller` did `action`, which is not a change that notes itself. `details` hold nothing personal.
    ///
    /// # Errors
    /// The store's. What was done is not undone.
    pub async fn note(
        &self,
        caller: &Caller,
        action: AuditAction,
        player: Option<PlayerId>,
        details: JsonObject,
    ) -> Result<(), Failure> {
        let at = self.clock.now();
        let entry = AuditEntry::new(caller.realm.id, AuditId(self.ids.next(at)), at, caller.actor.clone(), action);
        Ok(self.log.append(&AuditEntry { player, details: Some(details), ..entry }).await?)
    }

    /// A page of the log of the caller's realm, newest first: entries before `after`, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(&self, caller: &Caller, after: Option<AuditId>, limit: u32) -> Result<Page<AuditRow>, Failure> {
        Ok(self.log.page(caller.realm.id, after, limit).await?)
    }
}
