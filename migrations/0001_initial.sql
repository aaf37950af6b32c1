-- Portable subset for SQLite and PostgreSQL: TEXT, BIGINT, BOOLEAN. Times are Unix seconds. Digests are
-- base64url. See README.md in this folder before adding a migration.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE account (
    subject             TEXT PRIMARY KEY,
    username            TEXT NOT NULL UNIQUE,
    email               TEXT UNIQUE,
    email_verified      BOOLEAN NOT NULL,
    claims              TEXT NOT NULL,
    password_hash       TEXT,
    password_changed_at BIGINT NOT NULL,
    disabled            BOOLEAN NOT NULL,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL
);

CREATE TABLE client (
    client_id  TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE client_secret (
    secret_id    TEXT PRIMARY KEY,
    client_id    TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    digest       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT
);
CREATE INDEX client_secret_client ON client_secret (client_id);

CREATE TABLE client_assertion (
    client_id  TEXT NOT NULL,
    jti_digest TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti_digest)
);
CREATE INDEX client_assertion_expiry ON client_assertion (expires_at);

CREATE TABLE browser_session (
    cookie_digest TEXT PRIMARY KEY,
    session_id    TEXT NOT NULL UNIQUE,
    subject       TEXT NOT NULL REFERENCES account (subject) ON DELETE CASCADE,
    auth_time     BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX browser_session_subject ON browser_session (subject);
CREATE INDEX browser_session_expiry ON browser_session (expires_at);

CREATE TABLE consent (
    subject            TEXT NOT NULL REFERENCES account (subject) ON DELETE CASCADE,
    client_id          TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    redirect_uri       TEXT NOT NULL,
    scope              TEXT NOT NULL,
    audiences          TEXT NOT NULL,
    client_fingerprint TEXT NOT NULL,
    granted_at         BIGINT NOT NULL,
    PRIMARY KEY (subject, client_id, redirect_uri)
);

CREATE TABLE token_family (
    family_id      TEXT PRIMARY KEY,
    client_id      TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    subject        TEXT NOT NULL REFERENCES account (subject) ON DELETE CASCADE,
    grant_detail   TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    revoked_at     BIGINT,
    revoked_reason TEXT
);
CREATE INDEX token_family_subject ON token_family (subject);
CREATE INDEX token_family_client ON token_family (client_id);
CREATE INDEX token_family_expiry ON token_family (expires_at);

CREATE TABLE authorization_code (
    code_digest TEXT PRIMARY KEY,
    family_id   TEXT NOT NULL,
    client_id   TEXT NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
    detail      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    redeemed_at BIGINT,
    keep_until  BIGINT NOT NULL
);
CREATE INDEX authorization_code_keep ON authorization_code (keep_until);

CREATE TABLE refresh_token (
    token_digest     TEXT PRIMARY KEY,
    family_id        TEXT NOT NULL REFERENCES token_family (family_id) ON DELETE CASCADE,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    used_at          BIGINT,
    successor_digest TEXT,
    sealed_response  TEXT
);
CREATE INDEX refresh_token_family ON refresh_token (family_id);
-- At most one live leaf in a family, whatever the code above does.
CREATE UNIQUE INDEX refresh_token_leaf ON refresh_token (family_id) WHERE used_at IS NULL;

CREATE TABLE revoked_access_token (
    jti_digest TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_access_token_expiry ON revoked_access_token (expires_at);

CREATE TABLE signing_key (
    kid            TEXT PRIMARY KEY,
    algorithm      TEXT NOT NULL,
    state          TEXT NOT NULL,
    public_jwk     TEXT NOT NULL,
    sealed_private TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    activates_at   BIGINT NOT NULL,
    retired_at     BIGINT,
    gone_at        BIGINT
);
-- Two nodes that rotate at once make one new key; never are there two signers.
CREATE UNIQUE INDEX signing_key_pending ON signing_key (algorithm) WHERE state = 'pending';
CREATE UNIQUE INDEX signing_key_active ON signing_key (algorithm) WHERE state = 'active';

CREATE TABLE throttle (
    bucket     TEXT PRIMARY KEY,
    failures   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX throttle_expiry ON throttle (expires_at);

CREATE TABLE throttle_member (
    bucket     TEXT NOT NULL,
    member     TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, member)
);
CREATE INDEX throttle_member_expiry ON throttle_member (expires_at);

CREATE TABLE event (
    event_id TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    at       BIGINT NOT NULL,
    detail   TEXT NOT NULL
);
CREATE INDEX event_at ON event (at);
