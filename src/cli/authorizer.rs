//! `gatewright authorizer`: the authorizer as a server, for the proxies that ask one.

use super::args::{ConfigArgs, read_file, settings_of};
use super::error::CliError;
use super::shipping::{Sending, ShipArgs, Shipping};
use super::{metrics, runtime};
use crate::config::{self, Config};
use crate::crypto::Entropy;
use crate::crypto::entropy::NoEntropy;
use crate::http::endpoints::Counted;
use crate::http::forward_auth::{self, ClaimHeaders, ENDPOINT, ForwardAuth, ProxyKind, Settings};
use crate::http::guard::{self, GuardSettings};
use crate::http::server::{self, ServerSettings};
use crate::http::signals;
use crate::metrics::{Metrics, Of};
use crate::notify::decisions::Shipper;
use crate::telemetry::DecisionLines;
use clap::builder::PossibleValue;
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::jwks::Clock;
use gatewright_authorizer::policy::Policy;
use gatewright_authorizer::{Authorizer, Verifier};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use url::Url;

/// Where it listens when nothing else is said.
const LISTEN: &str = "127.0.0.1:9180";
/// Bodies are the API's business; a proxy has no reason to send one.
const BODY_LIMIT: usize = 64 * 1024;

/// Arguments of `authorizer`.
#[derive(Debug, clap::Args)]
pub struct AuthorizerArgs {
    /// What to do
    #[command(subcommand)]
    pub command: AuthorizerCommand,
    // The options of an issuer's configuration are not this command's.
    #[arg(long, global = true, hide = true)]
    config: Option<PathBuf>,
    #[arg(long, global = true, hide = true)]
    database_url: Option<String>,
    #[arg(long, global = true, hide = true)]
    issuer: Option<String>,
}

/// Commands of the authorizer.
#[derive(Debug, clap::Subcommand)]
pub enum AuthorizerCommand {
    /// Answer a proxy's questions by a policy file (forward-auth)
    #[command(
        long_about = "Answer a proxy before each call: 200 if the policy file allows it, with the caller's identity in\n\
            X-Auth-… headers; else 401, 403, or 503 when nothing can be decided. It serves at /auth until SIGTERM or\n\
            SIGINT, and its health at /health/live and /health/ready. Settings of the log and of the listener's limits\n\
            come from the variables GATEWRIGHT_LOG_… and GATEWRIGHT_HTTP_…, those of traces from GATEWRIGHT_TRACES_…; how\n\
            much of an address the access log has, from GATEWRIGHT_EVENTS_ADDRESSES.",
        after_help = "Example:\n  gatewright authorizer serve --policy policy.toml --from nginx\n\n\
            deploy/proxies/ has the other side for nginx and haproxy, as it is tested.\n\n\
            With --ship-to the issuer sees what is decided here: make a client for it with\n  \
            gatewright client create gate --grant client_credentials --scope gatewright:decisions --audience URL"
    )]
    Serve(ServeArgs),
}

/// Arguments of `authorizer serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The kind of proxy that asks; only the headers that it sets are believed
    #[arg(long, value_name = "PROXY")]
    from: ProxyKind,
    /// Address and port to listen on [default: 127.0.0.1:9180]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Networks or addresses of the proxies; nobody else is answered [default: this machine]
    #[arg(long, value_name = "NETWORK", num_args = 1.., value_delimiter = ',', value_parser = config::network)]
    trusted_proxy: Vec<IpNet>,
    /// Scheme and host under which callers know the API; needed for tokens bound by DPoP
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// Address and port where metrics can be read, at /metrics, such as 127.0.0.1:9465; nowhere if not given
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    ship: ShipArgs,
}

impl clap::ValueEnum for ProxyKind {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Nginx, Self::Forwarded, Self::Envoy]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Nginx => PossibleValue::new("nginx")
                .aliases(["haproxy", "apache"])
                .help("X-Original-Method and X-Original-URI; haproxy and apache say the same"),
            Self::Forwarded => PossibleValue::new("forwarded")
                .aliases(["traefik", "caddy"])
                .help("X-Forwarded-Method and X-Forwarded-Uri; traefik and caddy say the same"),
            Self::Envoy => PossibleValue::new("envoy")
                .help("the request's own method, and its path after /auth"),
        })
    }
}

/// `https://host`, and nothing behind it.
fn public_url(text: &str) -> Result<String, String> {
    let refusal = || "write https://HOST or https://HOST:PORT, as callers write it".to_owned();
    let url = Url::parse(text).map_err(|_| refusal())?;
    let origin = url.origin().ascii_serialization();
    let is_bare =
        url.scheme() == "https" && text.trim_end_matches('/').eq_ignore_ascii_case(&origin);
    if is_bare { Ok(origin) } else { Err(refusal()) }
}

/// Runs a command of the authorizer.
///
/// # Errors
/// [`CliError`]
pub fn run(args: &AuthorizerArgs, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    config.refuse_all_but_listen("authorizer")?;
    let AuthorizerCommand::Serve(args) = &args.command;
    let config = settings(args)?;
    let way = args.ship.open()?;
    let telemetry = runtime::telemetry(&config, &[], way.as_ref().map(|(_, lines)| lines))?;
    let authorizer = authorizer(&args.policy)?;
    let counts = Arc::new(Metrics::new(Of::Authorizer));
    metrics::watch_spans(&telemetry, &counts);
    runtime::threads()?.block_on(serve(args, &config, authorizer, counts, way))?;
    Ok(ExitCode::SUCCESS)
}

/// The settings of log and listener, as the issuer reads its own.
fn settings(args: &ServeArgs) -> Result<Config, CliError> {
    let listen = args.listen.clone().unwrap_or_else(|| LISTEN.to_owned());
    let sections = ["LOG_", "HTTP_", "TRACES_", "EVENTS_ADDRESSES"];
    let mut config = settings_of("gatewright-authorizer", &sections, &[("listen", listen)])?;
    config.trusted_proxies.clone_from(&args.trusted_proxy);
    if config.trusted_proxies.is_empty() {
        let own = ["127.0.0.0/8", "::1/128"];
        config.trusted_proxies = own.iter().filter_map(|own| own.parse().ok()).collect();
    }
    Ok(config)
}

fn authorizer(path: &Path) -> Result<Authorizer, CliError> {
    let wrong =
        |error: &dyn std::fmt::Display| CliError::usage(format!("{}: {error}", path.display()));
    let policy = Policy::parse(&read_file(path)?).map_err(|error| wrong(&error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let directory = path.parent().unwrap_or(Path::new(""));
    let verifier = Verifier::over_http(policy.issuers(), directory, &clock)
        .map_err(|error| CliError::usage(error.to_string()))?;
    Ok(Authorizer::new(policy, verifier).timed_by(clock))
}

async fn serve(
    args: &ServeArgs,
    config: &Config,
    authorizer: Authorizer,
    counts: Arc<Metrics>,
    way: Option<(Shipper, DecisionLines)>,
) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::failed(error.to_string());
    let signal = runtime::shutdown_signal()?;
    let passed_on = authorizer.policy().passed_on();
    let claims = ClaimHeaders::of(passed_on).map_err(|what| {
        CliError::usage(format!(
            "{}: [context] claims: {what}; rename or leave out one",
            args.policy.display()
        ))
    })?;
    let settings = Settings {
        proxy: args.from,
        trusted_proxies: config.trusted_proxies.clone(),
        public_url: args.public_url.clone(),
        claims,
    };
    let authorizer = authorizer.observed_by(Arc::new(counts.authorizer.clone()));
    let sending = way.map(|(shipper, lines)| -> Result<_, NoEntropy> {
        let seen = lines.clone();
        counts.before_scrape(move |metrics| {
            let (waiting, lost) = seen.standing();
            metrics.authorizer.decisions_stand(waiting, lost);
        });
        let metrics = counts.authorizer.clone();
        let shipping = Shipping::new(lines, shipper, metrics, &Entropy::system())?;
        Ok(Sending::start(shipping))
    });
    let sending = sending
        .transpose()
        .map_err(|error| CliError::failed(error.to_string()))?;
    let _exposed = metrics::expose_at(args.metrics, &counts).await?;
    let listener = runtime::bind(config).await?;
    let listen: SocketAddr = listener.local_addr().map_err(failed)?;
    let door = ForwardAuth::new(authorizer, settings, runtime::system_clock());
    let guard = GuardSettings {
        // A proxy's questions come with the Host of what they are about.
        hosts: None,
        body_limit: BODY_LIMIT,
        hsts: false,
        relayed: true,
        ..GuardSettings::new(config)
    };
    let guarded = guard::layer(guard, forward_auth::router(door.clone()))
        .counted_by(Counted::forward_auth(&counts.requests));
    signals::on_hangup(|| tracing::info!("SIGHUP: restart it to read another policy file"))
        .map_err(failed)?;
    let leaving = async move {
        signal.await;
        door.leave();
        tracing::info!("shutting down: not ready from now on, requests in flight complete");
    };
    tracing::info!(%listen, endpoint = ENDPOINT, policy = %args.policy.display(), "ready");
    let report = server::serve(
        listener,
        guarded,
        ServerSettings {
            trusted_proxies: config.trusted_proxies.clone(),
            ..ServerSettings::new(&config.http)
        },
        leaving,
    )
    .await
    .map_err(failed)?;
    tracing::info!(open = report.open, cut = report.cut, "drained");
    if let Some(sending) = sending {
        sending.finish().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::public_url;

    #[test]
    fn the_public_url_is_an_origin_and_nothing_else() {
        for (text, origin) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://API.example.com/", "https://api.example.com"),
            (
                "https://api.example.com:8443",
                "https://api.example.com:8443",
            ),
        ] {
            assert_eq!(public_url(text).as_deref(), Ok(origin));
        }
        for text in [
            "",
            "api.example.com",
            "http://api.example.com",
            "https://api.example.com/v1",
            "https://u@api.example.com",
        ] {
            assert!(
                public_url(text).unwrap_err().contains("https://HOST"),
                "{text}"
            );
        }
    }
}
