//! What is settled: takes in batches with their answers, in the order of the files, and keeps books, failed rows and state in
//! step.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::client::Answer;
use crate::failed_rows::FailedRows;
use crate::row::FailedRow;
use crate::state::State;
use crate::trouble::Trouble;

/// How often the state is written: what was settled since is sent again after a kill, which costs time and nothing else.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// What is settled so far.
#[derive(Debug)]
pub(crate) struct Settled {
    state: State,
    /// Where the state is kept; nowhere for what can be read once only.
    path: Option<PathBuf>,
    failed: FailedRows,
    saved: Instant,
}

impl Settled {
    /// Goes on from `state`, which is kept at `path`, with its failed rows in the file at `failed`.
    ///
    /// # Errors
    /// When one of the files cannot be written.
    pub(crate) fn resume(state: State, path: Option<PathBuf>, failed: &Path) -> Result<Self, Trouble> {
        let failed = FailedRows::open(state.identity.kind, failed, state.failed_bytes)?;
        Self::with(state, path, failed)
    }

    /// Begins with `state`, of which nothing is written yet.
    ///
    /// # Errors
    /// As for [`Settled::resume`], and when there are failed rows in the file already.
    pub(crate) fn begin(state: State, path: Option<PathBuf>, failed: &Path) -> Result<Self, Trouble> {
        let failed = FailedRows::begin(state.identity.kind, failed)?;
        Self::with(state, path, failed)
    }

    fn with(state: State, path: Option<PathBuf>, failed: FailedRows) -> Result<Self, Trouble> {
        let settled = Self { state, path, failed, saved: Instant::now() };
        // Written at once: whoever cannot write it here hears of it now, not after an hour.
        settled.write()?;
        Ok(settled)
    }

    /// How it stands.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Takes in a batch and what the server said of its rows.
    pub(crate) fn take_in(&mut self, batch: Batch, answer: Answer) -> Result<(), Trouble> {
        let Batch { rows, mut failed, nothing, left_out, position, .. } = batch;
        let sums = &mut self.state.sums;
        let mut refusals = answer.failures.into_iter().peekable();
        for (index, row) in rows.into_iter().enumerate() {
            match refusals.next_if(|refusal| refusal.row_index == index) {
                Some(refusal) => failed.push(row.failed(refusal.error)),
                None => sums.settle(&row),
            }
        }
        failed.sort_by_key(|row: &FailedRow| row.line);
        failed.iter().for_each(|row| sums.fail(row));
        sums.applied += answer.applied;
        sums.replayed += answer.skipped;
        sums.nothing += nothing;
        sums.left_out += left_out;
        if sums.is_beyond_sense() {
            return Err(Trouble::State("more than 100000 different keys: is it the right column?".to_owned()));
        }
        self.failed.append(&failed)?;
        self.state.position = position;
        if SAVE_EVERY <= self.saved.elapsed() { self.save() } else { Ok(()) }
    }

    /// Writes down how it stands.
    pub(crate) fn save(&mut self) -> Result<(), Trouble> {
        self.failed.sync()?;
        self.state.failed_bytes = self.failed.bytes();
        self.write()?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Writes down that that was all.
    pub(crate) fn finish(mut self) -> Result<State, Trouble> {
        self.state.finished = true;
        self.save()?;
        self.failed.close()?;
        Ok(self.state)
    }

    fn write(&self) -> Result<(), Trouble> {
        match &self.path {
            Some(path) => self.state.save(path),
            None => Ok(()),
        }
    }
}
