//! Work that goes on when whoever asked for it goes away.

use std::future::Future;
use std::panic::resume_unwind;

use domain::store::StoreError;

/// Runs `work` on a task of its own, so that dropping the answer does not stop it half-way. A panic in it is passed on.
///
/// # Errors
/// Those of `work`; [`StoreError::Unavailable`] when the runtime is shut down under it.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(cancelled) => Err(StoreError::unavailable(cancelled)),
        },
    }
}
