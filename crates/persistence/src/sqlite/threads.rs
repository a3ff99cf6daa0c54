//! Threads that own a connection each, and run the jobs they are sent one after the other.
//!
//! Synchronous work on a file has no place on the threads that serve requests, and a transaction must not be tied to a
//! request that a client can drop: a job, once sent, runs to its end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::store::StoreError;
use thiserror::Error;
use tokio::sync::oneshot::{self, error::RecvError};

use super::checkpoint::Checkpoints;
use super::connection::{self, Access, OpenError};
use crate::observer::{PoolState, StoreObserver};

/// How many jobs may wait before further ones are refused.
const JOBS_MAX: usize = 1_024;

type Job = Box<dyn FnOnce(&mut SqliteConnection) + Send>;

/// Why a job has no answer.
#[derive(Debug, Error)]
enum JobError {
    /// The thread has no connection, and a new one could not be opened.
    #[error("the database file cannot be opened")]
    NoConnection,
}

/// Some threads with a connection each, sharing one queue of jobs. They end when the last clone is dropped.
#[derive(Clone)]
pub(super) struct ConnectionThreads {
    jobs: Sender<Job>,
    /// How many jobs are being run.
    at_work: Arc<AtomicUsize>,
    count: usize,
    observer: Arc<dyn StoreObserver>,
}

impl ConnectionThreads {
    /// Starts `count` threads on the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn start(
        name: &str,
        count: usize,
        path: &Path,
        access: Access,
        observer: &Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = bounded::<Job>(JOBS_MAX);
        let at_work = Arc::new(AtomicUsize::new(0));
        for _ in 0..count {
            let connection = connection::open(path, access).map_err(StoreError::unavailable)?;
            let checkpoints = match access {
                Access::Write => Some(Checkpoints::start(path, Arc::clone(observer))?),
                Access::Read => None,
            };
            let at_work = Arc::clone(&at_work);
            let worker =
                Worker { path: path.to_path_buf(), access, connection: Some(connection), checkpoints, at_work };
            let waiting = waiting.clone();
            let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || worker.run(&waiting));
            spawned.map_err(StoreError::unavailable)?;
        }
        Ok(Self { jobs, at_work, count, observer: Arc::clone(observer) })
    }

    /// How they stand; they are for `name`.
    pub(super) fn state(&self, name: &'static str) -> PoolState {
        let in_use = self.at_work.load(Ordering::Relaxed).min(self.count);
        PoolState { name, connections_max: self.count, in_use, idle: self.count - in_use, waiting: self.jobs.len() }
    }

    /// Runs `job` on one of the threads and waits for its answer. A panic in it is passed on to the caller.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] at once when too many jobs are waiting; the job's own error otherwise.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        answered(self.send(job)?.await)
    }

    /// Like [`Self::run`], for a thread that may block.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(super) fn run_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        answered(self.send(job)?.blocking_recv())
    }

    fn send<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<thread::Result<QueryResult<T>>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let observer = Arc::clone(&self.observer);
        let job: Job = Box::new(move |connection| {
            let result = catch_unwind(AssertUnwindSafe(|| job(connection)));
            if let Ok(Err(error)) = &result
                && connection::is_busy(error)
            {
                observer.busy();
            }
            drop(reply.send(result));
        });
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreError::Overloaded,
            TrySendError::Disconnected(_) => StoreError::unavailable(JobError::NoConnection),
        })?;
        Ok(answer)
    }
}

fn answered<T>(answer: Result<thread::Result<QueryResult<T>>, RecvError>) -> Result<T, StoreError> {
    match answer {
        Ok(Ok(result)) => result.map_err(connection::unavailable),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(StoreError::unavailable(JobError::NoConnection)),
    }
}

struct Worker {
    path: PathBuf,
    access: Access,
    connection: Option<SqliteConnection>,
    checkpoints: Option<Checkpoints>,
    at_work: Arc<AtomicUsize>,
}

impl Worker {
    fn run(mut self, waiting: &Receiver<Job>) {
        while let Ok(job) = waiting.recv() {
            self.at_work.fetch_add(1, Ordering::Relaxed);
            match self.connection() {
                Ok(connection) => job(connection),
                // Dropping the job drops its reply, which its caller takes for an unavailable store.
                Err(error) => {
                    tracing::error!(error = %error, path = %self.path.display(), "cannot reopen the database")
                }
            }
            if let (Some(connection), Some(checkpoints)) = (&mut self.connection, &self.checkpoints) {
                checkpoints.between_commits(connection);
            }
            self.at_work.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The connection, opened anew if the last job left it unsound (a panic or a failed rollback).
    fn connection(&mut self) -> Result<&mut SqliteConnection, OpenError> {
        if self.connection.as_mut().is_some_and(|connection| !connection::is_sound(connection)) {
            self.connection = None;
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(connection::open(&self.path, self.access)?)),
        }
    }
}
