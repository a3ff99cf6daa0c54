//! Why a cluster does not run, in words that a person can act on.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What the server says when something that will soon be gone, or that another port does not have, is in its way: a port
/// that is taken, or the last processes of a postmaster that was killed.
const IN_THE_WAY: &[&str] =
    &["Address already in use", "pre-existing shared memory block", "lock file \"postmaster.pid\""];

/// Why a cluster does not run.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The folder could not be made or used.
    #[error("cannot {action} {}", path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// We are root and there is nobody to run it as.
    #[error(
        "PostgreSQL refuses to run as root and there is no account `postgres` to run it as: make one, or be another user"
    )]
    NoAccount,
    /// A program could not be started.
    #[error("cannot start {}", program.display())]
    Program {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data could not be made.
    #[error("initdb failed:\n{output}")]
    Initdb {
        /// What it said.
        output: String,
    },
    /// No port is free.
    #[error("no port on 127.0.0.1 is free")]
    NoPort,
    /// The server stopped at once, or did not become ready.
    #[error("PostgreSQL does not start; its log:\n{log}")]
    NotReady {
        /// What it has logged since.
        log: String,
    },
    /// The server did not stop.
    #[error("PostgreSQL, process {process}, does not stop")]
    NotStopped {
        /// Its first process.
        process: u32,
    },
    /// There is no such process, or it is not ours.
    #[error("cannot send {signal} to process {process}")]
    Signal {
        /// The signal's name.
        signal: &'static str,
        /// Whom.
        process: u32,
    },
}

impl ClusterError {
    /// Whether the same start may succeed a moment later or on another port.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::NotReady { log } if IN_THE_WAY.iter().any(|sentence| log.contains(sentence)))
    }
}
