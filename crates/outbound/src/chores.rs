//! What has to be done now and then: telling of what time alone did, and removing what is kept no longer.
//!
//! Both are done in pieces, each short, with a breath between two, so that they keep nobody waiting.

use std::time::Duration;

use domain::store::StoreError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::dispatcher::{DispatchPorts, DispatchSettings};
use crate::observer::DispatchWork;

/// How many events or rows one piece is about.
const PIECE: u32 = 500;

/// The breath between two pieces.
const BREATH: Duration = Duration::from_millis(20);

/// Does both until `stop` is true, or nobody is left who could say so. The piece that is being done then is done to its end.
pub(crate) async fn run(ports: &DispatchPorts, settings: &DispatchSettings, stop: watch::Receiver<bool>) {
    let DispatchPorts { outbox, clock, .. } = ports;
    let tell = || outbox.tell_expiries(clock.now(), PIECE);
    let discard = || {
        let before = clock.now().unix_micros().saturating_sub(micros(settings.retention));
        outbox.discard(domain::clock::Timestamp::from_unix_micros(before), PIECE)
    };
    tokio::join!(
        every(settings.expiries_every, DispatchWork::TellExpiries, ports, stop.clone(), tell),
        every(settings.discard_every, DispatchWork::Discard, ports, stop, discard),
    );
}

/// Does pieces of `work` every `period` until there is nothing left of it.
async fn every<F: Future<Output = Result<u32, StoreError>>>(
    period: Duration,
    work: DispatchWork,
    ports: &DispatchPorts,
    stop: watch::Receiver<bool>,
    piece: impl Fn() -> F,
) {
    let mut stopping = stop.clone();
    let mut stopped = std::pin::pin!(async move { drop(stopping.wait_for(|stop| *stop).await) });
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        tokio::select! {
            biased;
            () = &mut stopped => return,
            _ = ticks.tick() => {}
        }
        loop {
            let done = piece().await;
            if let Err(cause) = &done
                && !is_failing
            {
                ports.observer.failed(work, cause);
            }
            is_failing = done.is_err();
            if matches!(done, Ok(0) | Err(_)) || *stop.borrow() {
                break;
            }
            sleep(BREATH).await;
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
