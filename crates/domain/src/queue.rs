//! The group-commit queue: commands wait here while the batch before them is being stored, and then go together.
//!
//! There is no timer: an idle server settles batches of one with no added latency, and a busy one settles whatever arrived
//! meanwhile. A request that is dropped while it waits cannot take its batch with it, because the lane owns the batch. Those
//! who ask for many things at once get a share of each batch, so that nobody waits for all of it. This module must not know
//! what the commands do, which store it feeds, nor how tasks are spawned.

use std::future::Future;
use std::hash::{DefaultHasher, Hasher};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::store::StoreError;

/// The most commands settled in one transaction. It bounds how long the slowest reply of a batch waits, and is far past
/// the size where a larger batch is faster.
pub const BATCH_MAX: usize = 512;

/// How many commands of [`Queue::submit_all`] go into a batch together with others. A batch of a few dozen takes about as long
/// as one of a few; a thousand rows that go first keep everybody else waiting for a tenth of a second.
const BULK_SHARE: usize = 64;

/// How many commands may wait in one lane before further ones are refused.
pub const QUEUE_DEPTH: usize = 8_192;

/// How many batches of a lane may be past their turn and not answered yet. As many looks at the store as that are on their way
/// at once; when they are slower than storing, the lane waits for them.
const ANSWERS_MAX: usize = 4;

/// Why a command got no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueueError {
    /// Too many commands are waiting; this one was not taken in.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The store failed, or the server is stopping: the command may or may not have been stored.
    #[error("the outcome is unknown")]
    Unknown,
}

/// A command that can be settled together with others.
pub trait Queued: Send + Sized + 'static {
    /// What it comes to.
    type Outcome: Clone + Send + 'static;

    /// Tells what commands must share a lane about: those that write the same bytes do.
    fn lane<H: Hasher>(&self, hasher: &mut H);
}

/// Settles what came together, in two steps, so that a lane need not wait for the second one before the next batches.
#[async_trait]
pub trait Settles<C: Queued>: Send + Sync {
    /// What is known of a batch once it is stored.
    type Stored: Send;

    /// Settles `commands` (at most [`BATCH_MAX`]) in one transaction, and ends `turn` once the next batch may begin: when this
    /// one is stored, or when what that one sees of it can only be what is stored.
    async fn settle_together(&self, commands: Vec<C>, turn: Turn) -> Result<Self::Stored, StoreError>;

    /// One outcome for each command of a batch that is stored, in order; further batches are being settled meanwhile.
    async fn outcomes(&self, stored: Self::Stored) -> Result<Vec<C::Outcome>, StoreError>;
}

/// The turn of a batch in its lane: the next one begins when it ends, which it does by itself when it is dropped. That of a batch
/// that is in no lane ends without consequences.
#[derive(Debug, Default)]
pub struct Turn(Option<OwnedSemaphorePermit>);

impl Turn {
    /// Lets the next batch begin.
    pub fn end(self) {
        drop(self.0);
    }
}

/// A command and the handler that waits for its outcome.
struct Waiting<C: Queued> {
    command: C,
    reply: Reply<C::Outcome>,
}

/// What a command comes to.
type Ending<Outcome> = Result<Outcome, QueueError>;

/// Where the ending of a command goes. A handler that is gone (its client hung up) is not told: what it asked for has
/// happened all the same.
enum Reply<Outcome> {
    /// To a handler that waits for this command alone.
    Alone(oneshot::Sender<Ending<Outcome>>),
    /// To a handler that waits for many, with the number of this one among them.
    Numbered(usize, mpsc::UnboundedSender<(usize, Ending<Outcome>)>),
}

impl<Outcome> Reply<Outcome> {
    fn send(self, ending: Ending<Outcome>) {
        match self {
            Self::Alone(handler) => drop(handler.send(ending)),
            Self::Numbered(number, handler) => drop(handler.send((number, ending))),
        }
    }
}

/// Is told what the lanes do, for metrics and the log.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait LaneObserver: Send + Sync {
    /// A batch of `commands` commands was stored.
    fn settled(&self, commands: usize);

    /// A batch of `commands` commands failed as a whole; their outcome is unknown.
    fn failed(&self, commands: usize, cause: &StoreError);

    /// A batch of `commands` commands met a bug and panicked with `message`; their outcome is unknown.
    fn panicked(&self, commands: usize, message: &str);
}

/// Where commands are put. Cloning it gives another entrance to the same lanes.
pub struct Queue<C: Queued> {
    lanes: Arc<[Entrance<C>]>,
    /// One permit for each command that may wait on behalf of [`Queue::submit_all`], at all calls together.
    bulk: Arc<Semaphore>,
    /// How many permits there are.
    bulk_max: usize,
}

impl<C: Queued> Clone for Queue<C> {
    fn clone(&self) -> Self {
        Self { lanes: Arc::clone(&self.lanes), bulk: Arc::clone(&self.bulk), bulk_max: self.bulk_max }
    }
}

/// Where commands are put into one lane.
struct Entrance<C: Queued> {
    /// Those of [`Queue::submit`].
    single: mpsc::Sender<Waiting<C>>,
    /// Those of [`Queue::submit_all`].
    bulk: mpsc::Sender<Waiting<C>>,
}

/// One consumer of the queue: settles one batch after the other. All commands about one thing ([`Queued::lane`]) are in one
/// lane.
pub struct Lane<C: Queued> {
    single: mpsc::Receiver<Waiting<C>>,
    bulk: mpsc::Receiver<Waiting<C>>,
    /// How many of `bulk` the next batch takes when nobody else waits: twice as many with each batch, because nobody else seems
    /// to come, and [`BULK_SHARE`] again when somebody does.
    bulk_share: usize,
}

impl<C: Queued> Queue<C> {
    /// A queue of `lanes` lanes (at least one), each holding at most `depth` waiting commands (at least one) and half as many
    /// of those that came together. Every lane must be run for commands to be answered.
    pub fn open(lanes: usize, depth: usize) -> (Self, Vec<Lane<C>>) {
        let bulk_max = (depth / 2).max(1);
        let lane = |_| {
            let ((single, singles), (bulk, bulks)) = (mpsc::channel(depth.max(1)), mpsc::channel(bulk_max));
            (Entrance { single, bulk }, Lane { single: singles, bulk: bulks, bulk_share: BULK_SHARE })
        };
        let (entrances, lanes): (Vec<_>, Vec<_>) = (0..lanes.max(1)).map(lane).unzip();
        (Self { lanes: entrances.into(), bulk: Arc::new(Semaphore::new(bulk_max)), bulk_max }, lanes)
    }

    /// Puts `command` into its lane and waits for its outcome, which is known only once it is durable.
    ///
    /// # Errors
    /// [`QueueError::Overloaded`] at once when the lane is full; [`QueueError::Unknown`] when the batch failed.
    pub async fn submit(&self, command: C) -> Result<C::Outcome, QueueError> {
        let (reply, outcome) = oneshot::channel();
        let lane = self.lane_of(&command);
        lane.single.try_send(Waiting { command, reply: Reply::Alone(reply) }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => QueueError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => QueueError::Unknown,
        })?;
        outcome.await.unwrap_or(Err(QueueError::Unknown))
    }

    /// Puts all of `commands` into their lanes, in order and without waiting for any outcome in between, and waits
    /// for all outcomes, which come back in the order of the commands.
    ///
    /// Calls take turns, and a batch has few of their commands while others wait, so a call takes longer then
    /// and they do not. A call is refused only as a whole: once its first command was taken in, the others wait for room.
    ///
    /// # Errors
    /// [`QueueError::Overloaded`] when the lane of the first command takes no further ones of [`Queue::submit`] either, and
    /// nothing was done; [`QueueError::Unknown`] when the batch of any of them failed: each may or may not have been stored.
    pub async fn submit_all(&self, commands: Vec<C>) -> Result<Vec<C::Outcome>, QueueError> {
        let mut outcomes: Vec<Option<C::Outcome>> = vec![None; commands.len()];
        let permits = u32::try_from(commands.len().min(self.bulk_max)).expect("a lane is not that deep");
        let _turn = self.bulk.acquire_many(permits).await.map_err(|_| QueueError::Unknown)?;
        let (handler, mut endings) = mpsc::unbounded_channel();
        for (number, command) in commands.into_iter().enumerate() {
            let lane = self.lane_of(&command);
            if number == 0 && lane.single.capacity() == 0 {
                return Err(QueueError::Overloaded);
            }
            let waiting = Waiting { command, reply: Reply::Numbered(number, handler.clone()) };
            match lane.bulk.try_send(waiting) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(waiting)) => {
                    lane.bulk.send(waiting).await.map_err(|_| QueueError::Unknown)?;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(QueueError::Unknown),
            }
        }
        drop(handler);
        // Ends when every command was answered, or was dropped with its lane.
        while let Some((number, ending)) = endings.recv().await {
            if let Some(outcome) = outcomes.get_mut(number) {
                *outcome = Some(ending?);
            }
        }
        outcomes.into_iter().collect::<Option<Vec<_>>>().ok_or(QueueError::Unknown)
    }

    /// How many commands of [`Queue::submit`] wait in all lanes together, not counting those that are being settled.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.single.max_capacity() - lane.single.capacity()).sum()
    }

    /// How many may.
    pub fn capacity(&self) -> usize {
        self.lanes.iter().map(|lane| lane.single.max_capacity()).sum()
    }

    fn lane_of(&self, command: &C) -> &Entrance<C> {
        let count = u64::try_from(self.lanes.len()).expect("a number of lanes fits 64 bits");
        let index = if count == 1 {
            0
        } else {
            let mut hasher = DefaultHasher::new();
            command.lane(&mut hasher);
            usize::try_from(hasher.finish() % count).expect("a remainder by a small number is small")
        };
        self.lanes.get(index).expect("a remainder is less than the number of lanes")
    }
}

impl<C: Queued> Lane<C> {
    /// Settles batches by `store` until every [`Queue`] is dropped and nothing waits, each while those before it are answered.
    ///
    /// A batch that fails or panics is answered [`QueueError::Unknown`] and reported to `observer`; the lane goes on.
    pub async fn drain<S: Settles<C>>(mut self, store: &S, observer: &dyn LaneObserver) {
        let turns = Arc::new(Semaphore::new(1));
        let mut begun = FuturesUnordered::new();
        while let Some((turn, batch)) = beside(&mut begun, self.next(&turns)).await {
            begun.push(settle(store, observer, turn, batch));
            while ANSWERS_MAX < begun.len() {
                begun.next().await;
            }
        }
        while begun.next().await.is_some() {}
    }

    /// What waits when it is its turn, or the next command; none when nothing will come.
    async fn next(&mut self, turns: &Arc<Semaphore>) -> Option<(Turn, Vec<Waiting<C>>)> {
        let turn = Arc::clone(turns).acquire_owned().await.expect("turns are never closed");
        let first = self.first().await?;
        Some((Turn(Some(turn)), self.batch_of(first)))
    }

    /// The command that waits, or the next one; none when every [`Queue`] is dropped and nothing waits.
    async fn first(&mut self) -> Option<Waiting<C>> {
        let (single, bulk) = (pin!(self.single.recv()), pin!(self.bulk.recv()));
        // Both ways in are closed together, when one is: then the other is empty, or gives what is left in it.
        match select(single, bulk).await {
            Either::Left((Some(first), _)) | Either::Right((Some(first), _)) => Some(first),
            Either::Left((None, bulk)) => bulk.await,
            Either::Right((None, single)) => single.await,
        }
    }

    /// `first`, and those that wait already: of those that came together only a share, the others as far as there is room.
    fn batch_of(&mut self, first: Waiting<C>) -> Vec<Waiting<C>> {
        let is_bulk = matches!(first.reply, Reply::Numbered(_, _));
        let alone = is_bulk && self.single.is_empty();
        let share = if alone { self.bulk_share } else { BULK_SHARE };
        self.bulk_share = if alone { (2 * share).min(BATCH_MAX) } else { BULK_SHARE };
        let mut batch = Vec::with_capacity(BATCH_MAX);
        batch.push(first);
        batch.extend(std::iter::from_fn(|| self.bulk.try_recv().ok()).take(share - usize::from(is_bulk)));
        let room = BATCH_MAX - batch.len();
        batch.extend(std::iter::from_fn(|| self.single.try_recv().ok()).take(room));
        batch
    }
}

/// Settles a batch, and answers it.
async fn settle<C: Queued, S: Settles<C>>(store: &S, observer: &dyn LaneObserver, turn: Turn, batch: Vec<Waiting<C>>) {
    let (commands, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|Waiting { command, reply }| (command, reply)).unzip();
    let count = replies.len();
    let settled = catching_panics(store.settle_together(commands, turn)).await;
    let Some(stored) = reported(observer, count, settled) else { return dismiss(replies) };
    let completing = async {
        let outcomes = store.outcomes(stored).await?;
        assert_eq!(outcomes.len(), count, "a settlement has one outcome for each command");
        Ok(outcomes)
    };
    let completed = catching_panics(completing).await;
    match reported(observer, count, completed) {
        Some(outcomes) => {
            observer.settled(count);
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                reply.send(Ok(outcome));
            }
        }
        None => dismiss(replies),
    }
}

/// Tells those who wait that nothing is known.
fn dismiss<Outcome>(replies: Vec<Reply<Outcome>>) {
    replies.into_iter().for_each(|reply| reply.send(Err(QueueError::Unknown)));
}

/// What a step of a batch of `count` commands came to, unless it failed or panicked, of which `observer` is told.
fn reported<T>(observer: &dyn LaneObserver, count: usize, ended: Result<Result<T, StoreError>, String>) -> Option<T> {
    match ended {
        Ok(Ok(done)) => Some(done),
        Ok(Err(cause)) => {
            observer.failed(count, &cause);
            None
        }
        Err(message) => {
            observer.panicked(count, &message);
            None
        }
    }
}

/// Waits for `next`, and goes on with `answers` meanwhile. They are looked at first: those who wait longest.
async fn beside<T>(answers: &mut FuturesUnordered<impl Future<Output = ()>>, next: impl Future<Output = T>) -> T {
    let mut next = pin!(next);
    while !answers.is_empty() {
        if let Either::Right((next, _)) = select(answers.next(), next.as_mut()).await {
            return next;
        }
    }
    next.await
}

/// Runs `future`, turning a panic in it into its message.
async fn catching_panics<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| message_of(&*panic))
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
