//! What becomes of spans. OpenTelemetry's queue drops what it has no room for and tells nobody, so the room is counted here,
//! and what is beyond it never gets there.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};

/// How many spans there were, and what became of them.
#[derive(Debug, Default)]
pub struct SpanCounts {
    waiting: AtomicUsize,
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl SpanCounts {
    /// The collector took so many.
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// The collector didn't take so many, tries included.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// So many found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Hands on no more spans than the queue behind it has room for.
#[derive(Debug)]
pub(super) struct CountedProcessor<P> {
    queue: P,
    room: usize,
    counts: Arc<SpanCounts>,
}

impl<P> CountedProcessor<P> {
    /// Before a queue with this much room, whose exporter is a [`CountedExporter`] with the same counts.
    pub fn new(queue: P, room: usize, counts: Arc<SpanCounts>) -> Self {
        Self {
            queue,
            room,
            counts,
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for CountedProcessor<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let one_more = |waiting| (waiting < self.room).then_some(waiting + 1);
        let waiting = &self.counts.waiting;
        match waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => self.queue.on_end(span),
            Err(_) => drop(self.counts.dropped.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts what it takes out of the queue, and how that went.
#[derive(Debug)]
pub(super) struct CountedExporter<E> {
    next: E,
    counts: Arc<SpanCounts>,
}

impl<E> CountedExporter<E> {
    pub fn new(next: E, counts: Arc<SpanCounts>) -> Self {
        Self { next, counts }
    }
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        let outcome = self.next.export(batch).await;
        let counter = match &outcome {
            Ok(()) => &self.counts.exported,
            Err(_) => &self.counts.failed,
        };
        counter.fetch_add(u64::try_from(spans).unwrap_or(u64::MAX), Ordering::Relaxed);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}
