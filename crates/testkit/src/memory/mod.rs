//! Every port that keeps something, over one value behind one lock.

mod audit_log;
mod books;
mod directory;
mod economy;
mod keys;
mod lives;
mod lobbies;
mod players;
mod webhooks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::keys::KeyRecord;
use domain::players::IdentityDigest;
use domain::store::{StoreError, StoreHealth};
use domain::tenancy::{Game, Realm, Studio};
use domain::webhooks::Bell;

use crate::contract::{Fixture, Stores};
use books::Books;

/// Keeps everything in memory. A clone is the same store; its fixture opens it again as another process would.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    bell: Bell,
}

#[derive(Debug, Default)]
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

    /// This store, opened once more as another process does: with the same data, and a bell of its own.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self { state: Arc::clone(&self.state), bell: Bell::default() }
    }

    /// Every value that is kept, as text: to look for what must not be among them.
    pub fn values(&self) -> String {
        format!("{:?}", *self.lock())
    }

    /// Wakes whoever waits for something to tell.
    fn ring_if(&self, has_news: bool) {
        if has_news {
            self.bell.ring();
        }
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
        self.0.reopened().stores()
    }
}
