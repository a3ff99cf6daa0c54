//! The dispatcher: takes deliveries that are due, attempts each, and stores what became of it.
//!
//! One loop holds everything; attempts run beside it. It takes when the outbox rings, when a line runs dry that may have more behind
//! it, and now and then in case another process stored something. What ended while the store was busy with earlier reports is
//! stored together. All that it knows is also in the outbox: whatever is lost with it is due again once its lease is over.
//!
//! This module must not know how a receiver is reached, nor what becomes of a delivery ([`Verdict::of`]).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::audit_log::AuditId;
use domain::clock::{Clock, Timestamp};
use domain::ids::Ids;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, Courier, Endpoint, EndpointId, Outbox, TakeDue, Vault,
    Verdict, open_secrets, prepare,
};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::chores;
use crate::line::{Line, Taken};
use crate::observer::{Attempted, DispatchObserver, DispatchWork};

/// How much longer than an attempt may take its lease must last, for clocks that differ and for the record of it.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// How long the last reports may take after the end of the grace.
const LAST_RECORDS_FOR: Duration = Duration::from_secs(5);

/// The pause after a first failure of the store; it doubles with each further one in a row.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often as long as a taking or a recording took the dispatcher then leaves the store to others, while it keeps up.
const RESTS: u32 = 1;

/// The same while more waits than it can hold and still more comes: what is late already may be a little later, and those who write
/// are not slowed.
const RESTS_BEHIND: u32 = 24;

/// What the dispatcher stands on.
#[derive(Clone)]
pub struct DispatchPorts {
    /// Where deliveries wait.
    pub outbox: Arc<dyn Outbox>,
    /// Reaches receivers.
    pub courier: Arc<dyn Courier>,
    /// Opens secrets.
    pub vault: Arc<dyn Vault>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids, and chance.
    pub ids: Arc<dyn Ids>,
    /// Is told what happens.
    pub observer: Arc<dyn DispatchObserver>,
}

/// How the dispatcher works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DispatchSettings {
    /// At most so many attempts at one endpoint at once.
    pub in_flight_max: usize,
    /// How long an attempt may take: what the courier was told.
    pub attempt_timeout: Duration,
    /// At most so many deliveries are taken at once.
    pub take_max: u32,
    /// At most so many attempts are recorded at once.
    pub record_max: usize,
    /// For how long what is taken is nobody else's: how long what a process had taken waits after it was killed.
    pub lease: Duration,
    /// How often it looks for what another process stored.
    pub poll: Duration,
    /// The least time between the beginnings of two takings: under load, what happened in between is taken together.
    pub take_gap: Duration,
    /// The same of two recordings.
    pub record_gap: Duration,
    /// How often it looks for what expired.
    pub expiries_every: Duration,
    /// How often it looks for what is kept no longer.
    pub discard_every: Duration,
    /// For how long events, deliveries and attempts are kept.
    pub retention: Duration,
    /// How long it goes on with what it took once it is told to stop.
    pub grace: Duration,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            in_flight_max: 16,
            attempt_timeout: Attempt::TIMEOUT,
            take_max: 256,
            record_max: 256,
            lease: Duration::from_secs(30),
            poll: Duration::from_millis(250),
            take_gap: Duration::from_millis(5),
            record_gap: Duration::from_millis(10),
            expiries_every: Duration::from_secs(10),
            discard_every: Duration::from_secs(60),
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            grace: Duration::from_secs(10),
        }
    }
}

/// Delivers what waits in the outbox.
pub struct Dispatcher {
    ports: DispatchPorts,
    settings: DispatchSettings,
}

impl Dispatcher {
    /// Puts a dispatcher on its ports.
    pub fn new(ports: DispatchPorts, settings: DispatchSettings) -> Self {
        let in_flight_max = settings.in_flight_max.max(1);
        Self { ports, settings: DispatchSettings { in_flight_max, ..settings } }
    }

    /// Works until `stop` is true, or nobody is left who could say so. Then it takes nothing more, goes on for the grace with what it
    /// took, and records what ended.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let Self { ports, settings } = self;
        let work = Work::new(ports.clone(), settings);
        tokio::join!(work.run(stop.clone()), chores::run(&ports, &settings, stop));
    }
}

/// Names a line.
type Key = (RealmId, EndpointId);

/// Something that is under way.
type Underway<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// What the outbox answers to a taking, and what was asked.
type TakenDue = (TakeDue, Result<Vec<Assignment>, StoreError>);

/// What the outbox answers to reports, and what they were.
type Recorded = (Vec<Ended>, Result<Vec<(RealmId, Endpoint)>, StoreError>);

/// An attempt that ended, and until when it can be recorded.
struct Ended {
    report: AttemptReport,
    until: Timestamp,
}

/// When something may be done again, and when it failed last.
struct Pace {
    began: Instant,
    not_before: Instant,
    failures: u32,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { began: now, not_before: now, failures: 0 }
    }

    /// Notes a success: the next is not before `gap` has passed since the beginning of this one, nor before `rests` times as much
    /// time has passed as it took, so that the store has time for others. What it took includes the wait for others, so the
    /// busier they are, the longer it rests.
    fn succeeded(&mut self, now: Instant, gap: Duration, rests: u32) {
        self.failures = 0;
        self.not_before = (self.began + gap).max(now + (now.duration_since(self.began) * rests).min(PAUSE));
    }

    /// Notes a failure; whether it is the first of several.
    fn failed(&mut self, now: Instant) -> bool {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        self.not_before = now + pause;
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }
}

/// The dispatcher at work.
struct Work {
    ports: DispatchPorts,
    settings: DispatchSettings,
    lines: BTreeMap<Key, Line>,
    attempts: JoinSet<(AttemptReport, Option<Duration>)>,
    /// Which attempt is whose, and until when.
    in_flight: HashMap<Id, (Key, Timestamp)>,
    ended: VecDeque<Ended>,
    rung: Underway<()>,
    taking: Underway<TakenDue>,
    recording: Underway<Recorded>,
    take_pace: Pace,
    record_pace: Pace,
    /// Whether there may be something to take.
    wants_more: bool,
    /// When it is looked for at the latest.
    take_by: Instant,
    /// Whether something was stored since the last taking began.
    was_rung: bool,
    /// Whether the last taking left something, while more was stored.
    is_behind: bool,
    /// How late at most something was told of for the first time since it is behind.
    late: Duration,
}

impl Work {
    fn new(ports: DispatchPorts, settings: DispatchSettings) -> Self {
        let now = Instant::now();
        Self {
            ports,
            settings,
            lines: BTreeMap::new(),
            attempts: JoinSet::new(),
            in_flight: HashMap::new(),
            ended: VecDeque::new(),
            rung: None,
            taking: None,
            recording: None,
            take_pace: Pace::new(now),
            record_pace: Pace::new(now),
            wants_more: true,
            take_by: now,
            was_rung: false,
            is_behind: false,
            late: Duration::ZERO,
        }
    }

    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut stopped = std::pin::pin!(async move { drop(stop.wait_for(|stop| *stop).await) });
        loop {
            let now = Instant::now();
            self.listen();
            self.start_taking(now);
            self.start_recording(now);
            let wake = self.wakes_at();
            tokio::select! {
                () = &mut stopped => break,
                () = ready(&mut self.rung) => (self.wants_more, self.was_rung) = (true, true),
                taken = ready(&mut self.taking) => self.taken(taken),
                recorded = ready(&mut self.recording) => self.recorded(recorded),
                Some(ended) = self.attempts.join_next_with_id() => self.attempt_ended(ended),
                () = sleep_until(wake) => {}
            }
        }
        self.wind_up().await;
    }

    /// Goes on with what was taken, and takes nothing more.
    async fn wind_up(mut self) {
        let end = Instant::now() + self.settings.grace;
        while !self.lines.is_empty() || self.taking.is_some() {
            self.start_recording(Instant::now());
            tokio::select! {
                taken = ready(&mut self.taking) => self.taken(taken),
                recorded = ready(&mut self.recording) => self.recorded(recorded),
                Some(ended) = self.attempts.join_next_with_id() => self.attempt_ended(ended),
                () = sleep_until(end) => break,
            }
        }
        // What is still under way ends nowhere: it is due again when its lease is over.
        self.attempts.abort_all();
        if timeout(LAST_RECORDS_FOR, self.record_the_rest()).await.is_err() {
            self.forget(self.ended.len());
        }
    }

    async fn record_the_rest(&mut self) {
        loop {
            self.record_pace.not_before = Instant::now();
            self.start_recording(Instant::now());
            if self.recording.is_none() {
                return;
            }
            let recorded = ready(&mut self.recording).await;
            let is_lost = recorded.1.is_err();
            self.recorded(recorded);
            if is_lost {
                self.forget(self.ended.len());
                return;
            }
        }
    }

    fn listen(&mut self) {
        if self.rung.is_none() {
            let outbox = Arc::clone(&self.ports.outbox);
            self.rung = Some(Box::pin(async move { outbox.rung().await }));
        }
    }

    /// When there may be something to do without anything having happened.
    fn wakes_at(&self) -> Instant {
        let idle = Instant::now() + PAUSE_MAX;
        let take =
            if self.wants_more { self.take_pace.not_before } else { self.take_by.max(self.take_pace.not_before) };
        let take = if self.taking.is_none() { take } else { idle };
        let has_ended = self.recording.is_none() && !self.ended.is_empty();
        let record = if has_ended { self.record_pace.not_before } else { idle };
        take.min(record).min(idle)
    }

    fn start_taking(&mut self, now: Instant) {
        let is_wanted = self.wants_more || self.take_by <= now;
        if self.taking.is_some() || !is_wanted || now < self.take_pace.not_before {
            return;
        }
        self.wants_more = false;
        self.take_pace.began = now;
        let at = self.ports.clock.now();
        let at_first = Line::held_at_first(self.settings.in_flight_max, self.late);
        let per_endpoint = self.lines.values().map(Line::held_max).fold(at_first, usize::max);
        let held = self.lines.iter().map(|(key, line)| (*key, count(per_endpoint.saturating_sub(line.room()))));
        let ask = TakeDue {
            now: at,
            until: at.plus(self.settings.lease),
            claim: ClaimId(self.ports.ids.next(at)),
            per_endpoint: count(per_endpoint),
            held: held.collect(),
            limit: self.settings.take_max,
        };
        let outbox = Arc::clone(&self.ports.outbox);
        self.taking = Some(Box::pin(async move {
            let taken = outbox.take_due(&ask).await;
            (ask, taken)
        }));
    }

    fn taken(&mut self, (ask, taken): TakenDue) {
        let now = Instant::now();
        self.take_by = now + self.settings.poll;
        let assignments = match taken {
            Ok(assignments) => assignments,
            Err(cause) => {
                if self.take_pace.failed(now) {
                    self.ports.observer.failed(DispatchWork::Take, &cause);
                }
                self.wants_more = true;
                return;
            }
        };
        let is_full = ask.limit <= count(assignments.len());
        self.wants_more |= is_full;
        if !assignments.is_empty() {
            self.ports.observer.taken(assignments.len());
        }
        let told_first = assignments.iter().filter(|assignment| assignment.attempts == 0);
        let late = told_first.map(|assignment| ask.now.since(assignment.event.at)).max().unwrap_or_default();
        for assignment in assignments {
            let key = (assignment.event.realm.id, assignment.endpoint.id);
            let is_failing = assignment.endpoint.failing_since.is_some();
            let new = || Line::new(self.settings.in_flight_max, is_failing, self.late);
            let line = self.lines.entry(key).or_insert_with(new);
            line.push(Taken { assignment, until: ask.until });
        }
        self.lines.values_mut().for_each(Line::taking_ended);
        let is_left = is_full || self.lines.values().any(Line::is_filled);
        self.is_behind = is_left && self.was_rung;
        self.was_rung = false;
        self.late = if self.is_behind { self.late.max(late) } else { Duration::ZERO };
        self.take_pace.succeeded(now, self.settings.take_gap, self.rests());
        let keys: Vec<Key> = self.lines.keys().copied().collect();
        keys.into_iter().for_each(|key| self.start_attempts(key));
    }

    /// Starts as many attempts as the line may have, and forgets an empty line.
    fn start_attempts(&mut self, key: Key) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        let patience = self.settings.attempt_timeout + LEASE_MARGIN;
        while let Some(Taken { assignment, until }) = line.start(self.ports.clock.now(), patience) {
            let task = self.attempts.spawn(attempt(self.ports.clone(), assignment));
            self.in_flight.insert(task.id(), (key, until));
        }
        self.wants_more |= line.wants_more();
        if line.is_empty() {
            self.lines.remove(&key);
        }
    }

    fn attempt_ended(&mut self, ended: Result<(Id, (AttemptReport, Option<Duration>)), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => {
                let id = error.id();
                self.ports.observer.panicked(&panic_message(error));
                (id, None)
            }
        };
        let Some((key, until)) = self.in_flight.remove(&id) else { return };
        if let Some(line) = self.lines.get_mut(&key) {
            line.attempt_ended(ended.as_ref().map(|(report, _)| (report.verdict, report.attempt.took)));
        }
        if let Some((report, lag)) = ended {
            let AttemptReport { realm, endpoint, verdict, .. } = report;
            let took = report.attempt.took;
            self.ports.observer.attempted(&Attempted { realm, endpoint, verdict, took, lag });
            self.ended.push_back(Ended { report, until });
        }
        self.start_attempts(key);
    }

    fn start_recording(&mut self, now: Instant) {
        if self.recording.is_some() || self.ended.is_empty() || now < self.record_pace.not_before {
            return;
        }
        self.record_pace.began = now;
        let most = self.settings.record_max.max(1).min(self.ended.len());
        let batch: Vec<Ended> = self.ended.drain(..most).collect();
        let outbox = Arc::clone(&self.ports.outbox);
        self.recording = Some(Box::pin(async move {
            let reports: Vec<AttemptReport> = batch.iter().map(|ended| ended.report.clone()).collect();
            let recorded = outbox.record(&reports).await;
            (batch, recorded)
        }));
    }

    fn recorded(&mut self, (batch, recorded): Recorded) {
        let now = Instant::now();
        match recorded {
            Ok(disabled) => {
                self.record_pace.succeeded(now, self.settings.record_gap, self.rests());
                for (realm, endpoint) in disabled {
                    let key = (realm, endpoint.id);
                    self.ports.observer.disabled(realm, &endpoint);
                    // It is told nothing any more; what waits for it is kept in the outbox.
                    self.lines.get_mut(&key).into_iter().for_each(Line::clear);
                    self.start_attempts(key);
                }
            }
            Err(cause) => {
                if self.record_pace.failed(now) {
                    self.ports.observer.failed(DispatchWork::Record, &cause);
                }
                let present = self.ports.clock.now();
                let (kept, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|ended| present < ended.until);
                self.forget(late.len());
                kept.into_iter().rev().for_each(|ended| self.ended.push_front(ended));
            }
        }
    }

    fn rests(&self) -> u32 {
        if self.is_behind { RESTS_BEHIND } else { RESTS }
    }

    fn forget(&self, attempts: usize) {
        if attempts != 0 {
            self.ports.observer.forgotten(attempts);
        }
    }
}

/// Waits for what is under way; for ever, if nothing is. May be given up and waited for again.
async fn ready<T>(underway: &mut Underway<T>) -> T {
    let Some(future) = underway else { return pending().await };
    let output = future.await;
    *underway = None;
    output
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn panic_message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "of unknown cause".to_owned())
}

/// Attempts `assignment`, once: what is to be recorded, and, of a first attempt, how long after its event it began.
async fn attempt(ports: DispatchPorts, assignment: Assignment) -> (AttemptReport, Option<Duration>) {
    let DispatchPorts { courier, vault, clock, ids, .. } = ports;
    let Assignment { endpoint, event, .. } = &assignment;
    let at = clock.now();
    let number = assignment.attempts.saturating_add(1);
    let player = event.player.as_ref().map(|(player, _)| *player);
    let (outcome, took) = match open_secrets(&*vault, endpoint, player, at) {
        Ok(open) => courier.deliver(&endpoint.url, prepare(&assignment, number, &open, at)).await,
        Err(unreadable) => (AttemptOutcome::Failed { error: unreadable.to_string() }, Duration::ZERO),
    };
    let [jitter, ..] = ids.random();
    let verdict = Verdict::of(&outcome, assignment.tries.saturating_add(1), clock.now(), jitter);
    let report = AttemptReport {
        realm: event.realm.id,
        endpoint: endpoint.id,
        delivery: assignment.delivery,
        claim: assignment.claim,
        attempt: Attempt { number, at, took, outcome },
        verdict,
        was_failing: endpoint.failing_since.is_some(),
        audit: AuditId(ids.next(at)),
    };
    (report, (assignment.attempts == 0).then(|| at.since(event.at)))
}
