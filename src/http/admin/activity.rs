//! `GET /admin/activity`: what has happened in the last hour, day or week.

use super::{admit, events_href, show, utc};
use crate::domain::time::rfc3339;
use crate::flows::activity::{Activity, GRANTS, Range, Slice};
use crate::flows::own_page::OwnPage;
use crate::flows::untrusted_proxies::{self, UntrustedProxy};
use crate::http::extract::Inbound;
use crate::http::page_error::{self, MALFORMED, SENT_TWICE};
use crate::http::pages::{
    ActivityPage, AlertLine, Cell, ChartRow, ChartSection, KeyLine, RangeLink, SeriesLine, number,
    stacked_bars,
};
use crate::http::state::App;
use crate::store::events::search::Filter;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

/// Shows what has happened.
pub async fn activity(State(app): State<App>, inbound: Inbound) -> Response {
    let named = match &inbound.query {
        Ok(form) if form.duplicates(&[]).next().is_some() => {
            return page_error::show(&SENT_TWICE, &inbound.request_id);
        }
        Ok(form) => form.get("range"),
        Err(_) => return page_error::show(&MALFORMED, &inbound.request_id),
    };
    let Some(range) = named.map_or(Some(Range::default()), Range::parse) else {
        return page_error::show(&MALFORMED, &inbound.request_id);
    };
    if let Err(instead) = admit(&app, &inbound, OwnPage::Activity(range)).await {
        return instead;
    }
    let counted = app.activities.of(&app.issuer, range, inbound.now).await;
    let activity = match counted {
        Ok(activity) => activity,
        Err(error) => return page_error::failed(&error, &inbound.request_id),
    };
    let shown = Shown {
        app: &app,
        activity: &activity,
    };
    show(StatusCode::OK, shown.page(), &inbound)
}

/// The counts, and where each leads.
pub(super) struct Shown<'a> {
    pub(super) app: &'a App,
    pub(super) activity: &'a Activity,
}

/// A column of a chart: its name, the filter of its events, and its number in a slice.
struct Column<'a> {
    name: &'a str,
    filter: Filter,
    count: Count<'a>,
    /// Events that stand for many, and how many they stand for.
    summed: Option<(Filter, Count<'a>)>,
}

/// A number of a slice.
type Count<'a> = &'a dyn Fn(&Slice) -> i64;

pub(super) fn of_kind(kind: &str, label: Option<&str>) -> Filter {
    Filter {
        kind: Some(kind.to_owned()),
        label: label.map(str::to_owned),
        ..Filter::default()
    }
}

impl Shown<'_> {
    fn page(&self) -> Result<String, askama::Error> {
        let activity = self.activity;
        let ranges = Range::ALL.map(|range| RangeLink {
            name: match range {
                Range::Hour => "Hour",
                Range::Day => "Day",
                Range::Week => "Week",
            },
            href: self.app.path(&OwnPage::Activity(range).path()),
            is_current: range == activity.range,
        });
        ActivityPage {
            activity_href: &self.app.path("/admin/activity"),
            events_href: &self.app.path("/admin/events"),
            sign_out_href: &self.app.path("/logout"),
            ranges: ranges.into(),
            since: &utc(activity.since),
            counted_at: &utc(activity.counted_at),
            cut_short: activity.cut_short,
            alerts: self.alerts(),
            untrusted_proxies: self.untrusted_proxies(),
            untrusted_href: &events_href(self.app, of_kind(untrusted_proxies::KIND, None)),
            charts: vec![self.logins(), self.tokens(), self.denials()],
            rankings: self.rankings(),
            keys: self.keys(),
        }
        .render()
    }

    fn logins(&self) -> ChartSection {
        let columns = [
            Column {
                name: "Succeeded",
                filter: of_kind("login_succeeded", None),
                count: &|slice| slice.logins,
                summed: None,
            },
            Column {
                name: "Failed",
                filter: of_kind("login_failed", None),
                count: &|slice| slice.failures,
                summed: None,
            },
        ];
        let head = ("logins", "Logins", "Passwords given, right and wrong.");
        self.chart(head, 0, &columns)
    }

    fn tokens(&self) -> ChartSection {
        let counts: [(Count<'_>, Count<'_>); 3] = [
            (&|slice| slice.tokens[0].single, &|slice| {
                slice.tokens[0].summed
            }),
            (&|slice| slice.tokens[1].single, &|slice| {
                slice.tokens[1].summed
            }),
            (&|slice| slice.tokens[2].single, &|slice| {
                slice.tokens[2].summed
            }),
        ];
        let names = ["Code", "Refresh", "Client credentials"];
        let columns: Vec<Column<'_>> = GRANTS
            .iter()
            .zip(names)
            .zip(counts)
            .map(|((grant, name), (single, summed))| Column {
                name,
                filter: of_kind("token_issued", Some(grant)),
                count: single,
                summed: Some((of_kind("tokens_issued", Some(grant)), summed)),
            })
            .collect();
        self.chart(
            ("tokens", "Access tokens", "Issued, by grant."),
            0,
            &columns,
        )
    }

    fn denials(&self) -> ChartSection {
        let columns = [Column {
            name: "Not allowed",
            filter: of_kind("access_decided", Some("*")),
            count: &|slice| slice.denials,
            summed: None,
        }];
        let explain = "Calls of APIs that an authorizer did not allow, from its decision log.";
        self.chart(("denials", "Denials", explain), 1, &columns)
    }

    fn chart(
        &self,
        (id, title, explain): (&'static str, &'static str, &'static str),
        first: usize,
        columns: &[Column<'_>],
    ) -> ChartSection {
        let slices = &self.activity.slices;
        let total = |column: &Column<'_>, slice: &Slice| {
            let summed = column.summed.as_ref().map_or(0, |(_, count)| count(slice));
            (column.count)(slice) + summed
        };
        let values: Vec<Vec<i64>> = columns
            .iter()
            .map(|column| slices.iter().map(|slice| total(column, slice)).collect())
            .collect();
        let whole = (self.activity.since, self.activity.until);
        let series = columns
            .iter()
            .map(|column| SeriesLine {
                name: column.name.to_owned(),
                cell: self.cell(column, slices, whole),
            })
            .collect();
        let rows = slices
            .iter()
            .rev()
            .map(|slice| ChartRow {
                label: utc(slice.since).trim_end_matches(":00").to_owned(),
                cells: columns
                    .iter()
                    .map(|column| {
                        let times = (slice.since, slice.until);
                        self.cell(column, std::slice::from_ref(slice), times)
                    })
                    .collect(),
            })
            .collect();
        ChartSection {
            id,
            title,
            explain,
            first,
            svg: stacked_bars(&values, first, &self.marks()),
            is_empty: values.iter().flatten().all(|value| *value == 0),
            series,
            rows,
        }
    }

    /// A number and where its events are; and beside it what is recorded in sums.
    fn cell(&self, column: &Column<'_>, slices: &[Slice], (since, until): (i64, i64)) -> Cell {
        let cell = |filter: &Filter, count: &dyn Fn(&Slice) -> i64| {
            let count: i64 = slices.iter().map(count).sum();
            let href = events_href(
                self.app,
                Filter {
                    since: Some(since),
                    until: Some(until),
                    ..filter.clone()
                },
            );
            (number(count), (count > 0).then_some(href))
        };
        let (number, href) = cell(&column.filter, column.count);
        let summed = column.summed.as_ref().and_then(|(filter, count)| {
            let (number, href) = cell(filter, *count);
            Some((number, href?))
        });
        Cell {
            number,
            href,
            summed,
        }
    }

    /// Below which bars a time stands.
    fn marks(&self) -> Vec<(usize, String)> {
        let every = match self.activity.range {
            Range::Hour => 3,
            Range::Day => 6,
            Range::Week => 8,
        };
        let slices = self.activity.slices.iter().enumerate();
        slices
            .step_by(every)
            .map(|(place, slice)| {
                let text = rfc3339(slice.since);
                let shown = match self.activity.range {
                    Range::Week => text.get(5..10),
                    _ => text.get(11..16),
                };
                (place, shown.unwrap_or_default().to_owned())
            })
            .collect()
    }

    fn alerts(&self) -> Vec<AlertLine> {
        let alerts = self.activity.alerts.iter();
        alerts
            .map(|alert| AlertLine {
                rule: alert.rule.clone(),
                summary: alert.summary.clone(),
                since: utc(alert.since),
                acknowledged: alert.acknowledged,
                href: self.app.path(&format!("/admin/events/{}", alert.event_id)),
            })
            .collect()
    }

    fn untrusted_proxies(&self) -> Vec<&str> {
        let proxies = self.activity.untrusted_proxies.iter();
        proxies.map(UntrustedProxy::name).collect()
    }

    fn keys(&self) -> Vec<KeyLine> {
        let activity = self.activity;
        let keys = activity.keys.iter();
        keys.map(|key| KeyLine {
            kid: key.kid.clone(),
            alg: key.alg.clone(),
            state: key.state.clone(),
            made: utc(key.created_at),
            age: days(activity.counted_at - key.created_at),
            is_overdue: key.state == "pending"
                && key.activates_at + OVERDUE_S < activity.counted_at,
            href: events_href(self.app, of_kind("key_created", None)),
        })
        .collect()
    }
}

/// How long a key may be due before something is wrong, seconds.
const OVERDUE_S: i64 = 30;

fn days(seconds: i64) -> String {
    match seconds.max(0) / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{} days", number(days)),
    }
}
