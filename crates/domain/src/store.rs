//! What every port answers when it cannot answer.

use std::error::Error;

use async_trait::async_trait;
use thiserror::Error;

/// The store could not do what was asked, and whether it was done is unknown.
///
/// This is never the rules saying no: see [`crate::economy::Rejection`] for that.
#[derive(Debug, Error)]
pub enum StoreError {
    /// More work is waiting for the store than it takes in; nothing was done.
    #[error("more requests are waiting for the store than it accepts")]
    Overloaded,
    /// The store failed. The cause is for the log, never for a caller.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Wraps an adapter's own error.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// Tells whether the store can be used.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Succeeds when the store answers and its schema is the one that this program was built for.
    async fn check(&self) -> Result<(), StoreError>;
}
