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
INSERT INTO worker_report (worker, pool, code_version, rules_version)
VALUES (%(worker)s, %(pool)s, %(code)s, %(rules)s)
ON CONFLICT (worker) DO UPDATE
SET pool = excluded.pool, code_version = excluded.code_version, rules_version = excluded.rules_version,
    started_at = excluded.started_at;

-- name: living
SELECT w.worker, w.pool, w.code_version, w.rules_version, w.started_at
FROM worker_report AS w
WHERE EXISTS (
    SELECT 1 FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s::oid
      AND l.objid = w.worker::oid
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY w.worker;
