//! Every port that keeps something, over one value behind one lock.

mod audit_log;
mod books;
mod directory;
mod economy;
mod keys;
mod lives;
mod lobbies;
mod players;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::keys::KeyRecord;
use domain::players::IdentityDigest;
use domain::store::{StoreError, StoreHealth};
use domain::tenancy::{Game, Realm, Studio};

use crate::contract::{Fixture, Stores};
use books::Books;

/// Keeps everything in memory. A clone is another handle on the same data.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    studios: Vec<Studio>,
    games: Vec<Game>,
    realms: Vec<Realm>,
    keys: Vec<KeyRecord>,
    books: Books,
    secret_check: Option<IdentityDigest>,
}

impl MemoryStore {
    /// A store with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// All ports of this store.
    pub fn stores(&self) -> Stores {
        Stores::of(Arc::new(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StoreHealth for MemoryStore {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The contract's fixture for [`MemoryStore`].
#[derive(Default)]
pub struct MemoryFixture(MemoryStore);

impl MemoryFixture {
    /// A fixture with nothing in it.
    pub async fn create() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Fixture for MemoryFixture {
    async fn open(&self) -> Stores {
        self.0.stores()
    }
}
