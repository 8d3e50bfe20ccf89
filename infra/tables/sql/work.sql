-- name: claim_due
-- Due rows of one key, the oldest first, locked until the transaction ends; `taken` are ours already. Index work_due.
SELECT subject_id, attempts
FROM work
WHERE step = %(step)s AND lane = %(lane)s AND account = %(account)s AND subject_id <> ALL(%(taken)s)
  AND due_at <= now() AND lease_token IS NULL AND NOT is_suspect
ORDER BY due_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;

-- name: claim_turns
-- The same for a crowded line, where shops with more rows than half a batch or four equal shares (many) and the others
-- (few) have turns. Those with few: all that they have, first of the shop whose first row is the oldest, until the
-- batch is full. Those with many: as many rows of each, and if there are more shops than places, of those whose first
-- row is the oldest. Tells whose turn it was, and whether others have something due too.
-- Skips from shop to shop over index work_turns.
WITH RECURSIVE line AS (
    (SELECT shop, due_at FROM work
     WHERE step = %(step)s AND lane = %(lane)s AND account = %(account)s AND lease_token IS NULL AND NOT is_suspect
     ORDER BY shop, due_at LIMIT 1)
    UNION ALL
    SELECT next.shop, next.due_at
    FROM line CROSS JOIN LATERAL (
        SELECT shop, due_at FROM work
        WHERE step = %(step)s AND lane = %(lane)s AND account = %(account)s AND lease_token IS NULL AND NOT is_suspect
          AND shop > line.shop
        ORDER BY shop, due_at LIMIT 1) AS next
), sized AS (
    SELECT line.shop, line.due_at, found.due, found.due > bound.few_max AS has_many
    FROM line
    CROSS JOIN (SELECT least(%(limit)s / 2, 4 * %(limit)s / nullif(count(*), 0)) AS few_max FROM line) AS bound
    CROSS JOIN LATERAL (
        SELECT count(*) AS due FROM (
            SELECT FROM work
            WHERE step = %(step)s AND lane = %(lane)s AND account = %(account)s AND shop = line.shop
              AND due_at <= now() AND lease_token IS NULL AND NOT is_suspect
            LIMIT bound.few_max + 1) AS counted) AS found
    WHERE line.due_at <= now()
), turn AS (
    SELECT shop, has_many, others.are_due,
           CASE WHEN has_many THEN greatest(1, %(limit)s / count(*) OVER ()) ELSE due END AS places
    FROM sized CROSS JOIN (
        SELECT bool_or(has_many = %(many)s) AS has_turn, bool_or(has_many) AND NOT bool_and(has_many) AS are_due
        FROM sized) AS others
    WHERE (has_many = %(many)s) = has_turn
    ORDER BY due_at, shop
    LIMIT %(limit)s
)
SELECT mine.subject_id, turn.has_many, turn.are_due
FROM turn CROSS JOIN LATERAL (
    SELECT subject_id FROM work
    WHERE step = %(step)s AND lane = %(lane)s AND account = %(account)s AND shop = turn.shop
      AND due_at <= now() AND lease_token IS NULL AND NOT is_suspect
    ORDER BY due_at
    LIMIT turn.places
    FOR UPDATE SKIP LOCKED) AS mine
LIMIT %(limit)s;

-- name: claim_one
-- One named row, for members of a failed batch that run again on their own.
SELECT subject_id, attempts
FROM work
WHERE step = %(step)s AND subject_id = %(subject_id)s AND due_at <= now() AND lease_token IS NULL
FOR UPDATE SKIP LOCKED;

-- name: claim_suspect
-- One member of a batch whose process died, exclusive ones first. Index work_suspect.
SELECT subject_id, attempts
FROM work
WHERE is_suspect AND step = %(step)s AND lane = %(lane)s AND account = %(account)s
  AND due_at <= now() AND lease_token IS NULL
ORDER BY is_exclusive DESC, due_at
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: exclusive_due
-- Whether any suspect of a key is exclusive. Takes no lock and skips none: two threads that ask at once must both
-- know of it, or one of them would claim it beside others. Index work_suspect.
SELECT subject_id
FROM work
WHERE is_suspect AND is_exclusive AND step = %(step)s AND lane = %(lane)s AND account = %(account)s
  AND due_at <= now() AND lease_token IS NULL
LIMIT 1;

-- name: claim_probe
-- Rows of a step and account, of any lane, to try that account with: first those that have never failed, then the higher
-- lane, then the oldest. Looks at the 100 oldest of each lane at most. Index work_due.
SELECT w.subject_id, w.attempts
FROM (VALUES ('p0', 0), ('p1', 1), ('bulk', 2)) AS l(lane, rank)
CROSS JOIN LATERAL (
    SELECT subject_id, causes <> '[]' AS has_failed FROM work
    WHERE step = %(step)s AND lane = l.lane AND account = %(account)s
      AND due_at <= now() AND lease_token IS NULL AND NOT is_suspect
    ORDER BY due_at
    LIMIT 100) AS due
JOIN work AS w ON w.step = %(step)s AND w.subject_id = due.subject_id
WHERE w.due_at <= now() AND w.lease_token IS NULL
ORDER BY due.has_failed, l.rank, w.due_at
LIMIT %(limit)s
FOR UPDATE OF w SKIP LOCKED;

-- name: lease
-- Remote steps: rows just locked become ours until the lease ends, by the database's clock.
UPDATE work
SET lease_token = %(token)s, lease_until = now() + make_interval(secs => %(lease_s)s)
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s);

-- name: still_ours
-- Refuses a late save: only rows that still carry our token, locked until the transaction ends.
SELECT subject_id, attempts
FROM work
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s) AND lease_token = %(token)s
ORDER BY subject_id
FOR UPDATE;

-- name: finish
DELETE FROM work WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s);

-- name: postpone
-- Due again later; `spent` is 1 when an attempt was used up. A cause is appended, the first ones stay.
-- `is_fresh`: a round of endless work came through, so its past is forgotten.
-- Its process has survived it, so it need not be the only one there the next time.
UPDATE work AS w
SET due_at = now() + make_interval(secs => r.after_s),
    attempts = CASE WHEN r.is_fresh THEN 0 ELSE w.attempts + r.spent END,
    crashes = CASE WHEN r.is_fresh THEN 0 ELSE w.crashes END,
    is_suspect = w.is_suspect AND NOT r.is_fresh,
    is_exclusive = false,
    causes = CASE WHEN r.is_fresh THEN '[]'
                  WHEN r.cause IS NULL OR jsonb_array_length(w.causes) >= 20 THEN w.causes
                  ELSE w.causes || r.cause END,
    lease_token = NULL, lease_until = NULL
FROM json_to_recordset(%(rows)s::json)
     AS r(subject_id bigint, after_s float8, spent smallint, cause jsonb, is_fresh boolean)
WHERE w.step = %(step)s AND w.subject_id = r.subject_id;

-- name: add
-- New due work. A row that is there already keeps its place.
INSERT INTO work (step, subject_id, lane, account, shop, due_at)
SELECT r.step, r.subject_id, r.lane, r.account, r.shop, now() + make_interval(secs => r.after_s)
FROM json_to_recordset(%(rows)s::json)
     AS r(step text, subject_id bigint, lane text, account text, shop text, after_s float8)
ORDER BY r.step, r.subject_id
ON CONFLICT (step, subject_id) DO NOTHING;

-- name: due_keys
-- Every key that has something due, by skipping from key to key over the index instead of reading rows.
WITH RECURSIVE key AS (
    (SELECT step, lane, account FROM work
     WHERE lease_token IS NULL AND NOT is_suspect
     ORDER BY step, lane, account LIMIT 1)
    UNION ALL
    SELECT next.step, next.lane, next.account
    FROM key CROSS JOIN LATERAL (
        SELECT step, lane, account FROM work
        WHERE lease_token IS NULL AND NOT is_suspect
          AND (step, lane, account) > (key.step, key.lane, key.account)
        ORDER BY step, lane, account LIMIT 1) AS next
)
SELECT step, lane, account FROM key
WHERE EXISTS (
    SELECT 1 FROM work AS w
    WHERE w.step = key.step AND w.lane = key.lane AND w.account = key.account
      AND w.lease_token IS NULL AND NOT w.is_suspect AND w.due_at <= now());

-- name: suspect_keys
SELECT DISTINCT step, lane, account FROM work
WHERE is_suspect AND lease_token IS NULL AND due_at <= now();

-- name: release_expired
-- Leases that ran out: their process hangs or is gone, its answer will be refused by its token.
UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true
WHERE (step, subject_id) IN (
    SELECT step, subject_id FROM work
    WHERE lease_token IS NOT NULL AND lease_until < now()
    FOR UPDATE SKIP LOCKED)
RETURNING step, subject_id;

-- name: release_unflown
-- Leases without a flight: Postgres crashed meanwhile and forgot the flights. Whoever still calls under
-- such a lease is refused by its token, and the next one asks before it calls.
UPDATE work SET lease_token = NULL, lease_until = NULL
WHERE (step, subject_id) IN (
    SELECT w.step, w.subject_id FROM work AS w
    WHERE w.lease_token IS NOT NULL AND NOT EXISTS (SELECT 1 FROM flight AS f WHERE f.token = w.lease_token)
    FOR UPDATE SKIP LOCKED)
RETURNING step, subject_id;

-- name: open_flight
INSERT INTO flight (token, worker, step, subject_ids, is_alone)
VALUES (%(token)s, %(worker)s, %(step)s, %(subject_ids)s, %(is_alone)s);

-- name: close_flight
DELETE FROM flight WHERE token = %(token)s;

-- name: free_flown
-- What a worker has leased, free for others. Whoever still calls for it is refused by its token.
UPDATE work SET lease_token = NULL, lease_until = NULL
WHERE (step, subject_id) IN (
    SELECT w.step, w.subject_id
    FROM flight AS f JOIN work AS w ON w.step = f.step AND w.subject_id = ANY(f.subject_ids)
    WHERE f.worker = %(worker)s AND w.lease_token = f.token
    ORDER BY w.step, w.subject_id
    FOR UPDATE OF w);

-- name: close_flights
DELETE FROM flight WHERE worker = %(worker)s RETURNING step, subject_ids;

-- name: crashed_flights
-- Flights whose worker no longer holds its presence lock: the process is gone. `is_to_blame`: of one member, and the
-- only flight of its process. Beside another one, either may have been the cause.
SELECT token, step, subject_ids, is_alone AND (SELECT count(*) FROM flight AS o WHERE o.worker = f.worker) = 1, worker
FROM flight AS f
WHERE NOT EXISTS (
    SELECT 1 FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
      AND l.classid = %(class)s::oid AND l.objid = f.worker::oid
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
FOR UPDATE SKIP LOCKED;

-- name: suspect
-- Members of a crashed flight are freed and run alone; `crashed` is 1 when the crash counts. What was a suspect already
-- runs exclusively from now on, so that its next crash does count.
UPDATE work
SET is_suspect = true, is_exclusive = is_suspect, lease_token = NULL, lease_until = NULL,
    crashes = crashes + %(crashed)s
WHERE (step, subject_id) IN (
    SELECT step, subject_id FROM work
    WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s)
      AND (lease_token IS NULL OR lease_token = %(token)s)
    FOR UPDATE SKIP LOCKED)
RETURNING subject_id, crashes, lane;

-- name: load_for_letter
SELECT subject_id, lane, account, attempts, crashes, causes
FROM work
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s)
FOR UPDATE;
