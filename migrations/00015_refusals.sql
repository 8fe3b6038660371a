-- +goose Up

-- How many calls an entry counts: refusals that are alike within a minute are one entry.
ALTER TABLE audit_entries ADD COLUMN count integer NOT NULL DEFAULT 1;
-- Finds the refusals beyond those that are kept.
CREATE INDEX audit_entries_denied ON audit_entries (id) WHERE outcome = 'denied';

-- The manager who made the seed, and who alone of the managers sees it; null: an owner,
-- or a file, for all.
ALTER TABLE seeds ADD COLUMN manager text COLLATE "C";
UPDATE seeds AS s SET manager = (
    SELECT k.name FROM audit_entries AS e
    JOIN admin_keys AS k ON k.id = e.key_id AND k.role = 'manager'
    WHERE e.action = 'createSeed' AND e.outcome = 'done' AND e.target = s.name
    ORDER BY e.id DESC
    LIMIT 1
)
WHERE s.digest IS NULL;

-- +goose Down
ALTER TABLE seeds DROP COLUMN manager;
DROP INDEX audit_entries_denied;
ALTER TABLE audit_entries DROP COLUMN count;
