//! Waiting for something to become so, with an end.

use std::time::{Duration, Instant};

/// How long anything may take before its test fails. Far more than anything needs, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Within what time every server must see what another process did to a key.
pub(crate) const KEY_SEEN_WITHIN: Duration = Duration::from_secs(5);

/// How long to leave the processor to others before asking again.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none after [`PATIENCE`].
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// Asks until there is an answer, for at most as long as `limit`.
///
/// # Panics
/// When there is none by then.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < limit, "waited too long: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
