//! Running an import: one thread reads, some calls are under way, what is answered is settled in the order of the files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::batch::{Batch, Position};
use crate::client::{Answer, Client};
use crate::import::Import;
use crate::keys::Keys;
use crate::mapper::Mapper;
use crate::progress::Progress;
use crate::reader::Reader;
use crate::receipt::Receipt;
use crate::sender::Sender;
use crate::settled::Settled;
use crate::source::Source;
use crate::state::{Identity, State};
use crate::stop::Stop;
use crate::trouble::Trouble;

/// How many batches wait between the reading thread and the calls.
const READ_AHEAD: usize = 1;

/// About how long a line is at least, to guess how many rows there will be.
const LINE_BYTES_GUESSED: u64 = 32;

/// The most rows that room is made for before they are seen.
const ROWS_GUESSED_MAX: u64 = 8_000_000;

/// What the reading thread hands over; nothing when that was all.
type Handed = Result<Option<Batch>, Trouble>;

/// The number of a batch, and what the server said.
type Answered = (u64, Result<Answer, Trouble>);

/// Runs `import` to its end, or until it is stopped.
///
/// # Errors
/// When it makes no sense, is stopped, or cannot go on. What is settled by then is written down.
pub async fn run(import: &Import) -> Result<Receipt, Trouble> {
    if import.dry_run {
        return look(import);
    }
    run_until(import, Stop::listen()?).await
}

/// Runs `import` until `stop` says so.
pub(crate) async fn run_until(import: &Import, stop: Stop) -> Result<Receipt, Trouble> {
    let sources = import.sources()?;
    unread(import, &sources).check()?;
    let Some(key) = &import.key else {
        return Err(Trouble::Usage("give the server's API key, best in the environment: PURSER_API_KEY".to_owned()));
    };
    let client = Client::new(&import.server, key)?;
    let sender = Sender { client, kind: import.kind, give_up_after: import.give_up_after, stop };
    let realm = sender.ping().await?;
    let files: Vec<PathBuf> = sources.iter().map(|source| source.path().to_path_buf()).collect();
    let identity = identity(import, &sources, realm);
    let (path, failed) = (import.state_path(), import.failed_path());
    let settled = match earlier_state(import, &identity)? {
        Some(state) if state.finished => return Ok(Receipt::of(&state, files, failed).finished_before()),
        Some(state) => Settled::resume(state, path, &failed)?,
        None => Settled::begin(State::begin(identity), path, &failed)?,
    };
    let begun_before = settled.state().position.events;
    let bytes_total = sources.iter().map(|source| source.bytes).sum();
    let progress = Progress::begin(import.quiet, settled.state(), bytes_total);
    if begun_before != 0 {
        progress.say(&format!("going on after {begun_before} rows that are settled"));
    }
    let reader = reader(import, &sources, settled.state().position);
    let running = Running {
        sender,
        concurrency: import.concurrency.max(1),
        settled,
        progress,
        waiting: BTreeMap::new(),
        calls: JoinSet::new(),
        next: 0,
        oldest: 0,
    };
    let state = running.complete(reader).await?;
    Ok(Receipt::of(&state, files, import.failed_path()))
}

/// Reads everything and sends nothing.
fn look(import: &Import) -> Result<Receipt, Trouble> {
    let sources = import.sources()?;
    let mut state = State::begin(identity(import, &sources, String::new()));
    unread(import, &sources).check()?;
    let reader = reader(import, &sources, Position::default());
    let mut told = 0;
    reader.read(|batch| {
        for row in &batch.failed {
            if told < 10 && !import.quiet {
                eprintln!("purser: line {}: {}", row.line, row.error);
            }
            told += 1;
            state.sums.fail(row);
        }
        batch.rows.iter().for_each(|row| state.sums.count(row));
        state.sums.nothing += batch.nothing;
        state.sums.left_out += batch.left_out;
        state.position = batch.position;
        !state.sums.is_beyond_sense()
    })?;
    let files = sources.iter().map(|source| source.path().to_path_buf()).collect();
    Ok(Receipt::of(&state, files, PathBuf::new()).of_dry_run())
}

/// One that goes on after `settled`.
fn reader(import: &Import, sources: &[Source], settled: Position) -> Reader {
    let bytes: u64 = sources.iter().map(|source| source.bytes).sum();
    let rows = usize::try_from((bytes / LINE_BYTES_GUESSED).min(ROWS_GUESSED_MAX)).unwrap_or_default();
    reader_for(rows, import, sources, settled)
}

/// One that only looks whether the files can be read.
fn unread(import: &Import, sources: &[Source]) -> Reader {
    reader_for(0, import, sources, Position::default())
}

fn reader_for(rows_expected: usize, import: &Import, sources: &[Source], settled: Position) -> Reader {
    let mapper = Mapper::new(import.kind, import.mapping.clone(), Keys::new(&import.name, rows_expected));
    Reader::new(import.kind, sources.to_vec(), mapper, settled)
}

fn identity(import: &Import, sources: &[Source], realm: String) -> Identity {
    Identity {
        kind: import.kind,
        name: import.name.clone(),
        mapping: import.mapping_digest(),
        files_bytes: sources.iter().map(|source| source.bytes).collect(),
        realm,
    }
}

/// The state to go on from, if there is one.
fn earlier_state(import: &Import, identity: &Identity) -> Result<Option<State>, Trouble> {
    let path = import.state_path().filter(|_| !import.again);
    let Some(state) = path.map(|path| State::load(&path)).transpose()?.flatten() else { return Ok(None) };
    match state.objection(identity) {
        None => Ok(Some(state)),
        Some(objection) => Err(Trouble::State(objection)),
    }
}

/// An import that is running.
struct Running {
    sender: Sender,
    concurrency: usize,
    settled: Settled,
    progress: Progress,
    /// Batches that are not settled, with their answers where there are any.
    waiting: BTreeMap<u64, (Batch, Option<Answer>)>,
    calls: JoinSet<Answered>,
    /// The number of the next batch.
    next: u64,
    /// The number of the first batch that is not settled.
    oldest: u64,
}

impl Running {
    /// Reads and sends until all is settled, or until there is trouble; writes down what is settled in any case.
    async fn complete(mut self, reader: Reader) -> Result<State, Trouble> {
        let (handing, mut handed) = mpsc::channel::<Handed>(READ_AHEAD);
        std::thread::spawn(move || {
            let read = reader.read(|batch| handing.blocking_send(Ok(Some(batch))).is_ok());
            // Nobody is there to hear of it when the import has ended already.
            drop(handing.blocking_send(read.map(|()| None)));
        });
        let outcome = self.pump(&mut handed).await;
        drop(handed);
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(trouble) => Err(self.wind_up(trouble).await),
        };
        self.progress.end();
        match outcome {
            Ok(()) => self.settled.finish(),
            Err(trouble) => {
                self.settled.save()?;
                Err(trouble)
            }
        }
    }

    async fn pump(&mut self, handed: &mut mpsc::Receiver<Handed>) -> Result<(), Trouble> {
        let mut stop = self.sender.stop.clone();
        let mut is_read = false;
        while !(is_read && self.waiting.is_empty()) {
            tokio::select! {
                () = stop.asked() => return Err(self.stopped()),
                Some(joined) = self.calls.join_next() => self.answer(joined)?,
                batch = handed.recv(), if !is_read && self.has_room() => match batch {
                    Some(batch) => match batch? {
                        Some(batch) => self.dispatch(batch)?,
                        None => is_read = true,
                    },
                    None => return Err(Trouble::Bug("the files were not read to their end".to_owned())),
                },
            }
        }
        Ok(())
    }

    /// Whether another batch may be taken in. A call that waits long holds back what is read after it, or the memory would
    /// fill with what cannot be settled.
    fn has_room(&self) -> bool {
        self.calls.len() < self.concurrency && self.waiting.len() < self.concurrency.saturating_mul(4)
    }

    fn dispatch(&mut self, mut batch: Batch) -> Result<(), Trouble> {
        let number = self.next;
        self.next += 1;
        let answer = match batch.take_body(self.sender.kind) {
            // Nothing in it to be sent.
            None => Some(Answer::default()),
            Some(body) => {
                let (sender, rows_count) = (self.sender.clone(), batch.rows.len());
                self.calls.spawn(async move { (number, sender.send(rows_count, body.into()).await) });
                None
            }
        };
        self.waiting.insert(number, (batch, answer));
        self.settle()
    }

    fn answer(&mut self, joined: Result<Answered, tokio::task::JoinError>) -> Result<(), Trouble> {
        let (number, answer) = joined.map_err(|error| Trouble::Bug(error.to_string()))?;
        let answer = answer?;
        if let Some((_, waiting)) = self.waiting.get_mut(&number) {
            *waiting = Some(answer);
        }
        self.settle()
    }

    /// Takes in what is answered up to the first batch that is not.
    fn settle(&mut self) -> Result<(), Trouble> {
        while let Some(first) = self.waiting.first_entry()
            && *first.key() == self.oldest
            && first.get().1.is_some()
        {
            let (batch, answer) = first.remove();
            self.oldest += 1;
            self.settled.take_in(batch, answer.unwrap_or_default())?;
            self.progress.tell(self.settled.state());
        }
        Ok(())
    }

    /// After `trouble`: waits for the calls that are under way, unless somebody has no time for that.
    async fn wind_up(&mut self, trouble: Trouble) -> Trouble {
        let mut stop = self.sender.stop.clone();
        loop {
            let joined = tokio::select! {
                joined = self.calls.join_next() => joined,
                () = stop.asked_again() => None,
                // Trouble that is no wish to stop: what is repeated without end need not be waited for.
                () = tokio::time::sleep(GRACE), if !self.sender.stop.is_asked() => None,
            };
            let Some(joined) = joined else { break };
            // What else goes wrong now is not the first trouble.
            drop(self.answer(joined));
        }
        match trouble {
            Trouble::Stopped { .. } => self.stopped(),
            Trouble::Usage(_)
            | Trouble::File { .. }
            | Trouble::State(_)
            | Trouble::Refused(_)
            | Trouble::GaveUp { .. }
            | Trouble::Bug(_) => trouble,
        }
    }

    fn stopped(&self) -> Trouble {
        Trouble::Stopped { rows: self.settled.state().position.events }
    }
}

/// How long the calls under way are waited for when one has failed for good.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);
