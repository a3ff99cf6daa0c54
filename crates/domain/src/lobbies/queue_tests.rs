//! The lanes of what is played, over a store whose ranks wait at a gate.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};
use uuid::Uuid;

use super::test_plays::*;
use super::*;
use crate::clock::Timestamp;
use crate::economy::Repeat;
use crate::players::PlayerId;
use crate::queue::{MockLaneObserver, QueueError, Turn};
use crate::store::StoreError;

/// Stores at once, and looks up ranks when the test lets it: none, once the gate is closed for good.
struct GatedRanks {
    settled: Mutex<usize>,
    gate: Semaphore,
}

#[async_trait]
impl PlayStore for GatedRanks {
    async fn settle_play(&self, batch: &PlayBatch, _turn: Turn) -> Result<PlaySettlement, StoreError> {
        let count = batch.commands().len();
        *self.settled.lock().unwrap() += count;
        let leaderboard = leaderboard("board", Aggregation::Latest);
        let ranking = leaderboard.ranking(Segment::default(), second(0));
        let place = Place { order_key: 0, achieved_at: second(0), player: PlayerId(Uuid::nil()) };
        let realm = batch.commands()[0].realm;
        let wanted = |outcome| WantedRank { outcome, realm, ranking: ranking.id, place };
        let answer = || PlayAnswer::Scored {
            leaderboard: Box::new(leaderboard.clone()),
            ranking: ranking.clone(),
            score: points(1),
            rank: None,
            repeat: Repeat::First,
        };
        let (outcomes, ranks) = (0..count).map(|number| (Ok(answer()), wanted(number))).unzip();
        Ok(PlaySettlement { outcomes, ranks, ..PlaySettlement::default() })
    }

    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        self.gate.acquire().await.map_err(StoreError::unavailable)?.forget();
        Ok((1..).zip(wanted).map(|(rank, _)| Some(Rank { rank, players: 9 })).collect())
    }

    async fn sweep_lobbies(&self, _now: Timestamp, _limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        unreachable!("nobody sweeps here")
    }
}

type Asked = JoinHandle<Result<PlayOutcome, QueueError>>;

/// Scores one after the other on one lane over `store`, each in a batch of its own, whose observer is told of so many failures.
async fn scored(store: &Arc<GatedRanks>, scores: usize, failures: usize) -> Vec<Asked> {
    let settled = scores - failures;
    asked_of(store, scores, settled..=settled, failures).await
}

/// Scores one after the other on one lane over `store`, whose observer is told of so many batches and failures; each goes as far
/// as it can before the next.
async fn asked_of<S: PlayStore + 'static>(
    store: &Arc<S>,
    scores: usize,
    settled: RangeInclusive<usize>,
    failures: usize,
) -> Vec<Asked> {
    let mut observer = MockLaneObserver::new();
    observer.expect_settled().times(settled).return_const(());
    observer.expect_failed().times(failures).return_const(());
    let (queue, lanes) = PlayQueue::open(1, 10);
    let observer = Arc::new(observer);
    for lane in lanes {
        tokio::spawn(lane.run(store.clone(), observer.clone(), Arc::new(MockLobbyObserver::new())));
    }
    let mut asked = Vec::new();
    for _ in 0..scores {
        let queue = queue.clone();
        asked.push(tokio::spawn(async move { queue.submit(score("board", "ann", 1)).await }));
        for _ in 0..10 {
            yield_now().await;
        }
    }
    asked
}

fn store() -> Arc<GatedRanks> {
    Arc::new(GatedRanks { settled: Mutex::new(0), gate: Semaphore::new(0) })
}

#[tokio::test]
async fn further_batches_are_stored_while_ranks_are_looked_up_but_only_so_many() {
    let store = store();
    let asked = scored(&store, 6, 0).await;
    assert_eq!(*store.settled.lock().unwrap(), 5, "four are being answered, and the lane waits with the fifth");
    assert!(asked.iter().all(|asked| !asked.is_finished()), "nobody is answered without a rank");
    store.gate.add_permits(6);
    for asked in asked {
        let Ok(Ok(PlayAnswer::Scored { rank, .. })) = asked.await.unwrap() else { panic!("a score is answered") };
        assert_eq!(rank, Some(Rank { rank: 1, players: 9 }));
    }
    assert_eq!(*store.settled.lock().unwrap(), 6);
}

#[tokio::test]
async fn a_score_whose_rank_cannot_be_looked_up_is_answered_unknown_and_the_lane_goes_on() {
    let store = store();
    store.gate.close();
    for asked in scored(&store, 2, 2).await {
        assert_eq!(asked.await.unwrap(), Err(QueueError::Unknown));
    }
    assert_eq!(*store.settled.lock().unwrap(), 2);
}

/// Begins at once, and has stored when the test lets it; ends the turn of a batch before that, or not.
struct GatedCommits {
    ends_early: bool,
    begun: Mutex<usize>,
    gate: Semaphore,
}

#[async_trait]
impl PlayStore for GatedCommits {
    async fn settle_play(&self, batch: &PlayBatch, turn: Turn) -> Result<PlaySettlement, StoreError> {
        *self.begun.lock().unwrap() += 1;
        let _until_it_is_stored = (!self.ends_early).then_some(turn);
        self.gate.acquire().await.unwrap().forget();
        let outcomes = vec![Err(PlayRefusal::PlayerNotFound); batch.commands().len()];
        Ok(PlaySettlement { outcomes, ..PlaySettlement::default() })
    }

    async fn ranks(&self, _wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError> {
        unreachable!("nothing has a rank here")
    }

    async fn sweep_lobbies(&self, _now: Timestamp, _limit: u32) -> Result<Vec<LobbyTransition>, StoreError> {
        unreachable!("nobody sweeps here")
    }
}

#[tokio::test]
async fn a_batch_begins_when_the_one_before_it_ends_its_turn_or_is_stored() {
    for (ends_early, begun) in [(true, 3), (false, 1)] {
        let store = Arc::new(GatedCommits { ends_early, begun: Mutex::new(0), gate: Semaphore::new(0) });
        let asked = asked_of(&store, 3, 2..=3, 0).await;
        assert_eq!(*store.begun.lock().unwrap(), begun);
        assert!(asked.iter().all(|asked| !asked.is_finished()), "nobody is answered before it is stored");
        store.gate.add_permits(3);
        for asked in asked {
            assert_eq!(asked.await.unwrap(), Ok(Err(PlayRefusal::PlayerNotFound)));
        }
    }
}
