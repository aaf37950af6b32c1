-- Browsers that an account knows: at most so many of them, and none from before its credentials changed.
CREATE TABLE known_device (
    subject           TEXT NOT NULL REFERENCES account (subject) ON DELETE CASCADE,
    device_id         TEXT NOT NULL,
    credentials_epoch BIGINT NOT NULL,
    used_at           BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    PRIMARY KEY (subject, device_id)
);
CREATE INDEX known_device_device ON known_device (device_id);
CREATE INDEX known_device_expiry ON known_device (expires_at);

-- What the stored password hashes cost, as they say it: m=19456,t=2,p=1. Every failed login is as much work as the
-- costliest of them.
CREATE TABLE password_cost (
    parameters TEXT PRIMARY KEY,
    used_at    BIGINT NOT NULL
);
-- Between the 15 characters before and the 67 of salt and hash.
INSERT INTO password_cost (parameters, used_at)
SELECT DISTINCT substr(password_hash, 16, length(password_hash) - 82), CAST(0 AS BIGINT)
  FROM account
 WHERE password_hash LIKE '$argon2id$v=19$%'
   AND length(password_hash) > 82;
