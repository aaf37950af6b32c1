//! `gatewright gateway`: a strict stand-in for API Gateway on one machine, in front of any API.

mod bootstrap;

use super::args::{ConfigArgs, read_file, settings_of};
use super::error::CliError;
use super::{metrics, out, runtime};
use crate::config::{self, Config};
use crate::http::endpoints::Counted;
use crate::http::gateway::{Gateway, Upstream, authorizer_timeout, router};
use crate::http::guard::{self, GuardSettings, OwnHosts};
use crate::http::server::{self, ServerSettings};
use crate::metrics::{Metrics, Of};
use bootstrap::Bootstrap;
use clap::ValueEnum;
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind, IdentitySource, Invoke};
use gatewright_authorizer::jwks::Clock;
use gatewright_authorizer::policy::HttpV2Answer;
use gatewright_authorizer::{Authorizer, Policy, Verifier};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const LISTEN: &str = "127.0.0.1:8081";
/// What AWS keeps an answer for when nothing else is said, in seconds.
const TTL: u32 = 300;
/// Whose lines the gateway's own line makes superfluous.
const QUIET: [&str; 2] = ["gatewright::access", "gatewright::decision"];

/// Options of `gateway`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Calls that the policy file allows go to the upstream, with the caller's identity in x-authorizer-… headers.\n\
        The others are answered here as API Gateway would, and the log says why.\n\n\
        Example:\n  gatewright gateway --policy policy.toml --upstream http://127.0.0.1:3000\n  \
        curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8081/orders/7\n\n\
        It stands for an API with one route that takes every method and path. Paths have no stage in front.\n\
        WebSocket connections are not passed on. Traces are set by the variables GATEWRIGHT_TRACES_…."
)]
pub struct GatewayArgs {
    /// The policy file.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "bootstrap",
        help = "The policy file; with --bootstrap it's handed on as GATEWRIGHT_POLICY"
    )]
    policy: Option<PathBuf>,
    /// The API to guard.
    #[arg(
        long,
        value_name = "URL",
        value_parser = Upstream::parse,
        help = "The API to guard, such as http://127.0.0.1:3000; a path in it is put before every other"
    )]
    upstream: Upstream,
    /// Which kind of API to stand for
    #[arg(long, value_enum, default_value = "http")]
    api: Api,
    /// Which kind of authorizer the API has: request or token on REST (default request), and on HTTP http-1.0,
    /// http-2.0-iam (default) or http-2.0-simple
    #[arg(long, value_enum, hide_possible_values = true, value_name = "KIND")]
    authorizer: Option<Kind>,
    /// What calls are told apart by, once or several times: $request.header.Authorization (default),
    /// $request.querystring.NAME, $context.httpMethod, …
    #[arg(long, value_name = "SOURCE", value_delimiter = ',')]
    identity_source: Vec<IdentitySource>,
    /// How long an answer is kept, 0 to 3600 [default: 300, as on AWS; simple responses 0]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3600))]
    ttl: Option<u32>,
    /// The stage that the authorizer is told [default: $default; on REST dev]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Ask this native Lambda function instead of the authorizer in this program
    #[arg(long, value_name = "PATH")]
    bootstrap: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        help = "Address and port to listen on [default: 127.0.0.1:8081]"
    )]
    listen: Option<String>,
    /// On loopback, another name that it is called by (comma separated, repeatable); localhost and loopback addresses
    /// always are
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = config::host)]
    host: Vec<String>,
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "Address and port where metrics can be read, at /metrics; nowhere if not given"
    )]
    metrics: Option<SocketAddr>,
    #[arg(long, global = true, hide = true)]
    config: Option<PathBuf>,
    #[arg(long, global = true, hide = true)]
    database_url: Option<String>,
    #[arg(long, global = true, hide = true)]
    issuer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Api {
    Http,
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Token,
    Request,
    #[value(name = "http-1.0")]
    HttpV1,
    #[value(name = "http-2.0-iam")]
    HttpV2Iam,
    #[value(name = "http-2.0-simple")]
    HttpV2Simple,
}

/// Runs until a signal.
///
/// # Errors
/// [`CliError`]
pub fn run(args: &GatewayArgs, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let listen = config.listen.as_deref().unwrap_or(LISTEN);
    let others = ConfigArgs {
        listen: None,
        ..config.clone()
    };
    others.refuse_for("gateway")?;
    let listen: SocketAddr = listen.parse().map_err(|_| {
        CliError::usage(format!(
            "--listen {listen}: write an address and a port, such as {LISTEN}"
        ))
    })?;
    let config = settings_of(
        "gatewright-gateway",
        &["TRACES_"],
        &[("listen", listen.to_string())],
    )?;
    let telemetry = runtime::telemetry(&config, &QUIET, None)?;
    let kind = args.kind()?;
    let (ttl, stage) = (args.ttl(kind)?, args.stage(kind)?);
    let sources = args.sources(kind)?;
    let counts = Arc::new(Metrics::new(Of::Authorizer));
    metrics::watch_spans(&telemetry, &counts);
    runtime::threads()?.block_on(async {
        let policy = args
            .policy
            .as_deref()
            .map(|path| read_policy(path, kind))
            .transpose()?;
        let function = args.function(kind, policy.as_ref(), &counts)?;
        let door =
            FrontDoor::new(function, kind, "local", stage, i64::from(ttl)).identified_by(sources);
        let door = match policy {
            Some(policy) => door.open_by(policy),
            None => door,
        };
        let gateway = Gateway::new(door, args.upstream.clone(), runtime::system_clock());
        let _exposed = metrics::expose_at(args.metrics, &counts).await?;
        serve(config, gateway, (ttl, kind), &args.host, &counts).await
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    config: Config,
    gateway: Gateway,
    (ttl, kind): (u32, FrontDoorKind),
    hosts: &[String],
    counts: &Metrics,
) -> Result<(), CliError> {
    let signal = runtime::shutdown_signal()?;
    let listener = runtime::bind(&config).await?;
    let address = listener
        .local_addr()
        .map_err(|error| CliError::failed(error.to_string()))?;
    if !address.ip().is_loopback() {
        out::note(format!(
            "{address} can be reached from other machines, and calls to it are not encrypted"
        ));
    }
    out::print(&format!(
        "Gateway on http://{address} ({kind:?}, answers kept for {ttl} s). Stop with Ctrl-C.\n"
    ))?;
    let settings = GuardSettings {
        relays: true,
        hosts: OwnHosts::of(address, hosts.iter().map(String::as_str)),
        hsts: false,
        ..GuardSettings::new(&config)
    };
    let guarded =
        guard::layer(settings, router(gateway)).counted_by(Counted::gateway(&counts.requests));
    server::serve(listener, guarded, ServerSettings::new(&config.http), signal)
        .await
        .map_err(|error| CliError::failed(error.to_string()))?;
    Ok(())
}

impl GatewayArgs {
    fn kind(&self) -> Result<FrontDoorKind, CliError> {
        Ok(match (self.api, self.authorizer) {
            (Api::Rest, None | Some(Kind::Request)) => FrontDoorKind::RestRequest,
            (Api::Rest, Some(Kind::Token)) => FrontDoorKind::RestToken,
            (Api::Http, None | Some(Kind::HttpV2Iam)) => FrontDoorKind::HttpV2Iam,
            (Api::Http, Some(Kind::HttpV2Simple)) => FrontDoorKind::HttpV2Simple,
            (Api::Http, Some(Kind::HttpV1)) => FrontDoorKind::HttpV1,
            (Api::Rest, Some(_)) => {
                return Err(CliError::usage(
                    "a REST API has the authorizers token and request: give one of them, or --api http",
                ));
            }
            (Api::Http, Some(_)) => {
                return Err(CliError::usage(
                    "an HTTP API has the authorizers http-1.0, http-2.0-iam and http-2.0-simple: give one of them, or --api rest",
                ));
            }
        })
    }

    fn ttl(&self, kind: FrontDoorKind) -> Result<u32, CliError> {
        match (kind, self.ttl) {
            (FrontDoorKind::HttpV2Simple, None | Some(0)) => Ok(0),
            (FrontDoorKind::HttpV2Simple, Some(_)) => Err(CliError::usage(
                "--ttl with simple responses: API Gateway would reuse one answer for every path; \
                 leave it out, or use --authorizer http-2.0-iam",
            )),
            (_, ttl) => Ok(ttl.unwrap_or(TTL)),
        }
    }

    fn stage(&self, kind: FrontDoorKind) -> Result<String, CliError> {
        let usual = if kind.is_rest() { "dev" } else { "$default" };
        let stage = self.stage.as_deref().unwrap_or(usual);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let named = !stage.is_empty() && stage.len() <= 128 && stage.bytes().all(plain);
        if named || (stage == "$default" && !kind.is_rest()) {
            return Ok(stage.to_owned());
        }
        Err(CliError::usage(format!(
            "--stage {stage}: use letters, digits, '-' and '_'; only an HTTP API has the stage $default"
        )))
    }

    fn sources(&self, kind: FrontDoorKind) -> Result<Vec<IdentitySource>, CliError> {
        let sources = self.identity_source.clone();
        match (kind, sources.as_slice()) {
            (_, []) => Ok(vec![IdentitySource::authorization()]),
            (FrontDoorKind::RestToken, [only]) if only.is_header() => Ok(sources),
            (FrontDoorKind::RestToken, _) => Err(CliError::usage(
                "a TOKEN authorizer has one header as its identity source: give one, or --authorizer request",
            )),
            _ => Ok(sources),
        }
    }

    fn function(
        &self,
        kind: FrontDoorKind,
        policy: Option<&Policy>,
        counts: &Metrics,
    ) -> Result<Arc<dyn Invoke>, CliError> {
        if let Some(program) = &self.bootstrap {
            let absolute = |path: &Path| {
                path.canonicalize().map_err(|error| {
                    CliError::usage(format!(
                        "{} can't be read ({error}): check the path",
                        path.display()
                    ))
                })
            };
            let policy = self.policy.as_deref().map(absolute).transpose()?;
            return Ok(Arc::new(Bootstrap::new(
                absolute(program)?,
                policy,
                authorizer_timeout(kind),
            )));
        }
        // Clap asks for one of the two.
        let (Some(path), Some(policy)) = (&self.policy, policy) else {
            return Err(CliError::usage("give --policy FILE"));
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let folder = path.parent().unwrap_or(Path::new(""));
        let verifier = Verifier::over_http(policy.issuers(), folder, &clock)
            .map_err(|error| CliError::usage(error.to_string()))?;
        let authorizer = Authorizer::new(policy.clone(), verifier)
            .timed_by(clock)
            .observed_by(Arc::new(counts.authorizer.clone()));
        Ok(Arc::new(authorizer))
    }
}

/// The policy file says which answers it gives, and the API must expect those.
fn read_policy(path: &Path, kind: FrontDoorKind) -> Result<Policy, CliError> {
    let policy = Policy::parse(&read_file(path)?)
        .map_err(|error| CliError::usage(format!("{}: {error}", path.display())))?;
    let expected = match kind {
        FrontDoorKind::HttpV2Iam => HttpV2Answer::Iam,
        FrontDoorKind::HttpV2Simple => HttpV2Answer::Simple,
        _ => return Ok(policy),
    };
    if policy.response().http_v2 == expected {
        return Ok(policy);
    }
    let (authorizer, value) = match expected {
        HttpV2Answer::Iam => ("http-2.0-simple", "iam"),
        HttpV2Answer::Simple => ("http-2.0-iam", "simple"),
    };
    Err(CliError::usage(format!(
        "{}: its [response] http_v2 is another kind of answer: give --authorizer {authorizer}, or write http_v2 = \"{value}\"",
        path.display()
    )))
}
