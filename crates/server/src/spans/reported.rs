//! What becomes of spans: counted, and a collector that does not take them is logged, but not every time.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// How often at most it is logged that spans are lost.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Sends spans and says how that goes.
#[derive(Debug)]
pub(super) struct Reported {
    exporter: Otlp,
    last_logged: Mutex<Option<Instant>>,
}

impl Reported {
    /// Of what `exporter` sends.
    pub(super) fn of(exporter: Otlp) -> Self {
        Self { exporter, last_logged: Mutex::new(None) }
    }

    /// Whether it is time to log again.
    fn may_log(&self) -> bool {
        let mut last = self.last_logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = last.is_none_or(|last| LOG_EVERY <= last.elapsed());
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

impl SpanExporter for Reported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(0);
        let sent = self.exporter.export(batch).await;
        match &sent {
            Ok(()) => metrics::counter!("purser_spans_sent_total").increment(count),
            Err(error) => {
                metrics::counter!("purser_spans_lost_total").increment(count);
                if self.may_log() {
                    tracing::warn!(spans = count, %error, "the collector did not take spans, which are lost");
                }
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};

    #[tokio::test]
    async fn that_spans_are_lost_is_logged_once_a_minute_at_most() {
        let client = super::super::collector::Collector::new("http://127.0.0.1:9", LOG_EVERY).unwrap();
        let otlp = Otlp::builder().with_http().with_http_client(client).with_endpoint("http://127.0.0.1:9").build();
        let reported = Reported::of(otlp.unwrap());
        assert!(reported.may_log());
        assert!(!reported.may_log());
        *reported.last_logged.lock().unwrap() = Instant::now().checked_sub(LOG_EVERY);
        assert!(reported.may_log());
    }
}
