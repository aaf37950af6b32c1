//! `gatewright policy check`: mistakes, and what is probably not meant.

use super::{openapi, unusable};
use crate::cli::args::{OutputArgs, read_file};
use crate::cli::error::CliError;
use crate::cli::out;
use gatewright_authorizer::answer::MAX_CONTEXT_VALUE;
use gatewright_authorizer::policy::{Finding, Method, OnOverflow, Policy, PolicyError, Rule};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `policy check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The policy file
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Compare the rules with the operations of an API's description.
    #[arg(
        long,
        value_name = "FILE",
        help = "Compare the rules with the operations of this OpenAPI description (YAML or JSON)"
    )]
    openapi: Option<PathBuf>,
    /// Find scopes that no client may get: the output of 'gatewright client list --json'; '-' for standard input
    #[arg(long, value_name = "FILE")]
    clients: Option<PathBuf>,
    /// Exit with 1 if anything is found
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Deserialize)]
struct Clients {
    clients: Vec<Registered>,
}

#[derive(Deserialize)]
struct Registered {
    scope: String,
    #[serde(default)]
    disabled: bool,
}

/// Checks a file.
pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let policy = match Policy::parse(&read_file(&args.policy)?) {
        Ok(policy) => policy,
        Err(error) => return refuse(args, &error),
    };
    let mut findings = policy.lint();
    if let Some(file) = &args.clients {
        findings.extend(policy.lint_scopes(&granted(file)?));
    }
    if let Some(file) = &args.openapi {
        findings.extend(policy.lint_operations(&openapi::operations(file)?));
    }
    print(args, &policy, &findings)?;
    Ok(if args.strict && !findings.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn refuse(args: &CheckArgs, error: &PolicyError) -> Result<ExitCode, CliError> {
    if args.output.json {
        out::json(&json!({
            "valid": false,
            "line": error.line(),
            "column": error.column(),
            "message": error.message(),
            "remedy": error.remedy(),
        }))?;
    }
    Err(unusable(&args.policy, error))
}

fn print(args: &CheckArgs, policy: &Policy, findings: &[Finding]) -> Result<(), CliError> {
    if args.output.json {
        let issuers: Vec<&str> = policy
            .issuers()
            .iter()
            .map(|issuer| issuer.url.as_str())
            .collect();
        return out::json(&json!({
            "valid": true,
            "issuers": issuers,
            "audiences": policy.audiences(),
            "scopes": policy.scopes(),
            "rules": policy.rules().iter().map(Rule::id).collect::<Vec<_>>(),
            "coverage": policy.coverage(),
            "context": {
                "claims": policy.passed_on(),
                "on_overflow": match policy.on_overflow() {
                    OnOverflow::Drop => "drop",
                    OnOverflow::Error => "error",
                },
            },
            "findings": findings,
        }));
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
    for finding in findings {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{}: {}\n    → {}",
            finding.code, finding.words, finding.remedy
        );
    }
    if !policy.passed_on().is_empty() {
        let becomes = match policy.on_overflow() {
            OnOverflow::Drop => {
                "is left out, and the decision log's left_out names it (on_overflow = \"error\" denies such calls)"
            }
            OnOverflow::Error => "is not left out: such calls are denied (context_overflow)",
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "Passed on to the API: {}. A value over {MAX_CONTEXT_VALUE} bytes, or for API Gateway with line breaks, {becomes}.",
            policy.passed_on().join(" ")
        );
    }
    let is_http = |rule: &Rule| {
        ![Method::WebSocket, Method::GraphQl]
            .into_iter()
            .any(|other| rule.methods().contains(other))
    };
    if policy.rules().iter().all(is_http)
        && findings.iter().all(|finding| !concerns_caching(finding))
    {
        text.push_str("Every answer may be cached by token, for as long as you like.\n");
    }
    out::print(&text)
}

fn concerns_caching(finding: &Finding) -> bool {
    ["path_by_path", "by_call", "too_large"].contains(&finding.code)
}

/// Every scope that some enabled client may get.
fn granted(file: &Path) -> Result<BTreeSet<String>, CliError> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        let outcome = std::io::stdin().lock().read_to_string(&mut text);
        outcome
            .map_err(|error| CliError::usage(format!("standard input can't be read: {error}")))?;
        text
    } else {
        read_file(file)?
    };
    let Clients { clients } = serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!(
            "{}: no list of clients ({error}): give what 'gatewright client list --json' prints",
            file.display()
        ))
    })?;
    let enabled = clients.iter().filter(|client| !client.disabled);
    Ok(enabled
        .flat_map(|client| client.scope.split_whitespace())
        .map(str::to_owned)
        .collect())
}
