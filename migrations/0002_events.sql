-- Events in columns that can be searched, chained to each other. Rows of the version before have none of these: they
-- are counted when the first event is chained, and stay outside.

ALTER TABLE event ADD COLUMN severity TEXT;
ALTER TABLE event ADD COLUMN writer TEXT;
ALTER TABLE event ADD COLUMN seq BIGINT;
ALTER TABLE event ADD COLUMN hash TEXT;
ALTER TABLE event ADD COLUMN request_id TEXT;
ALTER TABLE event ADD COLUMN trace_id TEXT;
ALTER TABLE event ADD COLUMN address TEXT;
ALTER TABLE event ADD COLUMN device TEXT;
ALTER TABLE event ADD COLUMN subject TEXT;
ALTER TABLE event ADD COLUMN client_id TEXT;

DROP INDEX event_at;
CREATE INDEX event_time ON event (at, event_id);
CREATE INDEX event_kind ON event (kind, at);
CREATE UNIQUE INDEX event_chain ON event (writer, seq);
CREATE INDEX event_request ON event (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX event_trace ON event (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX event_address ON event (address, at) WHERE address IS NOT NULL;
CREATE INDEX event_subject ON event (subject, at) WHERE subject IS NOT NULL;
CREATE INDEX event_client ON event (client_id, at) WHERE client_id IS NOT NULL;

-- The end of each writer's chain, and where it begins since older events were removed (signed).
CREATE TABLE event_writer (
    writer            TEXT PRIMARY KEY,
    seq               BIGINT NOT NULL,
    hash              TEXT NOT NULL,
    removed_seq       BIGINT NOT NULL,
    removed_hash      TEXT NOT NULL,
    removed_signature TEXT NOT NULL
);

-- From time to time the end is signed, so that a chain can't be cut short unseen.
CREATE TABLE event_head (
    writer    TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    hash      TEXT NOT NULL,
    at        BIGINT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (writer, seq)
);

-- Who may see and change everything.
CREATE TABLE administrator (
    subject    TEXT PRIMARY KEY REFERENCES account (subject) ON DELETE CASCADE,
    granted_at BIGINT NOT NULL
);
