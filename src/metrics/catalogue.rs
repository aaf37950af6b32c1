//! Every metric, once: its name, its type, its labels and what it means.

use std::fmt::Write as _;

use prometheus_client::registry::{Metric, Registry};

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A value of the moment.
    Gauge,
    /// How often values fell below bounds, their number and their sum.
    Histogram,
}

impl Kind {
    /// The word of the exposition formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// `gatewright serve`
    Issuer,
    /// `gatewright authorizer serve` and `gatewright gateway`
    Authorizer,
    /// All of them.
    Both,
}

impl Of {
    pub(super) fn includes(self, role: Self) -> bool {
        self == Self::Both || self == role
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As scraped: counters with `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Who has it.
    pub of: Of,
    /// What it means, a sentence without its full stop.
    pub help: &'static str,
}

impl Entry {
    /// Registers what counts for it.
    pub(super) fn register(&self, registry: &mut Registry, role: Of, metric: impl Metric) {
        if self.of.includes(role) {
            let name = self.name.strip_suffix("_total").unwrap_or(self.name);
            registry.register(name, self.help, metric);
        }
    }
}

macro_rules! entries {
    ($($constant:ident: $kind:ident $of:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            pub(super) const $constant: Entry = Entry {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                of: Of::$of,
                help: $help,
            };
        )+
        /// All of them, in the order of the documentation.
        pub const ALL: &[Entry] = &[$($constant),+];
    };
}

entries! {
    BUILD_INFO: Gauge Both "gatewright_build_info" ["version"]
        "1, with the version that runs";
    HTTP_REQUESTS: Counter Both "gatewright_http_requests_total" ["endpoint", "status"]
        "Requests answered, by the name of the endpoint (`other` for paths that are none) and the status code";
    HTTP_DURATION: Histogram Both "gatewright_http_request_duration_seconds" ["endpoint"]
        "From a request's headers to its answer";
    TOKENS: Counter Issuer "gatewright_tokens_total" ["grant", "client", "result"]
        "Token requests: `issued` or the RFC's error code; the first 100 clients that got a token by their id, the rest as `other`";
    LOGINS: Counter Issuer "gatewright_logins_total" ["result"]
        "Attempts to log in: succeeded, or why not: unknown_account, wrong_password, disabled, throttled, address_throttled, password_changed, busy";
    THROTTLES: Counter Issuer "gatewright_throttles_total" ["scope"]
        "Times that an account or an address reached its limit of wrong passwords";
    CLIENT_AUTHENTICATIONS: Counter Issuer "gatewright_client_authentications_total" ["result"]
        "Authentications of clients: succeeded or failed";
    PASSWORD_QUEUE_DEPTH: Gauge Issuer "gatewright_password_queue_depth" []
        "Passwords being hashed or waiting for it";
    PASSWORD_QUEUE_WAIT: Histogram Issuer "gatewright_password_queue_wait_seconds" []
        "How long a password waited before it was hashed";
    PASSWORD_QUEUE_REFUSED: Counter Issuer "gatewright_password_queue_refused_total" []
        "Passwords that were not hashed, because the queue was full";
    REFRESH_RETRIES: Counter Issuer "gatewright_refresh_retries_total" []
        "Refreshes repeated in their grace, which got the same answer again";
    REFRESH_REPLAYS: Counter Issuer "gatewright_refresh_replays_total" []
        "Spent refresh tokens that came again; their families were revoked";
    CODE_REPLAYS: Counter Issuer "gatewright_code_replays_total" []
        "Codes that came a second time; their tokens were revoked";
    DECISIONS: Counter Authorizer "gatewright_authorizer_decisions_total" ["decision", "reason"]
        "Decisions: allow, deny, unauthorized or fault, and the reason's code (`none` for allow)";
    DECISION_DURATION: Histogram Authorizer "gatewright_authorizer_decision_duration_seconds" []
        "How long a decision took, fetches of keys included";
    DECISIONS_LEFT_OUT: Counter Authorizer "gatewright_authorizer_context_left_out_total" []
        "Decisions on tokens of which something didn't fit into what the API is told; the decision log names it";
    DECISIONS_SHIPPED: Counter Authorizer "gatewright_authorizer_decisions_shipped_total" []
        "Decisions that an issuer took, by `--ship-to`";
    DECISIONS_LOST: Counter Authorizer "gatewright_authorizer_decisions_lost_total" []
        "Decisions that will not be sent: the queue was full, or the issuer doesn't take them";
    DECISIONS_WAITING: Gauge Authorizer "gatewright_authorizer_decisions_waiting" []
        "Decisions that wait to be sent";
    JWKS_FETCHES: Counter Authorizer "gatewright_authorizer_jwks_fetches_total" ["result"]
        "Fetches of an issuer's keys: ok or failed";
    JWKS_PASSED_OVER: Counter Authorizer "gatewright_authorizer_jwks_passed_over_total" []
        "Members of fetched key sets that can't be used, each time that they are fetched; the log names them";
    KEY_AGE: Gauge Issuer "gatewright_signing_key_age_seconds" ["alg", "state"]
        "Since the oldest key of this algorithm and state was made";
    KEYS_OVERDUE: Gauge Issuer "gatewright_signing_keys_overdue" []
        "Keys that should sign by now and don't, or that should have been replaced by schedule";
    DB_CONNECTIONS: Gauge Issuer "gatewright_db_pool_connections" ["pool", "state"]
        "Connections to the database, idle or used: `shared` on PostgreSQL, `read` and `write` on SQLite";
    DB_DURATION: Histogram Issuer "gatewright_db_statement_duration_seconds" ["operation"]
        "How long a statement took, the wait for a connection or a lock included: read, write or commit";
    DB_ERRORS: Counter Issuer "gatewright_db_errors_total" ["class"]
        "Statements that failed: busy, unavailable, conflict, other";
    EVENTS: Counter Issuer "gatewright_events_total" ["kind"]
        "Events, by their kind";
    EVENT_QUEUE_DEPTH: Gauge Issuer "gatewright_event_queue_depth" []
        "Events that wait to be written";
    EVENTS_LOST: Counter Issuer "gatewright_events_lost_total" []
        "Events that were not written, because the queue was full or the database was down for too long";
    EVENT_WRITE_DURATION: Histogram Issuer "gatewright_event_write_duration_seconds" []
        "How long it took to write a batch of events";
    CLEANUP_ROWS: Counter Issuer "gatewright_cleanup_rows_total" []
        "Expired rows removed";
    CLEANUP_LAST_SUCCESS: Gauge Issuer "gatewright_cleanup_last_success_timestamp_seconds" []
        "When expired rows were last removed to the end, Unix time; 0 before the first time";
    ALERTS_OPEN: Gauge Issuer "gatewright_alerts_open" ["rule"]
        "Alerts that are open, by rule";
    CLOCK_SKEW: Gauge Issuer "gatewright_clock_skew_seconds" []
        "How far this node's clock is ahead of the database's; negative where it's behind";
    TRACE_SPANS: Counter Both "gatewright_trace_spans_total" ["result"]
        "Spans of traces: exported, failed (the collector didn't take them) or dropped (too many waited for it)";
}

/// The table of the documentation, in Markdown.
pub fn table() -> String {
    let mut text =
        String::from("| Name | Type | Labels | Of | What it tells |\n|---|---|---|---|---|\n");
    for entry in ALL {
        let labels: Vec<String> = entry
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let of = match entry.of {
            Of::Issuer => "issuer",
            Of::Authorizer => "authorizer",
            Of::Both => "both",
        };
        // Writing to a string doesn't fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {of} | {} |",
            entry.name,
            entry.kind.as_str(),
            labels.join(", "),
            entry.help
        );
    }
    text
}
