//! Players: their ids, their lives (banned, merged, erased), and the profile that support tools read.
//!
//! A player is made on first contact by a grant, wallet, inventory or import call (see [`crate::economy`]), never by a
//! read. What happens to a player afterwards is a command value with a pure decision here, behind [`PlayerStore`].

mod ban;
mod erase;
mod export;
mod exporting;
mod identity;
mod merge;
mod service;
mod store;

#[cfg(test)]
mod ban_tests;
#[cfg(test)]
mod erase_tests;
#[cfg(test)]
mod exporting_tests;
#[cfg(test)]
mod merge_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod test_lives;

pub use ban::*;
pub use erase::*;
pub use export::*;
pub use exporting::*;
pub use identity::*;
pub use merge::*;
pub use service::*;
pub use store::*;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::economy::{Grant, GrantId, Holding, LedgerRow, Position};
use crate::lobbies::{Attempt, LobbyMembership};
use crate::store::StoreError;
use crate::tenancy::RealmId;
use crate::text::{FreeText, JsonObject};

/// Purser's own name for a player. Stays when the studio's name for them changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerId(pub Uuid);

/// The studio's name for a player: 1 to 128 characters, any Unicode but control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(Arc<str>);

/// Why a text was refused as an [`ExternalId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidExternalId {
    /// It is empty or longer than [`ExternalId::CHARS_MAX`].
    #[error("must be 1 to {max} characters", max = ExternalId::CHARS_MAX)]
    Length,
    /// It holds a control character.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// It begins like a placeholder that merging or erasing leaves behind.
    #[error("must not begin with __merged_ or __deleted_, which are reserved")]
    Reserved,
}

impl ExternalId {
    /// The longest id, in Unicode scalar values.
    pub const CHARS_MAX: usize = 128;
    const RESERVED: [&'static str; 2] = ["__merged_", "__deleted_"];

    /// Accepts 1 ..= [`Self::CHARS_MAX`] characters without control characters, not beginning with a reserved prefix.
    pub fn try_new(text: &str) -> Result<Self, InvalidExternalId> {
        if text.is_empty() || Self::CHARS_MAX < text.chars().count() {
            return Err(InvalidExternalId::Length);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidExternalId::ControlCharacter);
        }
        if Self::RESERVED.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(InvalidExternalId::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// Rebuilds a stored id, placeholders included.
    pub fn restore(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A player as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// Purser's own id.
    pub id: PlayerId,
    /// The studio's id.
    pub external_id: ExternalId,
    /// When the first write for this player happened.
    pub created_at: Timestamp,
    /// The last write for this player that is known of; written at most once in [`crate::economy::SEEN_EVERY`].
    pub last_seen_at: Timestamp,
    /// Since when the player is banned, if they are.
    pub banned_at: Option<Timestamp>,
}

/// What a support tool sees of one player in one round trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The player.
    pub player: Player,
    /// What another platform knew of the player, as the last import that said anything of it did.
    pub last_context_snapshot: Option<JsonObject>,
    /// Why the player is banned, if they are.
    pub ban_reason: Option<FreeText>,
    /// How many grants the player has had.
    pub grants: u64,
    /// How many of them are pending (and not past their expiry).
    pub pending_grants: u64,
    /// The newest grants, newest first.
    pub recent_grants: Vec<Grant>,
    /// How many attempts the player has made.
    pub attempts: u64,
    /// The newest attempts, newest first.
    pub recent_attempts: Vec<Attempt>,
    /// How many lobbies the player is or was in.
    pub lobbies: u64,
    /// The newest lobbies, newest first.
    pub recent_lobbies: Vec<LobbyMembership>,
    /// Items held, more than zero of each, by key.
    pub inventory: Vec<Holding>,
    /// Currencies ever touched, by key.
    pub wallet: Vec<Holding>,
}

/// Reads players. Decides nothing.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait PlayerReads: Send + Sync {
    /// The profile of the player named `player` at the instant `now`, with at most `limit` of each recent thing; `None` when
    /// there is no such player.
    async fn profile(
        &self,
        realm: RealmId,
        player: &ExternalId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Profile>, StoreError>;

    /// What an export of the player named `player` begins with; `None` when there is no such player.
    async fn export_head(&self, realm: RealmId, player: &ExternalId) -> Result<Option<ExportHead>, StoreError>;

    /// Entries of `account`, oldest first: those past the position `after`, at most `limit`. Only those that belong to the
    /// head's view, which are the first [`ExportAccount::version`]; whoever owns the account by now.
    async fn export_entries(
        &self,
        realm: RealmId,
        account: &ExportAccount,
        after: Position,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError>;

    /// Grants of `player`, newest first: those older than `after`, at most `limit`.
    async fn export_grants(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_ids_are_any_short_text_without_control_characters() {
        for good in ["p-1", "🦀 crab/1", "..", "a b", "%41", &"é".repeat(128)] {
            assert!(ExternalId::try_new(good).is_ok(), "{good:?}");
        }
        assert_eq!(ExternalId::try_new(""), Err(InvalidExternalId::Length));
        assert_eq!(ExternalId::try_new(&"é".repeat(129)), Err(InvalidExternalId::Length));
        for bad in ["a\0", "a\nb", "\u{85}", "\u{7f}"] {
            assert_eq!(ExternalId::try_new(bad), Err(InvalidExternalId::ControlCharacter), "{bad:?}");
        }
        for bad in ["__merged_1", "__deleted_"] {
            assert_eq!(ExternalId::try_new(bad), Err(InvalidExternalId::Reserved), "{bad:?}");
        }
    }
}
