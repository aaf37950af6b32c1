//! What an operator reads of an attack: a warning that bears the request's id, once it has happened.

use crate::support::TestApp;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One line of the log.
#[derive(Clone, Debug)]
struct Line {
    level: Level,
    event: String,
    request_id: Option<String>,
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Line>>>);

/// The value of one field.
struct Named<'a>(&'a str, Option<String>);

impl Visit for Named<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == self.0 {
            self.1 = Some(format!("{value:?}"));
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == self.0 {
            self.1 = Some(value.to_owned());
        }
    }
}

struct RequestId(String);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Heard {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Named("request_id", None);
        attributes.record(&mut found);
        if let (Some(value), Some(span)) = (found.1, context.span(id)) {
            span.extensions_mut().insert(RequestId(value));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut found = Named("event.action", None);
        event.record(&mut found);
        let Some(name) = found.1 else { return };
        let request_id = context.event_scope(event).and_then(|mut scope| {
            scope.find_map(|span| span.extensions().get::<RequestId>().map(|id| id.0.clone()))
        });
        self.0.lock().unwrap().push(Line {
            level: *event.metadata().level(),
            event: name,
            request_id,
        });
    }
}

async fn a_replay_is_a_warning_that_names_its_request(app: TestApp) {
    app.with_ada_and_web().await;
    let heard = Heard::default();
    let subscriber = tracing_subscriber::registry().with(heard.clone());
    // While there is one subscriber only, a line that another thread logs first counts as wanted by nobody.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _listening = tracing::subscriber::set_default(subscriber);

    let code = app.code("web", "openid offline_access").await;
    let tokens = app.redeem("web", &code).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    app.refresh("web", refresh).await.json();
    app.advance(60);
    let replayed_refresh = app.refresh("web", refresh).await;
    let code = app.code("web", "openid offline_access").await;
    app.redeem("web", &code).await.json();
    let replayed_code = app.redeem("web", &code).await;

    let lines = heard.0.lock().unwrap().clone();
    for (event, answer) in [
        ("refresh_replayed", &replayed_refresh),
        ("code_replayed", &replayed_code),
    ] {
        assert_eq!(answer.status, 400);
        let of_it: Vec<&Line> = lines.iter().filter(|line| line.event == event).collect();
        let [line] = of_it.as_slice() else {
            panic!("{event}: {lines:?}");
        };
        assert_eq!(line.level, Level::WARN, "{event}");
        let id = answer.headers["x-request-id"].to_str().unwrap();
        assert_eq!(line.request_id.as_deref(), Some(id), "{event}");
    }
    let login = lines
        .iter()
        .find(|line| line.event == "login_succeeded")
        .unwrap();
    assert_eq!(login.level, Level::INFO);
    assert!(login.request_id.is_some());
}

#[tokio::test]
async fn a_replay_is_a_warning_that_names_its_request_sqlite() {
    a_replay_is_a_warning_that_names_its_request(TestApp::sqlite().await).await;
}

#[tokio::test]
async fn a_replay_is_a_warning_that_names_its_request_postgres() {
    if let Some(app) = TestApp::postgres().await {
        a_replay_is_a_warning_that_names_its_request(app).await;
    }
}
