//! The sequence of an export: page after page of what is known of a player, as fast as whoever takes it asks for more.
//!
//! It begins with one view of the store that lists the player's accounts and how many entries each has. Entries are never
//! changed, so what follows can be read whenever it is wanted: of each account exactly those entries, whatever is written
//! meanwhile. Grants and the audit log are read newest first, at least those that were there when it began. Between two
//! pages nothing is held but the place where the next one begins. At the end the player is looked up again: an export is
//! complete only if they are still who they were.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::IntoIter;

use thiserror::Error;

use super::{ExportAccount, ExportHead, Player, PlayerReads};
use crate::audit_log::{AuditEntry, AuditId, AuditLog};
use crate::clock::Timestamp;
use crate::economy::{AssetKind, Failure, Grant, GrantId, Holding, LedgerRow, Position};
use crate::lobbies::{Attempt, AttemptId, LobbyId, LobbyMembership, PlayRecords, RankingId, RankingMembership};
use crate::tenancy::Realm;
use crate::text::{FreeText, JsonObject};

/// How many rows a part of an export has at most.
const ROWS_MAX: u32 = 500;
/// How many grants: each may hold as much as a request does.
const GRANTS_MAX: u32 = 50;
/// How many lobbies: each may hold metadata, and bots.
const LOBBIES_MAX: u32 = 50;

/// How much of a player an export hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// What fits in one value: no history, and of each list the first [`Self::BUNDLE_ROWS_MAX`].
    Bundle,
    /// Everything.
    Whole,
}

impl ExportForm {
    /// How many rows of each list are in a bundle.
    pub const BUNDLE_ROWS_MAX: usize = 1_000;

    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Bundle, Self::Whole];

    /// The name used in the audit log and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "json",
            Self::Whole => "ndjson",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == name)
    }

    fn rows_max(self) -> Option<usize> {
        match self {
            Self::Bundle => Some(Self::BUNDLE_ROWS_MAX),
            Self::Whole => None,
        }
    }

    fn steps(self) -> &'static [Step] {
        match self {
            Self::Bundle => &[
                Step::Wallet,
                Step::Inventory,
                Step::Grants,
                Step::Attempts,
                Step::Lobbies,
                Step::Rankings,
                Step::Identity,
            ],
            Self::Whole => &[
                Step::Wallet,
                Step::Inventory,
                Step::Grants,
                Step::Attempts,
                Step::Lobbies,
                Step::Rankings,
                Step::Ledger,
                Step::AuditLog,
                Step::Identity,
            ],
        }
    }
}

/// Why an export cannot be completed. What was handed out of it so far is true, but not all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ExportInterruption {
    /// Nobody has the id any more, or somebody else has.
    #[error("the player was merged or erased while the export was read, or their id changed hands")]
    PlayerChanged,
    /// The store does not have the entries that it said an account has.
    #[error("entries of an account are missing")]
    EntriesMissing,
}

/// Whom an export is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSubject {
    /// The realm.
    pub realm: Realm,
    /// When the export was asked for, which is the instant at which the states of grants hold.
    pub at: Timestamp,
    /// The player.
    pub player: Player,
    /// What another platform knew of the player.
    pub last_context_snapshot: Option<JsonObject>,
    /// Why the player is banned, if they are.
    pub ban_reason: Option<FreeText>,
}

/// A piece of an export, of bounded size and never empty. All parts of a kind come one after the other, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportPart {
    /// Currencies ever touched, by key.
    Wallet(Vec<Holding>),
    /// Items held, more than zero of each, by key.
    Inventory(Vec<Holding>),
    /// Grants, newest first.
    Grants(Vec<Grant>),
    /// Attempts, newest first.
    Attempts(Vec<Attempt>),
    /// Lobbies that the player is or was in, newest first.
    Lobbies(Vec<LobbyMembership>),
    /// Rankings that the player is in, by id.
    Rankings(Vec<RankingMembership>),
    /// Entries of one account, oldest first. The accounts follow each other: open ones by asset, then closed ones.
    Ledger(Vec<LedgerRow>),
    /// What was done to the player, newest first.
    AuditLog(Vec<AuditEntry>),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wallet,
    Inventory,
    Grants,
    Attempts,
    Lobbies,
    Rankings,
    Ledger,
    AuditLog,
    Identity,
}

/// Where a list is read from that grows at its other end, and how much of it may still be handed out.
struct Reading<Id> {
    after: Option<Id>,
    /// `None` where there is no end to it.
    left: Option<usize>,
}

impl<Id> Reading<Id> {
    fn new(form: ExportForm) -> Self {
        Self { after: None, left: form.rows_max() }
    }

    /// How many rows may be asked for, of at most `most` at once; `None` when no more may be handed out.
    fn limit(&self, most: u32) -> Option<u32> {
        let limit = self.left.map_or(most, |left| u32::try_from(left).unwrap_or(u32::MAX).min(most));
        (0 < limit).then_some(limit)
    }

    /// Notes that `rows` were read; them, if there are any.
    fn took<Row>(&mut self, rows: Vec<Row>, id_of: impl Fn(&Row) -> Id) -> Option<Vec<Row>> {
        self.after = Some(id_of(rows.last()?));
        self.left = self.left.map(|left| left.saturating_sub(rows.len()));
        Some(rows)
    }
}

/// An export on its way.
pub struct Export {
    reads: Arc<dyn PlayerReads>,
    records: Arc<dyn PlayRecords>,
    audit_log: Arc<dyn AuditLog>,
    subject: ExportSubject,
    /// What is still to be done, in this order.
    steps: &'static [Step],
    wallet: IntoIter<Holding>,
    inventory: IntoIter<Holding>,
    histories: VecDeque<History>,
    grants: Reading<GrantId>,
    attempts: Reading<AttemptId>,
    lobbies: Reading<LobbyId>,
    rankings: Reading<RankingId>,
    audit_entries: Reading<AuditId>,
}

/// The entries of one account, and how far they were read.
struct History {
    account: ExportAccount,
    read: i64,
    after: Position,
}

impl Export {
    /// An export of `head` in the form `form`, as far as it has not been read yet.
    pub(super) fn new(
        (reads, records): (Arc<dyn PlayerReads>, Arc<dyn PlayRecords>),
        audit_log: Arc<dyn AuditLog>,
        form: ExportForm,
        (realm, at): (Realm, Timestamp),
        head: ExportHead,
    ) -> Self {
        let ExportHead { player, last_context_snapshot, ban_reason, accounts } = head;
        let (mut wallet, mut inventory) =
            (holdings(&accounts, AssetKind::Currency), holdings(&accounts, AssetKind::Item));
        inventory.retain(|holding| 0 < holding.balance.get());
        if let Some(most) = form.rows_max() {
            wallet.truncate(most);
            inventory.truncate(most);
        }
        Self {
            reads,
            records,
            audit_log,
            subject: ExportSubject { realm, at, player, last_context_snapshot, ban_reason },
            steps: form.steps(),
            wallet: wallet.into_iter(),
            inventory: inventory.into_iter(),
            histories: accounts.into_iter().map(|account| History { account, read: 0, after: 0 }).collect(),
            grants: Reading::new(form),
            attempts: Reading::new(form),
            lobbies: Reading::new(form),
            rankings: Reading::new(form),
            audit_entries: Reading::new(form),
        }
    }

    /// Whom it is about.
    pub fn subject(&self) -> &ExportSubject {
        &self.subject
    }

    /// The next part; `None` once all were handed out and the export is known to be complete.
    ///
    /// # Errors
    /// [`Failure::ExportInterrupted`], or the store's. Nothing is lost by that: asked again, it tries the same again.
    pub async fn next(&mut self) -> Result<Option<ExportPart>, Failure> {
        while let [step, later @ ..] = self.steps {
            if let Some(part) = self.part(*step).await? {
                return Ok(Some(part));
            }
            self.steps = later;
        }
        Ok(None)
    }

    /// The next part of one kind; `None` when there is no more of it.
    async fn part(&mut self, step: Step) -> Result<Option<ExportPart>, Failure> {
        match step {
            Step::Wallet => Ok(page(&mut self.wallet).map(ExportPart::Wallet)),
            Step::Inventory => Ok(page(&mut self.inventory).map(ExportPart::Inventory)),
            Step::Grants => Ok(self.grants().await?.map(ExportPart::Grants)),
            Step::Attempts => Ok(self.attempts().await?.map(ExportPart::Attempts)),
            Step::Lobbies => Ok(self.lobbies().await?.map(ExportPart::Lobbies)),
            Step::Rankings => Ok(self.rankings().await?.map(ExportPart::Rankings)),
            Step::Ledger => Ok(self.entries().await?.map(ExportPart::Ledger)),
            Step::AuditLog => Ok(self.audit_entries().await?.map(ExportPart::AuditLog)),
            Step::Identity => self.identity().await.map(|()| None),
        }
    }

    async fn grants(&mut self) -> Result<Option<Vec<Grant>>, Failure> {
        let Some(limit) = self.grants.limit(GRANTS_MAX) else { return Ok(None) };
        let (realm, player) = (self.subject.realm.id, self.subject.player.id);
        let rows = self.reads.export_grants(realm, player, self.grants.after, limit).await?;
        Ok(self.grants.took(rows, |grant| grant.id))
    }

    async fn attempts(&mut self) -> Result<Option<Vec<Attempt>>, Failure> {
        let Some(limit) = self.attempts.limit(ROWS_MAX) else { return Ok(None) };
        let (realm, player) = (self.subject.realm.id, self.subject.player.id);
        let rows = self.records.attempts_of(realm, player, self.attempts.after, limit).await?;
        Ok(self.attempts.took(rows, |attempt| attempt.id))
    }

    async fn lobbies(&mut self) -> Result<Option<Vec<LobbyMembership>>, Failure> {
        let Some(limit) = self.lobbies.limit(LOBBIES_MAX) else { return Ok(None) };
        let (realm, player) = (self.subject.realm.id, self.subject.player.id);
        let rows = self.records.lobbies_of(realm, player, self.lobbies.after, limit).await?;
        Ok(self.lobbies.took(rows, |membership| membership.lobby.id))
    }

    async fn rankings(&mut self) -> Result<Option<Vec<RankingMembership>>, Failure> {
        let Some(limit) = self.rankings.limit(ROWS_MAX) else { return Ok(None) };
        let (realm, player) = (self.subject.realm.id, self.subject.player.id);
        let rows = self.records.rankings_of(realm, player, self.rankings.after, limit).await?;
        Ok(self.rankings.took(rows, |membership| membership.ranking.id))
    }

    async fn entries(&mut self) -> Result<Option<Vec<LedgerRow>>, Failure> {
        while let Some(history) = self.histories.front_mut() {
            let left = u32::try_from(history.account.version - history.read).unwrap_or(u32::MAX);
            if left == 0 {
                self.histories.pop_front();
                continue;
            }
            let (realm, limit) = (self.subject.realm.id, ROWS_MAX.min(left));
            let rows = self.reads.export_entries(realm, &history.account, history.after, limit).await?;
            history.advance(&rows)?;
            return Ok(Some(rows));
        }
        Ok(None)
    }

    async fn audit_entries(&mut self) -> Result<Option<Vec<AuditEntry>>, Failure> {
        let Some(limit) = self.audit_entries.limit(ROWS_MAX) else { return Ok(None) };
        let (realm, player) = (self.subject.realm.id, self.subject.player.id);
        let rows = self.audit_log.of_player(realm, player, self.audit_entries.after, limit).await?;
        Ok(self.audit_entries.took(rows, |entry| entry.id))
    }

    /// Makes sure that the id still names the player that it named when the export began.
    async fn identity(&self) -> Result<(), Failure> {
        let Player { id, external_id, .. } = &self.subject.player;
        match self.reads.export_head(self.subject.realm.id, external_id).await? {
            Some(head) if head.player.id == *id => Ok(()),
            Some(_) | None => Err(ExportInterruption::PlayerChanged.into()),
        }
    }
}

impl History {
    /// Notes that `rows` were read, which must be the entries that follow those read before, without a gap.
    fn advance(&mut self, rows: &[LedgerRow]) -> Result<(), ExportInterruption> {
        let (mut read, mut after) = (self.read, self.after);
        for row in rows {
            if row.sequence != read + 1 || row.position <= after {
                return Err(ExportInterruption::EntriesMissing);
            }
            (read, after) = (row.sequence, row.position);
        }
        // None at all, or more than were asked for: then it is not the account that the view showed.
        if read == self.read || self.account.version < read {
            return Err(ExportInterruption::EntriesMissing);
        }
        (self.read, self.after) = (read, after);
        Ok(())
    }
}

/// What the open accounts of one kind hold.
fn holdings(accounts: &[ExportAccount], kind: AssetKind) -> Vec<Holding> {
    let open = accounts.iter().filter(|account| account.asset.kind == kind && !account.closed);
    let held = open.map(|account| Holding {
        key: account.asset.key.clone(),
        balance: account.balance,
        created_at: account.created_at,
        updated_at: account.updated_at,
    });
    held.collect()
}

fn page(rows: &mut IntoIter<Holding>) -> Option<Vec<Holding>> {
    let most = usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
    let page: Vec<_> = rows.take(most).collect();
    (!page.is_empty()).then_some(page)
}
