-- Until when ID tokens of a key that has left the JWKS count as hints (id_token_hint), Unix seconds. Empty for keys that
-- still stand in it, that were withdrawn, or that left it before this column was there.
ALTER TABLE signing_key ADD COLUMN hints_until BIGINT;
