//! Builders of what happens to players: `merge("old", "new").keyed("k1").in_realm(realm)`.
//!
//! Like those of commands, a draft can be completed many times: every completion has new identifiers, and the same
//! idempotency key and digests.

use std::time::Duration;

use domain::audit_log::AuditId;
use domain::clock::Timestamp;
use domain::economy::{Actor, KeyDigest};
use domain::ids::Ids;
use domain::players::{
    BanChange, BanCommand, EntryIds, EraseCommand, ExternalId, InstallationSecret, LegalBasis, MergeCommand,
};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::{external_id, text};

/// Something that is to happen to a player, without its realm and its identifiers.
#[derive(Debug, Clone)]
pub struct LifeDraft<What> {
    player: ExternalId,
    at: Timestamp,
    actor: Actor,
    key: Option<String>,
    what: What,
}

/// Into whom a player is merged.
#[derive(Debug, Clone)]
pub struct MergeInto(ExternalId);

/// Imposes a ban, or refreshes its reason.
pub fn ban(player: &str, reason: &str) -> LifeDraft<BanChange> {
    draft(player, BanChange::Impose { reason: text(reason) })
}

/// Lifts a ban.
pub fn lift_ban(player: &str) -> LifeDraft<BanChange> {
    draft(player, BanChange::Lift)
}

/// Merges `source` into `target`.
pub fn merge(source: &str, target: &str) -> LifeDraft<MergeInto> {
    draft(source, MergeInto(external_id(target)))
}

/// Erases a player, who asked for it.
pub fn erase(player: &str) -> LifeDraft<LegalBasis> {
    draft(player, LegalBasis::GdprErasure)
}

/// The installation's secret of all drafts.
pub fn secret() -> InstallationSecret {
    InstallationSecret::new([7; InstallationSecret::BYTES])
}

impl<What> LifeDraft<What> {
    /// Asks for it so long after [`START`].
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { at: start().plus(delay), ..self }
    }

    /// Asks for it in the name of `actor`.
    #[must_use]
    pub fn by(self, actor: &str) -> Self {
        Self { actor: Actor::new(actor), ..self }
    }

    fn key_digest(&self) -> Option<KeyDigest> {
        self.key.as_deref().map(|key| KeyDigest::of(key).expect("the test gives an idempotency key that is allowed"))
    }

    fn audit_id(&self) -> AuditId {
        AuditId(SequentialIds.next(self.at))
    }
}

impl LifeDraft<BanChange> {
    /// The whole command.
    pub fn in_realm(&self, realm: RealmId) -> BanCommand {
        BanCommand {
            realm,
            at: self.at,
            actor: self.actor.clone(),
            player: self.player.clone(),
            change: self.what.clone(),
            audit: self.audit_id(),
        }
    }
}

impl LifeDraft<MergeInto> {
    /// Gives it an idempotency key.
    #[must_use]
    pub fn keyed(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The whole command.
    pub fn in_realm(&self, realm: RealmId) -> MergeCommand {
        let (source, target) = (self.player.clone(), self.what.0.clone());
        MergeCommand {
            realm,
            at: self.at,
            actor: self.actor.clone(),
            source_digest: secret().digest(realm, &source),
            source,
            target_digest: secret().digest(realm, &target),
            target,
            key: self.key_digest(),
            audit: self.audit_id(),
            entries: entry_ids(self.at),
        }
    }
}

impl LifeDraft<LegalBasis> {
    /// Gives it an idempotency key.
    #[must_use]
    pub fn keyed(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// Gives it another basis.
    #[must_use]
    pub fn on(self, basis: LegalBasis) -> Self {
        Self { what: basis, ..self }
    }

    /// The whole command.
    pub fn in_realm(&self, realm: RealmId) -> EraseCommand {
        EraseCommand {
            realm,
            at: self.at,
            actor: self.actor.clone(),
            player: self.player.clone(),
            digest: secret().digest(realm, &self.player),
            basis: self.what,
            key: self.key_digest(),
            audit: self.audit_id(),
        }
    }
}

/// Ids that no other merge has: the count of sequential ids is in the bits that a merge overwrites, so it moves up.
fn entry_ids(at: Timestamp) -> EntryIds {
    let counted = SequentialIds.next(at).as_u128();
    let count = counted & u128::from(u32::MAX);
    EntryIds::starting_with(Uuid::from_u128((counted - count) | (count << 32)))
}

fn draft<What>(player: &str, what: What) -> LifeDraft<What> {
    let (player, at, actor) = (external_id(player), start(), Actor::new("ks_sandbox_test000000"));
    LifeDraft { player, at, actor, key: None, what }
}

fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}
