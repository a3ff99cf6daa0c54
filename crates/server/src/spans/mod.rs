//! Spans of requests and batches, for a collector that speaks OTLP: made when the work is done, and only where the settings name
//! a collector. Never a key, a player or what anybody wrote.
//!
//! A bounded queue leads to a thread that sends them; when it is full, spans are lost and nobody waits.

mod collector;
mod reported;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use domain::clock::Clock;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, ShouldSample, SpanData, SpanEvents, SpanLinks,
    SpanProcessor,
};
use transport::{AnsweredRequest, RequestSpans};

use crate::config::SpanSettings;
use crate::system::{SystemClock, random_bytes};
use collector::Collector;
use reported::Reported;

/// How many spans may wait for the collector: some megabytes.
const WAITING_MAX: usize = 8_192;

/// How many spans are sent at once.
const SENT_AT_ONCE_MAX: usize = 1_024;

/// How often spans are sent when few wait.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// How long the collector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long a stop waits for the last spans to be sent.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Where traces are posted, below the address of a collector.
const TRACES_PATH: &str = "/v1/traces";

/// Sends spans.
#[derive(Debug)]
pub(crate) struct Spans {
    processor: BatchSpanProcessor,
    sampler: Sampler,
    scope: InstrumentationScope,
}

/// What is the same of requests and batches.
struct Work {
    context: SpanContext,
    parent: Option<SpanId>,
    kind: SpanKind,
    name: Cow<'static, str>,
    took: Duration,
    attributes: Vec<KeyValue>,
    failed: bool,
}

impl Spans {
    /// Begins to send spans as `settings` say. Must be called within the runtime that speaks to the collector.
    ///
    /// # Errors
    /// When the system offers no way to trust a collector.
    pub(crate) fn start(settings: &SpanSettings) -> anyhow::Result<Self> {
        let endpoint = settings.endpoint.trim_end_matches('/');
        let url =
            if endpoint.ends_with(TRACES_PATH) { endpoint.to_owned() } else { format!("{endpoint}{TRACES_PATH}") };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(&url, ANSWER_WITHIN)?)
            // What could not be sent is lost: who sends it again and again has less time for what is new.
            .with_retry_policy(RetryPolicy::disabled())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(ANSWER_WITHIN)
            .with_endpoint(url)
            .build()
            .context("cannot set up the export of spans")?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING_MAX)
            .with_max_export_batch_size(SENT_AT_ONCE_MAX)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let mut processor = BatchSpanProcessor::new(Reported::of(exporter), batches);
        let resource = Resource::builder_empty()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        processor.set_resource(&resource);
        let scope = InstrumentationScope::builder("purser").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor, sampler: Sampler::TraceIdRatioBased(settings.sample_ratio), scope })
    }

    /// A batch of so many commands was settled just now, or could not be.
    pub(crate) fn settled(&self, name: &'static str, commands: usize, took: Duration, failed: bool) {
        let random = random_bytes();
        let (trace, span) = (ids_of(random.get(..16)), ids_of(random.get(16..)));
        let trace = TraceId::from_bytes(trace);
        if !self.begins_sampled(trace, name) {
            return;
        }
        let commands = i64::try_from(commands).unwrap_or(i64::MAX);
        self.send(Work {
            context: context(trace, SpanId::from_bytes(span)),
            parent: None,
            kind: SpanKind::Internal,
            name: name.into(),
            took,
            attributes: vec![KeyValue::new("purser.batch.commands", commands)],
            failed,
        });
    }

    /// Sends what waits, and ends. Waits a little for a collector that does not answer.
    pub(crate) fn close(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(FLUSH_WITHIN) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }

    /// Whether a trace that begins here is recorded.
    fn begins_sampled(&self, trace: TraceId, name: &str) -> bool {
        let sampling = self.sampler.should_sample(None, trace, name, &SpanKind::Server, &[], &[]);
        matches!(sampling.decision, SamplingDecision::RecordAndSample)
    }

    fn send(&self, work: Work) {
        let Work { context, parent, kind, name, took, attributes, failed } = work;
        let ended_us = u64::try_from(SystemClock.now().unix_micros()).unwrap_or(0);
        let end_time = SystemTime::UNIX_EPOCH + Duration::from_micros(ended_us);
        self.processor.on_end(SpanData {
            span_context: context,
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: parent.is_some(),
            span_kind: kind,
            name,
            start_time: end_time.checked_sub(took).unwrap_or(end_time),
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

impl RequestSpans for Spans {
    fn answered(&self, request: &AnsweredRequest<'_>) -> bool {
        let trace = TraceId::from_bytes(request.context.trace_id);
        let is_sampled = request.context.sampled_by_caller();
        if !is_sampled.unwrap_or_else(|| self.begins_sampled(trace, request.route)) {
            return false;
        }
        let mut attributes = vec![
            KeyValue::new("http.request.method", request.method),
            KeyValue::new("http.route", request.route),
            KeyValue::new("http.response.status_code", i64::from(request.status)),
            KeyValue::new("purser.request_id", request.request_id.to_owned()),
        ];
        if let Some((realm, permissions)) = request.caller {
            attributes.push(KeyValue::new("purser.realm", realm.0));
            attributes.push(KeyValue::new("purser.permission_set", permissions.as_str()));
        }
        self.send(Work {
            context: context(trace, SpanId::from_bytes(request.context.span_id)),
            parent: request.context.parent_id.map(SpanId::from_bytes),
            kind: SpanKind::Server,
            name: format!("{} {}", request.method, request.route).into(),
            took: request.took,
            attributes,
            failed: 500 <= request.status,
        });
        true
    }
}

/// Of a span that is recorded.
fn context(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn ids_of<const LENGTH: usize>(random: Option<&[u8]>) -> [u8; LENGTH] {
    random.and_then(|bytes| bytes.try_into().ok()).unwrap_or([1; LENGTH])
}
