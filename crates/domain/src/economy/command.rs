//! What is asked of the ledger: complete values that need nothing but the stored state to be decided.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::{Amount, Asset, AssetKey, AssetKind, GrantId, NewGrant, Once};
use crate::clock::Timestamp;
use crate::players::{ExternalId, GatedOperation, PlayerId};
use crate::tenancy::RealmId;
use crate::text::{FreeText, JsonObject};

/// Names one account: what one player holds of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub Uuid);

/// Names one ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub Uuid);

/// The operations of the economy. Each is a scope of idempotency keys of its own: the SDK's quick-start uses one receipt
/// id for a credit, an item grant and a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Currency minted into a wallet.
    WalletCredit,
    /// Currency taken from a wallet.
    WalletDebit,
    /// Items added to an inventory.
    InventoryGrant,
    /// Items taken from an inventory.
    InventoryRevoke,
    /// A grant created, or delivered at its creation.
    GrantCreate,
    /// Currency brought in from another platform.
    MigrateWallet,
    /// Items brought in from another platform.
    MigrateInventory,
    /// A player brought in from another platform. Changes no balance, so no ledger entry has it.
    MigratePlayers,
    /// An account emptied into another one's, because its owner was merged into another player.
    PlayerMerge,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::WalletCredit,
        Self::WalletDebit,
        Self::InventoryGrant,
        Self::InventoryRevoke,
        Self::GrantCreate,
        Self::MigrateWallet,
        Self::MigrateInventory,
        Self::MigratePlayers,
        Self::PlayerMerge,
    ];

    /// The name used in storage and in ledger rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WalletCredit => "wallet.credit",
            Self::WalletDebit => "wallet.debit",
            Self::InventoryGrant => "inventory.grant",
            Self::InventoryRevoke => "inventory.revoke",
            Self::GrantCreate => "grant.create",
            Self::MigrateWallet => "migrate.wallet",
            Self::MigrateInventory => "migrate.inventory",
            Self::MigratePlayers => "migrate.players",
            Self::PlayerMerge => "player.merge",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}

/// On whose behalf the ledger changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The studio's backend.
    Server,
    /// The player's game client.
    Client,
    /// An operator.
    Admin,
    /// Purser's own rules, such as the delivery of a reward.
    Engine,
    /// An import from another platform.
    Migration,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Server, Self::Client, Self::Admin, Self::Engine, Self::Migration];

    /// The name used in storage and in ledger rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Admin => "admin",
            Self::Engine => "engine",
            Self::Migration => "migration",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == name)
    }
}

/// Who did it: the display prefix of the key that was used. Goes on every ledger entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor(Arc<str>);

impl Actor {
    /// An actor known by `display_prefix`, the part of an API key that may be shown.
    pub fn new(display_prefix: &str) -> Self {
        Self(display_prefix.into())
    }

    /// The display prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One thing asked of the ledger, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it happens.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asks.
    pub actor: Actor,
    /// On whose behalf.
    pub origin: Origin,
    /// Whom it is about.
    pub player: ExternalId,
    /// The id of that player if this command turns out to be their first contact.
    pub player_if_new: PlayerId,
    /// What is asked.
    pub action: Action,
}

impl Command {
    /// Whether it brings in what was on another platform: then nobody is told of it (the published API: "webhooks are not
    /// emitted").
    pub fn is_import(&self) -> bool {
        self.origin == Origin::Migration
    }

    /// Which operation of a game client it is, if a ban refuses it. There is no `_` arm: a new action does not compile until
    /// someone decides whether a banned player's client may do it.
    pub fn gated(&self) -> Option<GatedOperation> {
        match (self.origin, &self.action) {
            (Origin::Server | Origin::Admin | Origin::Engine | Origin::Migration, _) => None,
            (Origin::Client, Action::Adjust(adjustment)) => match adjustment.kind {
                AdjustmentKind::WalletDebit => Some(GatedOperation::WalletDebit),
                AdjustmentKind::InventoryRevoke => Some(GatedOperation::InventoryConsume),
                AdjustmentKind::WalletCredit
                | AdjustmentKind::InventoryGrant
                | AdjustmentKind::WalletImport
                | AdjustmentKind::InventoryImport => None,
            },
            (Origin::Client, Action::AckGrant(_)) => Some(GatedOperation::GrantsClaim),
            (Origin::Client, Action::CreateGrant(_) | Action::ImportPlayer(_)) => None,
        }
    }
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Change one balance.
    Adjust(Adjustment),
    /// Create a grant.
    CreateGrant(Box<NewGrant>),
    /// Mark a grant as claimed because the studio's backend has delivered it.
    AckGrant(GrantId),
    /// Make sure that a player exists, with what another platform knew of them.
    ImportPlayer(PlayerImport),
}

/// A player as another platform knew them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerImport {
    /// What was known of the player there; replaces what an earlier import said, if there is any.
    pub context_snapshot: Option<JsonObject>,
    /// What keeps it from happening twice.
    pub once: Once,
}

/// The ways a backend changes one balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdjustmentKind {
    /// Mint currency.
    WalletCredit,
    /// Take currency.
    WalletDebit,
    /// Add items.
    InventoryGrant,
    /// Take items.
    InventoryRevoke,
    /// Add currency that the player held on another platform.
    WalletImport,
    /// Add items that the player held on another platform.
    InventoryImport,
}

/// Whether a change adds to an account or takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The balance grows.
    In,
    /// The balance shrinks.
    Out,
}

impl AdjustmentKind {
    /// The operation that this kind of change is.
    pub fn operation(self) -> Operation {
        match self {
            Self::WalletCredit => Operation::WalletCredit,
            Self::WalletDebit => Operation::WalletDebit,
            Self::InventoryGrant => Operation::InventoryGrant,
            Self::InventoryRevoke => Operation::InventoryRevoke,
            Self::WalletImport => Operation::MigrateWallet,
            Self::InventoryImport => Operation::MigrateInventory,
        }
    }

    /// What kind of asset it changes.
    pub fn asset_kind(self) -> AssetKind {
        match self {
            Self::WalletCredit | Self::WalletDebit | Self::WalletImport => AssetKind::Currency,
            Self::InventoryGrant | Self::InventoryRevoke | Self::InventoryImport => AssetKind::Item,
        }
    }

    /// Whether it adds or takes.
    pub fn direction(self) -> Direction {
        match self {
            Self::WalletCredit | Self::InventoryGrant | Self::WalletImport | Self::InventoryImport => Direction::In,
            Self::WalletDebit | Self::InventoryRevoke => Direction::Out,
        }
    }
}

/// A change of one balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Which of the ways it is.
    pub kind: AdjustmentKind,
    /// The currency or item, by key.
    pub key: AssetKey,
    /// By how much.
    pub amount: Amount,
    /// Why, in the caller's words.
    pub reason: Option<FreeText>,
    /// The caller's own reference, such as a receipt id.
    pub source_ref: Option<FreeText>,
    /// Attributes of the items, carried over from another platform.
    pub parameters: Option<JsonObject>,
    /// Present when the caller gave an idempotency key.
    pub once: Option<Once>,
    /// The identifiers that this change uses up.
    pub ids: PostingIds,
}

impl Adjustment {
    /// The asset whose account changes.
    pub fn asset(&self) -> Asset {
        Asset { kind: self.kind.asset_kind(), key: self.key.clone() }
    }
}

/// Identifiers for one change of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostingIds {
    /// The account's, if this change opens it.
    pub account_if_new: AccountId,
    /// The ledger entry's.
    pub entry: EntryId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_and_origins_read_back_what_they_write() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.as_str()), Some(operation));
        }
        for origin in Origin::ALL {
            assert_eq!(Origin::parse(origin.as_str()), Some(origin));
        }
        assert_eq!(Operation::parse("wallet"), None);
        assert_eq!(Origin::parse(""), None);
    }
}
