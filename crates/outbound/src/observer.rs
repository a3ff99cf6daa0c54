//! Who is told what the dispatcher does, for metrics and the log. Never told a secret, nor what was sent or answered.

use std::time::Duration;

use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{Endpoint, EndpointId, Verdict};

/// An attempt that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// The realm.
    pub realm: RealmId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// What becomes of the delivery.
    pub verdict: Verdict,
    /// How long the attempt took.
    pub took: Duration,
    /// Of a first attempt: how long after its event it began.
    pub lag: Option<Duration>,
}

/// What of the dispatcher's work the store can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DispatchWork {
    /// Taking what is due.
    Take,
    /// Storing what became of attempts.
    Record,
    /// Storing the events of what time alone did.
    TellExpiries,
    /// Removing what is kept no longer.
    Discard,
}

impl DispatchWork {
    /// All of it.
    pub const ALL: [Self; 4] = [Self::Take, Self::Record, Self::TellExpiries, Self::Discard];

    /// What it is called in a log or a metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Record => "record",
            Self::TellExpiries => "tell_expiries",
            Self::Discard => "discard",
        }
    }
}

/// Is told what the dispatcher does. Called from its loop, so it must not wait.
pub trait DispatchObserver: Send + Sync {
    /// So many deliveries were taken, more than none.
    fn taken(&self, deliveries: usize);

    /// An attempt was made.
    fn attempted(&self, attempted: &Attempted);

    /// An endpoint was disabled by what became of attempts at it.
    fn disabled(&self, realm: RealmId, endpoint: &Endpoint);

    /// The store failed at `work`, which will be tried again. Told of the first failure of several in a row.
    fn failed(&self, work: DispatchWork, cause: &StoreError);

    /// So many attempts were made and could not be recorded: their deliveries will be repeated.
    fn forgotten(&self, attempts: usize);

    /// An attempt met a bug and panicked; its delivery will be repeated.
    fn panicked(&self, message: &str);
}
