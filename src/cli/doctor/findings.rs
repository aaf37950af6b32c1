//! What was found, and how it is told.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

struct Finding {
    check: &'static str,
    state: State,
    found: String,
    remedy: Option<String>,
}

/// Findings in the order in which they were made.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Nothing wrong.
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Finding {
            check,
            state: State::Ok,
            found: found.into(),
            remedy: None,
        });
    }

    /// Works, but should be looked after.
    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding {
            check,
            state: State::Warn,
            found: found.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// Doesn't work, or gives a secret away.
    pub(super) fn fail(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding {
            check,
            state: State::Fail,
            found: found.into(),
            remedy: Some(remedy.into()),
        });
    }

    /// The worst of all.
    pub(super) fn worst(&self) -> State {
        self.0
            .iter()
            .map(|finding| finding.state)
            .max()
            .unwrap_or(State::Ok)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "check": finding.check,
                "state": finding.state.as_str(),
                "found": finding.found,
                "remedy": finding.remedy,
            })
        };
        self.0.iter().map(finding).collect()
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        let mut text = String::new();
        for Finding {
            check,
            state,
            found,
            remedy,
        } in &self.0
        {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{:4}  {check:13}  {found}", state.as_str());
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "{:21}→ {remedy}", "");
            }
        }
        text.push_str(match self.worst() {
            State::Ok => "\nNothing is wrong.\n",
            State::Warn => "\nIt works; look after the warnings.\n",
            State::Fail => "\nSomething is wrong: begin with the first 'fail'.\n",
        });
        text
    }
}
