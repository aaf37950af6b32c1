//! Traces: the spans of requests and of store calls, for an OpenTelemetry collector (OTLP over HTTP).
//!
//! Owns the layer that makes OpenTelemetry's spans of ours, the queue, and the client that delivers them from a thread of
//! its own. Whoever ends a span never waits: a span that finds the queue full is dropped. Without a collector in the
//! configuration none of this exists, and a span costs one comparison.

mod client;
mod count;
mod layer;

use std::{fmt, sync::Arc, time::Duration};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor as _},
};
use tracing_subscriber::{Layer, registry::LookupSpan};

use crate::config::TracesConfig;
use client::Collector;
pub use count::SpanCounts;
use count::{CountedExporter, CountedProcessor};
use layer::SpanLayer;

/// The target of spans that are part of a trace.
pub(super) const TARGET: &str = "gatewright::trace";
/// Spans that wait for the collector; more are dropped, and counted.
const QUEUE: usize = 4_096;
/// Spans sent at once.
const BATCH: usize = 512;
/// A span waits at most so long for others to be sent with.
const DELAY: Duration = Duration::from_secs(2);
/// How long the collector may take for a batch, retries included.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why traces can't be recorded.
#[derive(Debug)]
pub enum TracesError {
    /// The exporter refuses its settings, those of `OTEL_…` variables included.
    Exporter(ExporterBuildError),
    /// The client that delivers them can't be made.
    Client(String),
}

impl fmt::Display for TracesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exporter(error) => write!(
                f,
                "traces can't be exported: {error}; correct traces.endpoint and the OTEL_ variables, or remove them"
            ),
            Self::Client(what) => write!(f, "traces can't be exported: {what}"),
        }
    }
}

/// Delivers what waits when it is dropped, for as long as it was given.
#[must_use = "waiting spans are lost without it"]
pub(super) struct Flush {
    processor: Arc<CountedProcessor<BatchSpanProcessor>>,
    counts: Arc<SpanCounts>,
    patience: Duration,
}

impl Flush {
    /// What became of spans.
    pub fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        if self.processor.shutdown_with_timeout(self.patience).is_err() {
            tracing::warn!("the last spans were not delivered to the collector in time");
        }
    }
}

/// The layer that records, if a collector is configured. It flushes for `patience` at the end.
pub(super) fn start<S>(
    config: &TracesConfig,
    patience: Duration,
) -> Result<Option<(impl Layer<S> + Send + Sync + use<S>, Flush)>, TracesError>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(endpoint) = &config.endpoint else {
        return Ok(None);
    };
    let collector = Collector::new(endpoint, PATIENCE).map_err(TracesError::Client)?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(PATIENCE)
        .build()
        .map_err(TracesError::Exporter)?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let counts = Arc::<SpanCounts>::default();
    let exporter = CountedExporter::new(exporter, Arc::clone(&counts));
    let queue = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    let mut processor = CountedProcessor::new(queue, QUEUE, Arc::clone(&counts));
    let version = env!("CARGO_PKG_VERSION");
    let resource = Resource::builder()
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", version))
        .build();
    processor.set_resource(&resource);
    let processor = Arc::new(processor);
    let flush = Flush {
        processor: Arc::clone(&processor),
        counts,
        patience,
    };
    let scope = InstrumentationScope::builder("gatewright")
        .with_version(version)
        .build();
    Ok(Some((SpanLayer::new(processor, scope), flush)))
}
