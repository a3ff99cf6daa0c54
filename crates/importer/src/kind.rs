//! What is brought in: the three imports that the server has, and what they are called on the wire.

use serde::{Deserialize, Serialize};

/// What is brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What players hold of currencies.
    Wallet,
    /// What players hold of items.
    Inventory,
    /// The players themselves, with what was known of them.
    Players,
}

impl Kind {
    /// Its name on the command line, and in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Inventory => "inventory",
            Self::Players => "players",
        }
    }

    /// Where its rows are posted to.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Wallet => "/server/v1/migrate/wallet",
            Self::Inventory => "/server/v1/migrate/inventory",
            Self::Players => "/server/v1/migrate/players",
        }
    }

    /// The member of a row that names what is held, and the one that says how much of it.
    pub(crate) fn holding_members(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Wallet => Some(("economyKey", "amount")),
            Self::Inventory => Some(("itemKey", "quantity")),
            Self::Players => None,
        }
    }

    /// The member of a row that holds a JSON object.
    pub(crate) fn object_member(self) -> Option<&'static str> {
        match self {
            Self::Wallet => None,
            Self::Inventory => Some("parameters"),
            Self::Players => Some("contextSnapshot"),
        }
    }

    /// Whether a row says why.
    pub(crate) fn has_reason(self) -> bool {
        self != Self::Players
    }

    /// What a receipt calls its assets.
    pub(crate) fn asset_heading(self) -> &'static str {
        match self {
            Self::Wallet => "CURRENCY",
            Self::Inventory => "ITEM",
            Self::Players => "",
        }
    }
}
