//! The audit log: who did what to whom, why and when, of everything that a person may have to answer for.
//!
//! An entry of a change is stored in the change's own transaction. It names players by Purser's own id, never by the
//! studio's, so that erasing a player leaves nothing of them here but the free text, which is blanked.

mod service;

pub use service::*;

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::economy::{Actor, Page};
use crate::players::{ExternalId, PlayerId};
use crate::store::StoreError;
use crate::tenancy::RealmId;
use crate::text::{FreeText, JsonObject};

/// Names one entry of the log. Being UUIDs of version 7, they ascend with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(pub Uuid);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuditAction {
    /// A player was banned, or the reason of a ban refreshed.
    PlayerBan,
    /// A ban was lifted.
    PlayerUnban,
    /// A player was merged into another.
    PlayerMerge,
    /// A player was erased.
    PlayerDelete,
    /// All that is known of a player was handed out.
    PlayerExport,
    /// Players were brought in from another platform.
    MigratePlayers,
    /// Currency was brought in from another platform.
    MigrateWallet,
    /// Items were brought in from another platform.
    MigrateInventory,
    /// An API key was issued.
    KeyIssue,
    /// An API key was replaced by a new one.
    KeyRotate,
    /// An API key was ended.
    KeyRevoke,
    /// The name or the expiry of an API key was changed.
    KeyChange,
    /// A webhook endpoint was made.
    WebhookCreate,
    /// A webhook endpoint was changed.
    WebhookChange,
    /// A webhook endpoint was removed.
    WebhookDelete,
    /// The secrets of a webhook endpoint were replaced.
    WebhookRotateSecret,
    /// Deliveries of a webhook endpoint were queued again.
    WebhookReplay,
    /// A webhook endpoint was disabled because it failed.
    WebhookDisable,
    /// An event was configured.
    EventCreate,
    /// The configuration of an event was changed.
    EventChange,
    /// A leaderboard was configured.
    LeaderboardCreate,
    /// The configuration of a leaderboard was changed.
    LeaderboardChange,
}

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::PlayerBan,
        Self::PlayerUnban,
        Self::PlayerMerge,
        Self::PlayerDelete,
        Self::PlayerExport,
        Self::MigratePlayers,
        Self::MigrateWallet,
        Self::MigrateInventory,
        Self::KeyIssue,
        Self::KeyRotate,
        Self::KeyRevoke,
        Self::KeyChange,
        Self::WebhookCreate,
        Self::WebhookChange,
        Self::WebhookDelete,
        Self::WebhookRotateSecret,
        Self::WebhookReplay,
        Self::WebhookDisable,
        Self::EventCreate,
        Self::EventChange,
        Self::LeaderboardCreate,
        Self::LeaderboardChange,
    ];

    /// The name used in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlayerBan => "player.ban",
            Self::PlayerUnban => "player.unban",
            Self::PlayerMerge => "player.merge",
            Self::PlayerDelete => "player.delete",
            Self::PlayerExport => "player.export",
            Self::MigratePlayers => "migrate.players",
            Self::MigrateWallet => "migrate.wallet",
            Self::MigrateInventory => "migrate.inventory",
            Self::KeyIssue => "key.issue",
            Self::KeyRotate => "key.rotate",
            Self::KeyRevoke => "key.revoke",
            Self::KeyChange => "key.change",
            Self::WebhookCreate => "webhook.create",
            Self::WebhookChange => "webhook.change",
            Self::WebhookDelete => "webhook.delete",
            Self::WebhookRotateSecret => "webhook.rotate_secret",
            Self::WebhookReplay => "webhook.replay",
            Self::WebhookDisable => "webhook.disable",
            Self::EventCreate => "event.create",
            Self::EventChange => "event.change",
            Self::LeaderboardCreate => "leaderboard.create",
            Self::LeaderboardChange => "leaderboard.change",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The realm.
    pub realm: RealmId,
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// To whom; `None` when it was not one player.
    pub player: Option<PlayerId>,
    /// The player that they were merged into.
    pub into: Option<PlayerId>,
    /// Why, in the caller's words or as a legal basis. Blanked when the player is erased, unless it is the erasure's own.
    pub reason: Option<FreeText>,
    /// Figures of what was done. Never holds anything personal.
    pub details: Option<JsonObject>,
}

impl AuditEntry {
    /// That `actor` did `action`, and no more than that: whom it was done to, why, and what it came to are for the caller.
    pub fn new(realm: RealmId, id: AuditId, at: Timestamp, actor: Actor, action: AuditAction) -> Self {
        Self { realm, id, at, actor, action, player: None, into: None, reason: None, details: None }
    }
}

/// An entry as it is read, with what its players are called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The entry.
    pub entry: AuditEntry,
    /// What the studio calls `entry.player` now: a placeholder once they are merged or erased.
    pub external_id: Option<ExternalId>,
    /// What the studio calls `entry.into` now.
    pub into_external_id: Option<ExternalId>,
}

/// Keeps the audit log.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends an entry of something that is not a change of its own in the store, such as an export.
    async fn append(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// A page of a realm's log, newest first: entries before `after`, at most `limit`.
    async fn page(&self, realm: RealmId, after: Option<AuditId>, limit: u32) -> Result<Page<AuditRow>, StoreError>;

    /// What was done to `player`, newest first: entries before `after`, at most `limit`.
    async fn of_player(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_back_what_they_write() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::parse(action.as_str()), Some(action));
        }
        assert_eq!(AuditAction::parse("player"), None);
    }
}
