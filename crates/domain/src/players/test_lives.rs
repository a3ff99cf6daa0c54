//! For the tests of this module: builders of commands, and players, books and what happened to players as one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::audit_log::{AuditEntry, AuditId};
use crate::economy::test_books::{Books, REALM, external_id, minute};
use crate::economy::{
    AccountId, AccountState, Actor, Asset, Audit, AuditReport, AuditedAccount, AuditedEntry, Command, Entry, KeyDigest,
    Outcome, PlayerKey, Settlement,
};
use crate::lobbies::{MockPlayRecords, PlayMergeView, PlayRecords};
use crate::webhooks::EventNames;

/// The realm, players, their accounts (the closed ones apart) and all that happened to them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Lives {
    pub(super) books: Books,
    pub(super) closed: BTreeMap<AccountId, (PlayerId, ClosedAccount)>,
    pub(super) merges: Vec<Merge>,
    pub(super) erasures: Vec<Erasure>,
    pub(super) log: Vec<AuditEntry>,
}

fn secret() -> InstallationSecret {
    InstallationSecret::new([7; 32])
}

fn actor() -> Actor {
    Actor::new("ks_sandbox_test")
}

pub(super) fn reason(text: &str) -> FreeText {
    FreeText::try_new(text).unwrap()
}

pub(super) fn key(text: &str) -> KeyDigest {
    KeyDigest::of(text).unwrap()
}

/// A change of a ban, asked for in minute `at`.
pub(super) fn change_ban(player: &str, at: u64, change: BanChange) -> BanCommand {
    let (at, player, audit) = (minute(at), external_id(player), AuditId(Uuid::nil()));
    BanCommand { realm: REALM, at, actor: actor(), player, change, audit }
}

pub(super) fn ban(player: &str, at: u64, why: &str) -> BanCommand {
    change_ban(player, at, BanChange::Impose { reason: reason(why) })
}

pub(super) fn lift(player: &str, at: u64) -> BanCommand {
    change_ban(player, at, BanChange::Lift)
}

/// A merge, asked for in minute 0, whose entries have ids of their own for each `number`.
pub(super) fn merge(number: u32, source: &str, target: &str, named: Option<&str>) -> MergeCommand {
    let (source, target) = (external_id(source), external_id(target));
    MergeCommand {
        realm: REALM,
        at: minute(0),
        actor: actor(),
        source_digest: secret().digest(REALM, &source),
        source,
        target_digest: secret().digest(REALM, &target),
        target,
        key: named.map(key),
        audit: AuditId(Uuid::nil()),
        entries: EntryIds::starting_with(Uuid::from_u128((1 << 100) | (u128::from(number) << 32))),
    }
}

/// An erasure, asked for in minute `at`.
pub(super) fn erase(player: &str, at: u64, named: Option<&str>) -> EraseCommand {
    let player = external_id(player);
    EraseCommand {
        realm: REALM,
        at: minute(at),
        actor: actor(),
        digest: secret().digest(REALM, &player),
        player,
        basis: LegalBasis::GdprErasure,
        key: named.map(key),
        audit: AuditId(Uuid::nil()),
    }
}

/// Records of a realm in which nobody has played.
pub(super) fn nothing_played() -> Arc<dyn PlayRecords> {
    let mut records = MockPlayRecords::new();
    records.expect_attempts_of().returning(|_, _, _, _| Ok(Vec::new()));
    records.expect_lobbies_of().returning(|_, _, _, _| Ok(Vec::new()));
    records.expect_rankings_of().returning(|_, _, _, _| Ok(Vec::new()));
    Arc::new(records)
}

impl Lives {
    pub(super) fn settle(&mut self, commands: Vec<Command>) -> Settlement {
        self.books.settle(commands)
    }

    pub(super) fn outcome(&mut self, command: Command) -> Outcome {
        self.books.outcome(command)
    }

    pub(super) fn player(&self, name: &ExternalId) -> Option<&Player> {
        self.books.players.get(&PlayerKey { realm: REALM, external_id: name.clone() })
    }

    pub(super) fn called(&self, name: &str) -> Option<&Player> {
        self.player(&external_id(name))
    }

    pub(super) fn change_ban(&mut self, command: &BanCommand) -> Result<BanOutcome, UnknownPlayer> {
        let decision = command.decide(self.player(&command.player), EventNames::ALL)?;
        if let Some(effect) = decision.effect {
            let key = PlayerKey { realm: REALM, external_id: command.player.clone() };
            self.books.players.get_mut(&key).unwrap().banned_at = effect.ban.map(|ban| ban.at);
            self.log.push(effect.audit);
        }
        Ok(decision.outcome)
    }

    /// What the command must see, and nothing else.
    pub(super) fn merge_view(&self, command: &MergeCommand) -> MergeView {
        let (source, target) = (self.player(&command.source).cloned(), self.player(&command.target).cloned());
        let digests = (command.source_digest, command.target_digest);
        let of_both = self.merges.iter().rev().filter(|merge| (merge.source_digest, merge.target_digest) == digests);
        let of_both: Vec<_> = of_both.copied().collect();
        let same_request = of_both.iter().find(|merge| command.key.is_some() && merge.key == command.key);
        let closed = self.closed.values().filter(|(owner, _)| source.as_ref().is_some_and(|it| it.id == *owner));
        let grants = self.books.grants.values();
        let grants = grants.filter(|stored| source.as_ref().is_some_and(|it| it.id == stored.grant.player));
        MergeView {
            wanted: EventNames::ALL,
            earlier: same_request.or(of_both.first()).copied(),
            target_was_erased: self.erasures.iter().any(|erasure| erasure.digest == command.target_digest),
            source_accounts: self.accounts_of(source.as_ref()),
            target_accounts: self.accounts_of(target.as_ref()),
            source_closed: closed.map(|(_, account)| (account.asset.kind, account.version)).collect(),
            grants: u64::try_from(grants.count()).unwrap(),
            play: PlayMergeView::default(),
            last_position: self.books.entries.iter().map(|entry| entry.position).max().unwrap_or(0),
            source,
            target,
        }
    }

    pub(super) fn merge(&mut self, command: &MergeCommand) -> Result<Merged, MergeRefusal> {
        let decision = command.decide(&self.merge_view(command))?;
        if let Some(effect) = decision.effect {
            self.save_merge(command, effect);
        }
        Ok(decision.outcome)
    }

    pub(super) fn erase(&mut self, command: &EraseCommand) -> EraseOutcome {
        let of_id = self.erasures.iter().rev().filter(|erasure| erasure.digest == command.digest);
        let of_id: Vec<_> = of_id.copied().collect();
        let same_request = of_id.iter().find(|erasure| command.key.is_some() && erasure.key == command.key);
        let (player, earlier) = (self.player(&command.player).cloned(), same_request.or(of_id.first()).copied());
        let decision = command.decide(&EraseView { player, earlier, ..EraseView::default() });
        if let Some(effect) = decision.effect {
            self.rename(&command.player, &effect.placeholder);
            self.erasures.push(effect.erasure);
            self.log.push(effect.audit);
        }
        decision.outcome
    }

    /// What whoever is called `name` holds, by asset, zero balances included.
    pub(super) fn held(&self, name: &str) -> BTreeMap<Asset, i64> {
        let accounts = self.accounts_of(self.called(name));
        accounts.into_iter().map(|account| (account.asset, account.state.balance.get())).collect()
    }

    /// What all players hold together, those who were erased included.
    pub(super) fn held_by_all(&self) -> BTreeMap<Asset, i128> {
        let mut held = BTreeMap::new();
        for ((_, _, asset), account) in &self.books.accounts {
            *held.entry(asset.clone()).or_default() += i128::from(account.balance.get());
        }
        held
    }

    /// All entries that are read under whoever is called `name`.
    pub(super) fn history(&self, name: &str) -> Vec<&Entry> {
        let Some(player) = self.called(name) else { return Vec::new() };
        let open = self.books.accounts.iter().filter(|((_, owner, _), _)| *owner == player.id);
        let closed = self.closed.iter().filter(|(_, (owner, _))| *owner == player.id);
        let ids: Vec<AccountId> = open.map(|(_, state)| state.id).chain(closed.map(|(id, _)| *id)).collect();
        self.books.entries.iter().filter(|entry| ids.contains(&entry.account)).collect()
    }

    /// The audit of all accounts, open and closed.
    pub(super) fn audit(&self) -> AuditReport {
        let open = self.books.accounts.iter().map(|((_, player, asset), state)| (*player, asset.clone(), *state));
        let closed = self.closed.values().map(|(player, account)| {
            let ClosedAccount { id, asset, version, .. } = account.clone();
            (*player, asset, AccountState { id, balance: crate::economy::Balance::ZERO, version })
        });
        let mut audit = Audit::default();
        for (player, asset, AccountState { id, balance, version }) in open.chain(closed) {
            audit.account(AuditedAccount { realm: REALM, id, player, asset, balance: balance.get(), version });
            for entry in self.books.entries.iter().filter(|entry| entry.account == id) {
                let Entry { sequence, delta, balance_after, .. } = entry;
                audit.entry(AuditedEntry { sequence: *sequence, delta: *delta, balance_after: balance_after.get() });
            }
        }
        audit.finish()
    }

    fn accounts_of(&self, player: Option<&Player>) -> Vec<HeldAccount> {
        let accounts = self.books.accounts.iter();
        let of_player = accounts.filter(|((_, owner, _), _)| player.is_some_and(|player| player.id == *owner));
        of_player.map(|((_, _, asset), state)| HeldAccount { asset: asset.clone(), state: *state }).collect()
    }

    /// Keeps a merge in the order that [`MergeEffect`] demands.
    fn save_merge(&mut self, command: &MergeCommand, effect: MergeEffect) {
        let Merge { source, target, .. } = effect.merge;
        for (owner, _) in self.closed.values_mut().filter(|(owner, _)| *owner == source) {
            *owner = target;
        }
        for closed in effect.closed {
            let state = self.books.accounts.remove(&(REALM, source, closed.asset.clone())).unwrap();
            assert_eq!((state.id, state.version), (closed.id, closed.version_before), "it is closed as it was loaded");
            self.closed.insert(closed.id, (target, closed));
        }
        for ((realm, owner, asset), state) in std::mem::take(&mut self.books.accounts) {
            let owner = if owner == source { target } else { owner };
            let known = self.books.accounts.insert((realm, owner, asset), state);
            assert_eq!(known, None, "a player has one open account of an asset");
        }
        let (accounts, entries) = (effect.accounts, effect.entries);
        self.books.save(&Settlement { accounts, entries, ..Settlement::default() });
        for stored in self.books.grants.values_mut().filter(|stored| stored.grant.player == source) {
            stored.grant.player = target;
        }
        for import in self.books.imports.iter_mut().filter(|import| import.player == source) {
            import.player = target;
        }
        self.rename(&command.source, &effect.placeholder);
        self.merges.push(effect.merge);
        self.log.push(effect.audit);
    }

    fn rename(&mut self, name: &ExternalId, placeholder: &ExternalId) {
        let key = |external_id: &ExternalId| PlayerKey { realm: REALM, external_id: external_id.clone() };
        let player = self.books.players.remove(&key(name)).unwrap();
        let player = Player { external_id: placeholder.clone(), banned_at: None, ..player };
        assert_eq!(self.books.players.insert(key(placeholder), player), None, "a placeholder is used once");
    }
}
