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

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::{
        InstrumentationScope, SpanId, TraceFlags, TraceId,
        trace::{SpanContext, SpanKind, Status, TraceState},
    };
    use opentelemetry_sdk::{
        error::OTelSdkError,
        trace::{SpanEvents, SpanLinks},
    };
    use std::sync::Mutex;
    use std::time::SystemTime;

    fn span() -> SpanData {
        let (trace, id) = (TraceId::from(1), SpanId::from(1));
        let state = TraceState::default();
        SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, state),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: "GET".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    /// A queue that tells how much it holds.
    #[derive(Debug, Default)]
    struct Queue(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Queue {
        fn on_start(&self, _: &mut Span, _: &Context) {}
        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }
        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }
        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    /// A collector that takes everything, or nothing.
    #[derive(Debug)]
    struct Collector(bool);

    impl SpanExporter for Collector {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            let failed = || OTelSdkError::InternalFailure("no".to_owned());
            self.0.then_some(()).ok_or_else(failed)
        }
    }

    #[tokio::test]
    async fn what_the_queue_has_no_room_for_is_counted_and_never_gets_there() {
        let (held, counts) = (Arc::default(), Arc::<SpanCounts>::default());
        let queue = Queue(Arc::clone(&held));
        let processor = CountedProcessor::new(queue, 3, Arc::clone(&counts));
        let told = || (counts.exported(), counts.failed(), counts.dropped());
        for _ in 0..5 {
            processor.on_end(span());
        }
        assert_eq!((held.lock().unwrap().len(), told()), (3, (0, 0, 2)));

        let batch = held.lock().unwrap().split_off(1);
        let taking = CountedExporter::new(Collector(true), Arc::clone(&counts));
        taking.export(batch).await.unwrap();
        for _ in 0..3 {
            processor.on_end(span());
        }
        assert_eq!((held.lock().unwrap().len(), told()), (3, (2, 0, 3)));

        let batch = std::mem::take(&mut *held.lock().unwrap());
        let refusing = CountedExporter::new(Collector(false), Arc::clone(&counts));
        assert!(refusing.export(batch).await.is_err());
        assert_eq!(told(), (2, 3, 3));
    }
}
