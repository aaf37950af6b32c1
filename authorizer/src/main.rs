//! The Lambda function: reads the policy file, then answers one event at a time.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gatewright_authorizer::fetch::{SystemClock, unix_now};
use gatewright_authorizer::jwks::Clock;
use gatewright_authorizer::trace::TraceParent;
use gatewright_authorizer::{
    Authorizer, AuthorizerError, Decided, Observer, Policy, Verifier, emf,
};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where the policy file is.
const POLICY_VARIABLE: &str = "GATEWRIGHT_POLICY";
/// The function's name; Lambda sets it.
const FUNCTION_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// `emf`, which is the default, or `off`.
const METRICS_VARIABLE: &str = "GATEWRIGHT_METRICS";

fn main() -> ExitCode {
    init_log();
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the authorizer doesn't start");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock enters here")]
fn start() -> Result<(), String> {
    let authorizer = Arc::new(authorizer()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no async runtime: {error}"))?;
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let authorizer = Arc::clone(&authorizer);
        async move {
            let header = event.context.xray_trace_id.as_deref();
            let trace = header.and_then(TraceParent::from_x_ray);
            let trace_id = trace.map(|trace| trace.trace_id);
            authorizer
                .answer_traced(&event.payload, unix_now(), trace_id)
                .await
                .map_err(Failure)
        }
    });
    runtime
        .block_on(lambda_runtime::run(handler))
        .map_err(|error| format!("the Lambda runtime failed: {error}"))
}

/// Refuses to start without a sound policy: an authorizer that guards nothing would look like one that works.
fn authorizer() -> Result<Authorizer, String> {
    let path = std::env::var(POLICY_VARIABLE)
        .map_err(|_| format!("{POLICY_VARIABLE} is not set; set it to the path of the policy file in the deployment package"))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("the policy file {path} can't be read: {error}; put it into the package or correct {POLICY_VARIABLE}"))?;
    let policy = Policy::parse(&text)
        .map_err(|error| format!("the policy file {path} can't be used: {error}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let directory = Path::new(&path).parent().unwrap_or(Path::new(""));
    let verifier = Verifier::over_http(policy.issuers(), directory, &clock)
        .map_err(|error| error.to_string())?;
    let authorizer = Authorizer::new(policy, verifier).timed_by(clock);
    let metrics = std::env::var(METRICS_VARIABLE).unwrap_or_default();
    match metrics.as_str() {
        "" | "emf" => {
            let function = std::env::var(FUNCTION_VARIABLE).ok();
            Ok(authorizer.observed_by(Arc::new(Emf {
                function: function.filter(|name| !name.is_empty()),
            })))
        }
        "off" => Ok(authorizer),
        other => Err(format!(
            "{METRICS_VARIABLE} is {other:?}; set it to emf or off, or remove it, which is emf"
        )),
    }
}

/// Writes one line a call, as it stands, for `CloudWatch Logs` to make metrics of.
struct Emf {
    function: Option<String>,
}

impl Observer for Emf {
    #[expect(clippy::disallowed_methods, reason = "the clock enters here")]
    fn decided(&self, decided: &Decided) {
        let source = emf::Source {
            service: "authorizer",
            function: self.function.as_deref(),
        };
        let mut line = emf::of_decision(source, decided, unix_now().saturating_mul(1000));
        line.push('\n');
        // Nobody can be told that standard output is gone.
        let _ = io::stdout().lock().write_all(line.as_bytes());
    }
}

/// JSON lines on standard output. `AWS_LAMBDA_LOG_LEVEL` sets our level; the runtime's own crates stay at `info` or
/// above, because their traces hold whole events, tokens included.
fn init_log() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let ours = match level.as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "warn" => LevelFilter::WARN,
        "error" | "fatal" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    // The prefix stands for the library too.
    let levels = Targets::new()
        .with_default(ours.min(LevelFilter::INFO))
        .with_target("gatewright", ours)
        .with_target("bootstrap", ours);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_current_span(false)
        .with_span_list(false);
    tracing_subscriber::registry()
        .with(lines.with_filter(levels))
        .init();
}

/// An error as the runtime reports it: a type to filter by, and exactly the text that API Gateway looks for.
#[derive(Debug)]
struct Failure(AuthorizerError);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        let error_type = match error {
            AuthorizerError::Unauthorized(_) => "Gatewright.Unauthorized",
            AuthorizerError::Fault(_) => "Gatewright.Fault",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
