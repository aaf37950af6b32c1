//! `gatewright policy explain`: what the authorizer decides on one call, and why.

use super::claims;
use super::{read, unusable_time};
use crate::cli::args::{OutputArgs, now, read_file};
use crate::cli::error::CliError;
use crate::cli::out;
use gatewright_authorizer::fetch::{HttpKeys, SystemClock};
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::jwks::{Clock, FetchKeys};
use gatewright_authorizer::policy::{Explanation, IssuerRules, Policy, Request, explain};
use gatewright_authorizer::{AccessToken, Reason, Verifier};
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The longest token that is read from a file.
const TOKEN_MAX_BYTES: u64 = 64 * 1024;

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("presented").required(true).args(["token", "token_file", "claims"])))]
pub struct ExplainArgs {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The access token
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// The file that holds the access token; '-' for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Claims instead of a token.
    #[arg(
        long,
        value_name = "JSON",
        help = "Claims as if a valid token had them; iss, aud, sub, client_id and times are made up where left out"
    )]
    claims: Option<String>,
    /// The HTTP method of the call
    #[arg(long, value_name = "METHOD")]
    method: String,
    /// The path of the call, without query
    #[arg(long, value_name = "PATH")]
    path: String,
    /// The caller's address, for conditions that ask for it
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// The API's stage, for conditions that ask for it
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// The time of the call (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Verify with the keys in this file (a JWK set) instead of fetching the issuer's
    #[arg(long, value_name = "FILE", conflicts_with = "claims")]
    jwks: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Explains one call.
pub(super) async fn run(args: &ExplainArgs) -> Result<ExitCode, CliError> {
    let policy = read(&args.policy)?;
    let now = match &args.time {
        None => now(),
        Some(time) => claims::time(time).ok_or_else(|| unusable_time("--time", time))?,
    };
    let token = if let Some(text) = &args.claims {
        claims::token(&policy, of_text(text)?, now)
    } else {
        let token = presented(args)?;
        verifier(args, &policy)?.verify(token.trim(), now).await
    };
    let request = Request {
        source_ip: args.source_ip,
        stage: args.stage.as_deref(),
        ..Request::new(&args.method, &args.path).at(now)
    };
    let explanation = explain(&policy, &token, &request);
    print_explanation(&explanation, &token, args.output.json)?;
    if token == Err(Reason::KeysUnavailable) {
        return Err(why_no_keys(&policy).await);
    }
    Ok(ExitCode::SUCCESS)
}

fn of_text(text: &str) -> Result<serde_json::Map<String, Value>, CliError> {
    serde_json::from_str(text).map_err(|error| {
        CliError::usage(format!(
            "--claims is no JSON object ({error}): write it like --claims '{{\"scope\": \"orders:read\"}}'"
        ))
    })
}

fn verifier(args: &ExplainArgs, policy: &Policy) -> Result<Verifier, CliError> {
    let Some(path) = &args.jwks else {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let directory = args.policy.parent().unwrap_or(Path::new(""));
        return Verifier::over_http(policy.issuers(), directory, &clock)
            .map_err(|error| CliError::usage(error.to_string()));
    };
    let keys = JwkSet::parse(read_file(path)?.as_bytes()).map_err(|error| {
        CliError::usage(format!(
            "{}: {error}: give a JWK set with public keys",
            path.display()
        ))
    })?;
    let issuers = policy.issuers().iter();
    Ok(Verifier::with_fixed_keys(
        issuers.map(|issuer| (issuer.token_rules(), keys.clone())),
    ))
}

fn presented(args: &ExplainArgs) -> Result<String, CliError> {
    match (&args.token, &args.token_file) {
        (Some(token), _) => Ok(token.clone()),
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut text = String::new();
            let outcome = std::io::stdin()
                .lock()
                .take(TOKEN_MAX_BYTES)
                .read_to_string(&mut text);
            outcome.map_err(|error| {
                CliError::usage(format!("no token can be read from standard input: {error}"))
            })?;
            Ok(text)
        }
        (None, Some(path)) => read_file(path),
        (None, None) => Err(CliError::usage("give --token or --token-file")),
    }
}

fn print_explanation(
    explanation: &Explanation,
    token: &Result<AccessToken, Reason>,
    json: bool,
) -> Result<(), CliError> {
    if !json {
        return out::print(&format!("{explanation}\n"));
    }
    let mut value = serde_json::to_value(explanation)
        .map_err(|error| CliError::Failed(format!("the explanation can't be printed: {error}")))?;
    if let Value::Object(members) = &mut value {
        members.entry("missing").or_insert_with(|| json!([]));
        if let Ok(token) = token {
            let claims = json!({
                "iss": token.issuer,
                "sub": token.subject,
                "client_id": token.client_id,
                "aud": token.audiences,
                "scope": token.claims.get("scope"),
                "exp": token.expires_at,
            });
            members.insert("token".to_owned(), claims);
        }
    }
    out::json(&value)
}

/// Says which issuer could not be reached, and how that went.
async fn why_no_keys(policy: &Policy) -> CliError {
    let mut words = Vec::new();
    let fetched = |issuer: &&IssuerRules| issuer.jwks.uri.is_some();
    for issuer in policy.issuers().iter().filter(fetched) {
        if let Err(error) = HttpKeys::of(issuer).fetch().await {
            words.push(error.to_string());
        }
    }
    CliError::Failed(format!(
        "the issuer's keys can't be fetched ({}): check that it runs and can be reached, or give its keys with --jwks FILE",
        words.join("; ")
    ))
}
