//! What a server has said: a file without a name, which goes with the last process that has it open. It is not in the
//! cluster's folder, so that a server whose disk is full can still say so.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

/// The log of one cluster, over all its starts.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    pub(crate) fn create() -> io::Result<Self> {
        Ok(Self(tempfile::tempfile()?))
    }

    /// An output for the server. All of them write behind each other.
    pub(crate) fn output(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.0.try_clone()?))
    }

    /// How long it is now.
    pub(crate) fn length(&self) -> u64 {
        self.0.metadata().map_or(0, |file| file.len())
    }

    /// What was said after the first `start` bytes. Reads past the place where the server writes, and does not move it.
    pub(crate) fn after(&self, start: u64) -> String {
        let length = usize::try_from(self.length().saturating_sub(start)).unwrap_or(0);
        let mut text = vec![0; length];
        match self.0.read_exact_at(&mut text, start) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(failure) => format!("(the log cannot be read: {failure})"),
        }
    }
}
