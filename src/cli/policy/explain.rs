//! `gatewright policy explain`: what the authorizer decides on one call, and why.

use super::claims;
use super::presented::{PresentedArgs, file_or_stdin};
use super::question::{Circumstances, Question};
use super::{read, unusable_time};
use crate::cli::args::{OutputArgs, now, read_file};
use crate::cli::error::CliError;
use crate::cli::out;
use gatewright_authorizer::fetch::{HttpKeys, SystemClock};
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::jwks::{Clock, FetchKeys};
use gatewright_authorizer::policy::{Explanation, IssuerRules, OnOverflow, Policy};
use gatewright_authorizer::token::Confirmation;
use gatewright_authorizer::{AccessToken, Authorizer, ExplainedEvent, Reason, Verifier, answer};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What may be asked about.
const QUESTIONS: &str =
    "--method and --path, or --connect, or --field Type.name, or --document FILE";

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
#[command(group(
    clap::ArgGroup::new("presented").required(true).args(["token", "token_file", "claims", "header", "event", "reason", "no_token"])
))]
pub struct ExplainArgs {
    /// The policy file
    #[arg(long, value_name = "FILE", required_unless_present = "reason")]
    policy: Option<PathBuf>,
    /// The HTTP method of the call
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// The path of the call, without query
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The $connect of a WebSocket API
    #[arg(long)]
    connect: bool,
    /// Nothing is presented: whether a public rule lets the call pass
    #[arg(long, requires = "path", conflicts_with_all = ["connect", "field", "document", "jwks", "proof", "url", "certificate"])]
    no_token: bool,
    /// A field of GraphQL, such as Query.orders; may be repeated
    #[arg(long, value_name = "TYPE.NAME")]
    field: Vec<String>,
    /// The file with a GraphQL document
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// The event of a call.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["method", "path", "connect", "field", "document", "source_ip", "stage", "proof", "url", "certificate"],
        help = "Everything about the call as API Gateway or AppSync tells its authorizer: the event (JSON); '-' for standard input"
    )]
    event: Option<PathBuf>,
    /// The caller's address, for conditions that ask for it
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["field", "document"])]
    source_ip: Option<IpAddr>,
    /// The API's stage, for conditions that ask for it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["field", "document"])]
    stage: Option<String>,
    /// The time of the call (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Verify with the keys in this file (a JWK set) instead of fetching the issuer's
    #[arg(long, value_name = "FILE", conflicts_with = "claims")]
    jwks: Option<PathBuf>,
    /// A reason code.
    #[arg(
        long,
        value_name = "CODE",
        conflicts_with_all = ["policy", "method", "path", "connect", "field", "document", "source_ip", "stage", "time", "jwks", "proof", "url", "certificate"],
        help = "Only what this reason code means and what to do about it, for one that stands in a log"
    )]
    reason: Option<String>,
    #[command(flatten)]
    presented: PresentedArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is told of one call.
struct Told {
    explanation: Explanation,
    token: Option<AccessToken>,
    /// What API Gateway gets, where an event was given.
    answer: Option<Value>,
    note: Option<String>,
}

/// Explains one call.
pub(super) async fn run(args: &ExplainArgs) -> Result<ExitCode, CliError> {
    if let Some(code) = &args.reason {
        return explain_reason(code, args.output.json);
    }
    let file = args.policy.as_deref().unwrap_or(Path::new("policy.toml"));
    let policy = read(file)?;
    let now = match &args.time {
        None => now(),
        Some(time) => claims::time(time).ok_or_else(|| unusable_time("--time", time))?,
    };
    let told = match &args.event {
        Some(event) => of_event(args, &policy, file, event, now).await?,
        None => of_call(args, &policy, file, now).await?,
    };
    print(&told, args.output.json)?;
    if told.explanation.reason == Some(Reason::KeysUnavailable) {
        let directory = file.parent().unwrap_or(Path::new(""));
        return Err(why_no_keys(&policy, directory).await);
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_call(
    args: &ExplainArgs,
    policy: &Policy,
    file: &Path,
    now: i64,
) -> Result<Told, CliError> {
    let document = args.document.as_deref().map(read_file).transpose()?;
    let route = (args.method.as_ref(), args.path.as_ref());
    let question = Question::only(route, args.connect, &args.field, document, QUESTIONS)?;
    let token = if args.no_token {
        Err(Reason::TokenMissing.into())
    } else if let Some(text) = &args.presented.claims {
        claims::token(policy, of_text(text)?, now)
    } else {
        let verifier = verifier(args, policy, file)?;
        args.presented.verify(&verifier, &question, now).await?
    };
    let circumstances = Circumstances {
        source_ip: args.source_ip,
        stage: args.stage.as_deref(),
        now,
    };
    let hint = match &token {
        Err(refused) => args.presented.hint(refused.reason).map(str::to_owned),
        Ok(token) => {
            let unsigned = token.alg.is_none();
            let binding = token.confirmation.as_ref().filter(|_| unsigned);
            binding.map(unproved).or_else(|| left_out(policy, token))
        }
    };
    Ok(Told {
        explanation: question.explain(policy, &token, circumstances),
        token: token.ok(),
        answer: None,
        note: hint,
    })
}

async fn of_event(
    args: &ExplainArgs,
    policy: &Policy,
    file: &Path,
    event: &Path,
    now: i64,
) -> Result<Told, CliError> {
    let text = file_or_stdin(event, "event")?;
    let event: Value = serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!(
            "{} is no JSON ({error}): give the event as the authorizer got it",
            event.display()
        ))
    })?;
    let verifier = verifier(args, policy, file)?;
    let ExplainedEvent {
        explanation,
        token,
        answer,
    } = Authorizer::new(policy.clone(), verifier)
        .explain(&event, now)
        .await;
    Ok(Told {
        explanation,
        token: token.map(Arc::unwrap_or_clone),
        answer: Some(answer.unwrap_or_else(|error| json!({"error": error.to_string()}))),
        note: None,
    })
}

fn of_text(text: &str) -> Result<Map<String, Value>, CliError> {
    serde_json::from_str(text).map_err(|error| {
        CliError::usage(format!(
            "--claims is no JSON object ({error}): write it like --claims '{{\"scope\": \"orders:read\"}}'"
        ))
    })
}

/// What the API isn't told of a token.
fn left_out(policy: &Policy, token: &AccessToken) -> Option<String> {
    let left_out = answer::left_out(policy, false, token);
    let names = (!left_out.is_empty()).then(|| left_out.join(", "))?;
    let becomes = match policy.on_overflow() {
        OnOverflow::Drop => "so API Gateway's context goes without",
        OnOverflow::Error => "so API Gateway is answered with a denial (context_overflow)",
    };
    Some(format!(
        "{names} of the token is over {} bytes or has line breaks, {becomes}",
        answer::MAX_CONTEXT_VALUE
    ))
}

/// What claims can't show of a bound token.
fn unproved(binding: &Confirmation) -> String {
    let needed = match (&binding.jkt, &binding.x5t_s256) {
        (Some(_), Some(_)) => "a DPoP proof and the client certificate",
        (Some(_), None) => "a DPoP proof",
        _ => "the client certificate",
    };
    format!(
        "the token is bound to a key (cnf): without {needed} each call of it is refused, whatever the rules say"
    )
}

fn verifier(args: &ExplainArgs, policy: &Policy, file: &Path) -> Result<Verifier, CliError> {
    let Some(path) = &args.jwks else {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let directory = file.parent().unwrap_or(Path::new(""));
        return Verifier::over_http(policy.issuers(), directory, &clock)
            .map_err(|error| CliError::usage(error.to_string()));
    };
    let keys = JwkSet::parse_usable(read_file(path)?.as_bytes()).map_err(|error| {
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

fn print(told: &Told, json: bool) -> Result<(), CliError> {
    let Told {
        explanation,
        token,
        answer,
        note,
    } = told;
    if !json {
        let note = note.as_ref().map(|note| format!("\nnote: {note}"));
        let answer = answer.as_ref().map(|answer| format!("\nanswer: {answer}"));
        return out::print(&format!(
            "{explanation}{}{}\n",
            note.unwrap_or_default(),
            answer.unwrap_or_default()
        ));
    }
    let mut value = serde_json::to_value(explanation)
        .map_err(|error| CliError::Failed(format!("the explanation can't be printed: {error}")))?;
    if let Value::Object(members) = &mut value {
        members.entry("missing").or_insert_with(|| json!([]));
        let mut put = |name: &str, value: Option<Value>| {
            value.map(|value| members.insert(name.to_owned(), value))
        };
        put("token", token.as_ref().map(summary));
        put("answer", answer.clone());
        put("note", note.clone().map(Value::from));
    }
    out::json(&value)
}

fn summary(token: &AccessToken) -> Value {
    json!({
        "iss": token.issuer,
        "sub": token.subject,
        "client_id": token.client_id,
        "aud": token.audiences,
        "scope": token.claims.get("scope"),
        "exp": token.expires_at,
        "binding": token.confirmation.as_ref().map(Confirmation::as_str),
    })
}

fn explain_reason(code: &str, json: bool) -> Result<ExitCode, CliError> {
    let Some(reason) = Reason::from_code(code) else {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        return Err(CliError::usage(format!(
            "there is no reason {code:?}: it's one of {}",
            known.join(", ")
        )));
    };
    let (words, remedy) = (reason.explain(), reason.remedy());
    if json {
        out::json(&json!({"reason": reason, "words": words, "remedy": remedy}))?;
    } else {
        out::print(&format!(
            "{words}\nreason: {reason}\nwhat to do: {remedy}\n"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says which issuer could not be reached, and how that went.
async fn why_no_keys(policy: &Policy, directory: &Path) -> CliError {
    let mut words = Vec::new();
    let fetched = |issuer: &&IssuerRules| issuer.jwks.uri.is_some();
    for issuer in policy.issuers().iter().filter(fetched) {
        match HttpKeys::of(issuer, directory) {
            Ok(keys) => words.extend(keys.fetch().await.err().map(|error| error.to_string())),
            Err(error) => words.push(error.to_string()),
        }
    }
    CliError::Failed(format!(
        "the issuer's keys can't be fetched ({}): check that it runs and can be reached, or give its keys with --jwks FILE",
        words.join("; ")
    ))
}
