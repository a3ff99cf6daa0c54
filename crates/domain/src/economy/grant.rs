//! Grants: what a player was given, and whether it has been delivered.
//!
//! `pending` -> `claimed` | `expired`. Expiry is decided by the clock at every decision and every read, so it holds
//! whether or not a sweeper has run.

use thiserror::Error;
use uuid::Uuid;

use super::{Amount, Asset, AssetKey, AssetKind, Once, PostingIds};
use crate::clock::Timestamp;
use crate::players::PlayerId;
use crate::text::{FreeText, JsonObject};

/// Names one grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub Uuid);

/// What a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// Its entries are what the player gets.
    Reward,
    /// It is opened, and what is inside is rolled then.
    Crate,
}

/// Who asked for a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantSource {
    /// The studio's backend, as a matter of course.
    Api,
    /// An operator's override.
    Admin,
}

/// Where a grant is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantStatus {
    /// Waiting to be claimed or acknowledged.
    Pending,
    /// Delivered.
    Claimed,
    /// Past its expiry without having been delivered.
    Expired,
}

/// When the contents of a grant are put into the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// When it is claimed.
    Claim,
    /// At once: it is born claimed.
    Immediate,
}

/// Who marked a grant as claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckedBy {
    /// The studio's backend, which delivered the contents itself.
    ServerApi,
    /// Purser, which put the contents into the ledger at creation.
    Delivery,
}

macro_rules! stored_names {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in storage and on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Reads [`Self::as_str`] back.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

stored_names!(GrantKind { Reward = "reward", Crate = "crate" });
stored_names!(GrantSource { Api = "api", Admin = "admin" });
stored_names!(GrantStatus { Pending = "pending", Claimed = "claimed", Expired = "expired" });
stored_names!(Delivery { Claim = "claim", Immediate = "immediate" });
stored_names!(AckedBy { ServerApi = "server_api", Delivery = "delivery" });

/// One thing that a grant gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantEntry {
    /// Some of a currency.
    Currency {
        /// Which.
        key: AssetKey,
        /// How much.
        amount: Amount,
    },
    /// Some of an item.
    Item {
        /// Which.
        key: AssetKey,
        /// How many.
        quantity: Amount,
        /// Attributes of these instances.
        parameters: Option<JsonObject>,
    },
    /// Crates, to be opened later.
    Crate {
        /// The crate's item key.
        key: AssetKey,
        /// How many.
        quantity: Amount,
    },
}

impl GrantEntry {
    /// What delivering this entry adds to the ledger; `None` for a crate, which is opened, not deposited.
    pub fn deposit(&self) -> Option<(Asset, Amount)> {
        match self {
            Self::Currency { key, amount } => Some((Asset { kind: AssetKind::Currency, key: key.clone() }, *amount)),
            Self::Item { key, quantity, .. } => Some((Asset { kind: AssetKind::Item, key: key.clone() }, *quantity)),
            Self::Crate { .. } => None,
        }
    }
}

/// The entries of a grant: 1 ..= [`GrantEntries::COUNT_MAX`] of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantEntries(Vec<GrantEntry>);

/// Why a list of entries was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must have 1 to {max} entries", max = GrantEntries::COUNT_MAX)]
pub struct InvalidGrantEntries;

impl GrantEntries {
    /// The most entries in one grant: a batch loads an account for each.
    pub const COUNT_MAX: usize = 100;

    /// Accepts 1 ..= [`Self::COUNT_MAX`] entries.
    pub fn try_new(entries: Vec<GrantEntry>) -> Result<Self, InvalidGrantEntries> {
        if (1..=Self::COUNT_MAX).contains(&entries.len()) { Ok(Self(entries)) } else { Err(InvalidGrantEntries) }
    }

    /// Rebuilds a stored list.
    pub fn restore(entries: Vec<GrantEntry>) -> Self {
        Self(entries)
    }

    /// The same entries without the attributes of items, which are the caller's own words.
    pub fn without_parameters(&self) -> Self {
        let entries = self.0.iter().map(|entry| match entry {
            GrantEntry::Item { key, quantity, .. } => {
                GrantEntry::Item { key: key.clone(), quantity: *quantity, parameters: None }
            }
            GrantEntry::Currency { .. } | GrantEntry::Crate { .. } => entry.clone(),
        });
        Self(entries.collect())
    }

    /// The entries, in the order given.
    pub fn as_slice(&self) -> &[GrantEntry] {
        &self.0
    }
}

/// A grant to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// Its id.
    pub id: GrantId,
    /// Reward or crate.
    pub kind: GrantKind,
    /// What it gives.
    pub entries: GrantEntries,
    /// Who asked for it.
    pub source: GrantSource,
    /// The caller's own reference.
    pub source_ref: Option<FreeText>,
    /// The caller's own data.
    pub metadata: Option<JsonObject>,
    /// After this instant it can no longer be claimed or acknowledged.
    pub expires_at: Option<Timestamp>,
    /// When its contents are put into the ledger.
    pub delivery: Delivery,
    /// A grant always has an idempotency key.
    pub once: Once,
    /// Identifiers for the deposits, one for each entry; empty unless the delivery is immediate.
    pub deposit_ids: Vec<PostingIds>,
}

/// A grant as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Whom it was given to.
    pub player: PlayerId,
    /// Reward or crate.
    pub kind: GrantKind,
    /// What it gives.
    pub entries: GrantEntries,
    /// Who asked for it.
    pub source: GrantSource,
    /// The caller's own reference.
    pub source_ref: Option<FreeText>,
    /// The caller's own data.
    pub metadata: Option<JsonObject>,
    /// When its contents are put into the ledger.
    pub delivery: Delivery,
    /// Present once it was claimed.
    pub claim: Option<Claim>,
    /// After this instant it can no longer be claimed or acknowledged.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// How and when a grant was marked as claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: AckedBy,
}

impl Grant {
    /// Where it is in its life at the instant `now`.
    pub fn status_at(&self, now: Timestamp) -> GrantStatus {
        let expired = self.expires_at.is_some_and(|expires_at| expires_at <= now);
        match self.claim {
            Some(_) => GrantStatus::Claimed,
            None if expired => GrantStatus::Expired,
            None => GrantStatus::Pending,
        }
    }

    /// The grant as it was right after its creation, which is what a repeated create answers (the seed: "the body is
    /// identical to the original 201 response").
    #[must_use]
    pub fn as_created(&self) -> Self {
        let claim = match self.delivery {
            Delivery::Claim => None,
            Delivery::Immediate => Some(Claim { at: self.created_at, by: AckedBy::Delivery }),
        };
        Self { claim, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back() {
        for status in GrantStatus::ALL {
            assert_eq!(GrantStatus::parse(status.as_str()), Some(*status));
        }
        for delivery in Delivery::ALL {
            assert_eq!(Delivery::parse(delivery.as_str()), Some(*delivery));
        }
        assert_eq!(GrantKind::parse("Reward"), None);
    }
}
