//! What a batch comes to: what must be stored, all of it or nothing, and what each command is answered.

use super::{
    AccountId, AckedBy, Actor, Asset, AssetKey, Balance, EntryId, Grant, GrantId, Once, Operation, Origin, Position,
    Rejection,
};
use crate::clock::Timestamp;
use crate::players::{Player, PlayerId};
use crate::tenancy::RealmId;
use crate::text::{FreeText, JsonObject};
use crate::webhooks::OutboxEvent;

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// One answer for each command, in the batch's order.
    pub outcomes: Vec<Outcome>,
    /// Players to insert.
    pub new_players: Vec<(RealmId, Player)>,
    /// Players whose `last_seen_at` moves, as they are then. One may come twice, or be among the new ones: the last is right.
    pub seen_players: Vec<(RealmId, Player)>,
    /// Accounts to insert or update, each once, with what they hold after the whole batch.
    pub accounts: Vec<AccountChange>,
    /// Ledger entries to insert, in ascending order of position.
    pub entries: Vec<Entry>,
    /// Grants to insert.
    pub new_grants: Vec<StoredGrant>,
    /// Grants to mark as claimed.
    pub claimed_grants: Vec<ClaimedGrant>,
    /// Imports of players to insert, in order: of several of one player, the last context is right.
    pub imported_players: Vec<ImportedPlayer>,
    /// Events to insert, of those that are wanted: in the order in which it happened.
    pub events: Vec<OutboxEvent>,
}

/// How one command ended.
pub type Outcome = Result<Answer, Rejection>;

/// What an accepted command is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To an adjustment.
    Adjusted(Adjusted),
    /// To the creation of a grant.
    GrantCreated(GrantCreated),
    /// To an acknowledgement: the grant, claimed.
    GrantAcked(Box<Grant>),
    /// To the import of a player.
    PlayerImported(Repeat),
}

/// The answer to an adjustment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjusted {
    /// The currency or item.
    pub key: AssetKey,
    /// What the account held right after the change.
    pub balance: Balance,
    /// Whether the change was made now, or by an earlier request with the same idempotency key.
    pub repeat: Repeat,
}

/// The answer to the creation of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantCreated {
    /// The grant as it was right after its creation.
    pub grant: Box<Grant>,
    /// Whether it was created now, or by an earlier request with the same idempotency key.
    pub repeat: Repeat,
}

/// Whether a request took effect now or is a repeat of one that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It took effect now.
    First,
    /// It had taken effect before; this time nothing changed.
    Replay,
}

/// An account after a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// The realm.
    pub realm: RealmId,
    /// Its id.
    pub id: AccountId,
    /// Its owner.
    pub player: PlayerId,
    /// What it holds.
    pub asset: Asset,
    /// How much it holds now.
    pub balance: Balance,
    /// How many entries it has now.
    pub version: i64,
    /// How many it had before; 0 means that it must be inserted. An adapter refuses to update any other version.
    pub version_before: i64,
    /// When it changed first in this batch: when it was opened, if it is new.
    pub first_at: Timestamp,
    /// When it changed last.
    pub at: Timestamp,
}

/// One line of the append-only ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The realm.
    pub realm: RealmId,
    /// The account that changed.
    pub account: AccountId,
    /// Its place in the realm's order of commits.
    pub position: Position,
    /// Its place in the account's history: 1, 2, 3, ... without gaps.
    pub sequence: i64,
    /// Its id.
    pub id: EntryId,
    /// By how much the account changed; never zero.
    pub delta: i64,
    /// What the account held right after.
    pub balance_after: Balance,
    /// Which operation did it.
    pub operation: Operation,
    /// On whose behalf.
    pub origin: Origin,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: Option<FreeText>,
    /// The caller's own reference.
    pub source_ref: Option<FreeText>,
    /// Attributes of the items, carried over from another platform.
    pub parameters: Option<JsonObject>,
    /// The grant that it delivers, if any.
    pub grant: Option<GrantId>,
    /// What keeps it from happening twice; `None` where the grant or nothing does.
    pub once: Option<Once>,
    /// When.
    pub at: Timestamp,
}

/// A grant to insert, with what is stored but never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGrant {
    /// The realm.
    pub realm: RealmId,
    /// The grant.
    pub grant: Grant,
    /// Who created it.
    pub actor: Actor,
    /// What keeps it from being created twice.
    pub once: Once,
}

/// A grant to mark as claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedGrant {
    /// The realm.
    pub realm: RealmId,
    /// The grant.
    pub id: GrantId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: AckedBy,
}

/// An import of a player to insert: what keeps it from happening twice, and what it says of the player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPlayer {
    /// The realm.
    pub realm: RealmId,
    /// The player, who is known or among the new ones.
    pub player: PlayerId,
    /// What is known of the player from now on; `None` leaves that as it is.
    pub context_snapshot: Option<JsonObject>,
    /// What keeps it from happening twice.
    pub once: Once,
    /// When.
    pub at: Timestamp,
}
