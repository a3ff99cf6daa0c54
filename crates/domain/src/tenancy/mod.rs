//! Studios, games and realms: who owns which data.
//!
//! studio > game > environment. One game in one environment is a **realm**: the isolation boundary, and the first column
//! of every table that holds players' data.

mod directory;
#[cfg(test)]
mod directory_tests;

pub use directory::*;

use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use crate::clock::Timestamp;

/// Names one studio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StudioId(pub Uuid);

/// Names one game of one studio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GameId(pub Uuid);

/// Names one realm: a game in an environment. Small, because it leads every key of every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealmId(pub i64);

/// Where a game runs. Data of the two never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// For development and tests.
    Sandbox,
    /// For players' real money.
    Live,
}

impl Environment {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Sandbox, Self::Live];

    /// The name used in storage and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        }
    }

    /// The name used on the server API's wire, where sandbox is called `test` (decisions, section 3).
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Sandbox => "test",
            Self::Live => "live",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == name)
    }
}

/// The short name of a studio or a game: a lower-case letter or digit, then up to 63 of those or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(Arc<str>);

/// Why a text was refused as a [`Slug`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to 64 lower-case letters, digits or '-', not beginning with '-'")]
pub struct InvalidSlug;

impl Slug {
    const LENGTH_MAX: usize = 64;

    /// Accepts `[a-z0-9][a-z0-9-]{0,63}`.
    pub fn try_new(text: &str) -> Result<Self, InvalidSlug> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let well_formed = text.bytes().all(|byte| plain(byte) || byte == b'-')
            && text.bytes().next().is_some_and(plain)
            && text.len() <= Self::LENGTH_MAX;
        if well_formed { Ok(Self(text.into())) } else { Err(InvalidSlug) }
    }

    /// Rebuilds a stored slug.
    pub fn restore(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A customer of this server: owns games.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Studio {
    /// Its identifier.
    pub id: StudioId,
    /// Its short name, unique on this server.
    pub slug: Slug,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A game of a studio. Its two realms are made with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Game {
    /// Its identifier.
    pub id: GameId,
    /// The studio that owns it.
    pub studio: StudioId,
    /// Its short name, unique within the studio.
    pub slug: Slug,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A realm and all that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Realm {
    /// Its identifier.
    pub id: RealmId,
    /// The studio that owns its game.
    pub studio: StudioId,
    /// Its game.
    pub game: GameId,
    /// Its environment.
    pub environment: Environment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_lower_case_words() {
        assert!(Slug::try_new("my-game-2").is_ok());
        for bad in ["", "-x", "Game", "a b", "a/b", "é", &"a".repeat(65)] {
            assert_eq!(Slug::try_new(bad), Err(InvalidSlug), "{bad:?}");
        }
    }

    #[test]
    fn environments_read_back_what_they_write() {
        for environment in Environment::ALL {
            assert_eq!(Environment::parse(environment.as_str()), Some(environment));
        }
        assert_eq!(Environment::parse("test"), None);
    }
}
