//! Rows of the audit log.

use diesel::Queryable;
use diesel::result::Error;
use domain::audit_log::{AuditAction, AuditEntry, AuditId, AuditRow};
use domain::economy::Actor;
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};

use super::{StoredUuid, named, time};

/// An entry, without its realm.
#[derive(Queryable)]
pub(crate) struct AuditEntryRow {
    id: StoredUuid,
    created_at: i64,
    actor: String,
    action: String,
    player: Option<StoredUuid>,
    into_player: Option<StoredUuid>,
    reason: Option<String>,
    details: Option<String>,
}

/// Reads an entry of `realm` back.
pub(crate) fn audit_entry(row: AuditEntryRow, realm: RealmId) -> Result<AuditEntry, Error> {
    Ok(AuditEntry {
        realm,
        id: AuditId(row.id.0),
        at: time(row.created_at),
        actor: Actor::new(&row.actor),
        action: named("action", &row.action, AuditAction::parse)?,
        player: row.player.map(|player| PlayerId(player.0)),
        into: row.into_player.map(|player| PlayerId(player.0)),
        reason: row.reason.map(FreeText::restore),
        details: row.details.map(JsonObject::restore),
    })
}

/// Reads an entry of `realm` back, with what its two players are called.
pub(crate) fn audit_row(
    (row, external_id, into_external_id): (AuditEntryRow, Option<String>, Option<String>),
    realm: RealmId,
) -> Result<AuditRow, Error> {
    Ok(AuditRow {
        entry: audit_entry(row, realm)?,
        external_id: external_id.map(ExternalId::restore),
        into_external_id: into_external_id.map(ExternalId::restore),
    })
}
