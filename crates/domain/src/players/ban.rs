//! Bans: soft, immediate, and lifted at once. What a player has stays; what their game client may do does not.

use thiserror::Error;

use super::{ExternalId, Player, PlayerId};
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::clock::Timestamp;
use crate::economy::Actor;
use crate::tenancy::RealmId;
use crate::text::FreeText;
use crate::webhooks::{EventName, EventNames, OutboxEvent, occurrences};

/// There is no player of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such player")]
pub struct UnknownPlayer;

/// The player is banned, so their game client may not do this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the player is banned")]
pub struct PlayerBanned;

/// The operations of a game client that a ban refuses: these seven of the published API and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatedOperation {
    /// Start an attempt at an event.
    EventsStart,
    /// Report progress of an attempt.
    EventsProgress,
    /// Claim a grant.
    GrantsClaim,
    /// Open a crate.
    CratesOpen,
    /// Spend currency.
    WalletDebit,
    /// Use up items.
    InventoryConsume,
    /// Register, or rotate the player's secret.
    PlayersRegister,
}

impl GatedOperation {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::EventsStart,
        Self::EventsProgress,
        Self::GrantsClaim,
        Self::CratesOpen,
        Self::WalletDebit,
        Self::InventoryConsume,
        Self::PlayersRegister,
    ];
}

/// Proof that a player may do one gated operation, decided on the player as loaded in the operation's own transaction.
/// A rule that carries out a [`GatedOperation`] takes one, and only [`require_not_banned`] makes them: whoever adds the
/// operation cannot forget the ban.
#[derive(Debug, PartialEq, Eq)]
pub struct NotBanned {
    operation: GatedOperation,
}

impl NotBanned {
    /// What the player may do.
    pub fn operation(&self) -> GatedOperation {
        self.operation
    }
}

/// Lets `player` do `operation` unless they are banned. A player who is not known yet is not banned.
pub fn require_not_banned(operation: GatedOperation, player: Option<&Player>) -> Result<NotBanned, PlayerBanned> {
    match player.and_then(|player| player.banned_at) {
        None => Ok(NotBanned { operation }),
        Some(_) => Err(PlayerBanned),
    }
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Since when.
    pub at: Timestamp,
    /// Why, as it was said last.
    pub reason: FreeText,
}

/// What is to become of a player's ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanChange {
    /// The player is banned, or stays so for a new reason.
    Impose {
        /// Why.
        reason: FreeText,
    },
    /// The player is no longer banned.
    Lift,
}

/// A change of a player's ban, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanCommand {
    /// The realm.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asks.
    pub actor: Actor,
    /// Whom it is about.
    pub player: ExternalId,
    /// What is to happen.
    pub change: BanChange,
    /// The id of its audit entry.
    pub audit: AuditId,
}

/// The answer to a change of a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BanOutcome {
    /// The player.
    pub player: PlayerId,
    /// Since when the ban is in force; of a lift, when it was lifted.
    pub at: Timestamp,
    /// Whether the player's being banned changed.
    pub applied: bool,
}

/// What a change of a ban comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanDecision {
    /// What is answered.
    pub outcome: BanOutcome,
    /// What must be stored; `None` when nothing changes.
    pub effect: Option<BanEffect>,
}

/// What must be stored of a change of a ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanEffect {
    /// The ban that is in force from now on, if any.
    pub ban: Option<Ban>,
    /// The entry of the audit log.
    pub audit: AuditEntry,
    /// The event to store: of the first ban and of a lift, if it is wanted.
    pub event: Option<OutboxEvent>,
}

impl BanCommand {
    /// Decides on the player as stored. The first ban sets the time; another only refreshes the reason. `wanted` are the events
    /// that some endpoint of the realm is told of.
    ///
    /// # Errors
    /// [`UnknownPlayer`] when there is none.
    pub fn decide(&self, player: Option<&Player>, wanted: EventNames) -> Result<BanDecision, UnknownPlayer> {
        let player = player.ok_or(UnknownPlayer)?;
        let decision = match (&self.change, player.banned_at) {
            (BanChange::Impose { reason }, banned_at) => {
                let at = banned_at.unwrap_or(self.at);
                let ban = Ban { at, reason: reason.clone() };
                let audit = self.audited(player.id, AuditAction::PlayerBan, Some(reason.clone()));
                let outcome = BanOutcome { player: player.id, at, applied: banned_at.is_none() };
                let is_told = outcome.applied && wanted.contains(EventName::PlayerBanned);
                let event = is_told.then(|| occurrences::player_banned(self.realm, player.id, &ban, self.audit));
                BanDecision { outcome, effect: Some(BanEffect { ban: Some(ban), audit, event }) }
            }
            (BanChange::Lift, Some(_)) => {
                let audit = self.audited(player.id, AuditAction::PlayerUnban, None);
                let outcome = BanOutcome { player: player.id, at: self.at, applied: true };
                let is_told = wanted.contains(EventName::PlayerUnbanned);
                let event = is_told.then(|| occurrences::player_unbanned(self.realm, &outcome, self.audit));
                BanDecision { outcome, effect: Some(BanEffect { ban: None, audit, event }) }
            }
            (BanChange::Lift, None) => {
                let outcome = BanOutcome { player: player.id, at: self.at, applied: false };
                BanDecision { outcome, effect: None }
            }
        };
        Ok(decision)
    }

    fn audited(&self, player: PlayerId, action: AuditAction, reason: Option<FreeText>) -> AuditEntry {
        let entry = AuditEntry::new(self.realm, self.audit, self.at, self.actor.clone(), action);
        AuditEntry { player: Some(player), reason, ..entry }
    }
}
