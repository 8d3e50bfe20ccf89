-- Invariants that did not hold at the last check.

-- name: save_breaches
-- What the last check of the invariants found.
WITH gone AS (DELETE FROM breach WHERE name <> ALL(%(names)s))
INSERT INTO breach (name, examples)
SELECT r.name, r.examples FROM unnest(%(names)s::text[], %(examples)s::integer[]) AS r(name, examples)
ON CONFLICT (name) DO UPDATE SET examples = excluded.examples, found_at = now();

-- name: breaches
SELECT name, examples FROM breach ORDER BY name;
