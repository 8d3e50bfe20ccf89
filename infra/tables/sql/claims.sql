-- Due work taken by a worker: read and locked, never changed.

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
-- The same for a crowded key, where large shops (more due rows than half a batch or four equal shares) and small shops
-- have turns. Small shops: all of their rows, the shop with the oldest row first, until the batch is full. Large shops:
-- an equal number of rows of each; if there are more shops than places, of the shops with the oldest rows. Returns also
-- whose turn it was, and whether shops of the other kind have due rows.
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

-- name: still_ours
-- Refuses a late save: only rows that still carry our token, locked until the transaction ends.
SELECT subject_id, attempts
FROM work
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s) AND lease_token = %(token)s
ORDER BY subject_id
FOR UPDATE;

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

-- name: load_for_letter
SELECT subject_id, lane, account, attempts, crashes, causes
FROM work
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s)
FOR UPDATE;
