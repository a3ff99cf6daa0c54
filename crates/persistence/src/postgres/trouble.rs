//! What can go wrong with PostgreSQL, and what of it is worth another attempt.

use std::error::Error;

use diesel::result::DatabaseErrorKind;
use domain::store::StoreError;
use thiserror::Error;

use crate::observer::RetryCause;

/// Why an attempt came to nothing.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    /// All connections stayed in use; nothing was done.
    #[error("no connection became free in time")]
    Exhausted,
    /// No connection could be made; nothing was done.
    #[error("cannot connect to PostgreSQL")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// A statement failed; nothing of its transaction is stored.
    #[error("a statement failed")]
    Statement(#[source] diesel::result::Error),
    /// Another transaction changed what this one was decided on; nothing is stored.
    #[error("{what} changed while a decision on it was being stored")]
    Stale {
        /// Which rows.
        what: &'static str,
    },
    /// A merge makes more entries than a block has positions; nothing is stored.
    #[error("the players share more accounts than can be merged at once")]
    TooManyEntries,
    /// The connection was lost while committing, and PostgreSQL could not tell the outcome.
    #[error("the outcome of a commit is unknown")]
    CommitUnknown(#[source] diesel::result::Error),
    /// PostgreSQL did not answer at all.
    #[error("PostgreSQL did not answer in time")]
    Silent,
}

impl Trouble {
    /// Whether another attempt may end differently and cannot do harm, because this one is known to have stored nothing.
    pub(super) fn is_worth_another_attempt(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Stale { .. } => true,
            Self::Exhausted | Self::TooManyEntries | Self::CommitUnknown(_) | Self::Silent => false,
            Self::Statement(diesel::result::Error::DatabaseError(kind, _)) => is_passing(kind),
            // What is stored could not be read, or what is to be stored could not be written: that stays.
            Self::Statement(_) => false,
        }
    }

    /// What it is counted as where another attempt is made.
    pub(super) fn retry_cause(&self) -> RetryCause {
        match self {
            Self::Connect(_) => RetryCause::Connection,
            Self::Stale { .. } => RetryCause::Stale,
            Self::Statement(diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
                RetryCause::Unique
            }
            Self::Statement(diesel::result::Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => {
                RetryCause::Serialization
            }
            Self::Statement(_) if self.is_lost_connection() => RetryCause::Connection,
            // The client library does not keep its code; in another language of the server's it counts as other.
            Self::Statement(diesel::result::Error::DatabaseError(_, said)) if said.message().contains("deadlock") => {
                RetryCause::Deadlock
            }
            Self::Statement(_) | Self::Exhausted | Self::TooManyEntries | Self::CommitUnknown(_) | Self::Silent => {
                RetryCause::Other
            }
        }
    }

    /// Whether the statement met a connection that was dead already.
    pub(super) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Statement(diesel::result::Error::DatabaseError(kind, _)) => {
                matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection)
            }
            Self::Statement(_)
            | Self::Stale { .. }
            | Self::Exhausted
            | Self::TooManyEntries
            | Self::CommitUnknown(_)
            | Self::Silent => false,
        }
    }
}

/// Lost races (an idempotency key or a player that another process stored first, deadlocks, serialization failures) and
/// whatever the server says when it is stopped, full or starting pass; a violated CHECK or reference is a bug and stays.
/// The client library does not keep the codes of the others apart, so they share `Unknown`.
fn is_passing(kind: &DatabaseErrorKind) -> bool {
    matches!(
        kind,
        DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::Unknown
    )
}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Exhausted => Self::Overloaded,
            Trouble::Connect(_)
            | Trouble::Statement(_)
            | Trouble::Stale { .. }
            | Trouble::TooManyEntries
            | Trouble::CommitUnknown(_)
            | Trouble::Silent => Self::unavailable(trouble),
        }
    }
}
