//! Short ways for the clauses on what happens to players.

use domain::audit_log::{AuditEntry, AuditLog, AuditRow};
use domain::clock::Timestamp;
use domain::economy::{AuditReport, EntryId, Grant, LedgerRow};
use domain::players::{
    BanChange, BanOutcome, EraseOutcome, Erased, Erasure, ExportHead, ExternalId, LegalBasis, MergeRefusal, Merged,
    PlayerId, Profile, UnknownPlayer,
};
use domain::tenancy::RealmId;

use super::{Stores, World};
use crate::clock::START;
use crate::lives::{LifeDraft, MergeInto};

/// All that can be read of one player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    profile: Option<Profile>,
    head: Option<ExportHead>,
    history: Vec<LedgerRow>,
    grants: Vec<Grant>,
}

impl World {
    /// Changes a ban in the world's realm.
    pub(crate) async fn change_ban(&self, draft: &LifeDraft<BanChange>) -> Result<BanOutcome, UnknownPlayer> {
        self.stores.lives.change_ban(&draft.in_realm(self.realm)).await.expect("the store works")
    }

    /// Merges in the world's realm.
    pub(crate) async fn merge(&self, draft: &LifeDraft<MergeInto>) -> Result<Merged, MergeRefusal> {
        self.stores.merge(self.realm, draft).await
    }

    /// Merges in the world's realm, for the first time.
    pub(crate) async fn merge_now(&self, draft: &LifeDraft<MergeInto>) -> Merged {
        let merged = self.merge(draft).await.expect("the players are merged");
        assert!(!merged.earlier, "they were not merged before");
        merged
    }

    /// Erases in the world's realm.
    pub(crate) async fn erase(&self, draft: &LifeDraft<LegalBasis>) -> EraseOutcome {
        self.stores.erase(self.realm, draft).await
    }

    /// Erases in the world's realm, for the first time.
    pub(crate) async fn erase_now(&self, draft: &LifeDraft<LegalBasis>) -> Erasure {
        let outcome = self.erase(draft).await;
        let EraseOutcome::Erased(Erased { erasure, .. }) = outcome else { panic!("nobody was erased: {outcome:?}") };
        erasure
    }

    /// The profile of a player of the world's realm who is known.
    pub(crate) async fn known(&self, player: &str) -> Profile {
        self.stores.profile(self.realm, player).await.expect("the player is known")
    }

    /// The profile of whoever is called `name`, which may be a placeholder.
    pub(crate) async fn profile_of(&self, name: &ExternalId) -> Option<Profile> {
        self.stores.players.profile(self.realm, name, 1_000, start()).await.expect("the store works")
    }

    /// All that can be read of `players` in the world's realm.
    pub(crate) async fn seen(&self, players: &[&str]) -> Vec<Seen> {
        self.stores.seen(self.realm, players).await
    }

    /// The audit log of the world's realm, newest first.
    pub(crate) async fn audit_rows(&self) -> Vec<AuditRow> {
        self.stores.audit_rows(self.realm).await
    }

    /// What was done to `player`, newest first.
    pub(crate) async fn done_to(&self, player: PlayerId) -> Vec<AuditEntry> {
        self.stores.audit_log.of_player(self.realm, player, None, 1_000).await.expect("the store works")
    }

    /// The head of the export of a player of the world's realm who is known.
    pub(crate) async fn head(&self, player: &str) -> ExportHead {
        self.stores.head(self.realm, player).await.expect("the player is known")
    }

    /// The report of an audit that finds nothing wrong.
    pub(crate) async fn sound_books(&self) -> AuditReport {
        let report = self.stores.audit.audit().await.expect("the store works");
        assert_eq!((report.differences_count, report.differences.len()), (0, 0), "{report:?}");
        report
    }
}

impl Stores {
    /// Merges in `realm`.
    pub(crate) async fn merge(&self, realm: RealmId, draft: &LifeDraft<MergeInto>) -> Result<Merged, MergeRefusal> {
        self.lives.merge(&draft.in_realm(realm)).await.expect("the store works")
    }

    /// Erases in `realm`.
    pub(crate) async fn erase(&self, realm: RealmId, draft: &LifeDraft<LegalBasis>) -> EraseOutcome {
        self.lives.erase(&draft.in_realm(realm)).await.expect("the store works")
    }

    /// All that can be read of `players` in `realm`.
    pub(crate) async fn seen(&self, realm: RealmId, players: &[&str]) -> Vec<Seen> {
        let mut seen = Vec::new();
        for player in players {
            let (profile, history) = (self.profile(realm, player).await, self.history(realm, player).await);
            let (head, grants) = (self.head(realm, player).await, self.grants(realm, player, None, start()).await);
            seen.push(Seen { profile, head, history, grants });
        }
        seen
    }

    /// The audit log of `realm`, newest first.
    pub(crate) async fn audit_rows(&self, realm: RealmId) -> Vec<AuditRow> {
        let log: &dyn AuditLog = &*self.audit_log;
        log.page(realm, None, 1_000).await.expect("the store works").rows
    }

    /// What an export of `player` begins with.
    pub(crate) async fn head(&self, realm: RealmId, player: &str) -> Option<ExportHead> {
        let player = ExternalId::restore(player.to_owned());
        self.players.export_head(realm, &player).await.expect("the store works")
    }
}

/// When a test starts.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

/// The ids of `rows`.
pub(crate) fn ids(rows: &[LedgerRow]) -> Vec<EntryId> {
    rows.iter().map(|row| row.id).collect()
}
