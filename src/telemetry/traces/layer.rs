//! OpenTelemetry's spans, made of ours.
//!
//! The ids of a request's span are made where the request begins, for they are in its log lines and in the headers that
//! it passes on; so they come as fields. (The crate `tracing-opentelemetry` draws them itself, and makes a span of every
//! request before it knows whether that is recorded.) Events are left alone: what is logged is no part of a trace.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks, SpanProcessor,
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::TARGET;

/// Hands every span of a trace to the processor when it ends. It filters nothing: filters of single layers would cost every
/// line of the log.
pub(super) struct SpanLayer<P> {
    processor: Arc<P>,
    scope: InstrumentationScope,
    ids: RandomIdGenerator,
}

impl<P> SpanLayer<P> {
    pub fn new(processor: Arc<P>, scope: InstrumentationScope) -> Self {
        Self {
            processor,
            scope,
            ids: RandomIdGenerator::default(),
        }
    }
}

/// A span under way.
struct Open {
    span: SpanData,
    began: Instant,
}

impl<S, P> Layer<S> for SpanLayer<P>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    P: SpanProcessor + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "a span says when it was")]
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let ours = attributes.metadata().target() == TARGET;
        let Some(span) = context.span(id).filter(|_| ours) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let parent = span.scope().skip(1).find_map(|outer| {
            let extensions = outer.extensions();
            Some(extensions.get::<Open>()?.span.span_context.clone())
        });
        let trace_id = match (fields.trace_id, &parent) {
            (Some(given), _) => TraceId::from(given),
            (None, Some(parent)) => parent.trace_id(),
            (None, None) => return,
        };
        let span_id = fields
            .span_id
            .map_or_else(|| self.ids.new_span_id(), SpanId::from);
        let (parent_span_id, parent_span_is_remote) = match (fields.parent_id, &parent) {
            (Some(given), _) => (SpanId::from(given), true),
            (None, Some(parent)) => (parent.span_id(), false),
            (None, None) => (SpanId::INVALID, false),
        };
        let now = SystemTime::now();
        let open = Open {
            span: SpanData {
                span_context: SpanContext::new(
                    trace_id,
                    span_id,
                    TraceFlags::SAMPLED,
                    false,
                    TraceState::default(),
                ),
                parent_span_id,
                parent_span_is_remote,
                span_kind: fields.kind,
                name: fields.name.map_or(span.name().into(), Cow::Owned),
                start_time: now,
                end_time: now,
                attributes: fields.attributes,
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: fields.status,
                instrumentation_scope: self.scope.clone(),
            },
            began: Instant::now(),
        };
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            open.span.attributes.append(&mut fields.attributes);
            if fields.status != Status::Unset {
                open.span.status = fields.status;
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a span says how long it was")]
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context
            .span(&id)
            .and_then(|span| span.extensions_mut().remove::<Open>());
        if let Some(Open { mut span, began }) = open {
            span.end_time = span.start_time + began.elapsed();
            self.processor.on_end(span);
        }
    }
}

/// A span's fields. Those that aren't attributes have the names that `tracing` users know for them.
struct Fields {
    trace_id: Option<u128>,
    span_id: Option<u64>,
    parent_id: Option<u64>,
    name: Option<String>,
    kind: SpanKind,
    status: Status,
    attributes: Vec<KeyValue>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            trace_id: None,
            span_id: None,
            parent_id: None,
            name: None,
            kind: SpanKind::Internal,
            status: Status::Unset,
            attributes: Vec::new(),
        }
    }
}

impl Fields {
    fn attribute(&mut self, field: &Field, value: impl Into<Value>) {
        if field.name() == "error.type" {
            self.status = Status::error("");
        }
        self.attributes.push(KeyValue::new(field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "otel.name" => self.name = Some(format!("{value:?}")),
            _ => self.attribute(field, format!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match (field.name(), value) {
            ("otel.name", _) => self.name = Some(value.to_owned()),
            ("otel.kind", "server") => self.kind = SpanKind::Server,
            ("otel.kind", "client") => self.kind = SpanKind::Client,
            ("otel.kind", _) => {}
            _ => self.attribute(field, value.to_owned()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attribute(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "span_id" => self.span_id = Some(value),
            "parent_id" => self.parent_id = Some(value),
            _ => self.attribute(field, i64::try_from(value).unwrap_or(i64::MAX)),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match field.name() {
            "trace_id" => self.trace_id = Some(value),
            _ => self.attribute(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attribute(field, value);
    }
}
