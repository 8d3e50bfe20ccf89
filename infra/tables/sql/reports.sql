-- What worker processes say of themselves at their start.

-- name: report
WITH gone AS (
    DELETE FROM worker_report AS w
    WHERE w.worker <> %(worker)s AND NOT EXISTS (
        SELECT 1 FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s::oid
          AND l.objid = w.worker::oid
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
)
INSERT INTO worker_report (worker, pool, code_version, rules_version, knows_lines)
VALUES (%(worker)s, %(pool)s, %(code)s, %(rules)s, true)
ON CONFLICT (worker) DO UPDATE
SET pool = excluded.pool, code_version = excluded.code_version, rules_version = excluded.rules_version,
    started_at = excluded.started_at, knows_lines = true;

-- name: has_worker_without_parts
-- Whether a worker lives whose version carries every order whole: parts of an order would be shipped twice by it. One
-- that has just started and not reported yet holds its lock already, and counts. The lock keeps further ones from
-- starting until the caller's parts can be seen.
SELECT pg_advisory_xact_lock_shared(%(lines_class)s, 0), EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s::oid
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND NOT EXISTS (SELECT FROM worker_report AS w WHERE w.worker = l.objid::bigint AND w.knows_lines));

-- name: is_waiting
SELECT EXISTS (SELECT FROM work WHERE due_at > '2100-01-01 00:00:00+00' AND gate IS NULL);

-- name: living
SELECT w.worker, w.pool, w.code_version, w.rules_version, w.started_at
FROM worker_report AS w
WHERE EXISTS (
    SELECT 1 FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s::oid
      AND l.objid = w.worker::oid
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY w.worker;
