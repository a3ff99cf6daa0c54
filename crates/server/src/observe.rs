//! Metrics, and what the lanes report.

use anyhow::Context;
use domain::clock::Timestamp;
use domain::economy::LaneObserver;
use domain::lobbies::{LobbyObserver, LobbyTransition};
use domain::store::{StoreError, causes};
use domain::tenancy::RealmId;
use domain::webhooks::{Endpoint, OutboxLag, Verdict};
use limiter::RedisObserver;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use outbound::{Attempted, DispatchObserver, DispatchWork};

/// Sizes of batches: powers of two up to the largest batch.
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

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
        .context("cannot set up metrics")?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("metrics were started twice"))?;
    metrics::describe_histogram!("purser_batch_commands", "Commands settled in one transaction");
    metrics::describe_counter!("purser_batches_failed_total", "Batches whose outcome is unknown, by cause");
    metrics::describe_gauge!("purser_http_connections", "Connections of clients that are open");
    metrics::describe_counter!(
        "purser_limit_refusals_total",
        "Times that a client met a limit of the server, by limit"
    );
    metrics::describe_histogram!("purser_http_request_seconds", "Time to answer a request, by route");
    metrics::describe_counter!("purser_http_requests_total", "Requests answered, by method, route and status");
    metrics::describe_counter!("purser_rate_limited_total", "Calls refused because a budget was spent, by bucket");
    metrics::describe_gauge!(
        "purser_rate_limiter_fallback",
        "1 while Redis is away and this process counts calls for itself"
    );
    metrics::describe_counter!("purser_lobby_transitions_total", "Lobbies that moved on, by what they are since");
    metrics::describe_histogram!(
        "purser_webhook_attempt_seconds",
        "Time that a webhook attempt took, by what became of it"
    );
    metrics::describe_histogram!("purser_webhook_lag_seconds", "From an event to its first attempt");
    metrics::describe_counter!("purser_webhook_attempts_total", "Webhook attempts, by what became of the delivery");
    metrics::describe_counter!("purser_webhook_endpoints_disabled_total", "Endpoints that were disabled, by why");
    metrics::describe_counter!("purser_outbox_failures_total", "Times that the store failed the dispatcher, by work");
    metrics::describe_gauge!("purser_outbox_pending", "Deliveries of enabled endpoints that wait, in all processes");
    metrics::describe_gauge!("purser_outbox_oldest_due_seconds", "For how long the oldest of those has been due");
    Ok(handle)
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

/// Counts batches, and logs the ones that fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observer;

impl LobbyObserver for Observer {
    fn moved(&self, transition: &LobbyTransition) {
        metrics::counter!("purser_lobby_transitions_total", "to" => transition.status.as_str()).increment(1);
        tracing::debug!(lobby = %transition.lobby.0, to = %transition.status, "a lobby moved on");
    }
}

impl LaneObserver for Observer {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a batch size is far below 2^52")]
    fn settled(&self, commands: usize) {
        metrics::histogram!("purser_batch_commands").record(commands as f64);
    }

    fn failed(&self, commands: usize, cause: &StoreError) {
        metrics::counter!("purser_batches_failed_total", "cause" => "store").increment(1);
        tracing::error!(commands, cause = %causes(cause), "a batch could not be stored; its outcome is unknown");
    }

    fn panicked(&self, commands: usize, message: &str) {
        metrics::counter!("purser_batches_failed_total", "cause" => "panic").increment(1);
        tracing::error!(commands, message, "a batch met a bug; its outcome is unknown");
    }
}
