//! The use cases of players' lives: complete a request with time and identity, hand it to the store.

use std::sync::Arc;

use super::{
    BanChange, BanCommand, BanOutcome, EntryIds, EraseCommand, EraseOutcome, Export, ExportForm, ExternalId,
    InstallationSecret, LegalBasis, MergeCommand, Merged, PlayerReads, PlayerStore,
};
use crate::audit_log::{AuditAction, AuditEntry, AuditId, AuditLog};
use crate::clock::Clock;
use crate::economy::{Failure, KeyDigest};
use crate::ids::Ids;
use crate::keys::Caller;
use crate::lobbies::PlayRecords;
use crate::text::JsonObject;

/// The use cases of players' lives.
pub struct Players {
    store: Arc<dyn PlayerStore>,
    reads: Arc<dyn PlayerReads>,
    records: Arc<dyn PlayRecords>,
    audit_log: Arc<dyn AuditLog>,
    secret: InstallationSecret,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Players {
    /// Puts the use cases on their ports.
    pub fn new(
        store: Arc<dyn PlayerStore>,
        (reads, records): (Arc<dyn PlayerReads>, Arc<dyn PlayRecords>),
        audit_log: Arc<dyn AuditLog>,
        secret: InstallationSecret,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self { store, reads, records, audit_log, secret, clock, ids }
    }

    /// Imposes or lifts a player's ban.
    ///
    /// # Errors
    /// [`Failure::PlayerNotFound`]; otherwise the store's.
    pub async fn change_ban(
        &self,
        caller: &Caller,
        player: ExternalId,
        change: BanChange,
    ) -> Result<BanOutcome, Failure> {
        let at = self.clock.now();
        let (realm, actor, audit) = (caller.realm.id, caller.actor.clone(), AuditId(self.ids.next(at)));
        let command = BanCommand { realm, at, actor, player, change, audit };
        self.store.change_ban(&command).await?.map_err(|_| Failure::PlayerNotFound)
    }

    /// Merges `source` into `target`.
    ///
    /// # Errors
    /// [`Failure::Unmergeable`]; otherwise the store's.
    pub async fn merge(
        &self,
        caller: &Caller,
        source: ExternalId,
        target: ExternalId,
        key: Option<KeyDigest>,
    ) -> Result<Merged, Failure> {
        let (at, realm) = (self.clock.now(), caller.realm.id);
        let command = MergeCommand {
            realm,
            at,
            actor: caller.actor.clone(),
            source_digest: self.secret.digest(realm, &source),
            source,
            target_digest: self.secret.digest(realm, &target),
            target,
            key,
            audit: AuditId(self.ids.next(at)),
            entries: EntryIds::starting_with(self.ids.next(at)),
        };
        Ok(self.store.merge(&command).await??)
    }

    /// Erases `player`.
    ///
    /// # Errors
    /// The store's.
    pub async fn erase(
        &self,
        caller: &Caller,
        player: ExternalId,
        basis: LegalBasis,
        key: Option<KeyDigest>,
    ) -> Result<EraseOutcome, Failure> {
        let (at, realm) = (self.clock.now(), caller.realm.id);
        let command = EraseCommand {
            realm,
            at,
            actor: caller.actor.clone(),
            digest: self.secret.digest(realm, &player),
            player,
            basis,
            key,
            audit: AuditId(self.ids.next(at)),
        };
        Ok(self.store.erase(&command).await?)
    }

    /// Begins an export of `player`, once the audit log says that it was asked for.
    ///
    /// # Errors
    /// [`Failure::PlayerNotFound`]; otherwise the store's.
    pub async fn export(&self, caller: &Caller, player: &ExternalId, form: ExportForm) -> Result<Export, Failure> {
        let (at, realm) = (self.clock.now(), caller.realm);
        let head = self.reads.export_head(realm.id, player).await?.ok_or(Failure::PlayerNotFound)?;
        let details = serde_json::json!({ "format": form.as_str() });
        let (id, action) = (AuditId(self.ids.next(at)), AuditAction::PlayerExport);
        let entry = AuditEntry::new(realm.id, id, at, caller.actor.clone(), action);
        let details = Some(JsonObject::restore(details.to_string()));
        self.audit_log.append(&AuditEntry { player: Some(head.player.id), details, ..entry }).await?;
        let (reads, audit_log) = ((Arc::clone(&self.reads), Arc::clone(&self.records)), Arc::clone(&self.audit_log));
        Ok(Export::new(reads, audit_log, form, (realm, at), head))
    }

    /// Whether there is a `player` to export, without doing so.
    ///
    /// # Errors
    /// [`Failure::PlayerNotFound`]; otherwise the store's.
    pub async fn check_exportable(&self, caller: &Caller, player: &ExternalId) -> Result<(), Failure> {
        let head = self.reads.export_head(caller.realm.id, player).await?;
        head.map(drop).ok_or(Failure::PlayerNotFound)
    }
}
