//! The directory of studios, games and realms: the port that keeps it, and the use cases of its command line.

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use super::{Environment, Game, GameId, Realm, Slug, Studio, StudioId};
use crate::clock::Clock;
use crate::ids::Ids;
use crate::store::StoreError;

/// Where studios, games and realms are kept.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Directory: Send + Sync {
    /// Stores `studio`. Answers false, and stores nothing, when its slug is taken.
    async fn add_studio(&self, studio: &Studio) -> Result<bool, StoreError>;

    /// All studios, oldest first.
    async fn studios(&self) -> Result<Vec<Studio>, StoreError>;

    /// Stores `game` together with its two realms. Answers false, and stores nothing, when its slug is taken.
    async fn add_game(&self, game: &Game) -> Result<bool, StoreError>;

    /// All games of all studios, oldest first.
    async fn games(&self) -> Result<Vec<Game>, StoreError>;

    /// The realm of `game` in `environment`, if that game exists.
    async fn realm(&self, game: GameId, environment: Environment) -> Result<Option<Realm>, StoreError>;
}

/// Why a change of the directory was refused.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another studio has that slug.
    #[error("a studio named '{0}' exists already")]
    StudioExists(Slug),
    /// No studio has that slug.
    #[error("no studio is named '{0}'")]
    UnknownStudio(Slug),
    /// Another game of the studio has that slug.
    #[error("the studio '{studio}' already has a game named '{game}'")]
    GameExists {
        /// The studio's slug.
        studio: Slug,
        /// The game's slug.
        game: Slug,
    },
    /// The studio has no game of that slug.
    #[error("the studio '{studio}' has no game named '{game}'")]
    UnknownGame {
        /// The studio's slug.
        studio: Slug,
        /// The game's slug.
        game: Slug,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates and finds studios, games and realms.
pub struct Tenancy {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Tenancy {
    /// Puts the use cases on their ports.
    pub fn new(directory: Arc<dyn Directory>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { directory, clock, ids }
    }

    /// Creates a studio named `slug`.
    ///
    /// # Errors
    /// [`DirectoryError::StudioExists`] when the name is taken.
    pub async fn create_studio(&self, slug: Slug) -> Result<Studio, DirectoryError> {
        let now = self.clock.now();
        let studio = Studio { id: StudioId(self.ids.next(now)), slug, created_at: now };
        if self.directory.add_studio(&studio).await? {
            Ok(studio)
        } else {
            Err(DirectoryError::StudioExists(studio.slug))
        }
    }

    /// Creates a game named `game`, with its two realms, in the studio named `studio`.
    ///
    /// # Errors
    /// [`DirectoryError::UnknownStudio`], or [`DirectoryError::GameExists`] when the name is taken in that studio.
    pub async fn create_game(&self, studio: Slug, game: Slug) -> Result<Game, DirectoryError> {
        let owner = self.find_studio(&studio).await?;
        let now = self.clock.now();
        let created = Game { id: GameId(self.ids.next(now)), studio: owner.id, slug: game, created_at: now };
        if self.directory.add_game(&created).await? {
            Ok(created)
        } else {
            Err(DirectoryError::GameExists { studio, game: created.slug })
        }
    }

    /// All studios, oldest first.
    pub async fn studios(&self) -> Result<Vec<Studio>, DirectoryError> {
        Ok(self.directory.studios().await?)
    }

    /// All games with the studio that owns each, oldest first.
    pub async fn games(&self) -> Result<Vec<(Studio, Game)>, DirectoryError> {
        let studios = self.directory.studios().await?;
        let games = self.directory.games().await?;
        let owned = games.into_iter().filter_map(|game| {
            let owner = studios.iter().find(|studio| studio.id == game.studio)?;
            Some((owner.clone(), game))
        });
        Ok(owned.collect())
    }

    /// The studio named `slug`.
    pub async fn find_studio(&self, slug: &Slug) -> Result<Studio, DirectoryError> {
        let studios = self.directory.studios().await?;
        studios
            .into_iter()
            .find(|studio| studio.slug == *slug)
            .ok_or_else(|| DirectoryError::UnknownStudio(slug.clone()))
    }

    /// The realm of the game named `game`, of the studio named `studio`, in `environment`.
    pub async fn find_realm(
        &self,
        studio: &Slug,
        game: &Slug,
        environment: Environment,
    ) -> Result<Realm, DirectoryError> {
        let owner = self.find_studio(studio).await?;
        let unknown = || DirectoryError::UnknownGame { studio: studio.clone(), game: game.clone() };
        let games = self.directory.games().await?;
        let found = games.into_iter().find(|candidate| candidate.studio == owner.id && candidate.slug == *game);
        let found = found.ok_or_else(unknown)?;
        self.directory.realm(found.id, environment).await?.ok_or_else(unknown)
    }
}
