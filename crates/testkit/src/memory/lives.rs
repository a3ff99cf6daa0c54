//! What happens to players, on the books: what a ban, a merge or an erasure must see, and what it leaves. Decides nothing.

use domain::audit_log::{AuditEntry, AuditId};
use domain::economy::{Balance, GrantKey, PlayerKey};
use domain::lobbies::{PlayCounts, PlayMergeView};
use domain::players::{
    BanCommand, BanEffect, ClosedAccount, EraseCommand, EraseEffect, EraseView, ExternalId, HeldAccount, MergeCommand,
    MergeEffect, MergeView, Player, PlayerId,
};
use domain::tenancy::RealmId;

use super::books::Books;

impl Books {
    /// Keeps a changed ban.
    pub(super) fn save_ban(&mut self, command: &BanCommand, effect: &BanEffect) {
        let key = PlayerKey { realm: command.realm, external_id: command.player.clone() };
        let player = self.players.get_mut(&key).expect("only a known player is banned");
        player.banned_at = effect.ban.as_ref().map(|ban| ban.at);
        match &effect.ban {
            Some(ban) => drop(self.ban_reasons.insert(player.id, ban.reason.clone())),
            None => drop(self.ban_reasons.remove(&player.id)),
        }
        self.save_audit(&effect.audit);
        self.outgoing.save_events(&effect.event);
    }

    /// What a merge must see.
    pub(super) fn merge_view(&self, command: &MergeCommand) -> MergeView {
        let realm = command.realm;
        let source = self.player(realm, &command.source).cloned();
        let target = self.player(realm, &command.target).cloned();
        let held = |player: &Option<Player>| -> Vec<HeldAccount> {
            let accounts = player.iter().flat_map(|player| self.open_accounts(realm, player.id));
            accounts
                .map(|(id, account)| HeldAccount { asset: account.asset.clone(), state: account.state(id) })
                .collect()
        };
        let closed = source.iter().flat_map(|player| self.closed_accounts(realm, player.id));
        let grants = source.iter().flat_map(|player| self.grants_of(realm, player.id));
        let of_both = self.merges.iter().rev().filter(|(of, merge)| {
            let digests = (merge.source_digest, merge.target_digest);
            *of == realm && digests == (command.source_digest, command.target_digest)
        });
        let of_both: Vec<_> = of_both.map(|(_, merge)| *merge).collect();
        let same_request = of_both.iter().find(|merge| command.key.is_some() && merge.key == command.key);
        MergeView {
            wanted: self.outgoing.wanted(realm),
            earlier: same_request.or(of_both.first()).copied(),
            target_was_erased: self
                .erasures
                .iter()
                .any(|(of, erasure)| (*of, erasure.digest) == (realm, command.target_digest)),
            source_accounts: held(&source),
            target_accounts: held(&target),
            source_closed: closed.map(|(_, account)| (account.asset.kind, account.version())).collect(),
            grants: u64::try_from(grants.count()).expect("a test has few grants"),
            last_position: self.last_position(realm),
            play: source.as_ref().map_or_else(PlayMergeView::default, |source| {
                self.play.merge_view(realm, source.id, target.as_ref().map(|target| target.id))
            }),
            source,
            target,
        }
    }

    /// Keeps a merge, in the order that [`MergeEffect`] demands.
    pub(super) fn save_merge(&mut self, command: &MergeCommand, effect: &MergeEffect) {
        let (realm, merge) = (command.realm, effect.merge);
        for closed in &effect.closed {
            self.close(command, merge.source, closed);
        }
        self.hand_over_accounts(realm, merge.source, merge.target);
        effect.accounts.iter().for_each(|change| self.save_account(change));
        effect.entries.iter().for_each(|entry| self.save_entry(entry));
        for (key, stored) in &mut self.grants {
            if (key.realm, stored.grant.player) == (realm, merge.source) {
                stored.grant.player = merge.target;
            }
        }
        self.play.save_merge(realm, [merge.source, merge.target], &effect.play);
        self.merged_into.values_mut().filter(|into| **into == merge.source).for_each(|into| *into = merge.target);
        self.merged_into.insert(merge.source, merge.target);
        self.rename(realm, &command.source, &effect.placeholder);
        if let Some(context) = self.contexts.remove(&merge.source) {
            self.contexts.entry(merge.target).or_insert(context);
        }
        self.merges.push((realm, merge));
        self.save_audit(&effect.audit);
        self.outgoing.hand_over_events(realm, merge.source, merge.target);
        self.outgoing.save_events(&effect.events);
    }

    /// What an erasure must see.
    pub(super) fn erase_view(&self, command: &EraseCommand) -> EraseView {
        let of_id = self.erasures.iter().rev();
        let of_id = of_id.filter(|(of, erasure)| (*of, erasure.digest) == (command.realm, command.digest));
        let of_id: Vec<_> = of_id.map(|(_, erasure)| *erasure).collect();
        let same_request = of_id.iter().find(|erasure| command.key.is_some() && erasure.key == command.key);
        let player = self.player(command.realm, &command.player).cloned();
        EraseView {
            wanted: self.outgoing.wanted(command.realm),
            play: player
                .as_ref()
                .map_or_else(PlayCounts::default, |player| self.play.counts_of(command.realm, player.id)),
            player,
            earlier: same_request.or(of_id.first()).copied(),
        }
    }

    /// Keeps an erasure: no amount changes, all free text goes.
    pub(super) fn save_erasure(&mut self, command: &EraseCommand, effect: &EraseEffect) {
        let (realm, player) = (command.realm, effect.erasure.player);
        self.rename(realm, &command.player, &effect.placeholder);
        self.contexts.remove(&player);
        let accounts = self.accounts.values_mut().filter(|account| (account.realm, account.player) == (realm, player));
        for entry in accounts.flat_map(|account| &mut account.entries) {
            (entry.reason, entry.source_ref, entry.parameters) = (None, None, None);
        }
        let of_player = |key: &GrantKey, owner: PlayerId| (key.realm, owner) == (realm, player);
        for (_, stored) in self.grants.iter_mut().filter(|(key, stored)| of_player(key, stored.grant.player)) {
            (stored.grant.source_ref, stored.grant.metadata) = (None, None);
            stored.grant.entries = stored.grant.entries.without_parameters();
        }
        for entry in self.audit_log.values_mut().filter(|entry| entry.realm == realm) {
            let owner = entry.player.map(|done_to| self.merged_into.get(&done_to).copied().unwrap_or(done_to));
            if owner == Some(player) {
                entry.reason = None;
            }
        }
        self.erasures.push((realm, effect.erasure));
        self.save_audit(&effect.audit);
        self.outgoing.blank_words(realm, player);
        self.outgoing.save_events(&effect.event);
    }

    /// Keeps an entry of the audit log.
    pub(super) fn save_audit(&mut self, entry: &AuditEntry) {
        let known = self.audit_log.insert((entry.realm, entry.id), entry.clone());
        assert!(known.is_none(), "an audit entry is inserted once");
    }

    /// The audit log of `realm`, newest first: entries before `after`.
    pub(super) fn audited(&self, realm: RealmId, after: Option<AuditId>) -> impl Iterator<Item = &AuditEntry> {
        let newest_first = self.audit_log.values().rev();
        newest_first.filter(move |entry| entry.realm == realm && after.is_none_or(|after| entry.id < after))
    }

    /// What `player` is called now.
    pub(super) fn called(&self, realm: RealmId, player: PlayerId) -> Option<ExternalId> {
        let mut of_realm = self.players.iter().filter(|(key, _)| key.realm == realm);
        of_realm.find(|(_, known)| known.id == player).map(|(key, _)| key.external_id.clone())
    }

    fn close(&mut self, command: &MergeCommand, source: PlayerId, closed: &ClosedAccount) {
        let place = (command.realm, source, closed.asset.clone());
        assert_eq!(self.open.remove(&place), Some(closed.id), "an account that is closed was open");
        let account = self.accounts.get_mut(&closed.id).expect("an account is never forgotten");
        assert_eq!(account.version(), closed.version_before, "an account is closed at the version that was loaded");
        (account.closed, account.balance, account.changed_at) = (true, Balance::ZERO, command.at);
    }

    /// Makes all that is left of the accounts of `source` those of `target`.
    fn hand_over_accounts(&mut self, realm: RealmId, source: PlayerId, target: PlayerId) {
        let of_source =
            self.accounts.iter_mut().filter(|(_, account)| (account.realm, account.player) == (realm, source));
        for (id, account) in of_source {
            account.player = target;
            if !account.closed {
                self.open.remove(&(realm, source, account.asset.clone()));
                let known = self.open.insert((realm, target, account.asset.clone()), *id);
                assert!(known.is_none(), "a player has one account of an asset");
            }
        }
    }

    /// Frees the id of a player, who is called `placeholder` and no longer banned from now on.
    fn rename(&mut self, realm: RealmId, external_id: &ExternalId, placeholder: &ExternalId) {
        let key = PlayerKey { realm, external_id: external_id.clone() };
        let player = self.players.remove(&key).expect("only a known player loses their id");
        self.ban_reasons.remove(&player.id);
        let external_id = placeholder.clone();
        let renamed = Player { external_id: external_id.clone(), banned_at: None, ..player };
        let known = self.players.insert(PlayerKey { realm, external_id }, renamed);
        assert!(known.is_none(), "a placeholder is used once");
    }
}
