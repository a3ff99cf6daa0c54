//! Stopping: Ctrl-C and SIGTERM end an import as soon as the calls under way are answered; a second one does not wait.

use tokio::signal;
use tokio::sync::watch;

use crate::trouble::Trouble;

/// Tells everybody that it is time to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<u8>);

impl Stop {
    /// Begins to listen for signals.
    pub(crate) fn listen() -> Result<Self, Trouble> {
        let (sender, receiver) = watch::channel(0_u8);
        let mut signals = Signals::new().map_err(|error| Trouble::Bug(error.to_string()))?;
        tokio::spawn(async move {
            while sender.receiver_count() != 0 {
                signals.next().await;
                sender.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Ok(Self(receiver))
    }

    /// One that is told by `receiver`.
    #[cfg(test)]
    pub(crate) fn by(receiver: watch::Receiver<u8>) -> Self {
        Self(receiver)
    }

    /// Whether it is time.
    pub(crate) fn is_asked(&self) -> bool {
        0 < *self.0.borrow()
    }

    /// Waits until it is time.
    pub(crate) async fn asked(&mut self) {
        self.asked_times(1).await;
    }

    /// Waits until there is no more time.
    pub(crate) async fn asked_again(&mut self) {
        self.asked_times(2).await;
    }

    async fn asked_times(&mut self, times: u8) {
        if self.0.wait_for(|count| times <= *count).await.is_err() {
            // Nobody listens any more.
            std::future::pending::<()>().await;
        }
    }
}

/// The signals that mean "stop".
struct Signals {
    #[cfg(unix)]
    terminate: signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: signal::unix::signal(signal::unix::SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(signal::ctrl_c().await);
    }
}
