//! Short ways for the clauses on events, lobbies, attempts and rankings.

use domain::clock::Timestamp;
use domain::economy::Page;
use domain::lobbies::{
    Attempt, BoardMode, Event, EventId, Leaderboard, Lobby, LobbyDetail, LobbyId, LobbyQuery, LobbyStatus,
    LobbyTransition, PlayAnswer, PlayBatch, PlayOutcome, PlaySettlement, Rank, RankedPlayer, Ranking, RankingId,
    RankingPage, RankingSlice, Score,
};
use domain::queue::Turn;
use domain::tenancy::RealmId;

use super::lives::start;
use super::{Stores, World};
use crate::play_drafts::{PlayDraft, event, new_event, new_leaderboard};
use crate::tenants::external_id;

impl World {
    /// Settles `drafts` as one batch in the world's realm.
    pub(crate) async fn play(&self, drafts: &[PlayDraft]) -> Vec<PlayOutcome> {
        self.stores.play(self.realm, drafts).await.outcomes
    }

    /// Settles one command in the world's realm.
    pub(crate) async fn play_one(&self, draft: &PlayDraft) -> PlayOutcome {
        self.stores.play_one(self.realm, draft).await
    }

    /// Settles one command in the world's realm, which is not refused.
    pub(crate) async fn played(&self, draft: &PlayDraft) -> PlayAnswer {
        self.play_one(draft).await.expect("it is not refused")
    }

    /// An event of the world's realm, as [`event`] makes it but for what `change` changes.
    pub(crate) async fn add_event(&self, name: &str, mode: BoardMode, change: impl FnOnce(&mut Event)) -> Event {
        let mut event = event(name, mode);
        change(&mut event);
        self.stores.add_event(self.realm, &event).await;
        event
    }

    /// A lobby of the world's realm.
    pub(crate) async fn lobby(&self, id: LobbyId) -> LobbyDetail {
        self.stores.lobby(self.realm, id).await.expect("there is such a lobby")
    }

    /// The last attempts of a player of the world's realm, newest first.
    pub(crate) async fn attempts(&self, player: &str) -> Vec<Attempt> {
        let player = self.known(player).await.player.id;
        self.stores.records.attempts_of(self.realm, player, None, 1_000).await.expect("the store works")
    }

    /// The first `count` of a ranking of the world's realm.
    pub(crate) async fn top(&self, ranking: RankingId, count: u32) -> RankingPage {
        self.stores.slice(self.realm, ranking, &RankingSlice::Top(count), None).await
    }
}

impl Stores {
    /// Settles `drafts` as one batch in `realm`.
    pub(crate) async fn play(&self, realm: RealmId, drafts: &[PlayDraft]) -> PlaySettlement {
        let batch = PlayBatch::new(drafts.iter().map(|draft| draft.in_realm(realm)).collect());
        let settlement = self.settle_play(&batch).await;
        assert_eq!(settlement.outcomes.len(), drafts.len(), "one outcome for each command");
        settlement
    }

    /// Settles `batch`, and looks up the ranks that it wants.
    pub async fn settle_play(&self, batch: &PlayBatch) -> PlaySettlement {
        let stored = self.play.settle_play(batch, Turn::default()).await.expect("the store works");
        stored.ranked(&*self.play).await.expect("the store works")
    }

    /// Settles one command in `realm`.
    pub(crate) async fn play_one(&self, realm: RealmId, draft: &PlayDraft) -> PlayOutcome {
        let mut settlement = self.play(realm, std::slice::from_ref(draft)).await;
        settlement.outcomes.pop().expect("a command has an outcome")
    }

    /// Stores an event in `realm`.
    pub(crate) async fn add_event(&self, realm: RealmId, event: &Event) {
        let created = self.events.create_event(&new_event(realm, event)).await.expect("the store works");
        created.expect("the key is free");
    }

    /// Stores a leaderboard in `realm`.
    pub(crate) async fn add_board(&self, realm: RealmId, board: &Leaderboard) {
        let created = self.leaderboards.create_leaderboard(&new_leaderboard(realm, board)).await;
        created.expect("the store works").expect("the key is free");
    }

    /// A lobby with its players in the order of their ids.
    pub(crate) async fn lobby(&self, realm: RealmId, id: LobbyId) -> Option<LobbyDetail> {
        let mut detail = self.lobbies.lobby(realm, id).await.expect("the store works")?;
        detail.participants.sort_by_key(|(participant, _)| participant.player);
        Some(detail)
    }

    /// The lobbies of an event that are in `status` at `now`, newest first.
    pub(crate) async fn lobbies(
        &self,
        realm: RealmId,
        event: EventId,
        status: Option<LobbyStatus>,
        now: Timestamp,
    ) -> Vec<Lobby> {
        let query = LobbyQuery { realm, event, status, after: None, limit: 10_000, now };
        self.lobbies.lobbies(&query).await.expect("the store works").rows
    }

    /// A page of lobbies.
    pub(crate) async fn lobby_page(&self, query: &LobbyQuery) -> Page<Lobby> {
        self.lobbies.lobbies(query).await.expect("the store works")
    }

    /// Moves lobbies on by the clock.
    pub(crate) async fn sweep(&self, now: Timestamp, limit: u32) -> Vec<LobbyTransition> {
        self.play.sweep_lobbies(now, limit).await.expect("the store works")
    }

    /// A slice of a ranking.
    pub(crate) async fn slice(
        &self,
        realm: RealmId,
        ranking: RankingId,
        slice: &RankingSlice,
        own: Option<&str>,
    ) -> RankingPage {
        let page = self.rankings.ranking_page(realm, ranking, slice, own.map(external_id)).await;
        page.expect("the store works")
    }
}

/// So many seconds after a test starts.
pub(crate) fn second(number: u64) -> Timestamp {
    start().plus(std::time::Duration::from_secs(number))
}

/// The lobby that a push is answered with.
pub(crate) fn pushed(answer: &PlayAnswer) -> Lobby {
    let PlayAnswer::Pushed { lobby, .. } = answer else { panic!("not a push: {answer:?}") };
    (**lobby).clone()
}

/// The lobby that a change of it is answered with, and whether anything changed.
pub(crate) fn changed(answer: &PlayAnswer) -> (Lobby, bool) {
    let PlayAnswer::Lobby { lobby, applied } = answer else { panic!("not a change of a lobby: {answer:?}") };
    ((**lobby).clone(), *applied)
}

/// The attempt that was started.
pub(crate) fn started(answer: &PlayAnswer) -> Attempt {
    let PlayAnswer::Started { attempt, .. } = answer else { panic!("not a start: {answer:?}") };
    (**attempt).clone()
}

/// The lobby in which a player waits.
pub(crate) fn forming(answer: &PlayAnswer) -> Lobby {
    let PlayAnswer::Forming(lobby) = answer else { panic!("nobody waits: {answer:?}") };
    (**lobby).clone()
}

/// The attempt after progress.
pub(crate) fn progressed(answer: &PlayAnswer) -> Attempt {
    let PlayAnswer::Progressed { attempt, .. } = answer else { panic!("not progress: {answer:?}") };
    (**attempt).clone()
}

/// The ranking that a score counts in, what counts, and the rank that it makes.
pub(crate) fn scored(answer: &PlayAnswer) -> (Ranking, Score, Option<Rank>) {
    let PlayAnswer::Scored { ranking, score, rank, .. } = answer else { panic!("not a score: {answer:?}") };
    (ranking.clone(), *score, *rank)
}

/// Who is on which rank.
pub(crate) fn ranks(entries: &[RankedPlayer]) -> Vec<(u64, &str)> {
    entries.iter().map(|entry| (entry.rank, entry.external_id.as_str())).collect()
}
