//! The use cases of the economy: complete a request with time and identity, put it on the queue, hand back its answer.

use std::sync::Arc;

use thiserror::Error;

use super::{
    AccountId, Action, Adjusted, Adjustment, AdjustmentKind, Amount, Answer, AssetKey, AssetKind, Command, Delivery,
    EconomyReads, EntryId, Grant, GrantCreated, GrantEntries, GrantId, GrantKind, GrantQuery, GrantSource, GrantStatus,
    Holding, LedgerQuery, LedgerRow, NewGrant, Once, Origin, Page, PostingIds, Queue, QueueError, Rejection,
};
use crate::clock::{Clock, Timestamp};
use crate::ids::Ids;
use crate::keys::Caller;
use crate::players::{ExportInterruption, ExternalId, MergeRefusal, PlayerId};
use crate::store::StoreError;
use crate::text::{FreeText, JsonObject};

/// Why a use case gave no answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// The rules said no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There is no such player.
    #[error("there is no such player")]
    PlayerNotFound,
    /// The players cannot be merged.
    #[error(transparent)]
    Unmergeable(#[from] MergeRefusal),
    /// An export cannot be completed.
    #[error(transparent)]
    ExportInterrupted(#[from] ExportInterruption),
    /// Too much is waiting; nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The outcome of a write is unknown. The cause was reported where it happened.
    #[error("the outcome is unknown")]
    Unknown,
    /// A read failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Overloaded => Self::Overloaded,
            QueueError::Unknown => Self::Unknown,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Unavailable(_) => Self::Store(error),
        }
    }
}

/// A change of one balance, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustRequest {
    /// Whose balance.
    pub player: ExternalId,
    /// Which of the four changes.
    pub kind: AdjustmentKind,
    /// The currency or item.
    pub key: AssetKey,
    /// By how much.
    pub amount: Amount,
    /// Why.
    pub reason: Option<FreeText>,
    /// The caller's own reference.
    pub source_ref: Option<FreeText>,
    /// Present when the caller gave an idempotency key.
    pub once: Option<Once>,
}

/// A grant, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// For whom.
    pub player: ExternalId,
    /// Reward or crate.
    pub kind: GrantKind,
    /// What it gives.
    pub entries: GrantEntries,
    /// Who asked for it.
    pub source: GrantSource,
    /// The caller's own reference.
    pub source_ref: Option<FreeText>,
    /// The caller's own data.
    pub metadata: Option<JsonObject>,
    /// When it can no longer be claimed or acknowledged.
    pub expires_at: Option<Timestamp>,
    /// When its contents are put into the ledger. Crates cannot be delivered at once: callers refuse that before.
    pub delivery: Delivery,
    /// What keeps it from being created twice.
    pub once: Once,
}

/// The use cases of the economy.
pub struct Economy {
    pub(super) queue: Queue,
    reads: Arc<dyn EconomyReads>,
    pub(super) clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Economy {
    /// Puts the use cases on the queue and their ports.
    pub fn new(queue: Queue, reads: Arc<dyn EconomyReads>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { queue, reads, clock, ids }
    }

    /// Changes one balance.
    pub async fn adjust(&self, caller: &Caller, request: AdjustRequest) -> Result<Adjusted, Failure> {
        let at = self.clock.now();
        let AdjustRequest { player, kind, key, amount, reason, source_ref, once } = request;
        let adjustment =
            Adjustment { kind, key, amount, reason, source_ref, parameters: None, once, ids: self.posting_ids(at) };
        match self.settle(caller, at, player, Action::Adjust(adjustment)).await? {
            Answer::Adjusted(adjusted) => Ok(adjusted),
            Answer::GrantCreated(_) | Answer::GrantAcked(_) | Answer::PlayerImported(_) => {
                unreachable!("an adjustment is answered as one")
            }
        }
    }

    /// Creates a grant.
    pub async fn create_grant(&self, caller: &Caller, request: GrantRequest) -> Result<GrantCreated, Failure> {
        let at = self.clock.now();
        let deposit_ids = match request.delivery {
            Delivery::Claim => Vec::new(),
            Delivery::Immediate => request.entries.as_slice().iter().map(|_| self.posting_ids(at)).collect(),
        };
        let grant = NewGrant {
            id: GrantId(self.ids.next(at)),
            kind: request.kind,
            entries: request.entries,
            source: request.source,
            source_ref: request.source_ref,
            metadata: request.metadata,
            expires_at: request.expires_at,
            delivery: request.delivery,
            once: request.once,
            deposit_ids,
        };
        match self.settle(caller, at, request.player, Action::CreateGrant(Box::new(grant))).await? {
            Answer::GrantCreated(created) => Ok(created),
            Answer::Adjusted(_) | Answer::GrantAcked(_) | Answer::PlayerImported(_) => {
                unreachable!("a grant is answered as one")
            }
        }
    }

    /// Marks a grant as claimed because the caller delivered its contents. Repeating it is safe.
    pub async fn ack_grant(&self, caller: &Caller, player: ExternalId, grant: GrantId) -> Result<Grant, Failure> {
        match self.settle(caller, self.clock.now(), player, Action::AckGrant(grant)).await? {
            Answer::GrantAcked(grant) => Ok(*grant),
            Answer::Adjusted(_) | Answer::GrantCreated(_) | Answer::PlayerImported(_) => {
                unreachable!("an acknowledgement is answered as one")
            }
        }
    }

    /// Every currency that the player ever touched, zero balances included, by key.
    pub async fn wallet(&self, caller: &Caller, player: &ExternalId) -> Result<Vec<Holding>, Failure> {
        let held = self.reads.holdings(caller.realm.id, player, AssetKind::Currency).await?;
        held.ok_or(Failure::PlayerNotFound)
    }

    /// Every item that the player holds at least one of, by key.
    pub async fn inventory(&self, caller: &Caller, player: &ExternalId) -> Result<Vec<Holding>, Failure> {
        let held = self.reads.holdings(caller.realm.id, player, AssetKind::Item).await?;
        let mut held = held.ok_or(Failure::PlayerNotFound)?;
        held.retain(|holding| 0 < holding.balance.get());
        Ok(held)
    }

    /// A page of a player's ledger; `query.realm` is set to the caller's.
    pub async fn ledger(&self, caller: &Caller, query: LedgerQuery) -> Result<Page<LedgerRow>, Failure> {
        let query = LedgerQuery { realm: caller.realm.id, ..query };
        self.reads.ledger(&query).await?.ok_or(Failure::PlayerNotFound)
    }

    /// A page of a player's grants, newest first, with the instant at which their states hold.
    pub async fn grants(
        &self,
        caller: &Caller,
        player: ExternalId,
        status: Option<GrantStatus>,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<(Page<Grant>, Timestamp), Failure> {
        let now = self.clock.now();
        let query = GrantQuery { realm: caller.realm.id, player, status, after, limit, now };
        let page = self.reads.grants(&query).await?.ok_or(Failure::PlayerNotFound)?;
        Ok((page, now))
    }

    async fn settle(
        &self,
        caller: &Caller,
        at: Timestamp,
        player: ExternalId,
        action: Action,
    ) -> Result<Answer, Failure> {
        let command = self.command(caller, at, Origin::Server, player, action);
        Ok(self.queue.submit(command).await??)
    }

    /// Completes what is asked with who asks, when, and the identifier that a new player would get.
    pub(super) fn command(
        &self,
        caller: &Caller,
        at: Timestamp,
        origin: Origin,
        player: ExternalId,
        action: Action,
    ) -> Command {
        let (realm, actor, player_if_new) = (caller.realm.id, caller.actor.clone(), PlayerId(self.ids.next(at)));
        Command { realm, at, actor, origin, player, player_if_new, action }
    }

    pub(super) fn posting_ids(&self, at: Timestamp) -> PostingIds {
        PostingIds { account_if_new: AccountId(self.ids.next(at)), entry: EntryId(self.ids.next(at)) }
    }
}
