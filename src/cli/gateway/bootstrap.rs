//! Any native `bootstrap`, run as Lambda would: one event at a time, and started again after it ended.

use crate::config::Config;
use crate::http::gateway::runtime_api::{self, Answer, RuntimeApi};
use crate::http::guard::{self, GuardSettings, OwnHosts};
use crate::http::server::{self, ServerSettings};
use gatewright_authorizer::gateway::{Invoke, InvokeError};
use gatewright_authorizer::jwks::BoxFuture;
use gatewright_authorizer::trace::TraceParent;
use serde_json::Value;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// The longest answer that Lambda takes.
const MAX_ANSWER: usize = 6 * 1024 * 1024;
/// A function may wait for its next event for ever, or for as long as matters.
const PATIENCE: Duration = Duration::from_hours(365 * 24);

/// A program that speaks to the Lambda Runtime API.
pub struct Bootstrap(Arc<Function>);

struct Function {
    program: PathBuf,
    policy: Option<PathBuf>,
    patience: Duration,
    running: Mutex<Option<Process>>,
    events: AtomicU64,
}

struct Process {
    child: Child,
    api: Arc<RuntimeApi>,
    server: JoinHandle<()>,
}

/// The child ends with its value.
impl Drop for Process {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Bootstrap {
    /// A program that is started with the first event. It finds the policy file, if there is one, by
    /// `GATEWRIGHT_POLICY`, and may take `patience` for each event.
    pub fn new(program: PathBuf, policy: Option<PathBuf>, patience: Duration) -> Self {
        Self(Arc::new(Function {
            program,
            policy,
            patience,
            running: Mutex::default(),
            events: AtomicU64::new(0),
        }))
    }
}

impl Invoke for Bootstrap {
    fn invoke(&self, event: Value, now: i64) -> BoxFuture<'_, Result<Value, InvokeError>> {
        self.invoke_traced(event, now, None)
    }

    fn invoke_traced(
        &self,
        event: Value,
        now: i64,
        trace: Option<TraceParent>,
    ) -> BoxFuture<'_, Result<Value, InvokeError>> {
        let function = Arc::clone(&self.0);
        // A caller that goes away must not take the process with it.
        let asked = tokio::spawn(async move { function.ask(event, now, trace).await });
        Box::pin(async move {
            let ended = |_| InvokeError::Failed("the invocation was cut short".to_owned());
            asked.await.map_err(ended)?
        })
    }
}

impl Function {
    async fn ask(
        &self,
        event: Value,
        now: i64,
        trace: Option<TraceParent>,
    ) -> Result<Value, InvokeError> {
        let mut running = self.running.lock().await;
        let mut process = match running.take().and_then(Process::if_alive) {
            Some(process) => process,
            None => self.start().await.map_err(InvokeError::Failed)?,
        };
        let id = format!("invocation-{}", self.events.fetch_add(1, Ordering::Relaxed));
        let patience_ms = i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX);
        let deadline = now.saturating_mul(1000).saturating_add(patience_ms);
        let trace = trace.map(TraceParent::to_x_ray);
        let answer = process.api.offer(id, event, deadline, trace);
        let outcome = tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| "the bootstrap dropped the event".to_owned()),
            status = process.child.wait() => Err(status.map_or_else(
                |error| error.to_string(),
                |status| format!("the bootstrap ended by itself ({status}); its log says why"),
            )),
            () = tokio::time::sleep(self.patience) => Err("the bootstrap took too long, and was ended".to_owned()),
        };
        // Without an answer the process is gone, or goes with its value.
        let answer = outcome.map_err(InvokeError::Failed)?;
        *running = Some(process);
        read(answer)
    }

    async fn start(&self) -> Result<Process, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| format!("no port for the runtime API: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let api = Arc::new(RuntimeApi::default());
        let server = serve(listener, address, Arc::clone(&api));
        let folder = self.program.parent().unwrap_or(&self.program);
        let log = std::io::stderr().as_fd().try_clone_to_owned();
        let mut command = Command::new(&self.program);
        command
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "authorizer")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "local-1")
            .env("LAMBDA_TASK_ROOT", folder)
            .env("_HANDLER", "bootstrap")
            // Its standard output is a log that people read.
            .env("GATEWRIGHT_METRICS", "off")
            .stdin(Stdio::null())
            .stdout(log.map_or_else(|_| Stdio::null(), Stdio::from))
            .kill_on_drop(true);
        if let Some(policy) = &self.policy {
            command.env("GATEWRIGHT_POLICY", policy);
        }
        let started = command.spawn();
        match started {
            Ok(child) => {
                tracing::info!(pid = child.id(), "bootstrap started");
                Ok(Process { child, api, server })
            }
            Err(error) => {
                server.abort();
                let program = self.program.display();
                Err(format!(
                    "{program} can't be started ({error}): check that it's built for this machine and executable"
                ))
            }
        }
    }
}

impl Process {
    fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }
}

fn serve(listener: TcpListener, address: SocketAddr, api: Arc<RuntimeApi>) -> JoinHandle<()> {
    let config = Config::default();
    let settings = ServerSettings {
        response_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        ..ServerSettings::new(&config.http)
    };
    let guard = GuardSettings {
        hosts: OwnHosts::of(address, []),
        body_limit: MAX_ANSWER,
        hsts: false,
        ..GuardSettings::new(&config)
    };
    let guarded = guard::layer(guard, runtime_api::router(api));
    tokio::spawn(async move {
        if let Err(error) = server::serve(listener, guarded, settings, pending()).await {
            tracing::error!(%error, "the runtime API ended");
        }
    })
}

fn read(answer: Answer) -> Result<Value, InvokeError> {
    answer.map_err(|error| {
        if error.message == "Unauthorized" {
            return InvokeError::Unauthorized(None);
        }
        let words: String = error.message.chars().take(200).collect();
        InvokeError::Failed(format!("{}: {words}", error.error_type))
    })
}
