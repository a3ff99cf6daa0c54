//! What Purser tells studios of: the names of events, and sets of them.

use std::fmt;

use thiserror::Error;

/// Something that Purser tells a studio's servers of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventName {
    /// A grant was created.
    GrantCreated,
    /// A grant was claimed or acknowledged.
    GrantClaimed,
    /// A grant passed its expiry without having been delivered.
    GrantExpired,
    /// What a player has of an item changed.
    InventoryChanged,
    /// What a player has of a currency changed.
    WalletChanged,
    /// A player was made on first contact.
    PlayerRegistered,
    /// A player was banned who was not.
    PlayerBanned,
    /// A ban was lifted.
    PlayerUnbanned,
    /// A player was merged into another.
    PlayerMerged,
    /// A player was erased.
    PlayerDeleted,
    /// A lobby was made.
    LobbyCreated,
    /// A lobby began to play.
    LobbyStarted,
    /// A lobby ended.
    LobbyClosed,
    /// An API key will expire soon.
    ApiKeyExpiring,
}

impl EventName {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::GrantCreated,
        Self::GrantClaimed,
        Self::GrantExpired,
        Self::InventoryChanged,
        Self::WalletChanged,
        Self::PlayerRegistered,
        Self::PlayerBanned,
        Self::PlayerUnbanned,
        Self::PlayerMerged,
        Self::PlayerDeleted,
        Self::LobbyCreated,
        Self::LobbyStarted,
        Self::LobbyClosed,
        Self::ApiKeyExpiring,
    ];

    /// The name used in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GrantCreated => "grant.created",
            Self::GrantClaimed => "grant.claimed",
            Self::GrantExpired => "grant.expired",
            Self::InventoryChanged => "inventory.changed",
            Self::WalletChanged => "wallet.changed",
            Self::PlayerRegistered => "player.registered",
            Self::PlayerBanned => "player.banned",
            Self::PlayerUnbanned => "player.unbanned",
            Self::PlayerMerged => "player.merged",
            Self::PlayerDeleted => "player.deleted",
            Self::LobbyCreated => "lobby.created",
            Self::LobbyStarted => "lobby.started",
            Self::LobbyClosed => "lobby.closed",
            Self::ApiKeyExpiring => "api_key.expiring",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }

    /// Its place in a set.
    fn bit(self) -> u32 {
        let place = Self::ALL.into_iter().position(|name| name == self).expect("all of them are among all of them");
        1 << place
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A set of names of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventNames(u32);

/// A text names no event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no event of that name")]
pub struct UnknownEventName;

impl EventNames {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The name that stands for all of them, those of later versions included.
    pub const WILDCARD: &'static str = "*";

    /// The bit of [`Self::WILDCARD`].
    const EVERYTHING: u32 = 1 << 31;

    /// All of them, those of later versions included.
    pub const ALL: Self = Self(Self::EVERYTHING);

    /// Reads names as they are subscribed to, [`Self::WILDCARD`] among them.
    ///
    /// # Errors
    /// [`UnknownEventName`] for the first that names nothing.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownEventName> {
        names.into_iter().try_fold(Self::NONE, |set, name| match name {
            Self::WILDCARD => Ok(Self(set.0 | Self::EVERYTHING)),
            name => EventName::parse(name).map(|name| set.with(name)).ok_or(UnknownEventName),
        })
    }

    /// Rebuilds a stored set, of names between spaces; what this version does not know is left out.
    pub fn restore(names: &str) -> Self {
        let names = names.split_ascii_whitespace();
        names.fold(Self::NONE, |set, name| Self::parse([name]).map_or(set, |named| set.union(named)))
    }

    /// The names, between spaces, for [`Self::restore`].
    pub fn to_stored(self) -> String {
        self.names().collect::<Vec<_>>().join(" ")
    }

    /// The set with `name` in it.
    #[must_use]
    pub fn with(self, name: EventName) -> Self {
        Self(self.0 | name.bit())
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `name` is in it.
    pub fn contains(self, name: EventName) -> bool {
        self.0 & (Self::EVERYTHING | name.bit()) != 0
    }

    /// Whether all of `others` are in it.
    pub fn includes(self, others: Self) -> bool {
        self.0 & Self::EVERYTHING != 0 || others.0 & !self.0 == 0
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names as they are subscribed to: [`Self::WILDCARD`] alone, or each.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let everything = self.0 & Self::EVERYTHING != 0;
        let each = EventName::ALL.into_iter().filter(move |name| !everything && self.0 & name.bit() != 0);
        everything.then_some(Self::WILDCARD).into_iter().chain(each.map(EventName::as_str))
    }
}

impl FromIterator<EventName> for EventNames {
    fn from_iter<T: IntoIterator<Item = EventName>>(names: T) -> Self {
        names.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_what_they_write() {
        for name in EventName::ALL {
            assert_eq!(EventName::parse(name.as_str()), Some(name));
        }
        assert_eq!(EventName::parse("grant"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_into_it_and_nothing_else() {
        let set = EventNames::parse(["wallet.changed", "player.banned"]).expect("both exist");
        for name in EventName::ALL {
            let is_in = [EventName::WalletChanged, EventName::PlayerBanned].contains(&name);
            assert_eq!(set.contains(name), is_in, "{name}");
        }
        assert_eq!(EventNames::restore(&set.to_stored()), set);
        assert_eq!(set.to_stored(), "wallet.changed player.banned");
        assert_eq!(EventNames::parse(["wallet.changed", "nope.x"]), Err(UnknownEventName));
    }

    #[test]
    fn the_wildcard_stands_for_every_name() {
        let all = EventNames::parse(["wallet.changed", "*"]).expect("both exist");
        assert!(EventName::ALL.into_iter().all(|name| all.contains(name)));
        assert_eq!(all.to_stored(), "*");
        assert_eq!(EventNames::restore("*"), EventNames::ALL);
        assert_eq!(EventNames::restore("wallet.changed from.a.later.version").to_stored(), "wallet.changed");
    }
}
