//! Looks at all connections of one worker, again and again, for those that are overdue.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use metrics::Gauge;

use super::{Connection, Patience};
use crate::limits::{Limit, Limits};

/// How often within the shortest limit there is a look.
const LOOKS: u32 = 8;
/// There is a look at least as often as this.
const INTERVAL_MAX: Duration = Duration::from_secs(1);
/// There is no look more often than this.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The connections of one worker.
pub(crate) struct Watch {
    now: Cell<Duration>,
    interval: Duration,
    patience: Patience,
    head_time_max: Duration,
    share: usize,
    open: Cell<usize>,
    connections: RefCell<Vec<Weak<Connection>>>,
    looks: Cell<bool>,
    stops: Cell<bool>,
    gauge: Gauge,
}

impl Watch {
    /// Of a worker that has `share` connections at most.
    pub(crate) fn new(limits: &Limits, share: usize) -> Rc<Self> {
        let shortest = limits.head_time_max.min(limits.answer_time_max).min(limits.keep_alive_time_max);
        let interval = (shortest / LOOKS).clamp(INTERVAL_MIN, INTERVAL_MAX);
        Rc::new(Self {
            now: Cell::new(Duration::ZERO),
            interval,
            // The time that connections know is that of the last look, so it may be an interval older than it is.
            patience: Patience {
                head: limits.head_time_max + interval,
                idle: limits.keep_alive_time_max + limits.head_time_max + interval,
                answer: limits.answer_time_max + interval,
            },
            head_time_max: limits.head_time_max,
            share,
            open: Cell::new(0),
            connections: RefCell::new(Vec::new()),
            looks: Cell::new(false),
            stops: Cell::new(false),
            gauge: metrics::gauge!("purser_http_connections"),
        })
    }

    /// The time of the last look, from the start of this watch on.
    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    /// How long a head may take, as clients are told.
    pub(super) fn head_time_max(&self) -> Duration {
        self.head_time_max
    }

    #[cfg(test)]
    pub(super) fn set_now(&self, now: Duration) {
        self.now.set(now);
    }

    /// Takes on a connection that was opened just now.
    pub(super) fn opened(self: &Rc<Self>) -> Rc<Connection> {
        if !self.looks.replace(true) {
            actix_web::rt::spawn(look_again_and_again(Rc::downgrade(self), self.interval));
        }
        self.open.set(self.open.get() + 1);
        if self.share <= self.open.get() {
            Limit::Connections.count();
        }
        self.gauge.increment(1.0);
        let connection = Rc::new(Connection::new(Rc::clone(self)));
        self.connections.borrow_mut().push(Rc::downgrade(&connection));
        connection
    }

    /// Notes that a connection was closed.
    pub(super) fn closed(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.gauge.decrement(1.0);
    }

    /// Lets connections of HTTP/2 go that nothing is asked on: the server beneath closes those of HTTP/1 when it stops, but waits
    /// for these.
    pub(super) fn stop(&self) {
        self.stops.set(true);
        self.look(self.now.get());
    }

    /// Whether the server stops.
    pub(super) fn stops(&self) -> bool {
        self.stops.get()
    }

    fn look(&self, now: Duration) {
        self.now.set(now);
        self.connections.borrow_mut().retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            connection.look(now, &self.patience);
            true
        });
    }
}

async fn look_again_and_again(watch: Weak<Watch>, interval: Duration) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(interval).await;
        match watch.upgrade() {
            Some(watch) => watch.look(started.elapsed()),
            None => return,
        }
    }
}
