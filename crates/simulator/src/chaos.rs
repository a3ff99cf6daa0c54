//! Where faults strike: what every store call of every process goes through. Must not know what the calls do.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use domain::store::StoreError;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::dice::Dice;
use crate::weather::Weather;

/// What happened, line by line.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    /// Adds a line.
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lines().push(line.into());
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides which fault strikes where. A clone decides on.
#[derive(Clone)]
pub(crate) struct Chaos {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    weather: Arc<Mutex<Weather>>,
    commits: Arc<AtomicU64>,
}

impl Chaos {
    pub(crate) fn new(dice: Dice, weather: Weather) -> Self {
        let (trace, commits) = (Trace::default(), Arc::new(AtomicU64::new(0)));
        Self { dice, trace, weather: Arc::new(Mutex::new(weather)), commits }
    }

    /// The present weather.
    pub(crate) fn weather(&self) -> Weather {
        self.lock().clone()
    }

    /// From now on nothing fails.
    pub(crate) fn calm_down(&self) {
        let mut weather = self.lock();
        *weather = weather.calm();
    }

    /// How often something may have been stored.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Carries out `work`, which stores something, unless a fault strikes before; its reply may be lost after.
    pub(crate) async fn write<T>(
        &self,
        who: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.read_gate(who).await?;
        let done = at_once(work);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.trace.note(format!("  {who}: stored"));
        give_way(1).await;
        self.pause().await;
        if self.dice.chance(self.lock().fails_after) {
            self.trace.note(format!("  {who}: reply lost"));
            return Err(StoreError::unavailable("the reply was lost"));
        }
        done
    }

    /// Carries out `work`, which only reads, unless a fault strikes.
    pub(crate) async fn read<T>(
        &self,
        who: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.read_gate(who).await?;
        let read = at_once(work);
        self.pause().await;
        read
    }

    /// Gives way to others for a while.
    pub(crate) async fn pause(&self) {
        let times = self.dice.below(self.lock().pauses_max + 1);
        give_way(times).await;
    }

    async fn read_gate(&self, who: &str) -> Result<(), StoreError> {
        self.pause().await;
        if self.dice.chance(self.lock().fails_before) {
            self.trace.note(format!("  {who}: store failed before doing anything"));
            return Err(StoreError::unavailable("the store is not there"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets others be polled first, so many times.
pub(crate) async fn give_way(times: u64) {
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Wakes a thread that waits for a future of threads outside the simulation.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// For adapters that want timers of a runtime.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
}

/// The output of `work`, which is carried out here and now: nothing else of the simulation happens meanwhile, however many
/// threads of its own an adapter has.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    // A runtime cannot be entered twice: what is asked for within is waited for without.
    if Handle::try_current().is_ok() { parked(work) } else { RUNTIME.with(|runtime| runtime.block_on(work)) }
}

fn parked<T>(work: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
