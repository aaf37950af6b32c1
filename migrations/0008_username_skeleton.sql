-- What a user name looks like (UTS 39), so that no new one looks like another's. NULL until it's computed: in rows of the
-- version before, which writes none.

ALTER TABLE account ADD COLUMN username_skeleton TEXT;

CREATE UNIQUE INDEX account_username_skeleton ON account (username_skeleton);
