//! Metrics: which there are, and what is counted of webhooks and lobbies.

use std::time::Duration;

use anyhow::Context;
use domain::clock::Timestamp;
use domain::lobbies::{LobbyObserver, LobbyTransition};
use domain::store::{StoreError, causes};
use domain::tenancy::RealmId;
use domain::webhooks::{DisabledReason, Endpoint, OutboxLag, Verdict};
use limiter::RedisObserver;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use outbound::{Attempted, DispatchObserver, DispatchWork};
use persistence::{RetryCause, StoreObserver};

use crate::invariants;
use crate::lanes::{ECONOMY, PLAY};

/// Sizes of batches: powers of two up to the largest batch.
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What can become of a webhook attempt.
const VERDICTS: [&str; 4] = ["delivered", "retry", "exhausted", "gone"];

/// Seconds from a request's first byte parsed to its answer.
const SECONDS_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Starts collecting metrics; the handle renders them.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("purser_batch_commands".to_owned()), &BATCH_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full("purser_http_request_seconds".to_owned()), &SECONDS_BUCKETS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Prefix("purser_webhook_".to_owned()), &SECONDS_BUCKETS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full("purser_batch_seconds".to_owned()), &SECONDS_BUCKETS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Prefix("purser_sqlite_checkpoint".to_owned()), &SECONDS_BUCKETS)
        })
        .context("cannot set up metrics")?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("metrics were started twice"))?;
    describe();
    register();
    Ok(handle)
}

/// Says what each metric means.
fn describe() {
    metrics::describe_histogram!("purser_batch_commands", "Commands settled in one transaction, by kind of lane");
    metrics::describe_histogram!("purser_batch_seconds", "Time to settle and store a batch, by kind of lane");
    metrics::describe_counter!("purser_batches_failed_total", "Batches whose outcome is unknown, by kind and cause");
    metrics::describe_gauge!("purser_build_info", "1, with the version of this program");
    metrics::describe_gauge!("purser_http_connections", "Connections that are open");
    metrics::describe_histogram!("purser_http_request_seconds", "Time to answer a request, by route");
    metrics::describe_counter!("purser_http_requests_total", "Requests answered, by method, route and status");
    metrics::describe_counter!("purser_invariant_accounts_checked_total", "Accounts checked against their entries");
    metrics::describe_gauge!(
        "purser_invariant_last_check_timestamp_seconds",
        "When accounts were checked last; 0 when never yet"
    );
    metrics::describe_gauge!("purser_invariant_violations", "Accounts that do not add up, by what is wrong first");
    metrics::describe_counter!("purser_limit_refusals_total", "Requests and connections that met a limit, by which");
    metrics::describe_counter!("purser_lobby_transitions_total", "Lobbies that moved on, by what they are since");
    metrics::describe_counter!("purser_outbox_failures_total", "Times that the store failed the dispatcher, by work");
    metrics::describe_gauge!("purser_outbox_oldest_due_seconds", "For how long the oldest of those has been due");
    metrics::describe_gauge!(
        "purser_outbox_pending",
        "Deliveries of enabled endpoints that wait and events without deliveries, in all processes, up to 100,000 each"
    );
    metrics::describe_gauge!("purser_queue_capacity", "Writes that may wait, by kind of lane");
    metrics::describe_gauge!("purser_queue_waiting", "Writes that wait to be settled, by kind of lane");
    metrics::describe_counter!("purser_rate_limited_total", "Calls refused because a budget was spent, by bucket");
    metrics::describe_gauge!(
        "purser_rate_limiter_fallback",
        "1 while Redis is away and this process counts for itself"
    );
    metrics::describe_counter!("purser_spans_lost_total", "Spans that the collector did not take");
    metrics::describe_counter!("purser_spans_sent_total", "Spans that the collector took");
    metrics::describe_counter!("purser_sqlite_busy_total", "Statements that waited in vain for another process");
    metrics::describe_histogram!("purser_sqlite_checkpoint_seconds", "Time to copy the log into the database file");
    metrics::describe_gauge!("purser_sqlite_file_bytes", "Size of the database file");
    metrics::describe_gauge!("purser_sqlite_log_bytes", "Size of the write-ahead log");
    metrics::describe_gauge!("purser_store_connections", "Connections to the store, by pool and state");
    metrics::describe_gauge!("purser_store_connections_max", "The most connections that a pool may have");
    metrics::describe_gauge!("purser_store_connections_waiting", "Callers that wait for a connection, by pool");
    metrics::describe_counter!("purser_store_retries_total", "Transactions that were attempted once more, by cause");
    metrics::describe_gauge!("purser_store_up", "Whether the store answers and its schema is current");
    metrics::describe_histogram!(
        "purser_webhook_attempt_seconds",
        "Time that a webhook attempt took, by what became of it"
    );
    metrics::describe_counter!("purser_webhook_attempts_total", "Webhook attempts, by what became of the delivery");
    metrics::describe_counter!("purser_webhook_endpoints_disabled_total", "Endpoints that were disabled, by why");
    metrics::describe_histogram!("purser_webhook_lag_seconds", "From an event to its first attempt");
    metrics_process::Collector::default().describe();
}

/// Makes known what has not happened yet, so that a rate of it can be told from its first time on.
fn register() {
    metrics::gauge!("purser_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for kind in [ECONOMY, PLAY] {
        let _ = metrics::histogram!("purser_batch_commands", "kind" => kind);
        let _ = metrics::histogram!("purser_batch_seconds", "kind" => kind);
        for cause in ["store", "panic"] {
            metrics::counter!("purser_batches_failed_total", "kind" => kind, "cause" => cause).increment(0);
        }
    }
    for cause in RetryCause::ALL {
        metrics::counter!("purser_store_retries_total", "cause" => cause.as_str()).increment(0);
    }
    for verdict in VERDICTS {
        metrics::counter!("purser_webhook_attempts_total", "verdict" => verdict).increment(0);
        let _ = metrics::histogram!("purser_webhook_attempt_seconds", "verdict" => verdict);
    }
    let _ = metrics::histogram!("purser_webhook_lag_seconds");
    for reason in DisabledReason::ALL {
        metrics::counter!("purser_webhook_endpoints_disabled_total", "reason" => reason.as_str()).increment(0);
    }
    for work in DispatchWork::ALL {
        metrics::counter!("purser_outbox_failures_total", "work" => work.as_str()).increment(0);
    }
    for to in ["active", "closed"] {
        metrics::counter!("purser_lobby_transitions_total", "to" => to).increment(0);
    }
    metrics::gauge!("purser_http_connections").set(0.0);
    metrics::counter!("purser_limit_refusals_total", "limit" => "queue").increment(0);
    metrics::counter!("purser_rate_limited_total", "bucket" => "server_api").increment(0);
    metrics::gauge!("purser_rate_limiter_fallback").set(0.0);
    metrics::counter!("purser_spans_sent_total").increment(0);
    metrics::counter!("purser_spans_lost_total").increment(0);
    metrics::gauge!("purser_outbox_pending").set(0.0);
    metrics::gauge!("purser_outbox_oldest_due_seconds").set(0.0);
    invariants::register();
}

/// Makes known what only an embedded store does.
pub(crate) fn register_embedded() {
    metrics::counter!("purser_sqlite_busy_total").increment(0);
    let _ = metrics::histogram!("purser_sqlite_checkpoint_seconds");
}

/// Shows whether the store can be used.
pub(crate) fn show_health(health: &Result<(), StoreError>) {
    metrics::gauge!("purser_store_up").set(if health.is_ok() { 1.0 } else { 0.0 });
    if let Err(error) = health {
        tracing::warn!(cause = %causes(error), "the store cannot be used");
    }
}

impl StoreObserver for Observer {
    fn retried(&self, cause: RetryCause) {
        metrics::counter!("purser_store_retries_total", "cause" => cause.as_str()).increment(1);
    }

    fn busy(&self) {
        metrics::counter!("purser_sqlite_busy_total").increment(1);
    }

    fn checkpointed(&self, took: Duration) {
        metrics::histogram!("purser_sqlite_checkpoint_seconds").record(took);
    }
}

impl DispatchObserver for Observer {
    fn taken(&self, deliveries: usize) {
        tracing::trace!(deliveries, "deliveries were taken");
    }

    fn attempted(&self, attempted: &Attempted) {
        let Attempted { endpoint, verdict, took, lag, .. } = attempted;
        let became = match verdict {
            Verdict::Delivered => "delivered",
            Verdict::Retry { .. } => "retry",
            Verdict::Exhausted => "exhausted",
            Verdict::Gone => "gone",
        };
        metrics::counter!("purser_webhook_attempts_total", "verdict" => became).increment(1);
        metrics::histogram!("purser_webhook_attempt_seconds", "verdict" => became).record(took.as_secs_f64());
        if let Some(lag) = lag {
            metrics::histogram!("purser_webhook_lag_seconds").record(lag.as_secs_f64());
        }
        tracing::debug!(endpoint = %endpoint.0, verdict = became, "a webhook was attempted");
    }

    fn disabled(&self, _realm: RealmId, endpoint: &Endpoint) {
        let reason = endpoint.disabled.map_or("", |(reason, _)| reason.as_str());
        metrics::counter!("purser_webhook_endpoints_disabled_total", "reason" => reason).increment(1);
        tracing::warn!(endpoint = %endpoint.id.0, reason, "a webhook endpoint was disabled");
    }

    fn failed(&self, work: DispatchWork, cause: &StoreError) {
        metrics::counter!("purser_outbox_failures_total", "work" => work.as_str()).increment(1);
        tracing::warn!(work = work.as_str(), cause = %causes(cause), "the store failed the webhooks; it is tried again");
    }

    fn forgotten(&self, attempts: usize) {
        tracing::warn!(attempts, "what became of webhooks could not be stored; they will be sent again");
    }

    fn panicked(&self, message: &str) {
        metrics::counter!("purser_outbox_failures_total", "work" => "attempt").increment(1);
        tracing::error!(message, "a webhook met a bug; it will be sent again");
    }
}

impl RedisObserver for Observer {
    fn lost(&self, cause: &str) {
        metrics::gauge!("purser_rate_limiter_fallback").set(1.0);
        tracing::warn!(cause, "Redis is away: calls are limited by this process alone until it is back");
    }

    fn found(&self) {
        metrics::gauge!("purser_rate_limiter_fallback").set(0.0);
        tracing::warn!("Redis is there: calls are limited together with other processes");
    }
}

/// Shows how the outbox stands.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric need not be exact")]
pub(crate) fn show_lag(lag: &OutboxLag, now: Timestamp) {
    let oldest = lag.oldest_due_at.map_or(0.0, |due_at| now.since(due_at).as_secs_f64());
    metrics::gauge!("purser_outbox_pending").set(lag.pending as f64);
    metrics::gauge!("purser_outbox_oldest_due_seconds").set(oldest);
}

/// Counts what is delivered and what moves on, and logs what goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observer;

impl LobbyObserver for Observer {
    fn moved(&self, transition: &LobbyTransition) {
        metrics::counter!("purser_lobby_transitions_total", "to" => transition.status.as_str()).increment(1);
        tracing::debug!(lobby = %transition.lobby.0, to = %transition.status, "a lobby moved on");
    }
}
