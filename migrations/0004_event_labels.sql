-- What events of a kind are counted by, out of their detail, so that counting needs an index and no JSON. The chain
-- covers the detail, and 'gatewright events verify' holds these against it.

ALTER TABLE event ADD COLUMN label TEXT;
ALTER TABLE event ADD COLUMN route TEXT;
ALTER TABLE event ADD COLUMN amount BIGINT;

-- Everything that a count by time, reason, grant or route reads is in it; with kind and time it serves as the former.
CREATE INDEX event_count ON event (kind, at, label, route, amount);
DROP INDEX event_kind;
