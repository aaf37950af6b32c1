//! `gatewright policy test`: a table of calls and the verdicts that they should have.

use super::question::{Circumstances, Question};
use super::{beside, claims, read, unusable_time};
use crate::cli::args::{OutputArgs, now, read_file};
use crate::cli::error::CliError;
use crate::cli::out;
use gatewright_authorizer::policy::{Explanation, Policy, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How such a file looks.
pub(super) const HELP: &str = "A file of cases:\n
  policy = \"policy.toml\"          # beside this file; or give --policy

  [tokens.reader]                 # claims by name; what every token has is made up where it's left out
  sub = \"ada\"
  scope = \"orders:read\"

  [[case]]
  token = \"reader\"
  method = \"GET\"
  path = \"/orders/7\"
  expect = \"allow\"

  [[case]]
  name = \"readers don't write\"   # these are optional: name, rule, reason, source_ip, stage, time
  token = \"reader\"
  method = \"POST\"
  path = \"/orders\"
  expect = \"deny\"
  reason = \"insufficient_scope\"

  [[case]]
  token = \"reader\"
  field = \"Query.orders\"          # in place of method and path: field, document = \"{ orders { id } }\", or
  expect = \"allow\"               # route = \"$connect\"

Exit codes: 0 if every verdict is as expected, 1 if not, 2 for a file that can't be used.";

/// Arguments of `policy test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The file of cases
    #[arg(value_name = "FILE")]
    cases: PathBuf,
    /// The policy file, instead of the one that the file of cases names
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    policy: Option<PathBuf>,
    #[serde(default)]
    tokens: BTreeMap<String, Map<String, Value>>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    token: String,
    method: Option<String>,
    path: Option<String>,
    route: Option<Connect>,
    field: Option<String>,
    document: Option<String>,
    source_ip: Option<IpAddr>,
    stage: Option<String>,
    time: Option<String>,
    expect: Expected,
    rule: Option<String>,
    reason: Option<String>,
}

/// The one route of a WebSocket API that is judged.
#[derive(Clone, Copy, Deserialize)]
enum Connect {
    #[serde(rename = "$connect")]
    Connect,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allow,
    Deny,
}

/// What became of a case.
struct Outcome {
    name: String,
    explanation: Explanation,
    /// In what it isn't as expected.
    differs: Vec<String>,
}

/// Runs a file of cases.
pub(super) fn run(args: &TestArgs) -> Result<ExitCode, CliError> {
    let table = read_table(&args.cases)?;
    let file = match (&args.policy, &table.policy) {
        (Some(given), _) => given.clone(),
        (None, Some(named)) => beside(&args.cases, named),
        (None, None) => {
            return Err(CliError::usage(format!(
                "{} names no policy file: add policy = \"policy.toml\" at its top, or give --policy FILE",
                args.cases.display()
            )));
        }
    };
    let policy = read(&file)?;
    let outcomes = table
        .case
        .iter()
        .enumerate()
        .map(|(at, case)| judge(&policy, &table, case, at, &args.cases))
        .collect::<Result<Vec<_>, _>>()?;
    print(&outcomes, args.output.json)?;
    let all_well = outcomes.iter().all(|outcome| outcome.differs.is_empty());
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read_table(path: &Path) -> Result<Table, CliError> {
    let table: Table = toml::from_str(&read_file(path)?).map_err(|error| {
        CliError::usage(format!(
            "{}: {error}see 'gatewright policy test --help' for the form of the file",
            path.display()
        ))
    })?;
    if table.case.is_empty() {
        return Err(CliError::usage(format!(
            "{} has no cases: add a [[case]]",
            path.display()
        )));
    }
    Ok(table)
}

fn judge(
    policy: &Policy,
    table: &Table,
    case: &Case,
    at: usize,
    file: &Path,
) -> Result<Outcome, CliError> {
    let name = case.name.clone().unwrap_or_else(|| case.title());
    let place = format!("{}: case {} ({name})", file.display(), at + 1);
    let now = match &case.time {
        None => now(),
        Some(time) => claims::time(time).ok_or_else(|| unusable_time(&place, time))?,
    };
    let Some(claims) = table.tokens.get(&case.token) else {
        let token = &case.token;
        return Err(CliError::usage(format!(
            "{place}: there is no token {token:?}: add a table [tokens.{token}] with its claims"
        )));
    };
    let token = claims::token(policy, claims.clone(), now);
    let circumstances = Circumstances {
        source_ip: case.source_ip,
        stage: case.stage.as_deref(),
        now,
    };
    let explanation = case
        .question(&place)?
        .explain(policy, &token, circumstances);
    Ok(Outcome {
        name,
        differs: differences(case, &explanation),
        explanation,
    })
}

impl Case {
    fn title(&self) -> String {
        let connect = self.route.map(|Connect::Connect| "$connect");
        let asked = [
            self.method.as_deref(),
            self.path.as_deref(),
            connect,
            self.field.as_deref(),
            self.document.as_deref(),
        ];
        let words: Vec<&str> = asked.into_iter().flatten().collect();
        format!("{} {}", self.token, words.join(" "))
    }

    fn question(&self, place: &str) -> Result<Question, CliError> {
        let fields: Vec<String> = self.field.iter().cloned().collect();
        let question = Question::only(
            (self.method.as_ref(), self.path.as_ref()),
            self.route.is_some(),
            &fields,
            self.document.clone(),
            &format!(
                "{place} needs method and path, or route = \"$connect\", or field = \"Type.name\", or document"
            ),
        )?;
        if question.is_graphql() && (self.source_ip.is_some() || self.stage.is_some()) {
            return Err(CliError::usage(format!(
                "{place}: AppSync tells no address and no stage: leave source_ip and stage out"
            )));
        }
        Ok(question)
    }
}

fn differences(case: &Case, got: &Explanation) -> Vec<String> {
    let mut differs = Vec::new();
    let allowed = got.verdict == Verdict::Allow;
    if allowed != (case.expect == Expected::Allow) {
        let verdict = |allowed| if allowed { "allow" } else { "deny" };
        differs.push(format!(
            "expected {}, got {}",
            verdict(!allowed),
            verdict(allowed)
        ));
    }
    let reason = got.reason.map(|reason| reason.as_str().to_owned());
    for (what, expected, got) in [
        ("rule", &case.rule, &got.rule),
        ("reason", &case.reason, &reason),
    ] {
        if expected.is_some() && expected != got {
            differs.push(format!(
                "expected the {what} {}, got {}",
                expected.as_deref().unwrap_or_default(),
                got.as_deref().unwrap_or("none")
            ));
        }
    }
    differs
}

fn print(outcomes: &[Outcome], json: bool) -> Result<(), CliError> {
    let failed = outcomes
        .iter()
        .filter(|outcome| !outcome.differs.is_empty())
        .count();
    let passed = outcomes.len() - failed;
    if json {
        let case = |outcome: &Outcome| {
            json!({
                "name": outcome.name,
                "passed": outcome.differs.is_empty(),
                "differs": outcome.differs,
                "got": outcome.explanation,
            })
        };
        let cases: Vec<Value> = outcomes.iter().map(case).collect();
        return out::json(&json!({"passed": passed, "failed": failed, "cases": cases}));
    }
    let mut text = String::new();
    for outcome in outcomes {
        // Writing to a `String` cannot fail.
        let _ = if outcome.differs.is_empty() {
            writeln!(text, "ok    {}", outcome.name)
        } else {
            let differs = outcome.differs.join("; ");
            let explanation = outcome.explanation.to_string().replace('\n', "\n      ");
            writeln!(
                text,
                "FAIL  {}: {differs}\n      {explanation}",
                outcome.name
            )
        };
    }
    let _ = writeln!(text, "{passed} passed, {failed} failed");
    out::print(&text)
}
