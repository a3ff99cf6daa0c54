//! Why an import was refused or broke off: one line each, which says what to do.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why an import was refused or broke off.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The options make no sense together, or not with these files. Nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("cannot {verb} {}: {source}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The state cannot be gone on from.
    #[error("{0}")]
    State(String),
    /// The server said no to the whole call, for good.
    #[error("{0}")]
    Refused(String),
    /// The server could not be reached, or did not answer, for too long.
    #[error("the server did not take a call for {}s ({last}); run the same command again to go on", waited.as_secs())]
    GaveUp {
        /// For how long it was tried.
        waited: Duration,
        /// What came of the last attempt.
        last: String,
    },
    /// Somebody stopped it.
    #[error("stopped with {rows} rows settled; run the same command again to go on")]
    Stopped {
        /// How many rows of the source are settled.
        rows: u64,
    },
    /// A bug here.
    #[error("the import failed by itself: {0}")]
    Bug(String),
}

impl Trouble {
    /// Whether the command line is to blame.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::File { .. }
            | Self::State(_)
            | Self::Refused(_)
            | Self::GaveUp { .. }
            | Self::Stopped { .. }
            | Self::Bug(_) => false,
        }
    }

    /// For `map_err` on what touches files.
    pub(crate) fn file(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }
}
