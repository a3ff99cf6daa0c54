//! The economy as one value: loaded into a snapshot, changed by a settlement. Decides nothing.

use std::collections::{BTreeMap, HashMap};

use domain::audit_log::{AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::{
    AccountChange, AccountId, AccountKey, AccountState, Asset, Audit, AuditPlace, AuditReport, AuditedAccount,
    AuditedEntry, Balance, Claim, Entry, Fingerprint, Footprint, Grant, GrantKey, ImportedPlayer, OnceKey, Operation,
    PlayerKey, Position, SPOT_ENTRIES_MAX, Settled, SettledResult, Settlement, Snapshot, SpotCheck, StoredGrant,
};
use domain::players::{Erasure, ExternalId, Merge, Player, PlayerId};
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};

use super::lobbies::Play;
use super::webhooks::Outgoing;

/// Whose account it is, and of what: one place for each asset of a player.
pub(super) type AccountPlace = (RealmId, PlayerId, Asset);

/// Players, accounts, entries and grants, what happened to players, what they played, and what is told of all that.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) players: BTreeMap<PlayerKey, Player>,
    /// Open and closed ones.
    pub(super) accounts: BTreeMap<AccountId, Account>,
    /// The open account in each place.
    pub(super) open: BTreeMap<AccountPlace, AccountId>,
    pub(super) grants: BTreeMap<GrantKey, StoredGrant>,
    once: HashMap<OnceKey, (Fingerprint, Remembered)>,
    positions: HashMap<RealmId, Position>,
    pub(super) contexts: HashMap<PlayerId, JsonObject>,
    pub(super) ban_reasons: HashMap<PlayerId, FreeText>,
    /// In the order in which they happened.
    pub(super) merges: Vec<(RealmId, Merge)>,
    /// Who was merged into whom; always the last of a chain.
    pub(super) merged_into: HashMap<PlayerId, PlayerId>,
    /// In the order in which they happened.
    pub(super) erasures: Vec<(RealmId, Erasure)>,
    pub(super) audit_log: BTreeMap<(RealmId, AuditId), AuditEntry>,
    pub(super) play: Play,
    pub(super) outgoing: Outgoing,
}

/// An account and its history.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) realm: RealmId,
    pub(super) player: PlayerId,
    pub(super) asset: Asset,
    /// Whether a merge closed it.
    pub(super) closed: bool,
    pub(super) balance: Balance,
    pub(super) opened_at: Timestamp,
    pub(super) changed_at: Timestamp,
    pub(super) entries: Vec<Entry>,
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, Copy)]
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
            snapshot.put_position(realm, self.last_position(realm));
            snapshot.put_wanted(realm, self.outgoing.wanted(realm));
        }
        for key in footprint.players {
            let player = self.players.get(&key).cloned();
            snapshot.put_player(key, player);
        }
        for key in footprint.accounts {
            let account = self.account_state(&key);
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
        self.outgoing.save_events(&settlement.events);
    }

    /// The player named `player`.
    pub(super) fn player(&self, realm: RealmId, player: &ExternalId) -> Option<&Player> {
        self.players.get(&PlayerKey { realm, external_id: player.clone() })
    }

    /// What another platform knew of `player`.
    pub(super) fn context(&self, player: PlayerId) -> Option<&JsonObject> {
        self.contexts.get(&player)
    }

    /// Why `player` is banned.
    pub(super) fn ban_reason(&self, player: PlayerId) -> Option<&FreeText> {
        self.ban_reasons.get(&player)
    }

    /// The open accounts of `player`, by asset.
    pub(super) fn open_accounts(&self, realm: RealmId, player: PlayerId) -> Vec<(AccountId, &Account)> {
        let of_player = self.open.iter().filter(|(place, _)| (place.0, place.1) == (realm, player));
        of_player.map(|(_, id)| (*id, self.account(*id))).collect()
    }

    /// The accounts of `player` that merges closed, by asset.
    pub(super) fn closed_accounts(&self, realm: RealmId, player: PlayerId) -> Vec<(AccountId, &Account)> {
        let closed = |account: &Account| account.closed && (account.realm, account.player) == (realm, player);
        let of_player = self.accounts.iter().filter(|(_, account)| closed(account));
        let mut accounts: Vec<_> = of_player.map(|(id, account)| (*id, account)).collect();
        accounts.sort_by_key(|(_, account)| &account.asset);
        accounts
    }

    /// The account of this id, which must be there.
    pub(super) fn account(&self, id: AccountId) -> &Account {
        self.accounts.get(&id).expect("an account is never forgotten")
    }

    /// The last position used in `realm`.
    pub(super) fn last_position(&self, realm: RealmId) -> Position {
        self.positions.get(&realm).copied().unwrap_or(0)
    }

    /// The grants of `player`, newest first.
    pub(super) fn grants_of(&self, realm: RealmId, player: PlayerId) -> impl Iterator<Item = &Grant> {
        let of_realm = self.grants.iter().rev().filter(move |(key, _)| key.realm == realm);
        of_realm.map(|(_, stored)| &stored.grant).filter(move |grant| grant.player == player)
    }

    /// Checks every account.
    pub(super) fn audit(&self) -> AuditReport {
        let mut audit = Audit::default();
        for (id, account) in &self.accounts {
            let (id, realm, player, asset) = (*id, account.realm, account.player, account.asset.clone());
            let (balance, version) = (account.balance.get(), account.version());
            audit.account(AuditedAccount { realm, id, player, asset, balance, version });
            for entry in &account.entries {
                let Entry { sequence, delta, balance_after, .. } = entry;
                let (sequence, delta, balance_after) = (*sequence, *delta, balance_after.get());
                audit.entry(AuditedEntry { sequence, delta, balance_after });
            }
        }
        audit.finish()
    }

    pub(super) fn spot_check(&self, after: Option<AuditPlace>, accounts_max: u32) -> SpotCheck {
        let open = self.accounts.iter().filter(|(_, account)| !account.closed);
        let mut places: Vec<AuditPlace> = open.map(|(id, account)| (account.realm, *id)).collect();
        places.sort_unstable();
        places.retain(|place| after.is_none_or(|after| after < *place));
        places.truncate(usize::try_from(accounts_max).expect("a small number"));
        let mut audit = Audit::default();
        for (realm, id) in &places {
            let account = self.account(*id);
            let (balance, version) = (account.balance.get(), account.version());
            let (player, asset) = (account.player, account.asset.clone());
            let skipped = account.entries.len().saturating_sub(SPOT_ENTRIES_MAX);
            let entries = account.entries.iter().skip(skipped).map(|entry| AuditedEntry {
                sequence: entry.sequence,
                delta: entry.delta,
                balance_after: entry.balance_after.get(),
            });
            let entries: Vec<_> = entries.collect();
            audit.latest(AuditedAccount { realm: *realm, id: *id, player, asset, balance, version }, &entries);
        }
        SpotCheck { report: audit.finish(), next: places.last().copied() }
    }

    fn account_state(&self, key: &AccountKey) -> Option<AccountState> {
        let player = self.players.get(&key.player)?;
        let id = *self.open.get(&(key.player.realm, player.id, key.asset.clone()))?;
        Some(self.account(id).state(id))
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

    pub(super) fn save_account(&mut self, change: &AccountChange) {
        let place = (change.realm, change.player, change.asset.clone());
        let id = *self.open.entry(place).or_insert(change.id);
        assert_eq!(id, change.id, "a player has one account of an asset");
        let account = self.accounts.entry(id).or_insert_with(|| Account {
            realm: change.realm,
            player: change.player,
            asset: change.asset.clone(),
            closed: false,
            balance: Balance::ZERO,
            opened_at: change.first_at,
            changed_at: change.at,
            entries: Vec::new(),
        });
        assert_eq!(account.version(), change.version_before, "an account is changed from the version that was loaded");
        (account.balance, account.changed_at) = (change.balance, change.at);
    }

    pub(super) fn save_entry(&mut self, entry: &Entry) {
        let account = self.accounts.get_mut(&entry.account).expect("an entry belongs to an account");
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
    /// What a command that changes it must see.
    pub(super) fn state(&self, id: AccountId) -> AccountState {
        AccountState { id, balance: self.balance, version: self.version() }
    }

    /// How many entries it has.
    pub(super) fn version(&self) -> i64 {
        i64::try_from(self.entries.len()).expect("a test has few entries")
    }
}
