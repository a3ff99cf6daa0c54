//! The only places where a transaction is opened, and what happens when one fails.
//!
//! A transaction that failed before its commit has stored nothing, so it is tried again when that may help (a lost race, a
//! dropped connection), with growing pauses, for a while; when that does not help, the first error is the one that is
//! reported.
//!
//! When the connection is lost *during* the commit, PostgreSQL is asked on another one what became of the transaction: a
//! commit that happened is never repeated, and one that did not is. Its own answer is not enough: after a crash it gives the
//! ids of transactions that it lost to others, so "committed" may be said of another one. Then a row that only this write
//! can have stored is looked for.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use diesel::QueryResult;
use diesel::sql_types::{Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::store::StoreError;
use scoped_futures::{ScopedBoxFuture, ScopedFutureExt};
use tokio::time::{Instant, sleep, timeout};

use super::pool::{Connections, Lease, execute};
use super::statement::statement;
use super::trouble::Trouble;
use crate::observer::StoreObserver;

/// For how long after the first attempt a further one is begun. Long enough for a database that restarts at once, short
/// enough that callers who wait are told soon.
const ATTEMPTS_FOR: Duration = Duration::from_secs(3);

/// The most attempts. A lost race is nearly always won the second time, because the locks that the winner held are free.
const ATTEMPTS_MAX: usize = 24;

/// Reading what was committed: each statement sees the latest, so that what is read after a lock is what the lock protects.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The same, and what is committed is seen by all others at once, but may be lost in a crash during the next moments.
const BEGIN_LIGHTLY: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = off";

/// One view for all statements.
const BEGIN_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

statement! {
    /// What became of a transaction; null when it is too long ago.
    TransactionOutcome<'a> { id: &'a str => Text } -> (Nullable<Text>,) = "SELECT pg_xact_status(($1)::xid8)"
}

statement! {
    /// The transaction that is open.
    CurrentTransaction {} -> (Text,) = "SELECT pg_current_xact_id()::text"
}

/// Names a transaction in the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TransactionId(pub(super) String);

/// The transaction that is open on `connection`.
pub(super) async fn transaction_id(mut connection: &AsyncPgConnection) -> QueryResult<TransactionId> {
    let (id,) = CurrentTransaction {}.get_result::<(String,)>(&mut connection).await?;
    Ok(TransactionId(id))
}

/// A part of a transaction that reads: a closure that answers `async move { … }.scope_boxed()`.
pub(super) trait Load<'a, T>:
    for<'c> Fn(&'c AsyncPgConnection) -> ScopedBoxFuture<'a, 'c, QueryResult<T>> + Send + Sync
{
}

impl<'a, T, F> Load<'a, T> for F where
    F: for<'c> Fn(&'c AsyncPgConnection) -> ScopedBoxFuture<'a, 'c, QueryResult<T>> + Send + Sync
{
}

/// A part of a transaction that decides on what was loaded, and stores the decision.
pub(super) trait Save<'a, Loaded, T>:
    for<'c> Fn(&'c AsyncPgConnection, Loaded) -> ScopedBoxFuture<'a, 'c, Result<T, Trouble>> + Send + Sync
{
}

impl<'a, Loaded, T, F> Save<'a, Loaded, T> for F where
    F: for<'c> Fn(&'c AsyncPgConnection, Loaded) -> ScopedBoxFuture<'a, 'c, Result<T, Trouble>> + Send + Sync
{
}

/// Whether what was decided is in the database, by a row of it that nothing else can have stored.
pub(super) trait Kept<'a, T>:
    for<'c> Fn(&'c AsyncPgConnection, &'c T) -> ScopedBoxFuture<'a, 'c, QueryResult<bool>> + Send + Sync
{
}

impl<'a, T, F> Kept<'a, T> for F where
    F: for<'c> Fn(&'c AsyncPgConnection, &'c T) -> ScopedBoxFuture<'a, 'c, QueryResult<bool>> + Send + Sync
{
}

/// Which statements of a read see the same database.
#[derive(Debug, Clone, Copy)]
enum View {
    /// There is only one.
    Single,
    /// All of them.
    Shared,
    /// All of them, and they may take as long as they need.
    Leisurely,
}

/// How an attempt at a transaction ended.
enum Attempt<T> {
    /// It committed.
    Committed(T),
    /// The connection failed during the commit of the transaction with this id.
    Doubtful { id: TransactionId, answer: T, cause: diesel::result::Error },
}

impl Connections {
    /// Runs a write: `load` reads and locks, `save` decides on that and stores. All of it is stored when this returns
    /// `Ok`. Either part may run more than once, on new connections.
    ///
    /// `load` is on its way together with the BEGIN, so it must not look at the transaction itself; it also answers the
    /// transaction's id (`pg_current_xact_id`), by which the outcome can be asked for when it is in doubt.
    /// `kept` is asked when a commit is in doubt. When it denies, all is run again, so it may deny only what is not there
    /// or can be repeated without harm.
    pub(super) async fn write<'a, Loaded: Send + 'a, T: Send + Sync + 'a>(
        &self,
        load: impl Load<'a, (TransactionId, Loaded)>,
        save: impl Save<'a, Loaded, T>,
        kept: impl Kept<'a, T>,
    ) -> Result<T, StoreError> {
        let mut pauses = Pauses::begin(self.observer());
        loop {
            let attempt = timeout(self.silence_max(), self.attempt(BEGIN_WRITE, &load, &save)).await;
            let trouble = match attempt.unwrap_or(Err(Trouble::Silent)) {
                Ok(Attempt::Committed(answer)) => return Ok(answer),
                Ok(Attempt::Doubtful { id, answer, cause }) => match self.is_kept(&id, &answer, &kept).await {
                    Some(true) => return Ok(answer),
                    Some(false) => Trouble::Statement(cause),
                    None => return Err(pauses.first_of(Trouble::CommitUnknown(cause)).into()),
                },
                Err(trouble) => trouble,
            };
            pauses.after(trouble).await?;
        }
    }

    /// Runs a rare write that needs to see nothing first. See [`Connections::write`]; a commit in doubt is an error.
    pub(super) async fn save<'a, T: Send + 'a>(&self, save: impl Save<'a, (), T>) -> Result<T, StoreError> {
        self.write_or_doubt(BEGIN_WRITE, |_| std::future::ready(Ok((TransactionId::default(), ()))).scope_boxed(), save)
            .await
    }

    /// Runs a write that need not be on the disk when it is committed, because it is done once more if it is lost. See
    /// [`Connections::write`]; the transaction's id is not asked for, because a commit in doubt is an error.
    pub(super) async fn write_lightly<'a, Loaded: Send + 'a, T: Send + 'a>(
        &self,
        load: impl Load<'a, (TransactionId, Loaded)>,
        save: impl Save<'a, Loaded, T>,
    ) -> Result<T, StoreError> {
        self.write_or_doubt(BEGIN_LIGHTLY, load, save).await
    }

    /// Runs a write; a commit in doubt is an error.
    async fn write_or_doubt<'a, Loaded: Send + 'a, T: Send + 'a>(
        &self,
        begin: &'static str,
        load: impl Load<'a, (TransactionId, Loaded)>,
        save: impl Save<'a, Loaded, T>,
    ) -> Result<T, StoreError> {
        let mut pauses = Pauses::begin(self.observer());
        loop {
            let attempt = self.attempt(begin, &load, &save);
            match timeout(self.silence_max(), attempt).await.unwrap_or(Err(Trouble::Silent)) {
                Ok(Attempt::Committed(answer)) => return Ok(answer),
                Ok(Attempt::Doubtful { cause, .. }) => {
                    return Err(pauses.first_of(Trouble::CommitUnknown(cause)).into());
                }
                Err(trouble) => pauses.after(trouble).await?,
            }
        }
    }

    async fn attempt<'a, Loaded: Send + 'a, T: Send + 'a>(
        &self,
        begin: &'static str,
        load: &impl Load<'a, (TransactionId, Loaded)>,
        save: &impl Save<'a, Loaded, T>,
    ) -> Result<Attempt<T>, Trouble> {
        let lease = self.lease().await?;
        let connection: &AsyncPgConnection = &lease;
        // In this order on the wire: what is polled first is sent first.
        let (_, (id, loaded)) = tokio::try_join!(biased; execute(connection, begin), load(connection))?;
        let saved = save(connection, loaded).await;
        let answer = match saved {
            Ok(answer) => answer,
            Err(trouble) => {
                roll_back(lease).await;
                return Err(trouble);
            }
        };
        match execute(connection, "COMMIT").await {
            Ok(()) => {
                lease.give_back();
                Ok(Attempt::Committed(answer))
            }
            Err(cause) => Ok(Attempt::Doubtful { id, answer, cause }),
        }
    }

    /// Whether the transaction with that id, which decided `answer`, is stored; `None` when PostgreSQL cannot tell, or
    /// cannot be asked.
    async fn is_kept<'a, T: Send + Sync + 'a>(
        &self,
        id: &TransactionId,
        answer: &T,
        kept: &impl Kept<'a, T>,
    ) -> Option<bool> {
        let mut pauses = Pauses::begin(self.observer());
        loop {
            let asked = timeout(self.silence_max(), async {
                let lease = self.lease().await?;
                let (outcome,) = TransactionOutcome { id: &id.0 }.get_result::<(Option<String>,)>(&mut &*lease).await?;
                let is_kept = match outcome.as_deref() {
                    Some("committed") => Some(kept(&lease, answer).await?),
                    Some("aborted") => Some(false),
                    // Its backend has not noticed yet that we are gone.
                    Some("in progress") => return Err(Trouble::Stale { what: "a transaction" }),
                    Some(_) | None => None,
                };
                lease.give_back();
                Ok(is_kept)
            });
            match asked.await.unwrap_or(Err(Trouble::Silent)) {
                Ok(is_kept) => return is_kept,
                Err(trouble) => pauses.after(trouble).await.ok()?,
            }
        }
    }

    /// Runs a read of one statement. It may run more than once, on new connections.
    pub(super) async fn read<'a, T: Send + 'a>(&self, work: impl Load<'a, T>) -> Result<T, StoreError> {
        self.reading(View::Single, work).await
    }

    /// Runs a read of several statements on one view of the database. It may run more than once, on new connections.
    pub(super) async fn view<'a, T: Send + 'a>(&self, work: impl Load<'a, T>) -> Result<T, StoreError> {
        self.reading(View::Shared, work).await
    }

    /// Runs a read of several statements on one view of the database, however long it takes. A database that falls silent
    /// meanwhile holds it up without end, so it is for commands that a person waits for.
    pub(super) async fn long_view<'a, T: Send + 'a>(&self, work: impl Load<'a, T>) -> Result<T, StoreError> {
        self.reading(View::Leisurely, work).await
    }

    async fn reading<'a, T: Send + 'a>(&self, view: View, work: impl Load<'a, T>) -> Result<T, StoreError> {
        let mut pauses = Pauses::begin(self.observer());
        loop {
            let attempt = async {
                let lease = self.lease().await?;
                let answer = match view {
                    View::Single => work(&lease).await?,
                    View::Shared | View::Leisurely => {
                        let (_, answer) = tokio::try_join!(biased; execute(&lease, BEGIN_VIEW), work(&lease))?;
                        execute(&lease, "COMMIT").await?;
                        answer
                    }
                };
                lease.give_back();
                Ok::<_, Trouble>(answer)
            };
            let attempt = match view {
                View::Single | View::Shared => timeout(self.silence_max(), attempt).await,
                View::Leisurely => Ok(attempt.await),
            };
            match attempt.unwrap_or(Err(Trouble::Silent)) {
                Ok(answer) => return Ok(answer),
                // Only what a new connection mends: a read that timed out would time out again.
                Err(trouble) if trouble.is_lost_connection() => pauses.after(trouble).await?,
                Err(trouble) => return Err(pauses.first_of(trouble).into()),
            }
        }
    }
}

/// Ends a transaction that will not be committed. When that does not work either, the connection is closed, which ends it.
async fn roll_back(lease: Lease) {
    if matches!(timeout(ATTEMPTS_FOR, execute(&lease, "ROLLBACK")).await, Ok(Ok(()))) {
        lease.give_back();
    }
}

/// The pauses between attempts, and the first error.
struct Pauses<'o> {
    observer: &'o dyn StoreObserver,
    begun: Instant,
    delays: backon::ExponentialBackoff,
    first: Option<Trouble>,
}

impl<'o> Pauses<'o> {
    fn begin(observer: &'o dyn StoreObserver) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(2))
            .with_max_delay(Duration::from_millis(250))
            .with_max_times(ATTEMPTS_MAX)
            .with_jitter();
        Self { observer, begun: Instant::now(), delays: delays.build(), first: None }
    }

    /// Pauses after `trouble` before another attempt.
    ///
    /// # Errors
    /// The first trouble, when another attempt would be useless or too late.
    async fn after(&mut self, trouble: Trouble) -> Result<(), StoreError> {
        let worth_it = trouble.is_worth_another_attempt() && self.begun.elapsed() < ATTEMPTS_FOR;
        let delay = self.delays.next().filter(|_| worth_it);
        if delay.is_some() {
            self.observer.retried(trouble.retry_cause());
        }
        let first = self.first_of(trouble);
        match delay {
            Some(delay) => {
                tracing::debug!(cause = %first, "another attempt at the store");
                self.first = Some(first);
                sleep(delay).await;
                Ok(())
            }
            None => Err(first.into()),
        }
    }

    /// The first trouble of all attempts, of which `trouble` is the latest.
    fn first_of(&mut self, trouble: Trouble) -> Trouble {
        self.first.take().unwrap_or(trouble)
    }
}
