//! The files: opening them, unpacking them, and reading line by line, each line whole and no line but one at a time.
//!
//! Files are always read from their beginning, also to go on where an earlier run stopped: reading is a hundred times faster
//! than bringing in, and only who has seen all lines before can tell the second of two equal rows.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::mapper::shown;
use crate::place::Record;
use crate::trouble::Trouble;

/// The longest line of a NDJSON file, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What stands for standard input on the command line.
const STDIN: &str = "-";

/// How the lines of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Cells, with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// How a person says that the files are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The format, when the names of the files do not tell it.
    pub format: Option<Format>,
    /// What stands between cells, when it is not what the names of the files tell.
    pub delimiter: Option<u8>,
    /// Whether a cell may be in quotation marks.
    pub quotes: bool,
}

/// A file to be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
    format: Format,
    delimiter: u8,
    quotes: bool,
    packed: bool,
    /// Its size; 0 when that cannot be told.
    pub(crate) bytes: u64,
}

/// The lines of an open file.
pub(crate) enum Lines {
    /// Cells.
    Csv {
        /// The names of the cells.
        header: Vec<String>,
        /// The rest of the file.
        reader: Box<csv::Reader<Box<dyn Read + Send>>>,
        /// The latest line.
        record: ByteRecord,
    },
    /// JSON.
    Ndjson {
        /// The rest of the file.
        reader: BufReader<Box<dyn Read + Send>>,
        /// How many lines were read.
        number: u64,
        /// The latest line.
        text: Vec<u8>,
    },
}

/// A line as it was read.
pub(crate) enum Read1<'l> {
    /// A record.
    Cells(u64, &'l ByteRecord),
    /// A JSON object, and its text.
    Json(u64, Value, &'l [u8]),
    /// Something else, and what is wrong with it.
    Unreadable(u64, Cow<'l, [u8]>, String),
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(read)
    }
}

impl Source {
    /// The file at `path`, which must be there.
    ///
    /// # Errors
    /// When it is not, or when it cannot be told how it is written.
    pub(crate) fn find(path: &Path, reading: &Reading) -> Result<Self, Trouble> {
        let is_stdin = path == Path::new(STDIN);
        let metadata = if is_stdin { None } else { Some(path.metadata().map_err(Trouble::file("read", path))?) };
        if metadata.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(Trouble::Usage(format!("{} is a folder: name the files in it", path.display())));
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        let (stem, packed) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
        let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
        let by_name = match ending {
            "csv" | "tsv" => Some(Format::Csv),
            "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
            _ => None,
        };
        let Some(format) = reading.format.or(by_name) else {
            let shown = path.display();
            return Err(Trouble::Usage(format!("cannot tell how {shown} is written: say --format csv or ndjson")));
        };
        let delimiter = reading.delimiter.unwrap_or(if ending == "tsv" { b'\t' } else { b',' });
        let bytes = metadata.map_or(0, |metadata| metadata.len());
        Ok(Self { path: path.to_path_buf(), format, delimiter, quotes: reading.quotes, packed, bytes })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is standard input, which can be read once.
    pub(crate) fn is_stdin(&self) -> bool {
        self.path == Path::new(STDIN)
    }

    /// Opens it; what is read of it is counted in `count`.
    pub(crate) fn open(&self, count: Arc<AtomicU64>) -> Result<Lines, Trouble> {
        let inner: Box<dyn Read + Send> = if self.is_stdin() {
            Box::new(Counted { inner: io::stdin(), count })
        } else {
            Box::new(Counted { inner: File::open(&self.path).map_err(Trouble::file("read", &self.path))?, count })
        };
        let unpacked: Box<dyn Read + Send> =
            if self.packed { Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, inner))) } else { inner };
        match self.format {
            Format::Csv => self.csv(unpacked),
            Format::Ndjson => {
                let reader = BufReader::with_capacity(1 << 16, unpacked);
                Ok(Lines::Ndjson { reader, number: 0, text: Vec::new() })
            }
        }
    }

    fn csv(&self, unpacked: Box<dyn Read + Send>) -> Result<Lines, Trouble> {
        let mut builder = csv::ReaderBuilder::new();
        builder
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .quoting(self.quotes)
            .buffer_capacity(1 << 16);
        let mut reader = Box::new(builder.from_reader(unpacked));
        let mut record = ByteRecord::new();
        let found = reader.read_byte_record(&mut record).map_err(|error| self.broken(error.into()))?;
        if !found {
            return Err(Trouble::Usage(format!("{} is empty: it has not even a header", self.path.display())));
        }
        let header = record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        Ok(Lines::Csv { header, reader, record })
    }

    /// The trouble when the file cannot be read on.
    pub(crate) fn broken(&self, error: io::Error) -> Trouble {
        Trouble::File { verb: "read", path: self.path.clone(), source: error }
    }
}

impl Lines {
    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Read1<'_>>> {
        match self {
            Self::Csv { header, reader, record } => {
                if !reader.read_byte_record(record)? {
                    return Ok(None);
                }
                let number = record.position().map_or(0, csv::Position::line);
                if record.len() == header.len() {
                    return Ok(Some(Read1::Cells(number, record)));
                }
                let error = format!("has {} cells, the header has {}", record.len(), header.len());
                Ok(Some(Read1::Unreadable(number, Cow::Owned(shown(Record::Cells(record)).into_bytes()), error)))
            }
            Self::Ndjson { reader, number, text } => {
                let is_cut = loop {
                    *number += 1;
                    text.clear();
                    if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', text)? == 0 {
                        return Ok(None);
                    }
                    let is_longest = usize::try_from(LINE_BYTES_MAX).is_ok_and(|longest| longest <= text.len());
                    let is_cut = is_longest && !text.ends_with(b"\n");
                    if is_cut || !text.trim_ascii().is_empty() {
                        break is_cut;
                    }
                };
                if is_cut {
                    skip_line(reader)?;
                    text.truncate(1_000);
                    return Ok(Some(Read1::Unreadable(
                        *number,
                        Cow::Borrowed(text),
                        "is longer than 16 MiB".to_owned(),
                    )));
                }
                let line = text.trim_ascii();
                // Some editors begin a file with a mark that is no part of it.
                let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| *number == 1).unwrap_or(line);
                Ok(Some(match serde_json::from_slice::<Value>(line) {
                    Ok(value) if value.is_object() => Read1::Json(*number, value, line),
                    Ok(_) => Read1::Unreadable(*number, Cow::Borrowed(line), "is not a JSON object".to_owned()),
                    Err(error) => Read1::Unreadable(*number, Cow::Borrowed(line), format!("is not JSON: {error}")),
                }))
            }
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}
