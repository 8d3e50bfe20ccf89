-- What the Postgres server says of itself.

-- name: durability
SELECT current_setting('server_version'), current_setting('server_version_num')::integer,
       current_setting('fsync'), current_setting('synchronous_commit'), clock_timestamp();

-- name: lock_session
SELECT pg_backend_pid() FROM (SELECT pg_advisory_lock(%(class)s, pg_backend_pid())) AS locked;

-- name: session_holds_lock
SELECT EXISTS (
    SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND pid = pg_backend_pid()
      AND classid = %(class)s::integer::oid AND objid = %(pid)s::integer::oid);

-- name: read_one_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
