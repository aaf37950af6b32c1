//! `gatewright demo`: the whole product on one port of loopback, with a person, clients, a policy and a sample API.

mod gateway;
mod pages;
mod seed;

use super::args::{NoConfigArgs, now};
use super::error::CliError;
use super::open::open;
use super::{metrics, runtime};
use crate::config::{Config, Ratio};
use crate::crypto::Entropy;
use crate::flows::SharedIssuer;
use crate::flows::admin::decisions::{self, Batch, LINES_MAX};
use crate::flows::scopes::ScopeDirectory;
use crate::http::{App, prefetch, router};
use crate::notify::Notifiers;
use crate::private_files;
use crate::telemetry::DecisionLines;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{any, get};
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind};
use gatewright_authorizer::handler::Authorizer;
use gatewright_authorizer::jwks::Clock;
use gatewright_authorizer::policy::Policy;
use gatewright_authorizer::verifier::Verifier;
use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub port: u16,
    /// Where to keep the database, the master key and the policy file; a temporary folder, removed at the
    /// end, if not given
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port where its metrics can be read, at /metrics; nowhere if not given
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    no_config: NoConfigArgs,
}

/// What the demo's own pages share.
#[derive(Clone)]
pub(super) struct Demo {
    app: App,
    /// The issuer's router, for the demo's client to call as any client would.
    issuer_router: Router,
    seed: Arc<seed::Seed>,
    door: Arc<FrontDoor>,
    /// Logins under way: `state` → `code_verifier` and `nonce`.
    logins: Arc<Mutex<HashMap<String, (String, String)>>>,
}

impl axum::extract::FromRef<Demo> for App {
    fn from_ref(demo: &Demo) -> Self {
        demo.app.clone()
    }
}

/// A folder that is removed at the end, if the demo made it.
struct DataDir {
    path: PathBuf,
    temporary: bool,
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

impl DataDir {
    fn prepare(given: Option<&Path>) -> Result<Self, CliError> {
        let unusable = |path: &Path, error: &dyn std::fmt::Display| {
            CliError::usage(format!(
                "data folder {}: {error}; give another --data-dir",
                path.display()
            ))
        };
        if let Some(path) = given {
            private_files::create_folder(path).map_err(|error| unusable(path, &error))?;
            return Ok(Self {
                path: path.to_owned(),
                temporary: false,
            });
        }
        let name = Entropy::system()
            .id()
            .map_err(|error| CliError::failed(error.to_string()))?;
        let path = std::env::temp_dir().join(format!("gatewright-demo-{name}"));
        // Of a name that nobody knows beforehand, and not one that is there.
        private_files::create_new_folder(&path).map_err(|error| unusable(&path, &error))?;
        Ok(Self {
            path,
            temporary: true,
        })
    }

    /// Writes a file of the demo's own.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf, CliError> {
        let path = self.path.join(name);
        let failed = |error: std::io::Error| {
            CliError::Failed(format!(
                "{} can't be written ({error}): give another --data-dir",
                path.display()
            ))
        };
        let mut file = private_files::create(&path).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(path)
    }
}

/// Runs the demo until a signal. It takes no configuration: everything is made up for the run.
///
/// # Errors
/// [`CliError`]
pub fn run(args: &DemoArgs) -> Result<ExitCode, CliError> {
    runtime::threads()?.block_on(demonstrate(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn demonstrate(args: &DemoArgs) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(error.to_string());
    let signal = runtime::shutdown_signal()?;
    let dir = DataDir::prepare(args.data_dir.as_deref())?;
    let mut config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
        ..Config::default()
    };
    let listener = runtime::bind(&config).await?;
    // Port 0 lets the system choose.
    config.listen = listener.local_addr().map_err(|error| failed(&error))?;
    config.issuer = format!("http://{}", config.listen);
    config.database.url = format!("sqlite://{}", dir.path.join("gatewright.db").display());
    "warn".clone_into(&mut config.log.level);
    let policy_text = seed::policy(&config.issuer);
    let policy_file = dir.write("policy.toml", &policy_text)?;
    let decided = DecisionLines::new(Ratio::ALL);
    let _telemetry = runtime::telemetry(&config, &[], Some(&decided))?;

    let policy = Policy::parse(&policy_text).map_err(|error| failed(&error))?;
    let scopes = ScopeDirectory::from_policies(std::slice::from_ref(&policy));
    let issuer = Box::pin(runtime::issuer(&config, open(&config).await?, scopes)).await?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let verifier =
        Verifier::over_http(policy.issuers(), &dir.path, &clock).map_err(|error| failed(&error))?;
    let authorizer = Arc::new(Authorizer::new(policy, verifier));
    let door = FrontDoor::new(authorizer, FrontDoorKind::HttpV2Iam, "demo", "$default", 0);

    let seed = seed::plant(&issuer, &policy_file, policy_text)
        .await
        .map_err(|error| failed(&error))?;
    let app = App::new(Arc::clone(&issuer), runtime::system_clock(), Vec::new());
    let demo = Demo {
        issuer_router: router(app.clone()),
        app: app.clone(),
        seed: Arc::new(seed),
        door: Arc::new(door),
        logins: Arc::default(),
    };
    announce(&demo).map_err(|error| failed(&error))?;
    let keeping = tokio::spawn(keep_decisions(Arc::clone(&issuer), decided));
    let own = Router::new()
        .route("/", get(pages::start))
        .route("/demo/login", get(pages::login))
        .route("/demo/callback", get(pages::callback))
        .layer(from_fn(prefetch::refused))
        .route("/api/{*path}", any(gateway::call))
        .with_state(demo.clone());
    let whole = own.fallback_service(demo.issuer_router.clone());
    let _exposed = metrics::expose_at(args.metrics, app.issuer.store.metrics()).await?;
    let outcome = runtime::run(
        &config,
        None,
        app,
        whole,
        listener,
        signal,
        Notifiers::default(),
    )
    .await;
    keeping.abort();
    drop(dir);
    outcome
}

/// What an authorizer elsewhere sends to the issuer: here it's one process.
async fn keep_decisions(issuer: SharedIssuer, decided: DecisionLines) {
    loop {
        decided.came().await;
        let (lines, _) = decided.take(LINES_MAX, usize::MAX);
        let batch = Batch {
            lines: &lines,
            sender: None,
        };
        if let Err(error) = decisions::import(issuer.admin("demo"), batch, now()).await {
            tracing::warn!(%error, "what the authorizer decided can't be shown");
        }
    }
}

/// Prints what to click and what to paste.
fn announce(demo: &Demo) -> std::io::Result<()> {
    let seed = &demo.seed;
    let url = &demo.app.issuer.url;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Gatewright demo. Everything is on this machine's loopback, and every secret is random for this run.\n\
         This is a demonstration: for real use see 'gatewright serve --help'.\n\n\
         Open    {url}/\n\
         Log in  as {} with the password {}\n\
         Watch   {url}{} (the same login) shows what happens\n\n\
         Or paste these, in order:\n",
        seed.username,
        seed.password.expose(),
        pages::ACTIVITY,
    )?;
    for step in seed.steps(url) {
        writeln!(out, "# {}\n{}\n", step.title, step.command)?;
    }
    writeln!(
        out,
        "Policy file: {}\nStop with Ctrl-C.",
        seed.policy_file.display()
    )?;
    out.flush()
}
