-- Alerts, the messages about them that are still to be delivered, and who does what only one node may do.

-- The name of a task, and the node that has it until then.
CREATE TABLE lease (
    name       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE alert (
    alert_id        TEXT PRIMARY KEY,
    rule            TEXT NOT NULL,
    target          TEXT NOT NULL,
    summary         TEXT NOT NULL,
    since           BIGINT NOT NULL,
    seen_at         BIGINT NOT NULL,
    observed        BIGINT NOT NULL,
    normal          BIGINT,
    alert_limit     BIGINT NOT NULL,
    top             TEXT NOT NULL,
    opened_at       BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    resolved_at     BIGINT
);
-- However many nodes find it: one alert is open for a rule and what it is about.
CREATE UNIQUE INDEX alert_unresolved ON alert (rule, target) WHERE resolved_at IS NULL;
CREATE INDEX alert_opened ON alert (opened_at, alert_id);
CREATE INDEX alert_resolved ON alert (resolved_at) WHERE resolved_at IS NOT NULL;

-- A row goes when its message is delivered.
CREATE TABLE alert_message (
    message_id    TEXT PRIMARY KEY,
    alert_id      TEXT NOT NULL,
    notifier      TEXT NOT NULL,
    body          TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL
);
CREATE INDEX alert_message_due ON alert_message (next_at, claimed_until);
