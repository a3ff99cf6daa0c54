//! The port behind which the ledger is kept.

use async_trait::async_trait;

use super::{Batch, Settlement};
use crate::store::StoreError;

/// Where economy state is kept.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait EconomyStore: Send + Sync {
    /// Settles `batch` atomically: loads its footprint, asks [`Batch::settle`], stores the answer, returns it.
    ///
    /// - MUST NOT decide anything itself, and MAY ask more than once (after a lost race).
    /// - Returns only after the settlement is durable.
    /// - On `Err` nothing may be assumed: the batch may or may not have been stored. Repeating it is safe for every
    ///   command that has an idempotency key.
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError>;
}
