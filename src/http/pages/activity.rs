//! What administrators look at: counts, and the events behind them.

use askama::Template;

/// What has happened lately.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/activity.html" %}"#
)]
pub struct ActivityPage<'a> {
    /// This page.
    pub activity_href: &'a str,
    /// Where events are searched.
    pub events_href: &'a str,
    /// Where one signs out.
    pub sign_out_href: &'a str,
    /// How far back one may look.
    pub ranges: Vec<RangeLink>,
    /// From when on is counted.
    pub since: &'a str,
    /// When it was counted.
    pub counted_at: &'a str,
    /// Whether there was more than is counted.
    pub cut_short: bool,
    /// Alerts that are open.
    pub alerts: Vec<AlertLine>,
    /// Peers whose forwarded headers aren't believed.
    pub untrusted_proxies: Vec<&'a str>,
    /// Where that is recorded.
    pub untrusted_href: &'a str,
    /// Counts over time.
    pub charts: Vec<ChartSection>,
    /// Who and what there was most of.
    pub rankings: Vec<Ranking>,
    /// Signing keys.
    pub keys: Vec<KeyLine>,
}

/// How far back, and where that is shown.
#[derive(Debug)]
pub struct RangeLink {
    /// In a word.
    pub name: &'static str,
    /// Where.
    pub href: String,
    /// Whether it's this page.
    pub is_current: bool,
}

/// An alert that is open.
#[derive(Debug)]
pub struct AlertLine {
    /// By which rule.
    pub rule: String,
    /// What it says.
    pub summary: String,
    /// Since when.
    pub since: String,
    /// Whether somebody took notice.
    pub acknowledged: bool,
    /// Its event.
    pub href: String,
}

/// Counts over time: as a chart and as a table.
#[derive(Debug)]
pub struct ChartSection {
    /// Its element.
    pub id: &'static str,
    /// What is counted.
    pub title: &'static str,
    /// In a sentence.
    pub explain: &'static str,
    /// The colour of its first series: 0 for what is well, 1 for what is not.
    pub first: usize,
    /// The chart, which only this server wrote.
    pub svg: String,
    /// Whether all is 0.
    pub is_empty: bool,
    /// The series from the bottom up, at most three, with what they have over all.
    pub series: Vec<SeriesLine>,
    /// The table, newest first.
    pub rows: Vec<ChartRow>,
}

/// One series.
#[derive(Debug)]
pub struct SeriesLine {
    /// What it counts.
    pub name: String,
    /// How many over all.
    pub cell: Cell,
}

/// One stretch of time.
#[derive(Debug)]
pub struct ChartRow {
    /// When it began.
    pub label: String,
    /// A number for each series.
    pub cells: Vec<Cell>,
}

/// A number, and where the events behind it are, if there are any.
#[derive(Debug)]
pub struct Cell {
    /// How many.
    pub number: String,
    /// Where.
    pub href: Option<String>,
    /// How many more are recorded in sums, and where those are.
    pub summed: Option<(String, String)>,
}

/// Who or what there was most of.
#[derive(Debug)]
pub struct Ranking {
    /// Its element.
    pub id: &'static str,
    /// What is ranked.
    pub title: &'static str,
    /// What the names are.
    pub column: &'static str,
    /// The most frequent first.
    pub lines: Vec<RankingLine>,
}

/// One of them.
#[derive(Debug)]
pub struct RankingLine {
    /// Its name.
    pub name: String,
    /// How often.
    pub number: String,
    /// The events behind it.
    pub href: String,
}

/// A signing key.
#[derive(Debug)]
pub struct KeyLine {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub alg: String,
    /// Where it is in its life.
    pub state: String,
    /// When it was made.
    pub made: String,
    /// For how long it has been.
    pub age: String,
    /// Whether it should sign and doesn't.
    pub is_overdue: bool,
    /// The events of keys.
    pub href: String,
}

/// Events that fit a search, and the form to search with.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/events.html" %}"#
)]
#[expect(
    missing_docs,
    reason = "the fields of the form are named as its parameters"
)]
pub struct EventsPage<'a> {
    pub activity_href: &'a str,
    pub events_href: &'a str,
    pub sign_out_href: &'a str,
    /// The events, newest first.
    pub lines: Vec<EventLine>,
    /// Whether these are the newest that fit.
    pub is_first: bool,
    /// Where the older ones are.
    pub next_href: Option<String>,
    /// What is wrong with the search.
    pub fault: Option<&'a str>,
    /// Every kind there is.
    pub kinds: Vec<&'static str>,
    pub kind: &'a str,
    pub user: &'a str,
    pub client: &'a str,
    pub address: &'a str,
    pub label: &'a str,
    pub route: &'a str,
    pub request_id: &'a str,
    pub trace_id: &'a str,
    pub since: &'a str,
    pub until: &'a str,
}

impl EventsPage<'_> {
    /// Whether a field that is mostly out of sight holds something.
    fn has_more(&self) -> bool {
        [self.label, self.route, self.request_id, self.trace_id]
            .iter()
            .any(|value| !value.is_empty())
    }
}

/// One event of a list.
#[derive(Debug)]
pub struct EventLine {
    /// When.
    pub at: String,
    /// Its kind.
    pub kind: String,
    /// How much somebody should care.
    pub severity: &'static str,
    /// Its page.
    pub href: String,
    /// What tells it from others of its kind.
    pub words: String,
    /// Whom it is about.
    pub about: String,
}

/// One event.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/event.html" %}"#
)]
pub struct EventPage<'a> {
    /// What has happened lately.
    pub activity_href: &'a str,
    /// Where events are searched.
    pub events_href: &'a str,
    /// Where one signs out.
    pub sign_out_href: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// How much somebody should care.
    pub severity: &'a str,
    /// When events of its kind happen.
    pub when: &'a str,
    /// What every event has.
    pub facts: Vec<Fact>,
    /// What its kind has.
    pub detail: Vec<Fact>,
}

/// Something that is known of an event.
#[derive(Debug)]
pub struct Fact {
    /// What.
    pub name: String,
    /// As it is.
    pub value: String,
    /// Other events with the same.
    pub href: Option<String>,
}
