//! The administrators' pages filled in, for the tests.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use askama::Template;

use super::samples::Words;
use super::*;

impl<'a> Words<'a> {
    fn cell(&self, number: &str) -> Cell {
        let href = self.own("/admin/events?kind=login_failed");
        Cell {
            number: number.to_owned(),
            href: Some(href.clone()),
            summed: Some((self.own("5,000"), href)),
        }
    }

    pub(super) fn activity(&self) -> String {
        let chart = ChartSection {
            id: "logins",
            title: "Logins",
            explain: "Passwords given, right and wrong.",
            first: 1,
            svg: stacked_bars(&[vec![3, 4], vec![0, 1]], 1, &[(0, self.own("10:00"))]),
            is_empty: false,
            series: vec![SeriesLine {
                name: self.own("Failed"),
                cell: self.cell("8"),
            }],
            rows: vec![ChartRow {
                label: self.own("2026-11-26 10:00"),
                cells: vec![self.cell("8")],
            }],
        };
        let ranking = Ranking {
            id: "failed-accounts",
            title: "Accounts with the most failed logins",
            column: "Account",
            lines: vec![RankingLine {
                name: self.own("ada"),
                number: "8".to_owned(),
                href: self.own("/admin/events?user=ada"),
            }],
        };
        ActivityPage {
            activity_href: self.say("/admin/activity"),
            events_href: self.say("/admin/events"),
            sign_out_href: self.say("/logout"),
            ranges: vec![RangeLink {
                name: "Day",
                href: self.own("/admin/activity?range=day"),
                is_current: true,
            }],
            since: self.say("2026-11-26 10:00:00"),
            counted_at: self.say("2026-11-27 10:00:00"),
            cut_short: true,
            alerts: vec![AlertLine {
                rule: self.own("login_failures"),
                summary: self.own("40 logins failed in 5 minutes"),
                since: self.own("2026-11-26 10:00:00"),
                acknowledged: true,
                href: self.own("/admin/events/x"),
            }],
            untrusted_proxies: vec![self.say("10.0.3.7"), self.say("203.0.113.0/24")],
            untrusted_href: self.say("/admin/events?kind=forwarded_untrusted"),
            charts: vec![chart],
            rankings: vec![ranking],
            keys: vec![KeyLine {
                kid: self.own("MRWtPvDG"),
                alg: self.own("ES256"),
                state: self.own("pending"),
                made: self.own("2026-11-26 10:00:00"),
                age: self.own("3 days"),
                is_overdue: true,
                href: self.own("/admin/events?kind=key_created"),
            }],
        }
        .render()
        .unwrap()
    }

    pub(super) fn events(&self, fault: Option<&'a str>) -> String {
        EventsPage {
            activity_href: self.say("/admin/activity"),
            events_href: self.say("/admin/events"),
            sign_out_href: self.say("/logout"),
            lines: vec![EventLine {
                at: self.own("2026-11-26 10:00:00"),
                kind: self.own("code_replayed"),
                severity: "warning",
                href: self.own("/admin/events/x"),
                words: self.own("wrong_password"),
                about: self.own("user ada"),
            }],
            is_first: false,
            next_href: Some(self.own("/admin/events?cursor=x")),
            fault,
            kinds: vec!["login_failed", "code_replayed"],
            kind: self.say("login_failed"),
            user: self.say("ada"),
            client: self.say("web"),
            address: self.say("203.0.113.7"),
            label: self.say("wrong_password"),
            route: self.say("GET /"),
            request_id: self.say("r"),
            trace_id: self.say("t"),
            since: self.say("1h"),
            until: self.say("1m"),
        }
        .render()
        .unwrap()
    }

    pub(super) fn event(&self) -> String {
        let fact = |name: &str| Fact {
            name: self.own(name),
            value: self.own("ada"),
            href: Some(self.own("/admin/events?user=ada")),
        };
        EventPage {
            activity_href: self.say("/admin/activity"),
            events_href: self.say("/admin/events"),
            sign_out_href: self.say("/logout"),
            kind: self.say("login_failed"),
            severity: "notice",
            when: self.say("A login was refused."),
            facts: vec![fact("User")],
            detail: vec![fact("reason")],
        }
        .render()
        .unwrap()
    }

    pub(super) fn admin_pages(&self) -> Vec<(&'static str, Vec<&'static str>, String)> {
        vec![
            (
                "activity",
                vec![
                    "activity",
                    "untrusted-proxies",
                    "alerts",
                    "logins",
                    "failed-accounts",
                    "keys",
                ],
                self.activity(),
            ),
            ("events", vec!["events", "search-form"], self.events(None)),
            (
                "events-refused",
                vec!["search-error"],
                self.events(Some(self.say("kind is not one"))),
            ),
            ("event", vec!["event"], self.event()),
        ]
    }
}
