//! What is handed out when a player asks what is known of them (Article 15 GDPR), as it is read from the store.

use super::Player;
use crate::clock::Timestamp;
use crate::economy::{AccountId, Asset, Balance};
use crate::text::{FreeText, JsonObject};

/// A player as an export begins: all of it on one view of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHead {
    /// The player.
    pub player: Player,
    /// What another platform knew of the player.
    pub last_context_snapshot: Option<JsonObject>,
    /// Why the player is banned, if they are.
    pub ban_reason: Option<FreeText>,
    /// All accounts of the player: open ones by asset, then the ones that merges closed, by asset and id.
    pub accounts: Vec<ExportAccount>,
}

/// An account of a player, with how much of its history belongs to the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportAccount {
    /// The account.
    pub id: AccountId,
    /// What it holds, or held.
    pub asset: Asset,
    /// How much it holds.
    pub balance: Balance,
    /// How many entries it has: those with the sequence numbers 1 to this.
    pub version: i64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Whether a merge closed it.
    pub closed: bool,
}
