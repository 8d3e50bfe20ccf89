-- Which worker is on which batch, so that a crash is known by its batch.

-- name: add_running_batch
INSERT INTO flight (token, worker, step, subject_ids, is_alone)
VALUES (%(token)s, %(worker)s, %(step)s, %(subject_ids)s, %(is_alone)s);

-- name: remove_running_batch
DELETE FROM flight WHERE token = %(token)s;

-- name: remove_running_batches
DELETE FROM flight WHERE worker = %(worker)s RETURNING step, subject_ids;

-- name: crashed_batches
-- Batches whose worker no longer holds its presence lock: the process is gone. `is_to_blame`: of one member, and the
-- only batch of its process. Beside another one, either may have been the cause.
SELECT token, step, subject_ids, is_alone AND (SELECT count(*) FROM flight AS o WHERE o.worker = f.worker) = 1, worker
FROM flight AS f
WHERE NOT EXISTS (
    SELECT 1 FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
      AND l.classid = %(class)s::oid AND l.objid = f.worker::oid
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
FOR UPDATE SKIP LOCKED;
