-- Session locks: who lives, who leads. Postgres lets go of them when the session ends.

-- name: next_worker
SELECT nextval('worker_number')::int;

-- name: is_alive
SELECT 1;

-- name: name_session
SELECT set_config('application_name', %(name)s, false);

-- name: lock
SELECT pg_advisory_lock(%(class)s, %(number)s);

-- name: try_lock
SELECT pg_try_advisory_lock(%(class)s, 0);
