//! An export as lines of JSON, made while they are sent: a page is read when the one before it is on its way, so a player
//! of any history costs one page of memory, and a caller who goes away ends the work.

use std::convert::Infallible;
use std::fmt::Write;
use std::iter::once;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::web::Bytes;
use domain::clock::Timestamp;
use domain::players::{Export, ExportPart};
use domain::store::causes;
use futures_util::FutureExt;
use futures_util::stream::{Stream, unfold};
use sha2::{Digest, Sha256};

use super::export_views::{ExportCounts, ExportFailure, ExportHeadLine, ExportLine, ExportManifest, ExportedGrant};
use crate::economy::{ItemView, LedgerRowView, WalletView};
use crate::lobbies::{AttemptView, LobbyMembershipView, RankingMembershipView};
use crate::middleware::message_of;
use crate::problem::Problem;
use crate::trace::RequestTrace;

/// About how many bytes are put on the connection at once: what it buffers itself.
const CHUNK_BYTES: usize = 32 * 1024;

type Rows = Box<dyn Iterator<Item = ExportLine>>;

/// The lines of `export`, as bytes. The stream itself never fails: what goes wrong is its last line.
pub(super) fn stream(export: Export, trace: Option<Rc<RequestTrace>>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    unfold(Lines::of(export, trace), |mut lines| async move {
        let chunk = lines.next_chunk().await?;
        Some((Ok(chunk), lines))
    })
}

struct Lines {
    export: Export,
    /// What was read and is not written yet.
    rows: Rows,
    counts: ExportCounts,
    digest: Sha256,
    /// Whether the last line is among `rows`, or was written.
    ended: bool,
    /// Which request asked for it.
    trace: Option<Rc<RequestTrace>>,
}

impl Lines {
    fn of(export: Export, trace: Option<Rc<RequestTrace>>) -> Self {
        let player = ExportLine::Player(Box::new(ExportHeadLine::from(export.subject())));
        let (counts, digest) = (ExportCounts::default(), Sha256::new());
        Self { export, rows: Box::new(once(player)), counts, digest, ended: false, trace }
    }

    /// Some more lines; `None` after the last one. What there is goes out before more is waited for.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_BYTES {
            match self.rows.next() {
                Some(line) => self.write(&line, &mut chunk),
                None if self.ended || !chunk.is_empty() => break,
                None => self.read().await,
            }
        }
        (!chunk.is_empty()).then(|| chunk.into())
    }

    async fn read(&mut self) {
        // The handler has answered long ago, so nobody else would make an orderly end of a panic.
        match AssertUnwindSafe(self.export.next()).catch_unwind().await {
            Ok(Ok(Some(part))) => self.rows = rows_of(part, self.export.subject().at),
            Ok(Ok(None)) => {
                let sha256 = hexadecimal(&self.digest.clone().finalize());
                self.end_with(ExportLine::Manifest(ExportManifest { counts: self.counts, sha256 }));
            }
            Ok(Err(failure)) => {
                tracing::warn!(
                    request_id = self.request_id(),
                    cause = causes(&failure),
                    "an export could not be completed"
                );
                self.give_up(&failure.into());
            }
            Err(panic) => {
                let (request_id, panic) = (self.request_id(), message_of(&*panic));
                tracing::error!(request_id, panic, "an export could not be completed: it panicked");
                self.give_up(&Problem::Panicked);
            }
        }
    }

    fn write(&mut self, line: &ExportLine, chunk: &mut Vec<u8>) {
        let begin = chunk.len();
        if let Err(error) = serde_json::to_writer(&mut *chunk, line) {
            chunk.truncate(begin);
            tracing::error!(request_id = self.request_id(), %error, "an export could not be completed: what is stored is not JSON");
            return self.give_up(&Problem::Panicked);
        }
        chunk.push(b'\n');
        self.digest.update(chunk.get(begin..).unwrap_or_default());
        self.counts.add(line);
    }

    fn request_id(&self) -> Option<&str> {
        self.trace.as_ref().map(|trace| trace.request_id())
    }

    fn give_up(&mut self, problem: &Problem) {
        self.end_with(ExportLine::Error(ExportFailure { error: problem.of_part() }));
    }

    fn end_with(&mut self, line: ExportLine) {
        (self.rows, self.ended) = (Box::new(once(line)), true);
    }
}

/// The lines of one part; grants, attempts and lobbies as they stand at the instant `at`.
fn rows_of(part: ExportPart, at: Timestamp) -> Rows {
    match part {
        ExportPart::Wallet(rows) => Box::new(rows.into_iter().map(|row| ExportLine::Wallet(WalletView::from(row)))),
        ExportPart::Inventory(rows) => Box::new(rows.into_iter().map(|row| ExportLine::Inventory(ItemView::from(row)))),
        ExportPart::Grants(rows) => {
            Box::new(rows.into_iter().map(move |grant| ExportLine::Grant(Box::new(ExportedGrant::at(at, &grant)))))
        }
        ExportPart::Attempts(rows) => {
            Box::new(rows.into_iter().map(move |row| ExportLine::Attempt(Box::new(AttemptView::at(at, &row)))))
        }
        ExportPart::Lobbies(rows) => {
            Box::new(rows.into_iter().map(move |row| ExportLine::Lobby(Box::new(LobbyMembershipView::at(at, &row)))))
        }
        ExportPart::Rankings(rows) => {
            Box::new(rows.into_iter().map(|row| ExportLine::Leaderboard(Box::new(RankingMembershipView::from(&row)))))
        }
        ExportPart::Ledger(rows) => {
            Box::new(rows.into_iter().map(|row| ExportLine::Ledger(Box::new(LedgerRowView::from(row)))))
        }
        ExportPart::AuditLog(rows) => Box::new(rows.into_iter().map(|entry| ExportLine::Audit(Box::new(entry.into())))),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes whatever is written to it");
        text
    })
}
