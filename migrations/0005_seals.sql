-- What the holder of the master key wrote is told from what somebody put into the database: a keyed hash of the row.
-- Rows of the version before have none: see docs/decisions/0020.

ALTER TABLE signing_key ADD COLUMN public_seal TEXT;
ALTER TABLE administrator ADD COLUMN seal TEXT;
