-- A family's live refresh token and its predecessor lie in the family's own row: a rotation leaves no row behind.
-- The table refresh_token goes on serving families that version 0.1 began.
ALTER TABLE token_family ADD COLUMN generation BIGINT;
ALTER TABLE token_family ADD COLUMN live_digest TEXT;
ALTER TABLE token_family ADD COLUMN live_expires_at BIGINT;
ALTER TABLE token_family ADD COLUMN spent_digest TEXT;
ALTER TABLE token_family ADD COLUMN spent_at BIGINT;
ALTER TABLE token_family ADD COLUMN sealed_response TEXT;

-- Which scopes a person allowed at which APIs, and the look of the client that it was written for: a node of version 0.1
-- changes the look and not this.
ALTER TABLE consent ADD COLUMN reach TEXT;
ALTER TABLE consent ADD COLUMN reach_fingerprint TEXT;
