//! The economy as one value: loaded into a snapshot, changed by a settlement. Decides nothing.

use std::collections::{BTreeMap, HashMap};

use domain::clock::Timestamp;
use domain::economy::{
    AccountChange, AccountId, AccountKey, AccountState, Asset, Audit, AuditReport, AuditedAccount, AuditedEntry,
    Balance, Claim, Entry, Fingerprint, Footprint, Grant, GrantKey, ImportedPlayer, OnceKey, Operation, PlayerKey,
    Position, Settled, SettledResult, Settlement, Snapshot, StoredGrant,
};
use domain::players::{ExternalId, Player, PlayerId};
use domain::tenancy::RealmId;
use domain::text::JsonObject;

/// Whose account it is, and of what: one place for each asset of a player.
type AccountPlace = (RealmId, PlayerId, Asset);

/// Players, accounts, entries and grants.
#[derive(Default)]
pub(super) struct Books {
    players: BTreeMap<PlayerKey, Player>,
    accounts: BTreeMap<AccountPlace, Account>,
    /// Where the account of an id is.
    places: HashMap<AccountId, AccountPlace>,
    grants: BTreeMap<GrantKey, StoredGrant>,
    once: HashMap<OnceKey, (Fingerprint, Remembered)>,
    positions: HashMap<RealmId, Position>,
    contexts: HashMap<PlayerId, JsonObject>,
}

/// An account and its history.
pub(super) struct Account {
    pub(super) id: AccountId,
    pub(super) balance: Balance,
    pub(super) opened_at: Timestamp,
    pub(super) changed_at: Timestamp,
    pub(super) entries: Vec<Entry>,
}

/// What an idempotency key was used for.
#[derive(Clone, Copy)]
enum Remembered {
    Adjusted(Balance),
    Granted(GrantKey),
    Imported,
}

impl Books {
    /// What is known of everything in `footprint`.
    pub(super) fn load(&self, footprint: Footprint) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for realm in footprint.realms {
            snapshot.put_position(realm, self.positions.get(&realm).copied().unwrap_or(0));
        }
        for key in footprint.players {
            let player = self.players.get(&key).cloned();
            snapshot.put_player(key, player);
        }
        for key in footprint.accounts {
            let account = self.account(&key);
            snapshot.put_account(key, account);
        }
        for key in footprint.once {
            snapshot.put_once(key, self.settled(&key));
        }
        for key in footprint.grants {
            snapshot.put_grant(key, self.grants.get(&key).map(|stored| stored.grant.clone()));
        }
        snapshot
    }

    /// Keeps what a batch came to. Panics where a database would refuse: such a settlement is a bug.
    pub(super) fn save(&mut self, settlement: &Settlement) {
        for (realm, player) in &settlement.new_players {
            let key = PlayerKey { realm: *realm, external_id: player.external_id.clone() };
            assert!(self.players.insert(key, player.clone()).is_none(), "a player is inserted once");
        }
        for (realm, player) in &settlement.seen_players {
            let key = PlayerKey { realm: *realm, external_id: player.external_id.clone() };
            assert!(self.players.insert(key, player.clone()).is_some(), "a player that is seen is known");
        }
        for change in &settlement.accounts {
            self.save_account(change);
        }
        for entry in &settlement.entries {
            self.save_entry(entry);
        }
        for stored in &settlement.new_grants {
            self.save_grant(stored);
        }
        for claimed in &settlement.claimed_grants {
            let key = GrantKey { realm: claimed.realm, id: claimed.id };
            let stored = self.grants.get_mut(&key).expect("a grant that is claimed is known");
            stored.grant.claim = Some(Claim { at: claimed.at, by: claimed.by });
        }
        for import in &settlement.imported_players {
            self.save_import(import);
        }
    }

    /// The player named `player`.
    pub(super) fn player(&self, realm: RealmId, player: &ExternalId) -> Option<&Player> {
        self.players.get(&PlayerKey { realm, external_id: player.clone() })
    }

    /// What another platform knew of `player`.
    pub(super) fn context(&self, player: PlayerId) -> Option<&JsonObject> {
        self.contexts.get(&player)
    }

    /// The accounts of `player`, by asset.
    pub(super) fn accounts_of(&self, realm: RealmId, player: PlayerId) -> impl Iterator<Item = (&Asset, &Account)> {
        let of_player = self.accounts.iter().filter(move |(place, _)| place.0 == realm && place.1 == player);
        of_player.map(|(place, account)| (&place.2, account))
    }

    /// The grants of `player`, newest first.
    pub(super) fn grants_of(&self, realm: RealmId, player: PlayerId) -> impl Iterator<Item = &Grant> {
        let of_realm = self.grants.iter().rev().filter(move |(key, _)| key.realm == realm);
        of_realm.map(|(_, stored)| &stored.grant).filter(move |grant| grant.player == player)
    }

    /// Checks every account.
    pub(super) fn audit(&self) -> AuditReport {
        let mut audit = Audit::default();
        for ((realm, player, asset), account) in &self.accounts {
            let (realm, player, asset) = (*realm, *player, asset.clone());
            let (id, balance, version) = (account.id, account.balance.get(), account.version());
            audit.account(AuditedAccount { realm, id, player, asset, balance, version });
            for entry in &account.entries {
                let Entry { sequence, delta, balance_after, .. } = entry;
                let (sequence, delta, balance_after) = (*sequence, *delta, balance_after.get());
                audit.entry(AuditedEntry { sequence, delta, balance_after });
            }
        }
        audit.finish()
    }

    fn account(&self, key: &AccountKey) -> Option<AccountState> {
        let player = self.players.get(&key.player)?;
        let account = self.accounts.get(&(key.player.realm, player.id, key.asset.clone()))?;
        Some(AccountState { id: account.id, balance: account.balance, version: account.version() })
    }

    fn settled(&self, key: &OnceKey) -> Option<Settled> {
        let (fingerprint, remembered) = *self.once.get(key)?;
        let result = match remembered {
            Remembered::Adjusted(balance) => SettledResult::Adjusted(balance),
            Remembered::Imported => SettledResult::Imported,
            Remembered::Granted(grant) => {
                let stored = self.grants.get(&grant).expect("a grant is never forgotten");
                SettledResult::Granted(Box::new(stored.grant.clone()))
            }
        };
        Some(Settled { fingerprint, result })
    }

    fn save_account(&mut self, change: &AccountChange) {
        let place = (change.realm, change.player, change.asset.clone());
        self.places.insert(change.id, place.clone());
        let account = self.accounts.entry(place).or_insert_with(|| Account {
            id: change.id,
            balance: Balance::ZERO,
            opened_at: change.first_at,
            changed_at: change.at,
            entries: Vec::new(),
        });
        assert_eq!(account.id, change.id, "a player has one account of an asset");
        assert_eq!(account.version(), change.version_before, "an account is changed from the version that was loaded");
        (account.balance, account.changed_at) = (change.balance, change.at);
    }

    fn save_entry(&mut self, entry: &Entry) {
        let place = self.places.get(&entry.account).expect("an entry belongs to an account");
        let account = self.accounts.get_mut(place).expect("an account is where it was put");
        assert_eq!(entry.sequence, account.version() + 1, "entries follow each other");
        account.entries.push(entry.clone());
        let last = self.positions.entry(entry.realm).or_insert(0);
        assert!(*last < entry.position, "positions ascend");
        *last = entry.position;
        if let Some(once) = entry.once {
            let key = OnceKey { realm: entry.realm, operation: entry.operation, key: once.key };
            let known = self.once.insert(key, (once.fingerprint, Remembered::Adjusted(entry.balance_after)));
            assert!(known.is_none(), "an idempotency key is used once");
        }
    }

    fn save_grant(&mut self, stored: &StoredGrant) {
        let key = GrantKey { realm: stored.realm, id: stored.grant.id };
        assert!(self.grants.insert(key, stored.clone()).is_none(), "a grant is inserted once");
        let once = OnceKey { realm: stored.realm, operation: Operation::GrantCreate, key: stored.once.key };
        let known = self.once.insert(once, (stored.once.fingerprint, Remembered::Granted(key)));
        assert!(known.is_none(), "an idempotency key is used once");
    }

    fn save_import(&mut self, import: &ImportedPlayer) {
        let once = OnceKey { realm: import.realm, operation: Operation::MigratePlayers, key: import.once.key };
        let known = self.once.insert(once, (import.once.fingerprint, Remembered::Imported));
        assert!(known.is_none(), "an idempotency key is used once");
        if let Some(context) = &import.context_snapshot {
            self.contexts.insert(import.player, context.clone());
        }
    }
}

impl Account {
    /// How many entries it has.
    fn version(&self) -> i64 {
        i64::try_from(self.entries.len()).expect("a test has few entries")
    }
}
