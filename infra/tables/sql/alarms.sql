-- Alarms: one open row for each kind and key. The locks are held for one statement, and are the last locks of their
-- transaction.

-- name: settle
-- The keys of one kind for which its condition holds now: what is new is opened, what is over is closed, and what goes
-- on is written when it has changed, or not for `renew_s`. Keys in `unknown` stay as they are. A row that another
-- sweeper is closing is left to it.
WITH held AS (
    SELECT r.key, r.owner, r.facts, r.count
    FROM json_to_recordset(%(rows)s::json) AS r(key text, owner text, facts jsonb, count bigint)
), closed AS (
    UPDATE alarm SET closed_at = clock_timestamp()
    WHERE id IN (SELECT a.id FROM alarm AS a
                 WHERE a.kind = %(kind)s AND a.closed_at IS NULL AND a.key <> ALL(%(unknown)s)
                   AND NOT EXISTS (SELECT FROM held AS h WHERE h.key = a.key)
                 FOR UPDATE SKIP LOCKED)
)
INSERT INTO alarm AS a (kind, key, severity, owner, facts, count)
SELECT %(kind)s, h.key, %(severity)s, h.owner, h.facts, h.count
FROM held AS h
WHERE NOT EXISTS (
    SELECT FROM alarm AS o
    WHERE o.kind = %(kind)s AND o.key = h.key AND o.closed_at IS NULL
      AND (o.severity, o.owner, o.facts, o.count) = (%(severity)s, h.owner, h.facts, h.count)
      AND o.last_at > clock_timestamp() - make_interval(secs => %(renew_s)s))
ORDER BY h.key
ON CONFLICT (kind, key) WHERE closed_at IS NULL DO UPDATE
SET severity = excluded.severity, owner = excluded.owner, facts = excluded.facts, count = excluded.count,
    last_at = clock_timestamp();

-- name: open
-- One more of an event. What happens within `renew_s` of the last write is not written, so that many at once do not
-- wait for each other's row.
INSERT INTO alarm AS a (kind, key, severity, owner, facts, count)
SELECT %(kind)s, %(key)s, %(severity)s, %(owner)s, %(facts)s::jsonb, %(count)s
WHERE NOT EXISTS (
    SELECT FROM alarm AS o
    WHERE o.kind = %(kind)s AND o.key = %(key)s AND o.closed_at IS NULL
      AND o.last_at > clock_timestamp() - make_interval(secs => %(renew_s)s))
ON CONFLICT (kind, key) WHERE closed_at IS NULL DO UPDATE
SET severity = excluded.severity, owner = excluded.owner, facts = excluded.facts, count = a.count + excluded.count,
    last_at = clock_timestamp();

-- name: close_quiet
-- Events that have not happened for as long as their kind is open, and alarms of kinds that this version does not know
-- and that nobody has renewed for `strange_s`.
UPDATE alarm SET closed_at = clock_timestamp()
WHERE id IN (
    SELECT a.id FROM alarm AS a
    LEFT JOIN unnest(%(kinds)s::text[], %(quiet_s)s::float8[]) AS k(kind, quiet_s) ON k.kind = a.kind
    WHERE a.closed_at IS NULL
      AND a.last_at < clock_timestamp() - make_interval(secs => CASE
          WHEN k.quiet_s IS NOT NULL THEN k.quiet_s
          WHEN a.kind <> ALL(%(known)s) THEN %(strange_s)s END)
    FOR UPDATE OF a SKIP LOCKED)
RETURNING id;

-- name: open_alarms
-- The gravest first, then the oldest. Index alarm_open.
SELECT id, kind, key, severity, owner, facts, count, first_at, last_at, closed_at,
       extract(epoch FROM now() - first_at)::float8 AS age_s
FROM alarm
WHERE closed_at IS NULL AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY array_position(ARRAY['error', 'warning', 'info'], severity), first_at, id
LIMIT %(limit)s;

-- name: count_open
SELECT kind, severity, count(*) FROM alarm WHERE closed_at IS NULL GROUP BY kind, severity ORDER BY kind, severity;

-- name: unreported
-- What the log has not said yet. Index alarm_untold.
SELECT id, kind, key, severity, owner, facts, count, first_at, last_at, closed_at,
       extract(epoch FROM coalesce(closed_at, now()) - first_at)::float8 AS age_s, told_at IS NOT NULL AS is_reported
FROM alarm
WHERE told_at IS NULL OR told_at < closed_at
ORDER BY id LIMIT %(limit)s;

-- name: note_reported
-- Up to where each was reported. Never backwards: two sweepers may report the same one.
UPDATE alarm AS a SET told_at = r.upto
FROM unnest(%(ids)s::bigint[], %(uptos)s::timestamptz[]) AS r(id, upto)
WHERE a.id = r.id AND (a.told_at IS NULL OR a.told_at < r.upto);
