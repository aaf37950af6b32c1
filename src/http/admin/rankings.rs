//! Who and what there was most of, on the activity page.

use super::activity::{Shown, of_kind};
use super::events_href;
use crate::flows::activity::Named;
use crate::http::pages::{Ranking, RankingLine, number};
use crate::store::events::search::Filter;

impl Shown<'_> {
    pub(super) fn rankings(&self) -> Vec<Ranking> {
        let activity = self.activity;
        let failed = || of_kind("login_failed", None);
        let with_label = |kind: &'static str| move |name: &str| of_kind(kind, Some(name));
        let people: Vec<RankingLine> = activity
            .accounts
            .iter()
            .map(|person| {
                let filter = Filter {
                    subject: Some(person.subject.clone()),
                    ..failed()
                };
                let name = person.username.as_ref().unwrap_or(&person.subject);
                self.line(name, person.count, filter)
            })
            .collect();
        let ranking = |id, title, column, lines| Ranking {
            id,
            title,
            column,
            lines,
        };
        vec![
            ranking(
                "failure-reasons",
                "Why logins failed",
                "Reason",
                self.lines(&activity.failure_reasons, with_label("login_failed")),
            ),
            ranking(
                "failed-accounts",
                "Accounts with the most failed logins",
                "Account",
                people,
            ),
            ranking(
                "failed-addresses",
                "Addresses with the most failed logins",
                "Address",
                self.lines(&activity.addresses, |name| Filter {
                    address: Some(name.to_owned()),
                    ..failed()
                }),
            ),
            ranking(
                "denial-reasons",
                "Why calls were not allowed",
                "Reason",
                self.lines(&activity.denial_reasons, with_label("access_decided")),
            ),
            ranking(
                "denied-routes",
                "Routes where calls were not allowed",
                "Route",
                self.lines(&activity.denied_routes, |name| Filter {
                    route: Some(name.to_owned()),
                    ..of_kind("access_decided", Some("*"))
                }),
            ),
            ranking(
                "clients",
                "Clients with the most tokens",
                "Client",
                self.lines(&activity.clients, Self::of_client),
            ),
            ranking(
                "refused-clients",
                "Clients that were refused most",
                "Client",
                self.lines(&activity.refused_clients, Self::of_client),
            ),
        ]
    }

    fn of_client(name: &str) -> Filter {
        Filter {
            client_id: Some(name.to_owned()),
            ..Filter::default()
        }
    }

    fn lines(&self, named: &[Named], filter: impl Fn(&str) -> Filter) -> Vec<RankingLine> {
        named
            .iter()
            .map(|(name, count)| self.line(name, *count, filter(name)))
            .collect()
    }

    fn line(&self, name: &str, count: i64, filter: Filter) -> RankingLine {
        let filter = Filter {
            since: Some(self.activity.since),
            until: Some(self.activity.until),
            ..filter
        };
        RankingLine {
            name: name.to_owned(),
            number: number(count),
            href: events_href(self.app, filter),
        }
    }
}
