//! Rules over the stream of events.

use super::AlertSettings;
use super::baseline::Baselines;
use super::past::{Past, REMEMBERED_S};
use super::tally::{Observed, most, top_five};
use crate::domain::alert::{Finding, Rule, Target, TopFive};
use crate::store::alerts::observed::{self, Which};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// Events of a kind that are looked at in one round: beyond it the span gets shorter, not the round longer.
const SCANNED: i64 = 20_000;
/// Alerts of one rule from one round: what else there is shows in the top five.
const TARGETS: usize = 10;
/// Fits everything, and nothing.
const ANY: &str = "%";
const NONE: &str = "";

const FAILED_LOGINS: Which<'_> = Which {
    kind: "login_failed",
    like: ANY,
    // The server's own lack of time is no attack.
    unlike: "%\"reason\":\"busy\"%",
    labelled: false,
};
const DENIALS: Which<'_> = Which {
    kind: "access_decided",
    like: ANY,
    unlike: "%\"decision\":\"allow\"%",
    // What is allowed has no reason; there may be very much of it.
    labelled: true,
};
/// An authorizer's reason for a token that names a key which no issuer has.
const UNKNOWN_KID: &str = "key_unknown";

/// What the rules look at.
pub(super) struct Watch<'a> {
    pub(super) store: &'a Store,
    pub(super) settings: &'a AlertSettings,
    pub(super) past: &'a Past,
    pub(super) baselines: &'a Baselines,
    pub(super) now: i64,
}

/// A target whose limit is reached.
struct Reached<'r> {
    target: Target,
    rows: Vec<&'r Observed>,
    observed: i64,
    limit: i64,
}

impl Watch<'_> {
    pub(super) async fn findings(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = self.logins().await?;
        found.extend(self.client_secrets().await?);
        found.extend(self.replays().await?);
        found.extend(self.decisions().await?);
        found.extend(self.administrators().await?);
        found.extend(self.nodes().await?);
        Ok(found)
    }

    async fn logins(&self) -> Result<Vec<Finding>, StoreError> {
        use Rule::{LoginFailures, LoginFailuresAccount, LoginFailuresAddress, PasswordSpraying};
        let rules = [
            LoginFailures,
            LoginFailuresAccount,
            LoginFailuresAddress,
            PasswordSpraying,
        ];
        let rows = self.recent(FAILED_LOGINS, &rules).await?;
        let mut found = self
            .against_baseline(LoginFailures, FAILED_LOGINS, &rows, "failed logins")
            .await?;
        let account = |row: &Observed| row.subject.clone().map(Target::Account);
        for reached in self.reached(LoginFailuresAccount, &rows, account, count) {
            found.push(self.finding(LoginFailuresAccount, reached, "failed logins"));
        }
        let address = |row: &Observed| row.address.clone().map(Target::Address);
        for reached in self.reached(LoginFailuresAddress, &rows, address, count) {
            found.push(self.finding(LoginFailuresAddress, reached, "failed logins"));
        }
        let accounts = |row: &Observed| row.number("same_password_accounts");
        let sprayed: Vec<Observed> = rows.into_iter().filter(|row| accounts(row) > 1).collect();
        let most_accounts = |rows: &[&Observed]| rows.iter().map(|row| accounts(row)).max();
        for reached in self.reached(PasswordSpraying, &sprayed, all, |rows| {
            most_accounts(rows).unwrap_or(0)
        }) {
            let words = "accounts on which one password was tried";
            found.push(self.finding(PasswordSpraying, reached, words));
        }
        Ok(found)
    }

    async fn client_secrets(&self) -> Result<Vec<Finding>, StoreError> {
        let rule = Rule::ClientSecretGuessing;
        let rows = self
            .recent(any("client_authentication_failed"), &[rule])
            .await?;
        let target = |row: &Observed| {
            Some(match (&row.client_id, &row.address) {
                (Some(client), _) => Target::Client(client.clone()),
                (None, Some(address)) => Target::Address(address.clone()),
                (None, None) => Target::All,
            })
        };
        let reached = self.reached(rule, &rows, target, count);
        let words = "failed client authentications";
        Ok(self.all_findings(rule, reached, words))
    }

    async fn replays(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        for (rule, kind, words) in [
            (
                Rule::RefreshReplay,
                "refresh_replayed",
                "spent refresh tokens that came again",
            ),
            (
                Rule::CodeReplay,
                "code_replayed",
                "spent codes that came again",
            ),
        ] {
            let rows = self.recent(any(kind), &[rule]).await?;
            let client = |row: &Observed| row.client_id.clone().map(Target::Client);
            found.extend(self.all_findings(rule, self.reached(rule, &rows, client, count), words));
        }
        Ok(found)
    }

    async fn decisions(&self) -> Result<Vec<Finding>, StoreError> {
        let rules = [Rule::UnknownKidFlood, Rule::DenialSpike];
        let rows = self.recent(DENIALS, &rules).await?;
        let (unknown, others): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| row.text("reason") == Some(UNKNOWN_KID));
        let rule = Rule::UnknownKidFlood;
        let reached = self.reached(rule, &unknown, all, count);
        let mut found = self.all_findings(rule, reached, "tokens with a key id that nobody has");
        let rule = Rule::DenialSpike;
        found.extend(
            self.against_baseline(rule, DENIALS, &others, "denied calls")
                .await?,
        );
        Ok(found)
    }

    async fn administrators(&self) -> Result<Vec<Finding>, StoreError> {
        let rule = Rule::AdminNewDevice;
        let which = Which {
            kind: "login_succeeded",
            like: "%\"administrator\":true%",
            unlike: "%\"known_device\":true%",
            labelled: false,
        };
        let rows = self.recent(which, &[rule]).await?;
        let account = |row: &Observed| row.subject.clone().map(Target::Account);
        let reached = self.reached(rule, &rows, account, count);
        let words = "logins of an administrator from a device that the account didn't know";
        Ok(self.all_findings(rule, reached, words))
    }

    async fn nodes(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        let node = |row: &Observed| row.node.clone().map(Target::Node);

        let rule = Rule::ClockSkew;
        let rows = self.recent(any("clock_skew"), &[rule]).await?;
        let widest = |rows: &[&Observed]| {
            let seconds = rows.iter().map(|row| row.number("seconds").abs());
            seconds.max().unwrap_or(0)
        };
        let words = "seconds between a node's clock and the database's";
        found.extend(self.all_findings(rule, self.reached(rule, &rows, node, widest), words));

        let rule = Rule::EventLoss;
        let rows = self.recent(any("events_lost"), &[rule]).await?;
        let lost = |rows: &[&Observed]| {
            let counts = rows.iter().map(|row| row.number("count"));
            counts.fold(0, i64::saturating_add)
        };
        found.extend(self.all_findings(
            rule,
            self.reached(rule, &rows, node, lost),
            "events were lost",
        ));
        // What an authorizer couldn't send is missing, too.
        let sender = |row: &Observed| row.client_id.clone().map(Target::Client);
        let rows = self.recent(any("decisions_lost"), &[rule]).await?;
        found.extend(self.all_findings(
            rule,
            self.reached(rule, &rows, sender, lost),
            "decisions of an authorizer were lost",
        ));

        let rule = Rule::DatabaseTrouble;
        let which = Which {
            kind: "request_failed",
            like: "%\"cause\":\"database_%",
            unlike: NONE,
            labelled: false,
        };
        let rows = self.recent(which, &[rule]).await?;
        let words = "requests failed for the database";
        found.extend(self.all_findings(rule, self.reached(rule, &rows, all, count), words));
        Ok(found)
    }

    /// What happened in the longest window of these rules; nothing if all are off.
    async fn recent(&self, which: Which<'_>, rules: &[Rule]) -> Result<Vec<Observed>, StoreError> {
        let on = rules
            .iter()
            .filter(|rule| self.settings.limit(**rule).is_some());
        let Some(window_s) = on.map(|rule| rule.window_s()).max() else {
            return Ok(Vec::new());
        };
        let since = self.now - window_s.min(REMEMBERED_S);
        let rows = observed::recent(self.store, which, since, SCANNED).await?;
        Ok(rows.into_iter().map(Observed::from).collect())
    }

    /// The rows of a rule by target, of those that reach its limit; the largest first. What an alert that has ended
    /// was raised for is not counted again.
    fn reached<'r>(
        &self,
        rule: Rule,
        rows: &'r [Observed],
        target: impl Fn(&Observed) -> Option<Target>,
        measure: impl Fn(&[&Observed]) -> i64,
    ) -> Vec<Reached<'r>> {
        let Some(limit) = self.settings.limit(rule) else {
            return Vec::new();
        };
        let since = self.now - rule.window_s();
        let mut by_target: BTreeMap<Target, Vec<&Observed>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.at > since) {
            if let Some(target) = target(row) {
                by_target.entry(target).or_default().push(row);
            }
        }
        let mut reached: Vec<Reached<'r>> = by_target
            .into_iter()
            .filter_map(|(target, mut rows)| {
                let counted_until = self.past.counted_until(rule, &target);
                rows.retain(|row| row.at > counted_until);
                let observed = measure(&rows);
                (observed >= limit).then_some(Reached {
                    target,
                    rows,
                    observed,
                    limit,
                })
            })
            .collect();
        reached.sort_by_key(|reached| std::cmp::Reverse(reached.observed));
        reached.truncate(TARGETS);
        reached
    }

    fn all_findings(&self, rule: Rule, reached: Vec<Reached<'_>>, words: &str) -> Vec<Finding> {
        let findings = reached.into_iter();
        findings
            .map(|reached| self.finding(rule, reached, words))
            .collect()
    }

    /// Over all targets, and unusual for this hour.
    async fn against_baseline(
        &self,
        rule: Rule,
        which: Which<'_>,
        rows: &[Observed],
        words: &str,
    ) -> Result<Vec<Finding>, StoreError> {
        let Some(reached) = self.reached(rule, rows, all, count).pop() else {
            return Ok(Vec::new());
        };
        let since = self.now - rule.window_s();
        // So many came that the look back is shorter than the window.
        let reach = observed::reach(self.store, which, since, SCANNED).await?;
        let span_s = (self.now - reach.unwrap_or(since)).max(1);
        let normal = self
            .baselines
            .normal(self.store, which, (span_s, self.now))
            .await?;
        let unusual = normal.unwrap_or(0) * self.settings.unusual_times;
        if reached.observed < unusual {
            return Ok(Vec::new());
        }
        let limit = reached.limit.max(unusual);
        let mut finding = self.finding(rule, Reached { limit, ..reached }, words);
        if let Some(normal) = normal {
            finding.summary = format!("{}; at this hour {normal} are normal", finding.summary);
        }
        finding.normal = normal;
        Ok(vec![finding])
    }

    fn finding(&self, rule: Rule, reached: Reached<'_>, words: &str) -> Finding {
        let Reached {
            target,
            rows,
            observed,
            limit,
        } = reached;
        let times = || rows.iter().map(|row| row.at);
        let of = match target.parts() {
            ("all", _) => String::new(),
            (kind, id) => format!(" ({kind} {id})"),
        };
        let minutes = match rule {
            // A failure says on how many accounts its password was tried in the hour before.
            Rule::PasswordSpraying => 60,
            rule => rule.window_s() / 60,
        };
        let nodes = match rule {
            Rule::ClockSkew | Rule::EventLoss | Rule::DatabaseTrouble => {
                most(&rows, |row| row.node.clone())
            }
            _ => Vec::new(),
        };
        Finding {
            rule,
            since: times().min().unwrap_or(self.now),
            // Of a node whose clock is ahead.
            seen_at: times().max().unwrap_or(self.now).min(self.now),
            observed,
            limit,
            normal: None,
            summary: format!("{observed} {words}{of} within {minutes} minutes"),
            top: TopFive {
                nodes,
                ..top_five(&rows)
            },
            target,
        }
    }
}

fn any(kind: &str) -> Which<'_> {
    Which {
        kind,
        like: ANY,
        unlike: NONE,
        labelled: false,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a target like the others")]
fn all(_: &Observed) -> Option<Target> {
    Some(Target::All)
}

fn count(rows: &[&Observed]) -> i64 {
    let amounts = rows.iter().map(|row| row.amount);
    amounts.fold(0, i64::saturating_add)
}
