//! `gatewright policy`: the authorizer's policy file, judged by the authorizer's own code.

use super::args::{OutputArgs, now, read_file};
use super::error::CliError;
use super::out;
use gatewright_authorizer::fetch::{HttpKeys, SystemClock};
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::jwks::{Clock, FetchKeys};
use gatewright_authorizer::policy::{
    CoverageNote, Explanation, IssuerRules, Policy, PolicyError, Rule, explain,
};
use gatewright_authorizer::{AccessToken, Reason, Verifier};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The longest token that is read from a file.
const TOKEN_MAX_BYTES: u64 = 64 * 1024;

/// Commands on policy files.
#[derive(Debug, clap::Subcommand)]
pub enum PolicyCommand {
    /// Check a policy file; the first mistake is told with line and column
    Check(CheckArgs),
    /// Say what the authorizer decides on a call, and why
    #[command(after_help = "Example:\n  \
        gatewright policy explain --policy policy.toml --token \"$T\" --method GET --path /orders/7\n\n\
        Exit codes: 0 for any verdict, 1 if the issuer's keys can't be fetched, 2 for a wrong policy file.")]
    Explain(ExplainArgs),
}

/// Arguments of `policy check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("presented").required(true).args(["token", "token_file"])))]
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
    /// The HTTP method of the call
    #[arg(long, value_name = "METHOD")]
    method: String,
    /// The path of the call, without query
    #[arg(long, value_name = "PATH")]
    path: String,
    /// Verify with the keys in this file (a JWK set) instead of fetching the issuer's
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a command on policy files.
pub async fn run(command: PolicyCommand) -> Result<ExitCode, CliError> {
    match command {
        PolicyCommand::Check(args) => check(&args),
        PolicyCommand::Explain(args) => explain_call(&args).await,
    }
}

fn unusable(path: &Path, error: &PolicyError) -> CliError {
    CliError::usage(format!("{}: {error}", path.display()))
}

fn check(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let policy = match Policy::parse(&read_file(&args.policy)?) {
        Ok(policy) => policy,
        Err(error) => {
            if args.output.json {
                out::json(&json!({
                    "valid": false,
                    "line": error.line(),
                    "column": error.column(),
                    "message": error.message(),
                    "remedy": error.remedy(),
                }))?;
            }
            return Err(unusable(&args.policy, &error));
        }
    };
    let coverage = policy.coverage();
    if args.output.json {
        let issuers: Vec<&str> = policy
            .issuers()
            .iter()
            .map(|issuer| issuer.url.as_str())
            .collect();
        out::json(&json!({
            "valid": true,
            "issuers": issuers,
            "audiences": policy.audiences(),
            "scopes": policy.scopes(),
            "rules": policy.rules().iter().map(Rule::id).collect::<Vec<_>>(),
            "coverage": coverage,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let scopes: Vec<&str> = policy.scopes().into_iter().collect();
    let mut text = format!(
        "{} is valid. Rules: {}. Issuers: {}. Scopes: {}.\n",
        args.policy.display(),
        policy.rules().len(),
        policy.issuers().len(),
        if scopes.is_empty() {
            "none".to_owned()
        } else {
            scopes.join(" ")
        }
    );
    for note in &coverage {
        text.push_str(&in_words(note));
    }
    out::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn in_words(note: &CoverageNote) -> String {
    let because = note
        .because_of
        .as_ref()
        .map(|rule| format!(", because of {rule:?}"));
    format!(
        "note: a token that satisfies rules {:?} and {:?} gets {} on {:?} answered path by path{}: don't let the gateway \
         cache its answers, or make the templates disjoint\n",
        note.rule,
        note.with,
        note.method.as_str(),
        note.rule,
        because.unwrap_or_default()
    )
}

async fn explain_call(args: &ExplainArgs) -> Result<ExitCode, CliError> {
    let policy =
        Policy::parse(&read_file(&args.policy)?).map_err(|error| unusable(&args.policy, &error))?;
    let presented = presented(args)?;
    let verifier = if let Some(path) = &args.jwks {
        let keys = JwkSet::parse(read_file(path)?.as_bytes()).map_err(|error| {
            CliError::usage(format!(
                "{}: {error}: give a JWK set with public keys",
                path.display()
            ))
        })?;
        Verifier::with_fixed_keys(
            policy
                .issuers()
                .iter()
                .map(|issuer| (issuer.token_rules(), keys.clone())),
        )
    } else {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let directory = args.policy.parent().unwrap_or(Path::new(""));
        Verifier::over_http(policy.issuers(), directory, &clock)
            .map_err(|error| CliError::usage(error.to_string()))?
    };
    let token = verifier.verify(presented.trim(), now()).await;
    let explanation = explain(&policy, &token, &args.method, &args.path);
    print_explanation(&explanation, &token, args.output.json)?;
    if token == Err(Reason::KeysUnavailable) {
        return Err(why_no_keys(&policy).await);
    }
    Ok(ExitCode::SUCCESS)
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
