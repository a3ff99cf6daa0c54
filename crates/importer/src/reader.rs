//! From files to batches, on a thread of its own: reads every line once, in order, and hands over what an earlier run has not
//! settled already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crc32fast::Hasher;

use crate::batch::{Batch, Position};
use crate::column::Column;
use crate::kind::Kind;
use crate::mapper::{Line, Mapper, Plan};
use crate::place::{Place, Record};
use crate::row::Event;
use crate::source::{Lines, Read1, Source};
use crate::trouble::Trouble;

/// Reads the files of one import.
pub(crate) struct Reader {
    kind: Kind,
    sources: Vec<Source>,
    mapper: Mapper,
    /// What an earlier run has settled.
    settled: Position,
    position: Position,
    checksum: Hasher,
    bytes: Arc<AtomicU64>,
}

impl Reader {
    /// One that hands over what comes after `settled`.
    pub(crate) fn new(kind: Kind, sources: Vec<Source>, mapper: Mapper, settled: Position) -> Self {
        let (position, checksum, bytes) = (Position::default(), Hasher::new(), Arc::default());
        Self { kind, sources, mapper, settled, position, checksum, bytes }
    }

    /// Looks at the beginning of every file, so that what cannot work is refused before anything is sent.
    ///
    /// # Errors
    /// When a file cannot be read, or has not the columns that the mapping names.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        for source in self.sources.iter().filter(|source| !source.is_stdin()) {
            let mut lines = source.open(Arc::default())?;
            let plan = self.plan(source, &lines)?;
            let first = lines.next().map_err(|error| source.broken(error))?;
            if let Some(first) = first {
                check_first(source, &plan, &first, &self.mapper)?;
            }
        }
        Ok(())
    }

    /// Reads all files and hands over batches until `hand_over` wants no more.
    ///
    /// # Errors
    /// When a file cannot be read, or is not the one of which a part is settled.
    pub(crate) fn read(mut self, mut hand_over: impl FnMut(Batch) -> bool) -> Result<(), Trouble> {
        let mut batch = Batch::after(self.settled, self.kind);
        let mut events = Vec::new();
        for source in std::mem::take(&mut self.sources) {
            let mut lines = source.open(Arc::clone(&self.bytes))?;
            let plan = self.plan(&source, &lines)?;
            let mut is_first = source.is_stdin();
            while let Some(line) = lines.next().map_err(|error| source.broken(error))? {
                if std::mem::take(&mut is_first) {
                    check_first(&source, &plan, &line, &self.mapper)?;
                }
                self.take_in(&plan, &line, &mut events);
                for event in events.drain(..) {
                    self.position.events += 1;
                    if self.position.events <= self.settled.events {
                        self.check_settled(&source)?;
                        continue;
                    }
                    batch.push(event, self.position);
                    if batch.is_full() {
                        let next = Batch::after(self.position, self.kind);
                        if !hand_over(std::mem::replace(&mut batch, next)) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        if self.position.events < self.settled.events {
            return Err(changed("they are shorter"));
        }
        if !batch.is_empty() {
            hand_over(batch);
        }
        Ok(())
    }

    fn plan(&self, source: &Source, lines: &Lines) -> Result<Plan, Trouble> {
        let mapping = self.mapper.mapping();
        match lines {
            Lines::Ndjson { .. } => Plan::of(mapping, Place::in_json).map_err(|column| missing(source, &column, &[])),
            Lines::Csv { header, .. } => {
                let plan = Plan::of(mapping, |column| Place::in_header(column, header));
                plan.map_err(|column| missing(source, &column, header))
            }
        }
    }

    fn take_in(&mut self, plan: &Plan, line: &Read1<'_>, events: &mut Vec<Event>) {
        match line {
            Read1::Cells(number, cells) => {
                for cell in *cells {
                    self.checksum.update(cell);
                    self.checksum.update(b"\x1f");
                }
                self.mapper.map(plan, Line { number: *number, record: Record::Cells(cells) }, events);
            }
            Read1::Json(number, value, text) => {
                self.checksum.update(text);
                self.mapper.map(plan, Line { number: *number, record: Record::Json(value) }, events);
            }
            Read1::Unreadable(number, text, error) => {
                self.checksum.update(text);
                let source = String::from_utf8_lossy(text).into_owned();
                events.push(self.mapper.unreadable(*number, source, format!("the line {error}")));
            }
        }
        self.checksum.update(b"\n");
        self.position.lines += 1;
        self.position.bytes = self.bytes.load(Ordering::Relaxed);
        self.position.checksum = self.checksum.clone().finalize();
    }

    /// Where the settled part ends, the lines must have been the same.
    fn check_settled(&self, source: &Source) -> Result<(), Trouble> {
        let ends_here = self.position.events == self.settled.events;
        if ends_here && self.position.checksum != self.settled.checksum {
            return Err(changed(&format!("lines of {} that are settled differ", source.path().display())));
        }
        Ok(())
    }
}

fn changed(how: &str) -> Trouble {
    Trouble::State(format!(
        "the files are not what they were when this import began: {how}. Bring those back, or give --again to begin anew \
         with these (rows that took effect are not applied twice)"
    ))
}

/// A line of JSON has no header to look the player's column up in, so the first one stands for it.
fn check_first(source: &Source, plan: &Plan, first: &Read1<'_>, mapper: &Mapper) -> Result<(), Trouble> {
    match first {
        Read1::Json(_, value, _) if !plan.finds_player(Record::Json(value)) => {
            let members = value.as_object().map(|members| members.keys().cloned().collect::<Vec<_>>());
            Err(missing(source, &mapper.mapping().player, &members.unwrap_or_default()))
        }
        Read1::Unreadable(_, text, _) if text.starts_with(b"[") => Err(Trouble::Usage(format!(
            "{} is a JSON list: make a line of each element (`jq -c '.[]' FILE > FILE.ndjson`)",
            source.path().display()
        ))),
        Read1::Cells(_, _) | Read1::Json(_, _, _) | Read1::Unreadable(_, _, _) => Ok(()),
    }
}

fn missing(source: &Source, column: &Column, there: &[String]) -> Trouble {
    let hint = match there {
        [only] if only.contains([';', '\t', '|']) => "; is it another --delimiter?",
        _ => "",
    };
    let there: Vec<String> = there.iter().take(50).map(|name| format!("'{name}'")).collect();
    let (shown, there) = (source.path().display(), there.join(", "));
    Trouble::Usage(format!("{shown} has no column {}; it has {there}{hint}", column.shown()))
}
