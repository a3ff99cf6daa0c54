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

/// An error with everything that caused it, in one line, for a log. A cause that the line says already is not said twice.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |cause| (**cause).source());
    sources.fold(error.to_string(), |line, cause| {
        let cause = cause.to_string();
        if line.contains(&cause) { line } else { format!("{line}: {cause}") }
    })
}

/// Tells whether the store can be used.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Succeeds when the store answers and its schema is the one that this program was built for.
    async fn check(&self) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("outer")]
    struct Outer(#[source] StoreError);

    #[test]
    fn an_error_is_told_with_all_its_causes_each_once() {
        let inner = std::io::Error::other("the disk is full");
        assert_eq!(causes(&Outer(StoreError::unavailable(inner))), "outer: the store is unavailable: the disk is full");
        assert_eq!(causes(&StoreError::unavailable("the store is unavailable")), "the store is unavailable");
    }
}
