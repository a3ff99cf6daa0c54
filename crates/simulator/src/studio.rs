//! The studios' own servers, which are told of events and answer as the weather is, and how a process tells them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::audit_log::AuditId;
use domain::players::PlayerId;
use domain::webhooks::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, Courier, Dialect, EndpointId, EndpointUrl, Outbox,
    OutboxEventId, Prepared, Sealed, TakeDue, TargetRefused, Unreadable, Vault, Verdict, open_secrets, prepare,
};

use crate::chaos::Chaos;
use crate::process::Process;

/// For how long a process has what it took for itself.
const LEASE: Duration = Duration::from_secs(30);

/// What the studios have heard.
#[derive(Clone)]
pub(crate) struct Studio {
    chaos: Chaos,
    heard: Arc<Mutex<BTreeSet<(EndpointId, OutboxEventId)>>>,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Studio {
    pub(crate) fn new(chaos: Chaos) -> Self {
        Self { chaos, heard: Arc::default(), complaints: Arc::default() }
    }

    /// All that was heard: which endpoint, of which event.
    pub(crate) fn heard(&self) -> BTreeSet<(EndpointId, OutboxEventId)> {
        self.lock().clone()
    }

    /// The first thing that a studio could not make sense of.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// Takes what is due of `process`, and tells it, once.
    pub(crate) async fn tell(&self, process: &Process) {
        let now = process.now();
        let ask = TakeDue {
            now,
            until: now.plus(LEASE),
            claim: ClaimId(process.ids.next(now)),
            per_endpoint: 10,
            held: Default::default(),
            limit: 20,
        };
        let Ok(assignments) = process.store.take_due(&ask).await else { return };
        for assignment in assignments {
            let report = self.attempt(process, &assignment).await;
            self.chaos.pause().await;
            let recorded = process.store.record(std::slice::from_ref(&report)).await;
            // A report whose reply was lost is sent again, and so is at times one that was not lost.
            if recorded.is_err() || self.chaos.dice.chance(self.chaos.weather().refusals / 4) {
                drop(process.store.record(&[report]).await);
            }
        }
    }

    async fn attempt(&self, process: &Process, assignment: &Assignment) -> AttemptReport {
        let Assignment { endpoint, event, .. } = assignment;
        let (at, number) = (process.now(), assignment.attempts.saturating_add(1));
        let player = event.player.as_ref().map(|(player, _)| *player);
        let outcome = match open_secrets(self, endpoint, player, at) {
            Ok(open) => {
                let prepared = prepare(assignment, number, &open, at);
                let names_it = prepared.body.contains(&event.id.0.to_string());
                if endpoint.dialect == Dialect::Json && !names_it {
                    self.complain(format!("event {} was told under another id", event.id.0));
                }
                self.deliver(&endpoint.url, prepared).await.0
            }
            Err(unreadable) => AttemptOutcome::Failed { error: unreadable.to_string() },
        };
        let verdict = Verdict::of(&outcome, assignment.tries.saturating_add(1), process.now(), 0);
        if verdict == Verdict::Delivered {
            self.lock().insert((endpoint.id, event.id));
        }
        AttemptReport {
            realm: event.realm.id,
            endpoint: endpoint.id,
            delivery: assignment.delivery,
            claim: assignment.claim,
            attempt: Attempt { number, at, took: Duration::from_millis(3), outcome },
            verdict,
            was_failing: endpoint.failing_since.is_some(),
            audit: AuditId(process.ids.next(at)),
        }
    }

    fn complain(&self, complaint: String) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(EndpointId, OutboxEventId)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Courier for Studio {
    async fn check(&self, _url: &EndpointUrl) -> Result<(), TargetRefused> {
        Ok(())
    }

    async fn deliver(&self, _url: &EndpointUrl, _prepared: Prepared) -> (AttemptOutcome, Duration) {
        self.chaos.pause().await;
        let refuses = self.chaos.dice.chance(self.chaos.weather().refusals);
        let outcome = if refuses && self.chaos.dice.chance(50) {
            AttemptOutcome::Failed { error: "timed out".to_owned() }
        } else {
            let status = if refuses { 503 } else { 204 };
            AttemptOutcome::Answered { status, body: String::new(), retry_after: None }
        };
        (outcome, Duration::from_millis(3))
    }
}

impl Vault for Studio {
    fn seal(&self, _endpoint: EndpointId, secret: &str, _nonce: [u8; 24]) -> Sealed {
        Sealed(secret.as_bytes().to_vec())
    }

    fn open(&self, _endpoint: EndpointId, sealed: &Sealed) -> Result<String, Unreadable> {
        String::from_utf8(sealed.0.clone()).map_err(|_| Unreadable)
    }

    fn token(&self, endpoint: EndpointId, player: PlayerId) -> String {
        format!("{}-{}", endpoint.0, player.0)
    }
}
