//! Sending a call until it is answered: with pauses that grow, never sooner than the server asks for, and not for ever.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use hyper::body::Bytes;
use tokio::time::sleep;

use crate::client::{Answer, Client, Failure};
use crate::kind::Kind;
use crate::stop::Stop;
use crate::trouble::Trouble;

/// The longest pause that a server is granted.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// Sends calls.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// The server.
    pub(crate) client: Client,
    /// What is sent.
    pub(crate) kind: Kind,
    /// For how long a call is repeated.
    pub(crate) give_up_after: Duration,
    /// When to stop.
    pub(crate) stop: Stop,
}

impl Sender {
    /// What the key opens.
    pub(crate) async fn ping(&self) -> Result<String, Trouble> {
        let mut attempts = Attempts::of(self);
        loop {
            match self.client.ping().await {
                Ok(realm) => return Ok(realm),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }

    /// What became of the rows in `body`.
    pub(crate) async fn send(&self, rows_count: usize, body: Bytes) -> Result<Answer, Trouble> {
        let mut attempts = Attempts::of(self);
        loop {
            match self.client.send(self.kind, rows_count, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => attempts.after(failure).await?,
            }
        }
    }
}

/// The attempts at one call.
struct Attempts {
    begun: Instant,
    pauses: ExponentialBackoff,
    give_up_after: Duration,
    stop: Stop,
}

impl Attempts {
    fn of(sender: &Sender) -> Self {
        let Sender { give_up_after, stop, .. } = sender;
        Self { begun: Instant::now(), pauses: pauses(), give_up_after: *give_up_after, stop: stop.clone() }
    }

    /// Pauses after `failure` before another attempt.
    ///
    /// # Errors
    /// When another attempt would be useless, too late or not wanted.
    async fn after(&mut self, failure: Failure) -> Result<(), Trouble> {
        let (last, wanted) = match failure {
            Failure::Final(trouble) => return Err(trouble),
            Failure::Unknown(last, wanted) => (last, wanted),
        };
        let waited = self.begun.elapsed();
        if self.give_up_after <= waited {
            return Err(Trouble::GaveUp { waited, last });
        }
        let pause = pause(self.pauses.next(), wanted);
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.stop.asked() => Err(Trouble::Stopped { rows: 0 }),
        }
    }
}

/// Never sooner than the server wants, which a limit of calls does for up to a minute.
fn pause(planned: Option<Duration>, wanted: Option<Duration>) -> Duration {
    planned.unwrap_or(PAUSE_MAX).max(wanted.unwrap_or_default().min(PAUSE_MAX))
}

fn pauses() -> ExponentialBackoff {
    let builder =
        ExponentialBuilder::new().with_min_delay(Duration::from_millis(100)).with_max_delay(Duration::from_secs(5));
    builder.with_jitter().without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_the_server_wants_and_not_longer_than_two_minutes() {
        let seconds = Duration::from_secs;
        assert_eq!(pause(Some(seconds(1)), None), seconds(1));
        assert_eq!(pause(Some(seconds(1)), Some(seconds(61))), seconds(61));
        assert_eq!(pause(Some(seconds(5)), Some(seconds(1))), seconds(5));
        assert_eq!(pause(Some(seconds(5)), Some(seconds(86_400))), PAUSE_MAX);
    }
}
