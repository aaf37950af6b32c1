//! Secrets that are looked for, and the log that is listened to.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatewright::domain::form::encode;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};

/// Every field of every event and span, of whatever level and crate, as it was given.
#[derive(Clone, Default)]
pub struct Everything(pub Arc<Mutex<String>>);

impl Everything {
    fn take(&self, record: impl FnOnce(&mut dyn Visit)) {
        struct Text<'a>(&'a mut String);
        impl Visit for Text<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                let _ = write!(self.0, " {}={value:?}", field.name());
            }
            fn record_str(&mut self, field: &Field, value: &str) {
                let _ = write!(self.0, " {}={value}", field.name());
            }
        }
        let mut text = self.0.lock().unwrap();
        record(&mut Text(&mut text));
        text.push('\n');
    }
}

impl<S: tracing::Subscriber> Layer<S> for Everything {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        self.take(|visit| event.record(visit));
    }
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.take(|visit| attributes.record(visit));
    }
    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.take(|visit| values.record(visit));
    }
}

/// Secrets by name, in every form that they may take.
#[derive(Default)]
pub struct Canaries(Vec<(String, String)>);

impl Canaries {
    /// One more.
    pub fn add(&mut self, name: &str, secret: &str) {
        assert!(
            secret.len() >= 12,
            "{name}: too short to be told from chance"
        );
        let encoded = encode(secret);
        let base64 = STANDARD.encode(secret);
        let forms = [
            secret.to_owned(),
            encoded.clone(),
            encoded.replace("%20", "+"),
            base64.trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        self.0.extend(forms.map(|form| (name.to_owned(), form)));
    }
    /// Fails if one of them lies there.
    #[track_caller]
    pub fn are_not_in(&self, place: &str, text: &str) {
        for (name, form) in &self.0 {
            assert!(!text.contains(form), "{name} lies in {place}: {form:.20}…");
        }
    }
}
