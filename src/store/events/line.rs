//! One line of the log for each event, in the field names of the Elastic Common Schema.

use crate::domain::event::{Event, Happening, Severity};
use serde_json::Value;

/// Tells the log of an event.
pub fn log(event: &Event) {
    let detail = event.happening.detail();
    let detail_text = Value::Object(detail.clone()).to_string();
    macro_rules! write {
        ($level:ident) => {
            tracing::$level!(
                target: "gatewright::event",
                {
                    event.action = event.happening.kind().name,
                    event.id = event.id,
                    event.outcome = outcome(&event.happening),
                    user.id = text(&detail, "subject"),
                    source.ip = event.request.address.as_deref(),
                    user_agent.device.name = event.request.device.map(|device| device.as_str()),
                    gatewright.client_id = text(&detail, "client_id"),
                    gatewright.detail = detail_text.as_str()
                },
                "event"
            )
        };
    }
    match event.happening.kind().severity {
        Severity::Info | Severity::Notice => write!(info),
        Severity::Warning => write!(warn),
        Severity::Critical => write!(error),
    }
}

fn text<'d>(detail: &'d serde_json::Map<String, Value>, name: &str) -> Option<&'d str> {
    detail.get(name).and_then(Value::as_str)
}

/// `success`, `failure` or `unknown`, as ECS has it.
fn outcome(happening: &Happening) -> &'static str {
    match happening {
        Happening::LoginFailed { .. }
        | Happening::LoginThrottled { .. }
        | Happening::ConsentRefused { .. }
        | Happening::AuthorizationRefused { .. }
        | Happening::CodeReplayed { .. }
        | Happening::TokenRefused { .. }
        | Happening::RefreshReplayed { .. }
        | Happening::ClientAuthenticationFailed { .. }
        | Happening::KeyRejected { .. }
        | Happening::PolicyRefused { .. }
        | Happening::AccessRefused { .. }
        | Happening::RequestRefused { .. }
        | Happening::RequestFailed { .. }
        | Happening::NotifierFailed { .. } => "failure",
        Happening::AccessDecided { decision, .. } => match decision {
            crate::domain::event::Decision::Allow => "success",
            _ => "failure",
        },
        Happening::ClockSkew { .. }
        | Happening::ForwardedUntrusted { .. }
        | Happening::EventsLost { .. }
        | Happening::DecisionsLost { .. }
        | Happening::AlertOpened { .. } => "unknown",
        _ => "success",
    }
}
