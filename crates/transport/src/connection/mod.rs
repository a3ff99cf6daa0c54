//! A connection of a client, for as long as it is open: what it is doing, and when that has taken too long.
//!
//! The server beneath gives a client time only for its first head. Here every head has its time, also the later ones of a
//! connection that is kept, and so has a client that does not take its answer. Nothing here knows routes or keys. Connections
//! are not timed one by one, which would cost each request a timer: one look at all of a worker's, a few times within the
//! shortest limit, finds those that are overdue.

mod door;
mod raw_answer;
mod stream;
mod watch;
mod watched;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

pub(crate) use door::Door;
use watch::Watch;
pub(crate) use watched::Watched;

/// Which HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1.1 or 1.0: one request after the other.
    Http1,
    /// HTTP/2: many at once, and frames that belong to none.
    Http2,
}

/// What is waited for while no request is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head; whether any of it has come.
    Head { begun: bool },
    /// A next request, if there ever is one. What comes may be left of the body of the last one.
    Next { after_rest: bool },
    /// Nothing: the client has its last answer.
    End,
}

/// What may still come of the body of a request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    None,
    /// Some, and then the next request.
    MayCome,
    /// Some, but it is not waited for.
    GivenUp,
}

/// How long a client has for taking its last answer, from the last of it that it took.
const LAST_TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    /// A head has not come; whether any of it has.
    Head { begun: bool },
    /// Nothing was asked for a long time.
    Idle,
    /// Nothing is taken of an answer.
    Answer,
}

/// How long each thing may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    head: Duration,
    idle: Duration,
    answer: Duration,
}

/// A connection, as its worker's watch and its requests know it.
pub(crate) struct Connection {
    watch: Rc<Watch>,
    speaks: Cell<Speaks>,
    in_flight: Cell<usize>,
    phase: Cell<Phase>,
    since: Cell<Duration>,
    blocked_since: Cell<Option<Duration>>,
    overdue: Cell<Option<Overdue>>,
    waker: RefCell<Option<Waker>>,
}

impl Connection {
    fn new(watch: Rc<Watch>) -> Self {
        let now = watch.now();
        Self {
            watch,
            speaks: Cell::new(Speaks::Http1),
            in_flight: Cell::new(0),
            phase: Cell::new(Phase::Head { begun: false }),
            since: Cell::new(now),
            blocked_since: Cell::new(None),
            overdue: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    /// How many requests are being answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Notes that the head of a request has come whole.
    pub(crate) fn begin_request(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// Notes that the answer to a request is made, and what of its body may still come.
    pub(crate) fn end_request(&self, rest: Rest) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        if self.in_flight.get() == 0 {
            self.phase.set(match (rest, self.speaks.get()) {
                (Rest::GivenUp, Speaks::Http1) => Phase::End,
                (Rest::None, _) => Phase::Next { after_rest: false },
                (Rest::MayCome | Rest::GivenUp, _) => Phase::Next { after_rest: true },
            });
            self.since.set(self.watch.now());
        }
    }

    fn speaks(&self, speaks: Speaks) {
        self.speaks.set(speaks);
        self.since.set(self.watch.now());
    }

    fn read_some(&self) {
        if self.in_flight.get() != 0 {
            return;
        }
        match (self.phase.get(), self.speaks.get()) {
            (Phase::Head { begun: false }, _) => self.phase.set(Phase::Head { begun: true }),
            (Phase::Next { after_rest: false }, Speaks::Http1) => {
                self.phase.set(Phase::Head { begun: true });
                self.since.set(self.watch.now());
            }
            (Phase::Head { begun: true } | Phase::Next { .. } | Phase::End, _) => {}
        }
    }

    fn wrote_some(&self) {
        self.blocked_since.set(None);
        if self.in_flight.get() == 0 && matches!(self.phase.get(), Phase::Next { .. } | Phase::End) {
            self.since.set(self.watch.now());
        }
    }

    fn cannot_write(&self) {
        if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(self.watch.now()));
        }
    }

    /// Has the connection's task woken when it is overdue.
    fn park(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        match &*kept {
            Some(kept) if kept.will_wake(waker) => {}
            Some(_) | None => *kept = Some(waker.clone()),
        }
    }

    /// Ends what has taken too long, as of `now`.
    fn look(&self, now: Duration, patience: &Patience) {
        if self.overdue.get().is_some() {
            return;
        }
        self.overdue.set(self.judge(now, patience));
        if self.overdue.get().is_some()
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    fn judge(&self, now: Duration, patience: &Patience) -> Option<Overdue> {
        let has_taken = |since: Duration, most: Duration| most <= now.saturating_sub(since);
        if self.blocked_since.get().is_some_and(|since| has_taken(since, patience.answer)) {
            return Some(Overdue::Answer);
        }
        if self.in_flight.get() != 0 {
            return None;
        }
        if self.watch.stops() && self.speaks.get() == Speaks::Http2 {
            return Some(Overdue::Idle);
        }
        match self.phase.get() {
            Phase::Head { begun } => has_taken(self.since.get(), patience.head).then_some(Overdue::Head { begun }),
            Phase::Next { .. } => has_taken(self.since.get(), patience.idle).then_some(Overdue::Idle),
            Phase::End => has_taken(self.since.get(), LAST_TAKEN_WITHIN).then_some(Overdue::Idle),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watch.closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(85), answer: Duration::from_secs(30) };

    /// A connection that was opened at second 0, and its watch.
    fn opened() -> (Connection, Rc<Watch>) {
        let watch = Watch::new(&Limits::default(), 10);
        (Connection::new(Rc::clone(&watch)), watch)
    }

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_first_head_has_its_time_from_the_beginning() {
        let (connection, watch) = opened();
        watch.set_now(at(9));
        connection.read_some();
        assert_eq!(connection.judge(at(9), &PATIENCE), None);
        assert_eq!(connection.judge(at(10), &PATIENCE), Some(Overdue::Head { begun: true }));
        let (connection, _) = opened();
        assert_eq!(connection.judge(at(10), &PATIENCE), Some(Overdue::Head { begun: false }));
    }

    #[test]
    fn a_later_head_has_its_time_from_its_first_byte() {
        let (connection, watch) = opened();
        connection.begin_request();
        assert_eq!(connection.judge(at(500), &PATIENCE), None, "whoever waits for an answer is not late");
        watch.set_now(at(500));
        connection.end_request(Rest::None);
        watch.set_now(at(570));
        connection.read_some();
        connection.read_some();
        assert_eq!(connection.judge(at(579), &PATIENCE), None);
        assert_eq!(connection.judge(at(580), &PATIENCE), Some(Overdue::Head { begun: true }));
    }

    #[test]
    fn what_is_left_of_a_body_is_no_head() {
        let (connection, _) = opened();
        connection.begin_request();
        connection.end_request(Rest::MayCome);
        connection.read_some();
        assert_eq!(connection.judge(at(84), &PATIENCE), None);
        assert_eq!(connection.judge(at(85), &PATIENCE), Some(Overdue::Idle));
    }

    #[test]
    fn whoever_was_told_that_its_body_is_late_is_let_go() {
        let (connection, watch) = opened();
        connection.begin_request();
        watch.set_now(at(30));
        connection.end_request(Rest::GivenUp);
        connection.read_some();
        assert_eq!(connection.judge(at(30), &PATIENCE), None);
        assert_eq!(connection.judge(at(31), &PATIENCE), Some(Overdue::Idle));
    }

    #[test]
    fn a_pong_is_no_head() {
        let (connection, _) = opened();
        connection.speaks(Speaks::Http2);
        connection.begin_request();
        connection.end_request(Rest::None);
        connection.read_some();
        assert_eq!(connection.judge(at(84), &PATIENCE), None);
        assert_eq!(connection.judge(at(85), &PATIENCE), Some(Overdue::Idle));
    }

    #[test]
    fn a_server_that_stops_waits_for_answers_only() {
        let (connection, watch) = opened();
        connection.speaks(Speaks::Http2);
        connection.begin_request();
        watch.stop();
        assert_eq!(connection.judge(at(1), &PATIENCE), None);
        connection.end_request(Rest::None);
        assert_eq!(connection.judge(at(1), &PATIENCE), Some(Overdue::Idle));
    }

    #[test]
    fn an_answer_must_be_taken_little_by_little() {
        let (connection, watch) = opened();
        connection.begin_request();
        connection.cannot_write();
        watch.set_now(at(20));
        connection.cannot_write();
        assert_eq!(connection.judge(at(30), &PATIENCE), Some(Overdue::Answer));
        connection.wrote_some();
        assert_eq!(connection.judge(at(30), &PATIENCE), None);
        connection.cannot_write();
        assert_eq!(connection.judge(at(49), &PATIENCE), None);
        assert_eq!(connection.judge(at(50), &PATIENCE), Some(Overdue::Answer));
    }
}
