//! For the tests of this module and of players: builders of commands, and the stored state as one value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::players::{ExternalId, Player, PlayerId};
use crate::tenancy::RealmId;
use crate::text::JsonObject;
use crate::webhooks::{EventNames, OutboxEvent, occurrences};

pub(crate) const REALM: RealmId = RealmId(1);

static COUNT: AtomicU64 = AtomicU64::new(1);

fn new_id() -> Uuid {
    Uuid::from_u128(COUNT.fetch_add(1, Ordering::Relaxed).into())
}

fn posting_ids() -> PostingIds {
    PostingIds { account_if_new: AccountId(new_id()), entry: EntryId(new_id()) }
}

pub(crate) fn minute(number: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_772_366_400_000_000).plus(Duration::from_secs(60 * number))
}

pub(crate) fn amount(number: i64) -> Amount {
    Amount::try_new(number).unwrap()
}

pub(crate) fn asset_key(text: &str) -> AssetKey {
    AssetKey::try_new(text).unwrap()
}

pub(crate) fn external_id(text: &str) -> ExternalId {
    ExternalId::try_new(text).unwrap()
}

pub(crate) fn adjust(kind: AdjustmentKind, player: &str, key: &str, number: i64) -> Command {
    let (key, amount) = (asset_key(key), amount(number));
    let adjustment = Adjustment {
        kind,
        key,
        amount,
        reason: None,
        source_ref: None,
        parameters: None,
        once: None,
        ids: posting_ids(),
    };
    command(player, Action::Adjust(adjustment))
}

pub(crate) fn credit(player: &str, key: &str, number: i64) -> Command {
    adjust(AdjustmentKind::WalletCredit, player, key, number)
}

pub(crate) fn debit(player: &str, key: &str, number: i64) -> Command {
    adjust(AdjustmentKind::WalletDebit, player, key, number)
}

pub(crate) fn give(player: &str, key: &str, number: i64) -> Command {
    adjust(AdjustmentKind::InventoryGrant, player, key, number)
}

pub(crate) fn revoke(player: &str, key: &str, number: i64) -> Command {
    adjust(AdjustmentKind::InventoryRevoke, player, key, number)
}

pub(crate) fn coins(key: &str, number: i64) -> GrantEntry {
    GrantEntry::Currency { key: asset_key(key), amount: amount(number) }
}

pub(crate) fn items(key: &str, number: i64) -> GrantEntry {
    GrantEntry::Item { key: asset_key(key), quantity: amount(number), parameters: None }
}

pub(crate) fn crates(key: &str, number: i64) -> GrantEntry {
    GrantEntry::Crate { key: asset_key(key), quantity: amount(number) }
}

pub(crate) fn grant(player: &str, key: &str, entries: Vec<GrantEntry>, delivery: Delivery) -> Command {
    let deposit_ids = match delivery {
        Delivery::Claim => Vec::new(),
        Delivery::Immediate => entries.iter().map(|_| posting_ids()).collect(),
    };
    let grant = NewGrant {
        id: GrantId(new_id()),
        kind: GrantKind::Reward,
        entries: GrantEntries::try_new(entries).unwrap(),
        source: GrantSource::Api,
        source_ref: None,
        metadata: None,
        expires_at: None,
        delivery,
        once: Once { key: KeyDigest([0; 32]), fingerprint: Fingerprint([0; 32]) },
        deposit_ids,
    };
    command(player, Action::CreateGrant(Box::new(grant))).keyed(key)
}

pub(crate) fn ack(player: &str, grant: GrantId) -> Command {
    command(player, Action::AckGrant(grant))
}

/// The import of a player. `key` is its idempotency key, which every import has.
pub(crate) fn import(player: &str, key: &str, context: Option<&str>) -> Command {
    let context_snapshot = context.map(|name| JsonObject::try_new(&serde_json::json!({ "name": name })).unwrap());
    let once = Once { key: KeyDigest([0; 32]), fingerprint: Fingerprint([0; 32]) };
    command(player, Action::ImportPlayer(PlayerImport { context_snapshot, once })).keyed(key)
}

fn command(player: &str, action: Action) -> Command {
    Command {
        realm: REALM,
        at: minute(0),
        actor: Actor::new("ks_sandbox_test"),
        origin: Origin::Server,
        player: external_id(player),
        player_if_new: PlayerId(new_id()),
        action,
    }
}

impl Command {
    /// Gives it an idempotency key, and a fingerprint of the player and of all that is asked.
    pub(crate) fn keyed(mut self, key: &str) -> Self {
        let key = KeyDigest::of(key).unwrap();
        let print = |operation: Operation, what: &str| {
            let mut parts = Fingerprinter::new(operation);
            parts.text(self.player.as_str());
            parts.text(what);
            parts.finish()
        };
        match &mut self.action {
            Action::Adjust(adjustment) => {
                let Adjustment { kind, key: asset, amount, .. } = &*adjustment;
                let fingerprint = print(kind.operation(), &format!("{asset} {}", amount.get()));
                adjustment.once = Some(Once { key, fingerprint });
            }
            Action::CreateGrant(grant) => {
                let what = format!("{:?} {:?}", grant.entries, grant.delivery);
                grant.once = Once { key, fingerprint: print(Operation::GrantCreate, &what) };
            }
            Action::ImportPlayer(import) => {
                let what = format!("{:?}", import.context_snapshot);
                import.once = Once { key, fingerprint: print(Operation::MigratePlayers, &what) };
            }
            Action::AckGrant(_) => panic!("an acknowledgement has no idempotency key"),
        }
        self
    }

    pub(crate) fn at(mut self, at: Timestamp) -> Self {
        self.at = at;
        self
    }

    pub(crate) fn by_client(mut self) -> Self {
        self.origin = Origin::Client;
        self
    }

    pub(crate) fn in_realm(mut self, realm: RealmId) -> Self {
        self.realm = realm;
        self
    }

    pub(crate) fn expiring(mut self, at: Timestamp) -> Self {
        self.new_grant_mut().expires_at = Some(at);
        self
    }

    /// The grant that it creates.
    pub(crate) fn grant_id(&self) -> Option<GrantId> {
        match &self.action {
            Action::CreateGrant(grant) => Some(grant.id),
            Action::Adjust(_) | Action::AckGrant(_) | Action::ImportPlayer(_) => None,
        }
    }

    fn new_grant_mut(&mut self) -> &mut NewGrant {
        let Action::CreateGrant(grant) = &mut self.action else { panic!("it creates no grant") };
        grant
    }
}

/// Everything that is stored, as one value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Books {
    pub(crate) players: BTreeMap<PlayerKey, Player>,
    pub(crate) accounts: BTreeMap<(RealmId, PlayerId, Asset), AccountState>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) grants: BTreeMap<GrantKey, StoredGrant>,
    pub(crate) imports: Vec<ImportedPlayer>,
}

impl Books {
    /// Settles `commands` as one batch on a snapshot of exactly its footprint, and stores what it comes to.
    pub(crate) fn settle(&mut self, commands: Vec<Command>) -> Settlement {
        let batch = Batch::new(commands);
        let settlement = batch.settle(self.load(batch.footprint()));
        assert_eq!(settlement.outcomes.len(), batch.commands().len());
        self.save(&settlement);
        settlement
    }

    pub(crate) fn outcomes(&mut self, commands: Vec<Command>) -> Vec<Outcome> {
        self.settle(commands).outcomes
    }

    pub(crate) fn outcome(&mut self, command: Command) -> Outcome {
        self.outcomes(vec![command]).remove(0)
    }

    pub(crate) fn load(&self, footprint: Footprint) -> Snapshot {
        let mut snapshot = Snapshot::with_capacity(footprint.players.len());
        for realm in footprint.realms {
            let of_realm = self.entries.iter().filter(|entry| entry.realm == realm);
            snapshot.put_wanted(realm, EventNames::ALL);
            snapshot.put_position(realm, of_realm.map(|entry| entry.position).max().unwrap_or(0));
        }
        for key in footprint.players {
            let player = self.players.get(&key).cloned();
            snapshot.put_player(key, player);
        }
        for key in footprint.accounts {
            let player = self.players.get(&key.player);
            let account =
                player.and_then(|player| self.accounts.get(&(key.player.realm, player.id, key.asset.clone())));
            snapshot.put_account(key.clone(), account.copied());
        }
        for key in footprint.once {
            snapshot.put_once(key, self.settled(key));
        }
        for key in footprint.grants {
            snapshot.put_grant(key, self.grants.get(&key).map(|stored| stored.grant.clone()));
        }
        snapshot
    }

    pub(crate) fn balance(&self, player: &str, kind: AssetKind, key: &str) -> Option<i64> {
        let player = self.players.get(&PlayerKey { realm: REALM, external_id: external_id(player) })?;
        let account = self.accounts.get(&(REALM, player.id, Asset { kind, key: asset_key(key) }))?;
        Some(account.balance.get())
    }

    pub(crate) fn gold(&self, player: &str) -> Option<i64> {
        self.balance(player, AssetKind::Currency, "gold")
    }

    fn settled(&self, key: OnceKey) -> Option<Settled> {
        let entry = self.entries.iter().find(|entry| {
            entry.realm == key.realm
                && entry.operation == key.operation
                && entry.once.is_some_and(|once| once.key == key.key)
        });
        if let Some(entry) = entry {
            let result = SettledResult::Adjusted(entry.balance_after);
            return entry.once.map(|once| Settled { fingerprint: once.fingerprint, result });
        }
        let import = self.imports.iter().find(|import| {
            import.realm == key.realm && key.operation == Operation::MigratePlayers && import.once.key == key.key
        });
        if let Some(import) = import {
            return Some(Settled { fingerprint: import.once.fingerprint, result: SettledResult::Imported });
        }
        let stored = self.grants.values().find(|stored| {
            stored.realm == key.realm && key.operation == Operation::GrantCreate && stored.once.key == key.key
        })?;
        let result = SettledResult::Granted(Box::new(stored.grant.clone()));
        Some(Settled { fingerprint: stored.once.fingerprint, result })
    }

    pub(crate) fn save(&mut self, settlement: &Settlement) {
        for (realm, player) in &settlement.new_players {
            let key = PlayerKey { realm: *realm, external_id: player.external_id.clone() };
            assert!(self.players.insert(key, player.clone()).is_none(), "a player is made once");
        }
        for (realm, player) in &settlement.seen_players {
            let key = PlayerKey { realm: *realm, external_id: player.external_id.clone() };
            assert!(self.players.insert(key, player.clone()).is_some(), "a player that is seen is known");
        }
        for change in &settlement.accounts {
            let after = AccountState { id: change.id, balance: change.balance, version: change.version };
            let before = self.accounts.insert((change.realm, change.player, change.asset.clone()), after);
            let (id, version) = before.map_or((change.id, 0), |before| (before.id, before.version));
            assert_eq!((id, version), (change.id, change.version_before), "an account changes from what was loaded");
        }
        self.entries.extend(settlement.entries.iter().cloned());
        for stored in &settlement.new_grants {
            let key = GrantKey { realm: stored.realm, id: stored.grant.id };
            assert!(self.grants.insert(key, stored.clone()).is_none(), "a grant is made once");
        }
        for claimed in &settlement.claimed_grants {
            let stored = self.grants.get_mut(&GrantKey { realm: claimed.realm, id: claimed.id }).unwrap();
            assert_eq!(stored.grant.claim, None, "a grant is claimed once");
            stored.grant.claim = Some(Claim { at: claimed.at, by: claimed.by });
        }
        for import in &settlement.imported_players {
            let known =
                self.players.iter().any(|(key, player)| (key.realm, player.id) == (import.realm, import.player));
            assert!(known, "only a known player is imported");
            self.imports.push(import.clone());
        }
    }
}

/// Which holding an event is of, what changed, and what it came to; `None` for an event of something else.
pub(crate) fn told_holding(event: &OutboxEvent) -> Option<(Asset, i64, i64)> {
    let data: serde_json::Value = serde_json::from_str(event.data.as_json()).unwrap();
    let kinds = [(AssetKind::Currency, "economyKey", "balance"), (AssetKind::Item, "itemKey", "quantity")];
    let (kind, key, after) = kinds.into_iter().find(|(kind, _, _)| occurrences::change_of(*kind) == event.name)?;
    let asset = Asset { kind, key: asset_key(data[key].as_str().unwrap()) };
    Some((asset, data["delta"].as_i64().unwrap(), data[after].as_i64().unwrap()))
}

pub(crate) fn adjusted(outcome: &Outcome) -> (i64, Repeat) {
    let Ok(Answer::Adjusted(adjusted)) = outcome else { panic!("not an accepted adjustment: {outcome:?}") };
    (adjusted.balance.get(), adjusted.repeat)
}

pub(crate) fn granted(outcome: &Outcome) -> &GrantCreated {
    let Ok(Answer::GrantCreated(created)) = outcome else { panic!("not an accepted grant: {outcome:?}") };
    created
}

pub(crate) fn acked(outcome: &Outcome) -> &Grant {
    let Ok(Answer::GrantAcked(grant)) = outcome else { panic!("not an accepted acknowledgement: {outcome:?}") };
    grant
}

pub(crate) fn imported(outcome: &Outcome) -> Repeat {
    let Ok(Answer::PlayerImported(repeat)) = outcome else { panic!("not an accepted import: {outcome:?}") };
    *repeat
}

/// By how much an accepted command changes which assets.
pub(crate) fn deltas(command: &Command) -> Vec<(Asset, i64)> {
    match &command.action {
        Action::Adjust(adjustment) => {
            let sign = match adjustment.kind.direction() {
                Direction::In => 1,
                Direction::Out => -1,
            };
            vec![(adjustment.asset(), sign * adjustment.amount.get())]
        }
        Action::CreateGrant(new) if new.delivery == Delivery::Immediate => {
            let deposits = new.entries.as_slice().iter().filter_map(GrantEntry::deposit);
            deposits.map(|(asset, amount)| (asset, amount.get())).collect()
        }
        Action::CreateGrant(_) | Action::AckGrant(_) | Action::ImportPlayer(_) => Vec::new(),
    }
}

/// Whether it took effect now.
pub(crate) fn is_first(outcome: &Outcome) -> bool {
    match outcome {
        Ok(Answer::Adjusted(Adjusted { repeat, .. }) | Answer::GrantCreated(GrantCreated { repeat, .. })) => {
            *repeat == Repeat::First
        }
        Ok(Answer::PlayerImported(repeat)) => *repeat == Repeat::First,
        Ok(Answer::GrantAcked(_)) | Err(_) => false,
    }
}
