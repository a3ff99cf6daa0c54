//! The queue and its lanes, over a store that waits at a gate.

use std::future::Future;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};

use super::test_books::*;
use super::*;
use crate::store::StoreError;

/// Begins a batch at once, and goes on with it when the test lets one pass.
#[derive(Default)]
struct GatedStore {
    books: Mutex<Books>,
    begun: Mutex<Vec<usize>>,
    gate: Gate,
    fault: Option<Fault>,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

/// What becomes of every batch that begins with a command for the player "trouble".
#[derive(Clone, Copy)]
enum Fault {
    Fails,
    Panics,
    ForgetsAnOutcome,
}

#[async_trait]
impl EconomyStore for GatedStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        self.begun.lock().unwrap().push(batch.commands().len());
        self.gate.0.acquire().await.unwrap().forget();
        let mut settlement = self.books.lock().unwrap().clone().settle(batch.commands().to_vec());
        let troubled = batch.commands()[0].player.as_str() == "trouble";
        match self.fault.filter(|_| troubled) {
            Some(Fault::Fails) => return Err(StoreError::unavailable("the disk is full")),
            Some(Fault::Panics) => panic!("boom {}", 42),
            Some(Fault::ForgetsAnOutcome) => drop(settlement.outcomes.pop()),
            None => settlement = self.books.lock().unwrap().settle(batch.commands().to_vec()),
        }
        Ok(settlement)
    }
}

impl GatedStore {
    fn failing(fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault: Some(fault), ..Self::default() })
    }

    /// Lets so many batches pass.
    fn let_pass(&self, batches: usize) {
        self.gate.0.add_permits(batches);
    }

    fn begun(&self) -> Vec<usize> {
        self.begun.lock().unwrap().clone()
    }

    fn gold(&self, player: &str) -> Option<i64> {
        self.books.lock().unwrap().gold(player)
    }
}

/// An observer that expects batches to be settled, and nothing else.
fn content() -> MockLaneObserver {
    let mut observer = MockLaneObserver::new();
    observer.expect_settled().return_const(());
    observer
}

fn start(
    store: &Arc<GatedStore>,
    lanes: usize,
    depth: usize,
    observer: MockLaneObserver,
) -> (Queue, Vec<JoinHandle<()>>) {
    let observer = Arc::new(observer);
    let (queue, lanes) = Queue::open(lanes, depth);
    let running = lanes.into_iter().map(|lane| tokio::spawn(lane.run(store.clone(), observer.clone())));
    (queue, running.collect())
}

/// Submits one command in a task of its own, and lets everything go as far as it can.
async fn submit(queue: &Queue, command: Command) -> JoinHandle<Result<Outcome, QueueError>> {
    let queue = queue.clone();
    let task = tokio::spawn(async move { queue.submit(command).await });
    settle_down().await;
    task
}

async fn submit_all(
    queue: &Queue,
    commands: impl IntoIterator<Item = Command>,
) -> Vec<JoinHandle<Result<Outcome, QueueError>>> {
    let mut tasks = Vec::new();
    for command in commands {
        let queue = queue.clone();
        tasks.push(tokio::spawn(async move { queue.submit(command).await }));
    }
    settle_down().await;
    tasks
}

/// On a runtime of one thread, everything that can go on has gone on after a few turns.
async fn settle_down() {
    for _ in 0..10 {
        yield_now().await;
    }
}

async fn balances(tasks: Vec<JoinHandle<Result<Outcome, QueueError>>>) -> Vec<i64> {
    let mut balances = Vec::new();
    for task in tasks {
        balances.push(adjusted(&task.await.unwrap().unwrap()).0);
    }
    balances
}

#[tokio::test]
async fn outcomes_reach_their_callers() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, 100, content());
    let tasks = submit_all(&queue, (1..=30).map(|number| credit("p1", "gold", number))).await;
    store.let_pass(30);
    let expected: Vec<i64> = (1..=30).map(|number| number * (number + 1) / 2).collect();
    assert_eq!(balances(tasks).await, expected);
    let refused = queue.submit(debit("p1", "gold", 1_000)).await.unwrap();
    assert!(matches!(refused, Err(Rejection::InsufficientFunds { .. })));
}

#[tokio::test]
async fn an_idle_queue_settles_a_command_alone_and_at_once() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, 100, content());
    store.let_pass(2);
    for balance in [1, 2] {
        assert_eq!(adjusted(&queue.submit(credit("p1", "gold", 1)).await.unwrap()).0, balance);
    }
    assert_eq!(store.begun(), [1, 1]);
}

#[tokio::test]
async fn a_queue_tells_how_many_commands_wait_and_how_many_may() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 2, 100, content());
    assert_eq!((queue.waiting(), queue.capacity()), (0, 200));
    let mut tasks = vec![submit(&queue, credit("p1", "gold", 1)).await];
    tasks.extend(submit_all(&queue, (0..5).map(|_| credit("p1", "gold", 1))).await);
    assert_eq!(queue.waiting(), 5, "one is being settled");
    store.let_pass(2);
    assert_eq!(balances(tasks).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(queue.waiting(), 0);
}

#[tokio::test]
async fn what_arrives_while_a_batch_is_stored_goes_together() {
    let store = Arc::new(GatedStore::default());
    let mut observer = MockLaneObserver::new();
    let mut in_order = mockall::Sequence::new();
    for commands in [1, 5] {
        observer
            .expect_settled()
            .with(mockall::predicate::eq(commands))
            .times(1)
            .in_sequence(&mut in_order)
            .return_const(());
    }
    let (queue, _lanes) = start(&store, 1, 100, observer);
    let mut tasks = vec![submit(&queue, credit("p1", "gold", 1)).await];
    tasks.extend(submit_all(&queue, (0..5).map(|_| credit("p1", "gold", 1))).await);
    assert_eq!(store.begun(), [1]);
    store.let_pass(2);
    assert_eq!(balances(tasks).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.begun(), [1, 5]);
}

#[tokio::test]
async fn a_batch_is_no_larger_than_the_largest() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, QUEUE_DEPTH, content());
    let mut tasks = vec![submit(&queue, credit("p1", "gold", 1)).await];
    tasks.extend(submit_all(&queue, (0..BATCH_MAX + 10).map(|_| credit("p1", "gold", 1))).await);
    store.let_pass(3);
    let last = balances(tasks).await.pop();
    assert_eq!(store.begun(), [1, BATCH_MAX, 10]);
    assert_eq!(last, Some(i64::try_from(BATCH_MAX).unwrap() + 11));
}

#[tokio::test]
async fn a_full_lane_refuses_at_once_and_loses_nothing() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, 2, content());
    let mut tasks = vec![submit(&queue, credit("p1", "gold", 1)).await];
    tasks.extend(submit_all(&queue, (0..2).map(|_| credit("p1", "gold", 1))).await);
    // The gate is closed: an answer now is an answer at once.
    assert_eq!(queue.submit(credit("p1", "gold", 1)).await, Err(QueueError::Overloaded));
    store.let_pass(2);
    assert_eq!(balances(tasks).await, [1, 2, 3]);
    store.let_pass(1);
    assert_eq!(adjusted(&queue.submit(credit("p1", "gold", 1)).await.unwrap()).0, 4);
}

#[tokio::test]
async fn a_failed_batch_is_answered_unknown_and_the_lane_goes_on() {
    let store = GatedStore::failing(Fault::Fails);
    let mut observer = content();
    observer
        .expect_failed()
        .withf(|commands, cause| *commands == 1 && matches!(cause, StoreError::Unavailable(_)))
        .times(1)
        .return_const(());
    lane_survives(store, observer).await;
}

#[tokio::test]
async fn a_panic_is_answered_unknown_and_the_lane_goes_on() {
    let store = GatedStore::failing(Fault::Panics);
    let mut observer = content();
    observer
        .expect_panicked()
        .withf(|commands, message| *commands == 1 && message == "boom 42")
        .times(1)
        .return_const(());
    lane_survives(store, observer).await;
}

#[tokio::test]
async fn a_store_that_forgets_an_outcome_is_a_panic_and_the_lane_goes_on() {
    let store = GatedStore::failing(Fault::ForgetsAnOutcome);
    let mut observer = content();
    observer
        .expect_panicked()
        .withf(|commands, message| *commands == 1 && message.contains("one outcome"))
        .times(1)
        .return_const(());
    lane_survives(store, observer).await;
}

async fn lane_survives(store: Arc<GatedStore>, observer: MockLaneObserver) {
    let (queue, _lanes) = start(&store, 1, 10, observer);
    let troubled = submit(&queue, credit("trouble", "gold", 1)).await;
    let next = submit(&queue, credit("p1", "gold", 1)).await;
    store.let_pass(2);
    assert_eq!(troubled.await.unwrap(), Err(QueueError::Unknown));
    assert_eq!(balances(vec![next]).await, [1]);
    assert_eq!(store.gold("trouble"), None);
}

#[tokio::test]
async fn a_caller_that_gives_up_takes_nothing_with_it() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, 10, content());
    let stored = submit(&queue, credit("p1", "gold", 1)).await;
    let waiting = submit_all(&queue, (0..2).map(|_| credit("p1", "gold", 1))).await;
    let patient = submit(&queue, credit("p1", "gold", 1)).await;
    for impatient in waiting.into_iter().chain([stored]) {
        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled());
    }
    store.let_pass(2);
    assert_eq!(balances(vec![patient]).await, [4]);
    assert_eq!(store.begun(), [1, 3]);
}

#[tokio::test]
async fn one_players_commands_share_a_lane_and_players_spread_over_lanes() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 4, 100, content());
    let mut tasks = submit_all(&queue, (0..20).map(|_| credit("p1", "gold", 1))).await;
    assert_eq!(store.begun().len(), 1, "one lane is at work");
    let others = (0..40).map(|number| credit(&format!("other-{number}"), "gold", 1));
    let others = submit_all(&queue, others).await;
    assert_eq!(store.begun().len(), 4, "all lanes are at work");
    store.let_pass(100);
    assert_eq!(balances(tasks.split_off(0)).await, (1..=20).collect::<Vec<_>>());
    assert_eq!(balances(others).await, [1; 40]);
}

#[tokio::test]
async fn a_lane_settles_what_waits_and_ends_when_every_queue_is_dropped() {
    let store = Arc::new(GatedStore::default());
    let (queue, mut lanes) = start(&store, 1, 10, content());
    let stored = submit(&queue, credit("p1", "gold", 1)).await;
    {
        // Callers that have put their command in, and are gone before the lane has seen it.
        let mut waiting = std::pin::pin!(queue.submit(credit("p1", "gold", 1)));
        std::future::poll_fn(|context| {
            assert!(waiting.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    drop(queue);
    store.let_pass(2);
    assert_eq!(balances(vec![stored]).await, [1]);
    lanes.remove(0).await.unwrap();
    assert_eq!(store.gold("p1"), Some(2));
}

#[tokio::test]
async fn a_queue_without_its_lane_answers_unknown() {
    let (queue, lanes) = Queue::open(1, 10);
    drop(lanes);
    assert_eq!(queue.submit(credit("p1", "gold", 1)).await, Err(QueueError::Unknown));
}

#[tokio::test]
async fn a_lane_that_is_stopped_answers_what_waits_with_unknown() {
    let store = Arc::new(GatedStore::default());
    let (queue, lanes) = start(&store, 1, 10, content());
    let stored = submit(&queue, credit("p1", "gold", 1)).await;
    let waiting = submit(&queue, credit("p1", "gold", 1)).await;
    for lane in &lanes {
        lane.abort();
    }
    for task in [stored, waiting] {
        assert_eq!(task.await.unwrap(), Err(QueueError::Unknown));
    }
}

#[tokio::test]
async fn many_commands_go_together_and_their_outcomes_come_back_in_order() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 4, 1_000, content());
    store.let_pass(1_000);
    let commands = (1..=600).map(|number| credit(&format!("player-{}", number % 7), &format!("coin-{number}"), number));
    let outcomes = queue.submit_all(commands.collect()).await.unwrap();
    let balances: Vec<i64> = outcomes.iter().map(|outcome| adjusted(outcome).0).collect();
    assert_eq!(balances, (1..=600).collect::<Vec<_>>());
    assert!(store.begun().len() < 20, "they are not settled one by one: {:?}", store.begun());
    assert_eq!(queue.submit_all(Vec::new()).await, Ok(Vec::new()));
}

#[tokio::test]
async fn many_commands_of_one_player_keep_their_order() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 4, 1_000, content());
    store.let_pass(1_000);
    let commands = (0..300).flat_map(|_| [credit("p1", "gold", 1), debit("p1", "gold", 1)]);
    let outcomes = queue.submit_all(commands.collect()).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "each debit finds the credit before it");
}

#[tokio::test]
async fn many_commands_are_refused_as_a_whole_or_wait_for_room() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, 2, content());
    let many = || (0..50).map(|_| credit("p1", "gold", 1)).collect::<Vec<_>>();
    let mut before = vec![submit(&queue, credit("p1", "gold", 1)).await];
    before.extend(submit_all(&queue, (0..2).map(|_| credit("p1", "gold", 1))).await);
    assert_eq!(queue.submit_all(many()).await, Err(QueueError::Overloaded));
    store.let_pass(1_000);
    assert_eq!(balances(before).await, [1, 2, 3], "nothing was done");
    let outcomes = queue.submit_all(many()).await.unwrap();
    assert_eq!(outcomes.iter().map(|outcome| adjusted(outcome).0).collect::<Vec<_>>(), (4..54).collect::<Vec<_>>());
}

#[tokio::test]
async fn many_commands_of_which_one_batch_fails_are_unknown() {
    let store = GatedStore::failing(Fault::Fails);
    let mut observer = content();
    observer.expect_failed().return_const(());
    let (queue, _lanes) = start(&store, 4, 100, observer);
    store.let_pass(100);
    let commands = ["trouble", "p1", "p2", "p3"].map(|player| credit(player, "gold", 1));
    assert_eq!(queue.submit_all(commands.to_vec()).await, Err(QueueError::Unknown));
    let (queue, lanes) = Queue::open(1, 100);
    drop(lanes);
    assert_eq!(queue.submit_all(commands_of_two()).await, Err(QueueError::Unknown));
}

fn commands_of_two() -> Vec<Command> {
    vec![credit("p1", "gold", 1), credit("p2", "gold", 1)]
}

#[tokio::test]
async fn many_commands_whose_lane_is_stopped_are_unknown() {
    let store = Arc::new(GatedStore::default());
    let (queue, lanes) = start(&store, 1, 100, content());
    let waiting = tokio::spawn(async move { queue.submit_all(commands_of_two()).await });
    settle_down().await;
    for lane in &lanes {
        lane.abort();
    }
    assert_eq!(waiting.await.unwrap(), Err(QueueError::Unknown));
}

#[tokio::test]
async fn single_commands_do_not_wait_for_all_of_many() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, QUEUE_DEPTH, content());
    let mut singles = vec![submit(&queue, credit("p1", "gold", 1)).await];
    let many: Vec<_> = (0..1_000).map(|_| credit("p2", "gold", 1)).collect();
    let call = tokio::spawn({
        let queue = queue.clone();
        async move { queue.submit_all(many).await }
    });
    settle_down().await;
    for _ in 0..2 {
        singles.push(submit(&queue, credit("p1", "gold", 1)).await);
        store.let_pass(1);
        settle_down().await;
    }
    // The gate is closed behind the batch of the last one.
    store.let_pass(1);
    assert_eq!(balances(singles).await, [1, 2, 3]);
    store.let_pass(100);
    assert!(call.await.unwrap().is_ok_and(|outcomes| outcomes.len() == 1_000));
    assert_eq!(store.gold("p2"), Some(1_000));
    let begun = store.begun();
    assert_eq!(begun, [1, 65, 65, 64, 128, 256, 424], "more and more, when nobody else comes");
}

#[tokio::test]
async fn many_commands_are_settled_while_single_ones_fill_every_batch() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, QUEUE_DEPTH, content());
    let mut singles = vec![submit(&queue, credit("p1", "gold", 1)).await];
    let call = tokio::spawn({
        let queue = queue.clone();
        async move { queue.submit_all((0..100).map(|_| credit("p2", "gold", 1)).collect()).await }
    });
    settle_down().await;
    singles.extend(submit_all(&queue, (0..3 * BATCH_MAX).map(|_| credit("p1", "gold", 1))).await);
    store.let_pass(3);
    assert!(call.await.unwrap().is_ok(), "two batches hold a hundred beside others");
    store.let_pass(100);
    assert_eq!(balances(singles).await.len(), 1 + 3 * BATCH_MAX);
}

#[tokio::test]
async fn many_commands_leave_room_for_single_ones() {
    let store = Arc::new(GatedStore::default());
    let (queue, _lanes) = start(&store, 1, 8, content());
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.submit_all(commands_of_two()).await })
        })
        .collect();
    settle_down().await;
    // Two calls of two are on their way, and the store waits at its gate.
    let singles = submit_all(&queue, (0..8).map(|_| credit("p3", "gold", 1))).await;
    store.let_pass(100);
    assert_eq!(balances(singles).await, (1..=8).collect::<Vec<_>>());
    for call in calls {
        assert!(call.await.unwrap().is_ok_and(|outcomes| outcomes.len() == 2));
    }
}
