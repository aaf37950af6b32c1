"""The names that rules, dashboards, alarms and runbooks may use. What isn't here, nothing exports."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/gatewright/gatewright"
RUNBOOKS = f"{REPOSITORY}/blob/main/docs/runbooks/"

# Alert rules, and which of the three raise them: the issuer itself, Prometheus, the alarms in CloudWatch.
ALERTS = {
    "login_failures": "issuer prometheus cloudwatch",
    "login_failures_account": "issuer prometheus",
    "login_failures_address": "issuer prometheus",
    "password_spraying": "issuer prometheus",
    "client_secret_guessing": "issuer prometheus",
    "refresh_replay": "issuer prometheus cloudwatch",
    "code_replay": "issuer prometheus cloudwatch",
    "unknown_kid_flood": "issuer prometheus cloudwatch",
    "denial_spike": "issuer prometheus cloudwatch",
    "admin_new_device": "issuer prometheus",
    "keys_overdue": "issuer prometheus",
    "clock_skew": "issuer prometheus",
    "event_loss": "issuer prometheus cloudwatch",
    "database_trouble": "issuer prometheus cloudwatch",
    "disk_trouble": "issuer prometheus",
    "notifier_down": "issuer prometheus",
    "authorizer_faults": "prometheus cloudwatch",
    "authorizer_latency": "prometheus cloudwatch",
    "authorizer_throttles": "cloudwatch",
    "target_down": "prometheus cloudwatch",
}


def raised_by(who):
    return {name for name, by in ALERTS.items() if who in by.split()}


# Metrics by name: the type, then the labels.
METRICS = {
    "gatewright_build_info": "gauge version",
    "gatewright_http_requests_total": "counter endpoint status",
    "gatewright_http_request_duration_seconds": "histogram endpoint",
    "gatewright_tokens_total": "counter grant client result",
    "gatewright_logins_total": "counter result",
    "gatewright_throttles_total": "counter scope",
    "gatewright_client_authentications_total": "counter result",
    "gatewright_password_queue_depth": "gauge",
    "gatewright_password_queue_wait_seconds": "histogram",
    "gatewright_password_queue_refused_total": "counter",
    "gatewright_refresh_retries_total": "counter",
    "gatewright_refresh_replays_total": "counter",
    "gatewright_code_replays_total": "counter",
    "gatewright_authorizer_decisions_total": "counter decision reason",
    "gatewright_authorizer_decision_duration_seconds": "histogram",
    "gatewright_authorizer_jwks_fetches_total": "counter result",
    "gatewright_authorizer_jwks_passed_over_total": "counter",
    "gatewright_authorizer_context_left_out_total": "counter",
    "gatewright_authorizer_decisions_shipped_total": "counter",
    "gatewright_authorizer_decisions_lost_total": "counter",
    "gatewright_authorizer_decisions_waiting": "gauge",
    "gatewright_signing_key_age_seconds": "gauge alg state",
    "gatewright_signing_keys_overdue": "gauge",
    "gatewright_db_pool_connections": "gauge pool state",
    "gatewright_db_statement_duration_seconds": "histogram operation",
    "gatewright_db_errors_total": "counter class",
    "gatewright_events_total": "counter kind",
    "gatewright_event_queue_depth": "gauge",
    "gatewright_events_lost_total": "counter",
    "gatewright_event_write_duration_seconds": "histogram",
    "gatewright_cleanup_rows_total": "counter",
    "gatewright_cleanup_last_success_timestamp_seconds": "gauge",
    "gatewright_alerts_open": "gauge rule",
    "gatewright_clock_skew_seconds": "gauge",
    "gatewright_trace_spans_total": "counter result",
}

# The values of labels that have few.
VALUES = {
    ("gatewright_logins_total", "result"): "succeeded wrong_password unknown_account disabled throttled address_throttled password_changed busy",
    ("gatewright_throttles_total", "scope"): "account address",
    ("gatewright_client_authentications_total", "result"): "succeeded failed",
    ("gatewright_authorizer_decisions_total", "decision"): "allow deny unauthorized fault",
    ("gatewright_authorizer_jwks_fetches_total", "result"): "ok failed",
    ("gatewright_db_pool_connections", "state"): "idle used",
    ("gatewright_db_statement_duration_seconds", "operation"): "read write commit",
    ("gatewright_db_errors_total", "class"): "busy unavailable conflict other",
    ("gatewright_trace_spans_total", "result"): "exported failed dropped",
    ("gatewright_alerts_open", "rule"): " ".join(raised_by("issuer")),
}

# What Prometheus adds by itself.
SCRAPED = {"job", "instance"}

# EMF metrics in the namespace Gatewright by the value of their dimension `service`.
EMF = {"authorizer": {"AuthnFailed", "AuthzDenied", "Allowed", "Faults", "Latency", "ColdStart", "ContextLeftOut"}}
EMF["issuer"] = EMF["authorizer"] - {"ContextLeftOut"} | {
    "TokensIssued", "TokensRefused", "LoginSucceeded", "LoginFailed", "Throttled", "RefreshReplayed", "CodeReplayed",
    "EventsLost", "DbErrors", "HttpRequests", "Http5xx",
}
# What else the metrics of a service are told apart by; the reason only of those that come next.
EMF_DIMENSIONS = {"authorizer": {"function", "reason"}}
# Those of the authorizer that are there by `reason` as well.
EMF_BY_REASON = {"AuthnFailed", "AuthzDenied", "Faults"}


def series():
    """The labels of every name that a query can ask for."""
    found = {}
    for name, text in METRICS.items():
        kind, *labels = text.split()
        labels = set(labels) | SCRAPED
        if kind == "histogram":
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[name] = labels
    return found



def engine():
    """The issuer's own rules by name: the default limit, and the seconds in which it counts."""
    source = (ROOT / "src/domain/alert.rs").read_text()
    found = re.findall(r'(?m)^    \w+ = "(\w+)", \w+, (\d+) \w+, (\d+);$', source)
    return {name: (int(limit), int(window_s)) for name, limit, window_s in found}


# Kinds of events, as stored and searched.
HAPPENINGS = (ROOT / "src/domain/event/happening.rs").read_text()
EVENTS = set(re.findall(r'(?m)^    \w+ = "(\w+)", \w+, \w+ \{$', HAPPENINGS))

# The fields of each kind, which are in `detail`.
DETAILS = {
    kind: set(re.findall(r"(?m)^        (\w+):", body))
    for kind, body in re.findall(r'(?ms)^    \w+ = "(\w+)", \w+, \w+ \{\n(.*?)^    \}', HAPPENINGS)
}
# What every event may have beside them.
ENVELOPE = {"event_id", "at", "kind", "severity", "request_id", "trace_id", "address", "device", "subject", "client_id"}
