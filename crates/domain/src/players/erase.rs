//! Erasure: the player's row stays, without anything that says whose it was; the books stay whole.

use super::{ExternalId, IdentityDigest, Player, PlayerId};
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::clock::Timestamp;
use crate::economy::{Actor, KeyDigest};
use crate::lobbies::PlayCounts;
use crate::tenancy::RealmId;
use crate::text::FreeText;
use crate::webhooks::{EventName, EventNames, OutboxEvent, occurrences};

/// Why a player is erased. Goes on the audit entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LegalBasis {
    /// The player asked for it (Article 17 GDPR).
    #[default]
    GdprErasure,
    /// The studio wants it, for example because an account is closed.
    StudioRequest,
    /// Cleaning up after tests.
    Test,
}

impl LegalBasis {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GdprErasure, Self::StudioRequest, Self::Test];

    /// The name used in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GdprErasure => "gdpr_erasure",
            Self::StudioRequest => "studio_request",
            Self::Test => "test",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == name)
    }
}

/// An erasure, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseCommand {
    /// The realm.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asks.
    pub actor: Actor,
    /// Whom it is about.
    pub player: ExternalId,
    /// What `player` is recognised by afterwards.
    pub digest: IdentityDigest,
    /// Why.
    pub basis: LegalBasis,
    /// The request's idempotency key, if it has one: a late repeat must not erase whoever has the id by then. It is kept
    /// with the erasure that it makes: a request that erased nobody uses up no key.
    pub key: Option<KeyDigest>,
    /// The id of its audit entry.
    pub audit: AuditId,
}

/// An erasure that happened: all that is kept of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Whose row was anonymised.
    pub player: PlayerId,
    /// What they were called, as far as it can be recognised.
    pub digest: IdentityDigest,
    /// The idempotency key of the request.
    pub key: Option<KeyDigest>,
    /// When.
    pub at: Timestamp,
}

/// What must be seen to decide an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EraseView {
    /// The player who has the id now.
    pub player: Option<Player>,
    /// The erasure of this id under the command's idempotency key; failing that, the latest erasure of this id.
    pub earlier: Option<Erasure>,
    /// How much that player has played.
    pub play: PlayCounts,
    /// The events that some endpoint of the realm is told of.
    pub wanted: EventNames,
}

/// An erasure of now, and what still refers to the row that it anonymised: attempts, lobbies and rankings stay, and show its
/// placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// The record of it.
    pub erasure: Erasure,
    /// How much the player had played.
    pub play: PlayCounts,
}

/// The answer to an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraseOutcome {
    /// The player was erased now.
    Erased(Erased),
    /// A player of that id was erased before, and nobody has had it since; or this is a repeat of that request.
    AlreadyErased(Erasure),
    /// Nobody has that id, and nobody who had it was erased.
    NeverExisted {
        /// When that was found.
        at: Timestamp,
    },
}

/// What an erasure comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseDecision {
    /// What is answered.
    pub outcome: EraseOutcome,
    /// What must be stored; `None` when nothing changes.
    pub effect: Option<EraseEffect>,
}

/// What must be stored of an erasure.
///
/// The player's row gets the placeholder for its id and loses what was known of the player elsewhere and a ban, reason and
/// all. All free text is blanked: reason, source reference and parameters of every entry of the player's accounts, closed
/// ones included; source reference, metadata and parameters of items of their grants; reasons in the audit log of what was done to them or to
/// players that were merged into them; the words of events that are kept of them. No amount changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseEffect {
    /// The record of it.
    pub erasure: Erasure,
    /// What the row's id is from now on.
    pub placeholder: ExternalId,
    /// The entry of the audit log.
    pub audit: AuditEntry,
    /// The event to store, if it is wanted. It says what the player was called, because the studio has to erase them too; no
    /// other event that is kept does after this.
    pub event: Option<OutboxEvent>,
}

impl Erasure {
    /// What the erased player is called: it says that they were erased, and who by Purser's own id.
    pub fn placeholder(&self) -> ExternalId {
        ExternalId::restore(format!("__deleted_{}__", self.player.0))
    }
}

impl EraseCommand {
    /// Decides on what is stored. Total: an erasure is never refused.
    pub fn decide(&self, view: &EraseView) -> EraseDecision {
        let repeated = view.earlier.filter(|earlier| self.key.is_some() && earlier.key == self.key);
        let outcome = match (&view.player, repeated, view.earlier) {
            (_, Some(erasure), _) | (None, None, Some(erasure)) => EraseOutcome::AlreadyErased(erasure),
            (None, None, None) => EraseOutcome::NeverExisted { at: self.at },
            (Some(player), None, _) => {
                let erasure = Erasure { player: player.id, digest: self.digest, key: self.key, at: self.at };
                let is_told = view.wanted.contains(EventName::PlayerDeleted);
                let basis = self.basis.as_str();
                let event = is_told.then(|| occurrences::player_deleted(self.realm, &erasure, &self.player, basis));
                let (placeholder, audit) = (erasure.placeholder(), self.audited(player));
                let effect = EraseEffect { erasure, placeholder, audit, event };
                let outcome = EraseOutcome::Erased(Erased { erasure, play: view.play });
                return EraseDecision { outcome, effect: Some(effect) };
            }
        };
        EraseDecision { outcome, effect: None }
    }

    fn audited(&self, player: &Player) -> AuditEntry {
        let (actor, action) = (self.actor.clone(), AuditAction::PlayerDelete);
        let entry = AuditEntry::new(self.realm, self.audit, self.at, actor, action);
        let basis = FreeText::restore(self.basis.as_str().to_owned());
        AuditEntry { player: Some(player.id), reason: Some(basis), ..entry }
    }
}
