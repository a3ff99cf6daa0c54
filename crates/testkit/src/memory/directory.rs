//! The port of studios, games and realms.

use async_trait::async_trait;
use domain::store::StoreError;
use domain::tenancy::{Directory, Environment, Game, GameId, Realm, RealmId, Studio};

use super::MemoryStore;

#[async_trait]
impl Directory for MemoryStore {
    async fn add_studio(&self, studio: &Studio) -> Result<bool, StoreError> {
        let studios = &mut self.lock().studios;
        let taken = studios.iter().any(|known| known.slug == studio.slug);
        if !taken {
            studios.push(studio.clone());
        }
        Ok(!taken)
    }

    async fn studios(&self) -> Result<Vec<Studio>, StoreError> {
        let mut studios = self.lock().studios.clone();
        studios.sort_by_key(|studio| (studio.created_at, studio.id));
        Ok(studios)
    }

    async fn add_game(&self, game: &Game) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if state.games.iter().any(|known| known.studio == game.studio && known.slug == game.slug) {
            return Ok(false);
        }
        state.games.push(game.clone());
        for environment in Environment::ALL {
            let id = RealmId(i64::try_from(state.realms.len()).expect("a test has few realms") + 1);
            state.realms.push(Realm { id, studio: game.studio, game: game.id, environment });
        }
        Ok(true)
    }

    async fn games(&self) -> Result<Vec<Game>, StoreError> {
        let mut games = self.lock().games.clone();
        games.sort_by_key(|game| (game.created_at, game.id));
        Ok(games)
    }

    async fn realm(&self, game: GameId, environment: Environment) -> Result<Option<Realm>, StoreError> {
        let state = self.lock();
        let mut realms = state.realms.iter();
        Ok(realms.find(|realm| realm.game == game && realm.environment == environment).copied())
    }
}
