//! The store as a process sees it: every write port, with the faults of the run around an adapter that has none.

use std::sync::Arc;

use async_trait::async_trait;
use domain::audit_log::AuditEntry;
use domain::clock::Timestamp;
use domain::economy::{Batch, EconomyStore, Settlement};
use domain::keys::{KeyChange, KeyId, KeyRecord, KeyStore, PublicId};
use domain::lobbies::{LobbyTransition, PlayBatch, PlaySettlement, PlayStore, Rank, WantedRank};
use domain::players::{
    BanCommand, BanOutcome, EraseCommand, EraseOutcome, IdentityDigest, MergeCommand, MergeRefusal, Merged,
    PlayerStore, UnknownPlayer,
};
use domain::queue::Turn;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{Assignment, AttemptReport, Endpoint, Outbox, TakeDue};

use crate::chaos::{Chaos, at_once};
use crate::disk::Opened;

/// Something wrong with a store, which a simulation must find. For tests of the simulator itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A batch is answered at times without having been stored.
    AnswersWithoutStoring,
    /// The last command of a batch of several is answered like the others, and not stored.
    LosesTheLast,
    /// A batch is stored a second time at times, as by a retry that was not needed.
    StoresTwice,
}

/// The store as process number `process` has it open.
pub(crate) struct FaultyStore {
    opened: Opened,
    chaos: Chaos,
    defect: Option<Defect>,
    who: String,
}

impl FaultyStore {
    pub(crate) fn new(opened: Opened, chaos: Chaos, process: usize, defect: Option<Defect>) -> Arc<Self> {
        Arc::new(Self { opened, chaos, defect, who: format!("p{process}") })
    }

    async fn settle_defective(&self, defect: Defect, batch: &Batch) -> Option<Result<Settlement, StoreError>> {
        let memory = self.opened.memory.as_ref()?;
        let economy = &self.opened.stores.economy;
        match defect {
            Defect::AnswersWithoutStoring if self.chaos.dice.chance(5) => Some(Ok(memory.decide_for_nothing(batch))),
            Defect::LosesTheLast if 1 < batch.commands().len() => {
                let answered = memory.decide_for_nothing(batch);
                let (_, kept) = batch.commands().split_last()?;
                let stored = self.chaos.write(&self.who, economy.settle(&Batch::new(kept.to_vec()))).await;
                Some(stored.map(|_| answered))
            }
            Defect::StoresTwice if self.chaos.dice.chance(5) => {
                let again: Vec<_> = batch.commands().iter().chain(batch.commands()).cloned().collect();
                let mut settled = at_once(economy.settle(&Batch::new(again)));
                if let Ok(settlement) = &mut settled {
                    settlement.outcomes.truncate(batch.commands().len());
                }
                Some(self.chaos.write(&self.who, async { settled }).await)
            }
            Defect::AnswersWithoutStoring | Defect::LosesTheLast | Defect::StoresTwice => None,
        }
    }
}

#[async_trait]
impl EconomyStore for FaultyStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        self.chaos.trace.note(format!("  {}: settles {} commands", self.who, batch.commands().len()));
        if let Some(defect) = self.defect
            && let Some(settled) = self.settle_defective(defect, batch).await
        {
            return settled;
        }
        if let Some(memory) = &self.opened.memory
            && self.chaos.dice.chance(self.chaos.weather().races)
        {
            drop(memory.decide_for_nothing(batch));
            self.chaos.pause().await;
        }
        self.chaos.write(&self.who, self.opened.stores.economy.settle(batch)).await
    }
}

#[async_trait]
impl PlayStore for FaultyStore {
    async fn settle_play(&self, batch: &PlayBatch, turn: Turn) -> Result<PlaySettlement, StoreError> {
        self.chaos.trace.note(format!("  {}: settles {} plays", self.who, batch.commands().len()));
        if let Some(memory) = &self.opened.memory
            && self.chaos.dice.chance(self.chaos.weather().races)
        {
            drop(memory.decide_play_for_nothing(batch));
            self.chaos.pause().await;
        }
        self.chaos.write(&self.who, self.opened.stores.play.settle_play(batch, turn)).await
    }

    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        self.chaos.read(&self.who, self.opened.stores.play.ranks(wanted)).await
    }

    async fn sweep_lobbies(&self, now: Timestamp, limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.play.sweep_lobbies(now, limit)).await
    }
}

#[async_trait]
impl PlayerStore for FaultyStore {
    async fn change_ban(&self, command: &BanCommand) -> Result<Result<BanOutcome, UnknownPlayer>, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.lives.change_ban(command)).await
    }

    async fn merge(&self, command: &MergeCommand) -> Result<Result<Merged, MergeRefusal>, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.lives.merge(command)).await
    }

    async fn erase(&self, command: &EraseCommand) -> Result<EraseOutcome, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.lives.erase(command)).await
    }

    async fn agree_on_secret(&self, check: IdentityDigest) -> Result<IdentityDigest, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.lives.agree_on_secret(check)).await
    }

    async fn replace_secret(&self, check: IdentityDigest) -> Result<(), StoreError> {
        self.chaos.write(&self.who, self.opened.stores.lives.replace_secret(check)).await
    }
}

#[async_trait]
impl KeyStore for FaultyStore {
    async fn find(&self, public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError> {
        self.chaos.read(&self.who, self.opened.stores.keys.find(public_id)).await
    }

    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.chaos.read(&self.who, self.opened.stores.keys.all()).await
    }

    async fn apply(&self, change: &KeyChange, audit: &AuditEntry) -> Result<(), StoreError> {
        self.chaos.write(&self.who, self.opened.stores.keys.apply(change, audit)).await
    }

    async fn mark_used(&self, uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError> {
        self.chaos.write(&self.who, self.opened.stores.keys.mark_used(uses)).await
    }
}

#[async_trait]
impl Outbox for FaultyStore {
    async fn rung(&self) {
        self.opened.stores.outbox.rung().await;
    }

    async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Assignment>, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.outbox.take_due(ask)).await
    }

    async fn record(&self, reports: &[AttemptReport]) -> Result<Vec<(RealmId, Endpoint)>, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.outbox.record(reports)).await
    }

    async fn tell_expiries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.outbox.tell_expiries(now, limit)).await
    }

    async fn discard(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.chaos.write(&self.who, self.opened.stores.outbox.discard(before, limit)).await
    }
}
