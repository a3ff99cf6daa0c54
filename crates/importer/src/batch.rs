//! A batch: the rows of one call, with all else that was read between them, and how far the files are read with it.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::kind::Kind;
use crate::row::{Event, FailedRow, Row};

/// The most rows that the server takes in one call.
const ROWS_MAX: usize = 1_000;

/// Where a body ends that is not full of rows: far enough below the 8 MiB that the server takes for one more row.
const BYTES_MAX: usize = 6 * 1024 * 1024;

/// Of what is not sent, so much goes with one batch.
const EVENTS_MAX: u64 = 20_000;

/// How far the files are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Position {
    /// How many rows, failed rows and nothings.
    pub(crate) events: u64,
    /// How many lines, of which the last may go on.
    pub(crate) lines: u64,
    /// About how many bytes of the files, as they are on the disk.
    pub(crate) bytes: u64,
    /// A checksum of all lines up to here.
    pub(crate) checksum: u32,
}

/// A batch.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The rows to be sent.
    pub(crate) rows: Vec<Row>,
    /// Rows that cannot be sent.
    pub(crate) failed: Vec<FailedRow>,
    /// How often there was nothing of something.
    pub(crate) nothing: u64,
    /// How much was left out.
    pub(crate) left_out: u64,
    /// How far the files are read with it.
    pub(crate) position: Position,
    first: u64,
    body: Body,
}

impl Batch {
    /// An empty one, for what comes after `position`.
    pub(crate) fn after(position: Position, kind: Kind) -> Self {
        let (rows, failed) = (Vec::with_capacity(ROWS_MAX), Vec::new());
        Self { rows, failed, nothing: 0, left_out: 0, position, first: position.events, body: Body::new(kind) }
    }

    /// Takes in what was read, up to `position`.
    pub(crate) fn push(&mut self, event: Event, position: Position) {
        self.position = position;
        match event {
            Event::Row(row) => {
                self.body.push(&row);
                self.rows.push(row);
            }
            Event::Failed(failed) => self.failed.push(*failed),
            Event::Nothing => self.nothing += 1,
            Event::LeftOut => self.left_out += 1,
        }
    }

    /// Whether it is time to send it.
    pub(crate) fn is_full(&self) -> bool {
        ROWS_MAX <= self.rows.len()
            || ROWS_MAX <= self.failed.len()
            || BYTES_MAX <= self.body.len()
            || EVENTS_MAX <= self.position.events - self.first
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.position.events == self.first
    }

    /// The body of its call; there is none when there are no rows. It can be taken once.
    pub(crate) fn take_body(&mut self, kind: Kind) -> Option<Vec<u8>> {
        let body = std::mem::replace(&mut self.body, Body::new(kind));
        (!self.rows.is_empty()).then(|| body.finish())
    }
}
