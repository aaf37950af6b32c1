//! `when = "…"`: conditions in CEL over the claims, the request and the policy file's own data.
//!
//! | name | what it is |
//! |---|---|
//! | `claims` | the token's claims; `exp`, `iat`, `nbf`, `auth_time` and `updated_at` are timestamps |
//! | `request.method` | the HTTP method |
//! | `request.path` | the parameters of the rule's path, decoded: `request.path.id` for `/orders/{id}` |
//! | `request.source_ip` | the caller's address; `in_network(request.source_ip, "10.0.0.0/8")` |
//! | `request.stage` | the API's stage |
//! | `now` or `request.time` | the time of the call, a timestamp |
//! | `policy` | the table `[data]` of the policy file |
//!
//! Everything that can be known when the file is read is checked then: names, parameters, functions, cost. What is
//! known only at the call (a claim that's missing, or of another type) makes the condition *fail*. A rule that allows
//! isn't satisfied by a failing condition; a rule that denies is.

mod check;
mod facts;

use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::{Env, Program, Value};
use serde::Serialize;

use super::PathTemplate;

pub(super) use facts::{Data, Facts, value_of_toml};

/// Longest condition, in bytes.
const MAX_SOURCE: usize = 1024;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What a condition asks for besides the token and the policy file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Needs {
    /// The method or a parameter of the path: part of the resource that a gateway caches by.
    pub path: bool,
    /// The caller's address.
    pub address: bool,
    /// The stage: part of the resource, too.
    pub stage: bool,
    /// The time.
    pub time: bool,
}

impl Needs {
    /// Whether the token alone decides.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// Whether an answer for one method and path is right for every call of it.
    pub fn is_the_resource(self) -> bool {
        !self.address && !self.time
    }
}

/// A condition, parsed and checked.
#[derive(Clone)]
pub struct Condition {
    source: Arc<str>,
    program: Arc<Program>,
    needs: Needs,
    loops: bool,
}

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    True,
    False,
    /// It could not be evaluated, in words that hold no value of a claim.
    Failed(String),
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where in the condition, in characters from its start.
    pub at: usize,
    pub message: String,
    pub remedy: String,
}

/// What a condition may refer to.
pub(super) struct Scope<'s> {
    /// The rule's path.
    pub template: &'s PathTemplate,
    /// The names in `[data]`.
    pub data: &'s [String],
}

impl Condition {
    pub(super) fn parse(source: &str, scope: &Scope<'_>) -> Result<Self, Fault> {
        let fault = |at, message: &str, remedy: &str| Fault {
            at,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        };
        if source.len() > MAX_SOURCE {
            let remedy = "split it into several rules, or put long lists into [data]";
            return Err(fault(0, "the condition is over 1024 bytes long", remedy));
        }
        let program = ENV.compile(source).map_err(|errors| {
            let first = errors.errors.first();
            let at = first.map_or(0, |error| offset_of(source, error.pos));
            let said = first.map_or("", |error| error.msg.as_str());
            let said = said.lines().next().unwrap_or_default().trim();
            let message = format!("the condition is not CEL: {said}");
            fault(
                at,
                &message,
                "correct it there; see the README for examples",
            )
        })?;
        let found = check::check(&program, scope)?;
        Ok(Self {
            source: source.into(),
            program: Arc::new(program),
            needs: found.needs,
            loops: found.loops,
        })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// What it asks for besides the token and the policy file.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Evaluates it for one call; `None` for whatever call.
    pub(super) fn evaluate(&self, facts: &Facts<'_>, template: &PathTemplate) -> Outcome {
        let context = match facts.context(&ENV, template, self.loops) {
            Ok(context) => context,
            Err(words) => return Outcome::Failed(words),
        };
        match self.program.execute(&context) {
            Ok(Value::Bool(true)) => Outcome::True,
            Ok(Value::Bool(false)) => Outcome::False,
            Ok(_) => Outcome::Failed("the condition gave neither true nor false".to_owned()),
            Err(error) => Outcome::Failed(facts::words_of(&error, &self.source)),
        }
    }
}

/// The offset in characters of a line (from 1) and column (from 0 or 1, which differs by kind of error).
fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let before: usize = source
        .split_inclusive('\n')
        .take(line)
        .map(|line| line.chars().count())
        .sum();
    (before + column).min(source.chars().count())
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}
