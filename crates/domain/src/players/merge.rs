//! Merging: one player becomes part of another, with all that they have and all that they did.
//!
//! Accounts move, entries do not: an account that only the source has changes its owner; where both have one, the source's
//! is emptied into the target's by a pair of entries and closed, and its history reads on under the target. So a merge
//! costs by the number of accounts and grants, however long their histories are, and idempotency keys stay where they are:
//! a late repeat of a credit to the source finds its entry, and pays nothing.

use thiserror::Error;
use uuid::Uuid;

use super::{ExternalId, IdentityDigest, Player, PlayerId};
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::clock::Timestamp;
use crate::economy::{
    AccountChange, AccountId, AccountState, Actor, Amount, Asset, AssetKind, Balance, Entry, EntryId, KeyDigest,
    Operation, Origin, Position,
};
use crate::lobbies::{PlayCounts, PlayMergeEffect, PlayMergeView};
use crate::tenancy::RealmId;
use crate::text::{FreeText, JsonObject};
use crate::webhooks::{EventName, EventNames, OutboxEvent, occurrences};

/// The reason on the pair of entries that empties an account into another.
pub const MERGE_REASON: &str = "player_merge";

/// Why players were not merged. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeRefusal {
    /// There is nobody to merge.
    #[error("there is no player to merge: nobody has the first id")]
    SourceNotFound,
    /// There is nobody to merge into.
    #[error("there is no player to merge into: nobody has the second id")]
    TargetNotFound,
    /// Both ids are the same.
    #[error("a player cannot be merged into themselves")]
    SamePlayer,
    /// The target is banned.
    #[error("the player to merge into is banned")]
    TargetBanned,
    /// The target was erased.
    #[error("the player to merge into was erased")]
    TargetErased,
    /// Together they would hold more than [`crate::economy::INTEGER_MAX`].
    #[error("together they would hold more of '{key}' than the largest balance", key = asset.key)]
    BalanceLimit {
        /// Of what.
        asset: Asset,
        /// What the target holds.
        current: Balance,
        /// What the source would bring.
        amount: Amount,
    },
}

/// Identifiers for the entries that a merge makes, as many as are needed: nobody knows how many before the accounts are
/// loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryIds(Uuid);

impl EntryIds {
    /// Identifiers that begin like `first`, a fresh UUID of version 7. The last 32 of its 74 random bits count.
    pub fn starting_with(first: Uuid) -> Self {
        Self(first)
    }

    fn nth(self, number: u32) -> EntryId {
        let counted = (self.0.as_u128() & !u128::from(u32::MAX)) | u128::from(number);
        EntryId(Uuid::from_u128(counted))
    }
}

/// A merge, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeCommand {
    /// The realm.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asks.
    pub actor: Actor,
    /// Who is merged.
    pub source: ExternalId,
    /// What `source` is recognised by afterwards.
    pub source_digest: IdentityDigest,
    /// Into whom.
    pub target: ExternalId,
    /// What `target` is recognised by should it be given up.
    pub target_digest: IdentityDigest,
    /// The request's idempotency key, if it has one: a late repeat must not merge whoever has the source's id by then. It
    /// is kept with the merge that it makes: a request that was answered with an earlier merge uses up no key.
    pub key: Option<KeyDigest>,
    /// The id of its audit entry.
    pub audit: AuditId,
    /// The ids of its ledger entries.
    pub entries: EntryIds,
}

/// A merge that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// Who was merged.
    pub source: PlayerId,
    /// What they were called, as far as it can be recognised.
    pub source_digest: IdentityDigest,
    /// Into whom.
    pub target: PlayerId,
    /// What that one was called.
    pub target_digest: IdentityDigest,
    /// The idempotency key of the request.
    pub key: Option<KeyDigest>,
    /// When.
    pub at: Timestamp,
}

/// An open account of a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAccount {
    /// What is held.
    pub asset: Asset,
    /// The account.
    pub state: AccountState,
}

/// What must be seen to decide a merge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeView {
    /// The player who has the source's id now.
    pub source: Option<Player>,
    /// The player who has the target's id now.
    pub target: Option<Player>,
    /// The merge of these two ids under the command's idempotency key; failing that, the latest merge of these two ids.
    pub earlier: Option<Merge>,
    /// Whether a player who had the target's id was ever erased.
    pub target_was_erased: bool,
    /// The open accounts of the source.
    pub source_accounts: Vec<HeldAccount>,
    /// The open accounts of the target, at least those of assets of which the source has one too.
    pub target_accounts: Vec<HeldAccount>,
    /// Accounts of the source that were closed by earlier merges into it: what they held, and how many entries they have.
    pub source_closed: Vec<(AssetKind, i64)>,
    /// How many grants the source has.
    pub grants: u64,
    /// What the source has played.
    pub play: PlayMergeView,
    /// The last position used in the realm, read after everything that orders commits was taken.
    pub last_position: Position,
    /// The events that some endpoint of the realm is told of.
    pub wanted: EventNames,
}

/// What a merge moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MergeCounts {
    /// Grants that are the target's now.
    pub grants: u64,
    /// Item accounts that the source brought.
    pub items: u64,
    /// The entries of all item accounts that the source ever had.
    pub item_entries: u64,
    /// Currency accounts that the source brought.
    pub currencies: u64,
    /// The entries of all currency accounts that the source ever had.
    pub currency_entries: u64,
    /// Attempts, lobbies and rankings that the source had.
    pub play: PlayCounts,
}

/// The answer to a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// The merge, of now or of before.
    pub merge: Merge,
    /// What was moved now; nothing of a merge of before.
    pub counts: MergeCounts,
    /// Whether it happened before.
    pub earlier: bool,
}

/// What a merge comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeDecision {
    /// What is answered.
    pub outcome: Merged,
    /// What must be stored; `None` when nothing changes.
    pub effect: Option<MergeEffect>,
}

/// What must be stored of a merge, in this order: `closed` leave the open accounts, what is left of the source's open and
/// closed accounts becomes the target's, `accounts` and `entries` are stored like those of a settlement, the source's
/// grants, attempts and events that are kept become the target's, and `play` is stored like a settlement of lobbies. What was merged into the source before counts as merged into the target. The source's row
/// loses its ban and what was known of the player elsewhere; the target inherits the latter if nothing was known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeEffect {
    /// The record of it.
    pub merge: Merge,
    /// What the source's row is called from now on.
    pub placeholder: ExternalId,
    /// Accounts of the source that are empty now, because the target has one of the same asset.
    pub closed: Vec<ClosedAccount>,
    /// Accounts of the target that got something.
    pub accounts: Vec<AccountChange>,
    /// The entries that emptied and filled them, in ascending order of position.
    pub entries: Vec<Entry>,
    /// What becomes of the source's lobbies and rankings.
    pub play: PlayMergeEffect,
    /// The entry of the audit log.
    pub audit: AuditEntry,
    /// Events to store, of those that are wanted: of the merge, then of each of the target's holdings that changed, then of
    /// lobbies that moved on.
    pub events: Vec<OutboxEvent>,
}

/// An account that holds nothing and never will: it is kept for its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedAccount {
    /// The account.
    pub id: AccountId,
    /// What it held.
    pub asset: Asset,
    /// How many entries it has.
    pub version: i64,
    /// How many it had before it was closed. An adapter refuses to close any other version.
    pub version_before: i64,
}

impl Merge {
    /// What the merged player is called: it says that they were merged, and who by Purser's own id.
    pub fn placeholder(&self) -> ExternalId {
        ExternalId::restore(format!("__merged_{}__", self.source.0))
    }
}

impl MergeCommand {
    /// Decides on what is stored.
    ///
    /// # Errors
    /// The first reason against it; then nothing may be stored.
    pub fn decide(&self, view: &MergeView) -> Result<MergeDecision, MergeRefusal> {
        if self.source == self.target {
            return Err(MergeRefusal::SamePlayer);
        }
        if let Some(merge) = self.repeated(view) {
            let outcome = Merged { merge, counts: MergeCounts::default(), earlier: true };
            return Ok(MergeDecision { outcome, effect: None });
        }
        let source = view.source.as_ref().ok_or(MergeRefusal::SourceNotFound)?;
        let target = match &view.target {
            Some(target) if target.banned_at.is_some() => return Err(MergeRefusal::TargetBanned),
            Some(target) => target,
            None if view.target_was_erased => return Err(MergeRefusal::TargetErased),
            None => return Err(MergeRefusal::TargetNotFound),
        };
        let merge = Merge {
            source: source.id,
            source_digest: self.source_digest,
            target: target.id,
            target_digest: self.target_digest,
            key: self.key,
            at: self.at,
        };
        let mut books = Books::open(self, &merge, view.last_position);
        for account in &view.source_accounts {
            let known = view.target_accounts.iter().find(|held| held.asset == account.asset);
            if let Some(into) = known {
                books.empty(account, into)?;
            }
        }
        // Nothing below can fail.
        let Books { closed, accounts, entries, .. } = books;
        let counts = counts(view);
        let audit = self.audited(&merge, counts);
        let (play, moves) = view.play.merged_into(self.realm, merge.target, self.at, view.wanted);
        let mut events = self.told(view, &merge, &counts, &entries);
        events.extend(moves);
        let placeholder = merge.placeholder();
        let effect = MergeEffect { merge, placeholder, closed, accounts, entries, play, audit, events };
        Ok(MergeDecision { outcome: Merged { merge, counts, earlier: false }, effect: Some(effect) })
    }

    /// What is told of it: the merge, and each holding of the target that it changed.
    fn told(&self, view: &MergeView, merge: &Merge, counts: &MergeCounts, entries: &[Entry]) -> Vec<OutboxEvent> {
        let wants = |kind: AssetKind| view.wanted.contains(occurrences::change_of(kind));
        let is_told = view.wanted.contains(EventName::PlayerMerged);
        let mut told =
            Vec::from_iter(is_told.then(|| occurrences::player_merged(self.realm, merge, &self.source, counts)));
        for account in view.source_accounts.iter().filter(|account| wants(account.asset.kind)) {
            let (asset, state) = (&account.asset, &account.state);
            let into = view.target_accounts.iter().find(|held| held.asset == *asset);
            let entry = into.and_then(|into| entries.iter().find(|entry| entry.account == into.state.id));
            match (into, entry) {
                (Some(_), Some(entry)) => told.push(occurrences::entry_made(merge.target, asset, entry)),
                (None, _) if 0 < state.balance.get() => {
                    let moved = occurrences::account_moved(self.realm, merge, asset, state.balance, state.version);
                    told.push(moved);
                }
                (Some(_), None) | (None, _) => {}
            }
        }
        told
    }

    /// The merge that this is a repeat of: one under the same idempotency key whatever happened since, or else one after
    /// which nobody has had the source's id.
    fn repeated(&self, view: &MergeView) -> Option<Merge> {
        let earlier = view.earlier?;
        let same_request = self.key.is_some() && earlier.key == self.key;
        (same_request || view.source.is_none()).then_some(earlier)
    }

    fn audited(&self, merge: &Merge, counts: MergeCounts) -> AuditEntry {
        let details = serde_json::json!({
            "grantsReassigned": counts.grants,
            "itemsMerged": counts.items,
            "itemLedgerRowsMoved": counts.item_entries,
            "walletsMerged": counts.currencies,
            "walletLedgerRowsMoved": counts.currency_entries,
            "attemptsReassigned": counts.play.attempts,
            "lobbiesTouched": counts.play.lobbies,
            "leaderboardsScrubbed": counts.play.rankings,
        });
        let (actor, action) = (self.actor.clone(), AuditAction::PlayerMerge);
        let entry = AuditEntry::new(self.realm, self.audit, self.at, actor, action);
        let details = Some(JsonObject::restore(details.to_string()));
        AuditEntry { player: Some(merge.source), into: Some(merge.target), details, ..entry }
    }
}

fn counts(view: &MergeView) -> MergeCounts {
    let open = view.source_accounts.iter().map(|held| (held.asset.kind, held.state.version));
    let mut counts = MergeCounts { grants: view.grants, play: view.play.counts(), ..MergeCounts::default() };
    for (kind, _) in open.clone() {
        match kind {
            AssetKind::Currency => counts.currencies += 1,
            AssetKind::Item => counts.items += 1,
        }
    }
    for (kind, entries) in open.chain(view.source_closed.iter().copied()) {
        let entries = u64::try_from(entries).expect("a number of entries is not negative");
        match kind {
            AssetKind::Currency => counts.currency_entries += entries,
            AssetKind::Item => counts.item_entries += entries,
        }
    }
    counts
}

/// The part of a merge that changes balances.
struct Books<'a> {
    command: &'a MergeCommand,
    target: PlayerId,
    /// Names the merge on its entries.
    source_ref: FreeText,
    position: Position,
    closed: Vec<ClosedAccount>,
    accounts: Vec<AccountChange>,
    entries: Vec<Entry>,
}

impl<'a> Books<'a> {
    fn open(command: &'a MergeCommand, merge: &Merge, position: Position) -> Self {
        let source_ref = FreeText::restore(merge.placeholder().as_str().to_owned());
        let (closed, accounts, entries) = (Vec::new(), Vec::new(), Vec::new());
        Self { command, target: merge.target, source_ref, position, closed, accounts, entries }
    }

    /// Closes `from`, and puts what it holds into `into`.
    fn empty(&mut self, from: &HeldAccount, into: &HeldAccount) -> Result<(), MergeRefusal> {
        let (id, version_before) = (from.state.id, from.state.version);
        let Ok(amount) = Amount::try_new(from.state.balance.get()) else {
            // It holds nothing: there is nothing to post.
            let asset = from.asset.clone();
            self.closed.push(ClosedAccount { id, asset, version: version_before, version_before });
            return Ok(());
        };
        let current = into.state.balance;
        let balance = current.plus(amount).ok_or_else(|| {
            let asset = into.asset.clone();
            MergeRefusal::BalanceLimit { asset, current, amount }
        })?;
        self.post(&from.state, -amount.get(), Balance::ZERO);
        self.post(&into.state, amount.get(), balance);
        self.closed.push(ClosedAccount { id, asset: from.asset.clone(), version: version_before + 1, version_before });
        self.accounts.push(AccountChange {
            realm: self.command.realm,
            id: into.state.id,
            player: self.target,
            asset: into.asset.clone(),
            balance,
            version: into.state.version + 1,
            version_before: into.state.version,
            first_at: self.command.at,
            at: self.command.at,
        });
        Ok(())
    }

    fn post(&mut self, account: &AccountState, delta: i64, balance_after: Balance) {
        let number = u32::try_from(self.entries.len()).expect("a player has fewer accounts than that");
        self.position += 1;
        self.entries.push(Entry {
            realm: self.command.realm,
            account: account.id,
            position: self.position,
            sequence: account.version + 1,
            id: self.command.entries.nth(number),
            delta,
            balance_after,
            operation: Operation::PlayerMerge,
            origin: Origin::Server,
            actor: self.command.actor.clone(),
            reason: Some(FreeText::restore(MERGE_REASON.to_owned())),
            source_ref: Some(self.source_ref.clone()),
            parameters: None,
            grant: None,
            once: None,
            at: self.command.at,
        });
    }
}
