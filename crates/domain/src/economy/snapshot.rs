//! What the store knew before a batch: everything in its footprint, and nothing else.
//!
//! "Not loaded" is not "absent". Asking for a key outside the footprint is a bug and panics, so that a wrong footprint is
//! a failing test and never a wrong answer.

use std::collections::HashMap;

use super::{AccountId, AccountKey, Balance, Fingerprint, Grant, GrantKey, OnceKey};
use crate::clock::Timestamp;
use crate::players::Player;
use crate::tenancy::RealmId;
use crate::webhooks::{EventName, EventNames};

use super::PlayerKey;

/// An account as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// Its id.
    pub id: AccountId,
    /// What it holds.
    pub balance: Balance,
    /// How many entries it has, which is also the sequence number of its last one; 0 for an account not yet stored.
    pub version: i64,
}

/// What was settled before under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The fingerprint of the request that was settled.
    pub fingerprint: Fingerprint,
    /// What it did.
    pub result: SettledResult,
}

/// What a settled request did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledResult {
    /// It changed a balance, which was then this.
    Adjusted(Balance),
    /// It created this grant (as it is now).
    Granted(Box<Grant>),
    /// It brought in a player.
    Imported,
}

/// A place in the order in which a realm's entries were committed. For the entries of any one player, a later commit has a
/// higher position. Gaps are allowed.
pub type Position = i64;

/// What the store knew before a batch.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    players: HashMap<PlayerKey, Option<Player>>,
    accounts: HashMap<AccountKey, Option<AccountState>>,
    once: HashMap<OnceKey, Option<Settled>>,
    grants: HashMap<GrantKey, Option<Grant>>,
    positions: HashMap<RealmId, Position>,
    wanted: HashMap<RealmId, EventNames>,
}

impl Snapshot {
    /// A snapshot with room for a footprint of about `commands` commands.
    pub fn with_capacity(commands: usize) -> Self {
        Self {
            players: HashMap::with_capacity(commands),
            accounts: HashMap::with_capacity(commands),
            once: HashMap::with_capacity(commands),
            grants: HashMap::new(),
            positions: HashMap::new(),
            wanted: HashMap::new(),
        }
    }

    /// Adds what is known of a player; `None` when there is no such player.
    pub fn put_player(&mut self, key: PlayerKey, player: Option<Player>) {
        self.players.insert(key, player);
    }

    /// Adds what is known of an account; `None` when it was never opened.
    pub fn put_account(&mut self, key: AccountKey, account: Option<AccountState>) {
        self.accounts.insert(key, account);
    }

    /// Adds what was settled under an idempotency key; `None` when nothing was.
    pub fn put_once(&mut self, key: OnceKey, settled: Option<Settled>) {
        self.once.insert(key, settled);
    }

    /// Adds what is known of a grant; `None` when there is no such grant.
    pub fn put_grant(&mut self, key: GrantKey, grant: Option<Grant>) {
        self.grants.insert(key, grant);
    }

    /// Adds the last position used in a realm. It must have been read after everything that orders commits (a lock, the
    /// single writer) was taken; 0 when the realm has no entry.
    pub fn put_position(&mut self, realm: RealmId, last: Position) {
        self.positions.insert(realm, last);
    }

    /// Adds of which events some endpoint of a realm is told.
    pub fn put_wanted(&mut self, realm: RealmId, wanted: EventNames) {
        self.wanted.insert(realm, wanted);
    }

    pub(super) fn wants(&self, realm: RealmId, name: EventName) -> bool {
        self.wanted.get(&realm).expect("a realm outside the footprint was asked for").contains(name)
    }

    pub(super) fn player(&self, key: &PlayerKey) -> Option<&Player> {
        self.players.get(key).expect("a player outside the footprint was asked for").as_ref()
    }

    pub(super) fn account(&self, key: &AccountKey) -> Option<AccountState> {
        *self.accounts.get(key).expect("an account outside the footprint was asked for")
    }

    pub(super) fn settled(&self, key: &OnceKey) -> Option<&Settled> {
        self.once.get(key).expect("an idempotency key outside the footprint was asked for").as_ref()
    }

    pub(super) fn grant(&self, key: &GrantKey) -> Option<&Grant> {
        self.grants.get(key).expect("a grant outside the footprint was asked for").as_ref()
    }

    /// The next unused position of `realm`, which is used by asking for it.
    pub(super) fn next_position(&mut self, realm: RealmId) -> Position {
        let last = self.positions.get_mut(&realm).expect("a realm outside the footprint was asked for");
        *last += 1;
        *last
    }

    /// Moves the time at which `key` was last seen; the player, who must be there, as they are then.
    pub(super) fn mark_seen(&mut self, key: &PlayerKey, at: Timestamp) -> Player {
        let player = self.players.get_mut(key).and_then(Option::as_mut).expect("only a known player is marked as seen");
        player.last_seen_at = at;
        player.clone()
    }
}
