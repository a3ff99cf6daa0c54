//! What a ledger account holds: a currency or an item. Wallet and inventory are two views of one ledger.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The key of a currency, an item or an event: a letter or digit, then up to 63 of `[A-Za-z0-9_.:-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetKey(Arc<str>);

/// Why a text was refused as an [`AssetKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to 64 characters: a letter or digit, then letters, digits, '_', '.', ':' or '-'")]
pub struct InvalidAssetKey;

impl AssetKey {
    const LENGTH_MAX: usize = 64;

    /// Accepts `[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}`.
    pub fn try_new(text: &str) -> Result<Self, InvalidAssetKey> {
        let well_formed = text.len() <= Self::LENGTH_MAX
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        if well_formed { Ok(Self(text.into())) } else { Err(InvalidAssetKey) }
    }

    /// Rebuilds a stored key.
    pub fn restore(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The two kinds of assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetKind {
    /// Held in the wallet.
    Currency,
    /// Held in the inventory.
    Item,
}

impl AssetKind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Currency, Self::Item];

    /// The name used in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Currency => "currency",
            Self::Item => "item",
        }
    }

    /// The name of the view that shows this kind, as the ledger route calls it.
    pub fn view_name(self) -> &'static str {
        match self {
            Self::Currency => "wallet",
            Self::Item => "inventory",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A currency or an item of a game.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset {
    /// Which of the two.
    pub kind: AssetKind,
    /// Its key in the game's catalog.
    pub key: AssetKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_keys_are_short_plain_words() {
        for good in ["gold", "G", "0", "a_b.c:d-e", &"x".repeat(64)] {
            assert!(AssetKey::try_new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "_gold", ".", "..", "-", "a b", "a/b", "é", "a\0", &"x".repeat(65)] {
            assert_eq!(AssetKey::try_new(bad), Err(InvalidAssetKey), "{bad:?}");
        }
    }

    #[test]
    fn kinds_read_back_what_they_write() {
        for kind in AssetKind::ALL {
            assert_eq!(AssetKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(AssetKind::parse("wallet"), None);
    }
}
