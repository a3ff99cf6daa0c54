//! The port that makes new identifiers and secrets.

use uuid::Uuid;

use crate::clock::Timestamp;

/// Makes identifiers that were never used before, and random bytes nobody can guess.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Ids: Send + Sync {
    /// A new UUID of version 7 whose time part is `at`.
    fn next(&self, at: Timestamp) -> Uuid;

    /// 64 bytes from a cryptographically secure source.
    fn random(&self) -> [u8; 64];
}
