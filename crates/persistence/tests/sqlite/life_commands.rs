//! Commands on players' lives, as the tests here write them.

use domain::audit_log::AuditId;
use domain::clock::Timestamp;
use domain::economy::{Actor, KeyDigest};
use domain::ids::Ids;
use domain::players::{BanChange, BanCommand, EntryIds, EraseCommand, InstallationSecret, LegalBasis, MergeCommand};
use domain::tenancy::RealmId;
use testkit::{START, SequentialIds, external_id, text};

/// When all of them are asked.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

fn secret() -> InstallationSecret {
    InstallationSecret::new([7; 32])
}

/// Bans `player` for `reason`.
pub(crate) fn ban(realm: RealmId, player: &str, reason: &str) -> BanCommand {
    BanCommand {
        realm,
        at: now(),
        actor: Actor::new("backend"),
        player: external_id(player),
        change: BanChange::Impose { reason: text(reason) },
        audit: AuditId(SequentialIds.next(now())),
    }
}

/// Merges `source` into `target`.
pub(crate) fn merge(realm: RealmId, source: &str, target: &str) -> MergeCommand {
    let (source, target) = (external_id(source), external_id(target));
    MergeCommand {
        realm,
        at: now(),
        actor: Actor::new("backend"),
        source_digest: secret().digest(realm, &source),
        source,
        target_digest: secret().digest(realm, &target),
        target,
        key: None,
        audit: AuditId(SequentialIds.next(now())),
        entries: EntryIds::starting_with(SequentialIds.next(now())),
    }
}

/// Erases `player`, under the idempotency key `key` if there is one.
pub(crate) fn erase(realm: RealmId, player: &str, key: Option<u8>) -> EraseCommand {
    let player = external_id(player);
    EraseCommand {
        realm,
        at: now(),
        actor: Actor::new("backend"),
        digest: secret().digest(realm, &player),
        player,
        basis: LegalBasis::GdprErasure,
        key: key.map(|key| KeyDigest([key; 32])),
        audit: AuditId(SequentialIds.next(now())),
    }
}
