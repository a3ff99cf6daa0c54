//! How long a request may take: its answer is waited for only so long, and the time in which the client is still sending its body
//! does not count.
//!
//! What reads the body says how far it is through a value of the running task, so that a request costs no allocation for it and
//! handlers need not know.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// How far the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyStage {
    /// Nobody has asked for it, or has got it whole.
    Unread,
    /// The client has not sent all of it.
    Awaited,
    /// It did not come in time, and is not waited for any more.
    GivenUp,
    /// It was there at once.
    AtOnce,
    /// It was waited for until then.
    Since(Instant),
}

tokio::task_local! {
    static BODY: Cell<BodyStage>;
}

/// Notes how far the body of the running task's request is.
pub(crate) fn note(stage: BodyStage) {
    // Outside of a request there is nothing to be noted.
    let _ = BODY.try_with(|body| body.set(stage));
}

/// What comes of `answering` a request, unless that takes longer than `time_max` from the whole request on; and how far the
/// body was then.
pub(crate) async fn paced<F: Future>(time_max: Duration, answering: F) -> (Option<F::Output>, BodyStage) {
    let paced = async {
        let answer = within(time_max, answering).await;
        (answer, BODY.with(Cell::get))
    };
    BODY.scope(Cell::new(BodyStage::Unread), paced).await
}

async fn within<F: Future>(time_max: Duration, answering: F) -> Option<F::Output> {
    let mut answering = pin!(answering);
    // What is answered at once needs no timer.
    if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(answering.as_mut().poll(context))).await {
        return Some(answer);
    }
    let mut until = Instant::now() + time_max;
    loop {
        if let Ok(answer) = timeout_at(until, answering.as_mut()).await {
            return Some(answer);
        }
        let later = match BODY.with(Cell::get) {
            // The body has a limit of its own.
            BodyStage::Awaited => Instant::now() + time_max,
            BodyStage::Since(came) => came + time_max,
            BodyStage::Unread | BodyStage::GivenUp | BodyStage::AtOnce => until,
        };
        if later <= until {
            return None;
        }
        until = later;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up() {
        let (answer, stage) = paced(SECOND, sleep(2 * SECOND)).await;
        assert_eq!((answer, stage), (None, BodyStage::Unread));
        assert_eq!(paced(SECOND, sleep(SECOND / 2)).await.0, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_the_body_comes_does_not_count() {
        let slow_body = |work: Duration| async move {
            note(BodyStage::Awaited);
            sleep(5 * SECOND + SECOND / 2).await;
            note(BodyStage::Since(Instant::now()));
            sleep(work).await;
        };
        assert_eq!(paced(SECOND, slow_body(SECOND * 9 / 10)).await.0, Some(()));
        let begun = Instant::now();
        assert_eq!(paced(SECOND, slow_body(2 * SECOND)).await.0, None);
        assert_eq!(begun.elapsed().as_millis() / 100, 65, "a second after the body");
    }
}
