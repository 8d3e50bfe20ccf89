-- name: lease
-- Remote steps: rows just locked become ours until the lease ends, by the database's clock.
UPDATE work
SET lease_token = %(token)s, lease_until = now() + make_interval(secs => %(lease_s)s)
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s);

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

-- name: release_expired
-- Leases that ran out: their process hangs or is gone, its answer will be refused by its token.
UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true
WHERE (step, subject_id) IN (
    SELECT step, subject_id FROM work
    WHERE lease_token IS NOT NULL AND lease_until < now()
    FOR UPDATE SKIP LOCKED)
RETURNING step, subject_id;

-- name: release_leases_without_batch
-- Leases without a running batch: Postgres crashed meanwhile and lost the table of batches. A worker that still calls under
-- such a lease is refused by its token, and the next one asks before it calls.
UPDATE work SET lease_token = NULL, lease_until = NULL
WHERE (step, subject_id) IN (
    SELECT w.step, w.subject_id FROM work AS w
    WHERE w.lease_token IS NOT NULL AND NOT EXISTS (SELECT 1 FROM flight AS f WHERE f.token = w.lease_token)
    FOR UPDATE SKIP LOCKED)
RETURNING step, subject_id;

-- name: free_batch_members
-- Free the work that a worker has leased. A call that still runs for it is refused by its token.
UPDATE work SET lease_token = NULL, lease_until = NULL
WHERE (step, subject_id) IN (
    SELECT w.step, w.subject_id
    FROM flight AS f JOIN work AS w ON w.step = f.step AND w.subject_id = ANY(f.subject_ids)
    WHERE f.worker = %(worker)s AND w.lease_token = f.token
    ORDER BY w.step, w.subject_id
    FOR UPDATE OF w);

-- name: suspect
-- Members of a crashed batch are freed and run alone; `crashed` is 1 when the crash counts. What was a suspect already
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

-- name: lock_work
-- The work row first, as everywhere, then the fulfillment order.
SELECT w.step, w.subject_id
FROM unnest(%(steps)s::text[], %(subject_ids)s::bigint[]) AS k(step, subject_id)
JOIN work AS w ON w.step = k.step AND w.subject_id = k.subject_id
ORDER BY w.step, w.subject_id
FOR UPDATE OF w;

-- name: put_back
-- Due again with a clean slate, in the turn of its own shop. What once killed its worker runs alone.
INSERT INTO work (step, subject_id, lane, account, shop, is_suspect)
SELECT r.step, r.subject_id, r.lane, r.account,
       coalesce(nullif(coalesce(o.platform, p.platform) || '/' || coalesce(o.shop, p.shop), r.account), ''), r.is_suspect
FROM json_to_recordset(%(rows)s::json)
     AS r(step text, subject_id bigint, lane text, account text, order_id bigint, is_suspect boolean)
LEFT JOIN orders AS o ON o.id = r.order_id
LEFT JOIN raw_payload AS p ON r.step = ANY(%(of_payloads)s) AND p.id = r.subject_id
ORDER BY r.step, r.subject_id
ON CONFLICT (step, subject_id) DO UPDATE SET due_at = least(work.due_at, now()), attempts = 0, crashes = 0
WHERE work.lease_token IS NULL;

-- name: wait_for_gate
-- Work behind a shut gate is not due until the gate opens. Nothing was called, so no attempt is counted.
UPDATE work AS w
SET due_at = '9999-01-01 00:00+00', gate = r.gate, gated_at = coalesce(w.gated_at, now()),
    causes = CASE WHEN r.cause IS NULL OR jsonb_array_length(w.causes) >= 20 THEN w.causes
                  ELSE w.causes || r.cause END,
    lease_token = NULL, lease_until = NULL
FROM json_to_recordset(%(rows)s::json) AS r(subject_id bigint, gate text, cause jsonb)
WHERE w.step = %(step)s AND w.subject_id = r.subject_id;

-- name: gates_with_work
-- Every account behind whose gate work waits, by skipping over the index.
WITH RECURSIVE waiting AS (
    (SELECT gate FROM work WHERE gate IS NOT NULL ORDER BY gate LIMIT 1)
    UNION ALL
    SELECT (SELECT w.gate FROM work AS w WHERE w.gate > waiting.gate ORDER BY w.gate LIMIT 1)
    FROM waiting WHERE waiting.gate IS NOT NULL
)
SELECT gate FROM waiting WHERE gate IS NOT NULL;

-- name: let_through
-- Some of the work behind an open gate becomes due: first what has never failed, then the higher lane, then what waits
-- longest. Index work_gate_turn, whose expressions these are.
UPDATE work SET due_at = now(), gate = NULL, gated_at = NULL
WHERE (step, subject_id) IN (
    SELECT step, subject_id FROM work WHERE gate = %(account)s
    ORDER BY (causes <> '[]'::jsonb), (CASE lane WHEN 'p0' THEN 0 WHEN 'p1' THEN 1 ELSE 2 END), gated_at
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING step, lane, account;

-- name: stretch_end
-- The last row of a stretch of all work, in the order of its key. None: the stretch reaches the end.
SELECT step, subject_id FROM work
WHERE (step, subject_id) > (%(after_step)s, %(after_id)s)
ORDER BY step, subject_id
OFFSET %(size)s - 1 LIMIT 1;

-- name: overdue_behind_gates
-- Of a stretch of all work, what has waited too long behind shut accounts, for the orders' clocks or for longer than anybody should.
-- Its hold names the step, and the work goes on once the gate opens. A notice has no clock, and no hold of its own
-- while something else of its order has one.
WITH stretch AS MATERIALIZED (
    SELECT step, subject_id, account, gate, gated_at, due_at FROM work
    WHERE (step, subject_id) > (%(after_step)s, %(after_id)s)
    ORDER BY step, subject_id
    LIMIT %(size)s
), waiting AS (
    SELECT NULL::bigint AS package_id, w.subject_id AS fulfillment_order_id, w.step, coalesce(w.gate, w.account) AS account,
           coalesce(w.gated_at, w.due_at) AS since, true AS has_clock
    FROM stretch AS w
    WHERE w.step = ANY(%(of_fulfillment)s)
      AND (w.gate = ANY(%(accounts)s) OR (w.account = ANY(%(accounts)s) AND w.due_at <= now()))
    UNION ALL
    SELECT p.id AS package_id, p.fulfillment_order_id, w.step, coalesce(w.gate, w.account) AS account,
           coalesce(w.gated_at, w.due_at) AS since, true AS has_clock
    FROM stretch AS w JOIN package AS p ON p.id = w.subject_id
    WHERE w.step = ANY(%(of_packages)s)
      AND (w.gate = ANY(%(accounts)s) OR (w.account = ANY(%(accounts)s) AND w.due_at <= now()))
    UNION ALL
    SELECT p.id, p.fulfillment_order_id, w.step, coalesce(w.gate, w.account), coalesce(w.gated_at, w.due_at), false
    FROM stretch AS w JOIN notice AS n ON n.id = w.subject_id JOIN package AS p ON p.id = n.package_id
    WHERE w.step = ANY(%(of_notices)s)
      AND (w.gate = ANY(%(accounts)s) OR (w.account = ANY(%(accounts)s) AND w.due_at <= now()))
)
SELECT DISTINCT ON (f.id) f.id, f.order_id, w.package_id, f.lane, f.state, w.step, w.account
FROM waiting AS w
JOIN fulfillment_order AS f ON f.id = w.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE (w.has_clock AND o.ship_by < now() + make_interval(secs => %(margin_s)s)
       OR w.since < now() - make_interval(secs => %(patience_s)s))
  AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id
                  AND h.code = 'waiting_on_account' AND h.released_at IS NULL)
ORDER BY f.id, w.has_clock DESC
LIMIT %(limit)s;

-- name: count_behind_gates
-- How much work waits behind each gate: what met an account's gate and what is due for it, and what is due in a
-- lane or for a step that is paused.
SELECT 'account', account, sum(rows)::bigint FROM (
    SELECT gate AS account, count(*) AS rows FROM work WHERE gate IS NOT NULL GROUP BY gate
    UNION ALL
    SELECT account, count(*) FROM work
    WHERE account = ANY(%(accounts)s) AND gate IS NULL AND due_at <= now() GROUP BY account) AS parts
GROUP BY account
UNION ALL
SELECT g.kind, g.name, (SELECT count(*) FROM work AS w
                        WHERE w.due_at <= now() AND g.name = CASE g.kind WHEN 'lane' THEN w.lane ELSE w.step END)
FROM gate AS g WHERE g.kind IN ('lane', 'step');

-- name: wake_waiting
-- Behind the index `work_waiting`.
UPDATE work SET due_at = now()
WHERE due_at > '2100-01-01 00:00:00+00' AND gate IS NULL
RETURNING step;

-- name: move_work
-- Everything that is due for an order, or will be, changes lanes; what runs right now goes on in the new one. Rows
-- are locked as batches lock them: by subject within a step, and without the fulfillment orders behind them.
WITH own AS (
    SELECT w.step, w.subject_id
    FROM (SELECT unnest(%(of_payloads)s::text[]) AS step, r.id AS subject_id
          FROM orders AS o
          JOIN raw_payload AS r
            ON r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
          WHERE o.id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_fulfillment)s::text[]), f.id
          FROM fulfillment_order AS f WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_packages)s::text[]), p.id
          FROM fulfillment_order AS f JOIN package AS p ON p.fulfillment_order_id = f.id
          WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_notices)s::text[]), n.id
          FROM fulfillment_order AS f JOIN package AS p ON p.fulfillment_order_id = f.id
          JOIN notice AS n ON n.package_id = p.id
          WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_cases)s::text[]), c.id FROM order_case AS c WHERE c.order_id = %(order_id)s) AS subject
    JOIN work AS w ON w.step = subject.step AND w.subject_id = subject.subject_id
    WHERE w.lane <> %(lane)s
    ORDER BY w.step, w.subject_id
    FOR UPDATE OF w
)
UPDATE work AS w SET lane = %(lane)s FROM own
WHERE w.step = own.step AND w.subject_id = own.subject_id
RETURNING w.step;

-- name: move_ship_from
-- Work that waits for the day from which its order ships, and for nothing else: it is due at that moment.
-- What is locked is due just now, and reads the new day by itself.
UPDATE work AS w SET due_at = coalesce(r.due_at, now())
FROM (SELECT d.step, d.subject_id, k.due_at
      FROM json_to_recordset(%(rows)s::json) AS k(order_id bigint, was timestamptz, due_at timestamptz)
      JOIN fulfillment_order AS f ON f.order_id = k.order_id
      CROSS JOIN LATERAL (
          SELECT %(of_fulfillment)s AS step, f.id AS subject_id
          UNION ALL
          SELECT %(of_packages)s, p.id FROM package AS p WHERE p.fulfillment_order_id = f.id) AS s
      JOIN work AS d ON d.step = s.step AND d.subject_id = s.subject_id
      WHERE d.due_at BETWEEN k.was - interval '1 second' AND k.was + interval '1 second'
      ORDER BY d.step, d.subject_id
      FOR UPDATE OF d SKIP LOCKED) AS r
WHERE w.step = r.step AND w.subject_id = r.subject_id;

-- name: overdue_work
-- What nobody has taken up although it has been due for some time.
SELECT step, count(*), (extract(epoch FROM now() - min(due_at)))::float8
FROM work
WHERE lease_token IS NULL AND due_at < now() - make_interval(secs => %(grace_s)s)
GROUP BY step ORDER BY step;

-- name: overdue_behind_pauses
-- The same for what is due while its lane or step is paused. What was due before the pause waits for it since the pause.
WITH stretch AS MATERIALIZED (
    SELECT step, subject_id, lane, due_at FROM work
    WHERE (step, subject_id) > (%(after_step)s, %(after_id)s)
    ORDER BY step, subject_id
    LIMIT %(size)s
), paused AS (
    SELECT w.step, w.subject_id, g.kind || '/' || g.name AS pause, g.reason, greatest(w.due_at, g.shut_at) AS since
    FROM gate AS g JOIN stretch AS w ON g.name = CASE g.kind WHEN 'lane' THEN w.lane ELSE w.step END
    WHERE g.kind IN ('lane', 'step') AND (g.until IS NULL OR g.until > now()) AND w.due_at <= now()
), waiting AS (
    SELECT q.*, q.subject_id AS fulfillment_order_id, NULL::bigint AS package_id, true AS has_clock
    FROM paused AS q WHERE q.step = ANY(%(of_fulfillment)s)
    UNION ALL
    SELECT q.*, p.fulfillment_order_id, p.id, true
    FROM paused AS q JOIN package AS p ON p.id = q.subject_id WHERE q.step = ANY(%(of_packages)s)
    UNION ALL
    SELECT q.*, p.fulfillment_order_id, p.id, false
    FROM paused AS q JOIN notice AS n ON n.id = q.subject_id JOIN package AS p ON p.id = n.package_id
    WHERE q.step = ANY(%(of_notices)s)
)
SELECT DISTINCT ON (f.id) f.id, f.order_id, w.subject_id, w.package_id, f.lane, f.state, w.step, w.pause, w.reason
FROM waiting AS w
JOIN fulfillment_order AS f ON f.id = w.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE (w.has_clock AND o.ship_by < now() + make_interval(secs => %(margin_s)s)
       OR w.since < now() - make_interval(secs => %(patience_s)s))
  AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id
                  AND h.code = 'waiting_on_account' AND h.released_at IS NULL)
ORDER BY f.id, w.has_clock DESC
LIMIT %(limit)s;
