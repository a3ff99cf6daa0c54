//! Entries and grants: each is something that was wanted, once and whole, and nothing else changes a balance.

use anyhow::{Context, Result, ensure};
use domain::clock::Timestamp;
use domain::economy::{AccountId, Asset, AssetKind, GrantStatus, LedgerRow, Operation};
use domain::players::PlayerId;
use domain::webhooks::EventName;
use domain::webhooks::occurrences::change_of;
use testkit::asset_key;

use super::{Change, Judge};
use crate::intent::{Effect, IntentId, Name, Request, Trade};
use crate::seen::{Seen, SeenAccount, entries_of};

impl Judge {
    pub(super) fn judge_books(&mut self, change: &mut Change) -> Result<()> {
        let (before, after) = (change.before.clone(), change.after.clone());
        for id in before.accounts.keys() {
            ensure!(after.accounts.contains_key(id), "account {} is gone", id.0);
        }
        for (id, account) in &after.accounts {
            if let Some(known) = before.accounts.get(id) {
                judge_owner(change, known, account)?;
            }
            self.judge_entries(change, *id, account)?;
        }
        if let Some((source, target)) = change.merged {
            judge_merge(change, source, target)?;
        }
        Ok(())
    }

    fn judge_entries(&mut self, change: &mut Change, id: AccountId, account: &SeenAccount) -> Result<()> {
        let known = self.entries.entry(id).or_default();
        let (mut sum, mut sequence) = known.last().map_or((0, 0), |last| (last.balance_after.get(), last.sequence));
        let after = known.last().map_or(0, |last| last.position);
        let is_grown = sequence != account.version;
        let new = if is_grown { entries_of(&self.stores, self.realm, id, account, after)? } else { Vec::new() };
        for row in &new {
            (sum, sequence) = (sum + row.delta, sequence + 1);
            ensure!(row.sequence == sequence, "entry {} of account {} has number {}", sequence, id.0, row.sequence);
            ensure!(row.balance_after.get() == sum && 0 <= sum, "after entry {sequence} account {} holds {sum}", id.0);
        }
        ensure!(sequence == account.version, "account {} says that it has {} entries", id.0, account.version);
        ensure!(sum == account.balance, "account {} says that it holds {} and not {sum}", id.0, account.balance);
        self.entries.entry(id).or_default().extend(new.iter().cloned());
        new.iter().try_for_each(|row| self.judge_entry(change, account, row))
    }

    fn judge_entry(&mut self, change: &mut Change, account: &SeenAccount, row: &LedgerRow) -> Result<()> {
        let news = (change_of(row.asset.kind), row.id.0.to_string());
        if row.operation == Operation::PlayerMerge {
            let (_, target) = change.merged.context("an entry of a merge that did not happen")?;
            if 0 < row.delta {
                ensure!(account.owner == target, "a merge gave to somebody else");
                change.news.push(news);
            }
            return Ok(());
        }
        let words = row.source_ref.as_deref().or(row.reason.as_deref()).context("an entry without words")?;
        let id = self.of_words(words).with_context(|| format!("an entry that says '{words}'"))?;
        self.said.insert(words.to_owned(), account.owner);
        let request = self.intents.get(id).map(|intent| intent.sent.request.clone()).context("an unknown intent")?;
        let is_import = matches!(request, Request::Import(_));
        if !is_import {
            change.news.push(news);
        }
        if let Request::Trade(Trade::Grant { player, amounts, immediate: true, .. }) = &request {
            let is_part = amounts.iter().any(|part| *part == (row.asset.key.as_str(), row.delta));
            ensure!(
                is_part && change.after.called(player) == Some(account.owner),
                "a deposit of something else: {row:?}"
            );
            return Ok(());
        }
        let (player, kind, asset, delta, operation) =
            request.posting().with_context(|| format!("an entry that is none: {request:?}"))?;
        let is_as_wanted = (kind, asset, delta, operation)
            == (row.asset.kind, row.asset.key.as_str(), row.delta, row.operation)
            && change.after.called(player) == Some(account.owner);
        ensure!(is_as_wanted, "intent {id} is {request:?}, and became {row:?}");
        if let Request::Trade(Trade::Spend { .. }) = request {
            ensure!(!change.before.is_banned(player), "{player} is banned, and spent");
        }
        self.intents.get_mut(id).into_iter().for_each(|intent| intent.owner = Some(account.owner));
        self.took_effect(id, change.tick, Effect::Entry(row.balance_after.get()))
    }

    pub(super) fn judge_grants(&mut self, change: &mut Change) -> Result<()> {
        let (before, after) = (change.before.clone(), change.after.clone());
        for (id, grant) in &after.grants {
            let Some(known) = before.grants.get(id) else {
                let words = grant.source_ref.as_ref().context("a grant without words")?.as_str();
                let intent = self.of_words(words).context("a grant that nobody asked for")?;
                self.said.insert(words.to_owned(), grant.player);
                self.intents.get_mut(intent).into_iter().for_each(|intent| intent.owner = Some(grant.player));
                self.judge_grant(change, intent, grant.player, grant.expires_at, grant.claim.is_some())?;
                self.took_effect(intent, change.tick, Effect::Grant(*id))?;
                change.news.push((EventName::GrantCreated, id.0.to_string()));
                continue;
            };
            let handed_over = change.merged == Some((known.player, grant.player));
            ensure!(known.player == grant.player || handed_over, "a grant changed hands");
            ensure!(known.expires_at == grant.expires_at, "the expiry of a grant moved");
            if known.claim != grant.claim {
                let claim = grant.claim.filter(|_| known.claim.is_none()).context("a claim was taken back")?;
                ensure!(grant.expires_at.is_none_or(|at| claim.at < at), "a grant was claimed after it expired");
                ensure!(known.status_at(claim.at) == GrantStatus::Pending, "a grant was claimed that was not pending");
                let is_asked = self.live().any(|(_, intent)| {
                    let Request::Trade(Trade::Ack { player, grant: of }) = &intent.sent.request else { return false };
                    of == id && change.before.called(player) == Some(known.player)
                });
                ensure!(is_asked, "a grant was claimed by nobody");
                change.news.push((EventName::GrantClaimed, id.0.to_string()));
            }
        }
        let lost = before.grants.keys().find(|id| !after.grants.contains_key(id));
        ensure!(lost.is_none(), "grant {lost:?} is gone");
        Ok(())
    }

    fn judge_grant(
        &self,
        change: &Change,
        intent: IntentId,
        owner: PlayerId,
        ends: Option<Timestamp>,
        is_claimed: bool,
    ) -> Result<()> {
        let wanted = self.intents.get(intent).context("an unknown intent")?;
        let Request::Trade(Trade::Grant { player, amounts, immediate, expires_at }) = &wanted.sent.request else {
            anyhow::bail!("intent {intent} is {:?}, and became a grant", wanted.sent.request)
        };
        let is_as_wanted =
            change.after.called(player) == Some(owner) && *expires_at == ends && *immediate == is_claimed;
        ensure!(is_as_wanted, "intent {intent} is {:?}, and became another grant", wanted.sent.request);
        let deposits =
            self.entries.values().flatten().filter(|row| row.source_ref.as_ref() == Some(&wanted.sent.words));
        let deposited: i64 = deposits.map(|row| row.delta).sum();
        let promised: i64 = amounts.iter().map(|(_, amount)| *amount).sum();
        let expected = if *immediate { promised } else { 0 };
        ensure!(deposited == expected, "a grant of {expected} at once deposited {deposited}");
        Ok(())
    }

    /// The intent that has these words.
    pub(super) fn of_words(&self, words: &str) -> Option<IntentId> {
        let number = words.strip_prefix("words-")?.strip_suffix("-of")?.parse().ok()?;
        Some(number).filter(|id| *id < self.intents.len())
    }
}

fn judge_owner(change: &Change, known: &SeenAccount, account: &SeenAccount) -> Result<()> {
    ensure!(known.asset == account.asset, "an account holds something else now");
    if known.owner != account.owner {
        ensure!(change.merged == Some((known.owner, account.owner)), "an account changed hands");
    }
    if known.closed != account.closed {
        let source = change.merged.map(|(source, _)| source);
        ensure!(account.closed && source == Some(known.owner), "an account was closed or opened without a merge");
    }
    ensure!(!account.closed || account.balance == 0, "a closed account holds something");
    Ok(())
}

/// Nothing is gained or lost, and nothing is left.
fn judge_merge(change: &mut Change, source: PlayerId, target: PlayerId) -> Result<()> {
    let held =
        |seen: &Seen, player: PlayerId, asset: &Asset| seen.account(player, asset).map_or(0, |held| held.balance);
    let left = change.after.accounts.values().any(|account| account.owner == source);
    ensure!(!left, "a player who was merged still has an account");
    for (kind, key) in assets() {
        let asset = Asset { kind, key: asset_key(key) };
        let (before, after) = (&change.before, &change.after);
        let together = held(before, source, &asset) + held(before, target, &asset);
        let found = held(after, target, &asset);
        ensure!(together == found, "two players had {together} {key}, and one has {found} after their merge");
        let moved = before.account(target, &asset).is_none() && 0 < held(before, source, &asset);
        if moved {
            change.news.push((change_of(kind), format!("moved {key}")));
        }
    }
    Ok(())
}

/// Everything that can be held.
pub(super) fn assets() -> impl Iterator<Item = (AssetKind, Name)> {
    AssetKind::ALL.into_iter().flat_map(|kind| crate::intent::ASSETS.into_iter().map(move |key| (kind, key)))
}
