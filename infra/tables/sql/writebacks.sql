-- What a platform must hear of a package.

-- name: resume_writebacks
-- What a platform must hear of a label that was booked while the order was held.
INSERT INTO work (step, subject_id, lane, account)
SELECT 'writeback', w.package_id, f.lane, o.platform || '/' || o.shop
FROM package AS p
JOIN writeback AS w ON w.package_id = p.id AND w.status = 'pending'
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.fulfillment_order_id = %(id)s
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'writeback' AND d.subject_id = p.id AND d.closed_at IS NULL)
ORDER BY p.id
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: want_writebacks
INSERT INTO writeback (package_id, order_id, shipped_at)
SELECT r.package_id, r.order_id, r.shipped_at
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, order_id bigint, shipped_at timestamptz)
ORDER BY r.package_id
ON CONFLICT (package_id) DO NOTHING;

-- name: drop_untold
DELETE FROM writeback WHERE package_id = ANY(%(ids)s) AND status = 'pending' AND call_deadline IS NULL;

-- name: load_writebacks
-- `outside`: lines of the order that stand, and of which not all lies in this package. `lines`: without those that were
-- refunded or closed since the label, which the platform would refuse. `is_taken`: also by a call that a person has given up,
-- while that call may still run.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane,
       o.id AS order_id, o.platform, o.shop, o.platform_order_id,
       s.courier, s.waybill, w.shipped_at, w.status, w.call_deadline IS NOT NULL AS is_asked_about,
       coalesce(greatest(0, extract(epoch FROM w.call_deadline - now())), 0)::float8 AS busy_s,
       EXISTS (SELECT 1 FROM writeback AS b
               WHERE b.order_id = o.id AND b.package_id <> p.id
                 AND (b.status = 'sending' OR b.call_deadline > now())) AS is_taken,
       p.handed_over_at IS NOT NULL AS has_left,
       EXISTS (SELECT 1 FROM order_case AS c
               WHERE c.order_id = o.id AND c.package_id = p.id AND c.kind = 'wrong_waybill'
                 AND c.closed_at IS NULL) AS is_in_doubt,
       ARRAY(SELECT l.line_id FROM order_line AS l
             WHERE l.order_id = o.id AND NOT l.refunded
               AND l.planned + l.elsewhere
                   + CASE WHEN l.fulfilled_by NOT IN ('merchant', 'unknown') THEN l.quantity ELSE 0 END
                   > coalesce((SELECT sum(k.quantity) FROM package_line AS k
                               WHERE k.package_id = p.id AND k.order_id = l.order_id AND k.line_id = l.line_id), 0)
             ORDER BY l.line_id) AS outside,
       (SELECT coalesce(json_agg(json_build_array(k.line_id, k.quantity) ORDER BY k.line_id), '[]')
        FROM package_line AS k JOIN order_line AS l USING (order_id, line_id)
        WHERE k.package_id = p.id AND k.order_id = w.order_id AND k.quantity > 0 AND NOT l.refunded) AS lines
FROM writeback AS w
JOIN package AS p ON p.id = w.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE w.package_id = ANY(%(ids)s)
ORDER BY p.id
FOR UPDATE OF w;

-- name: divided
-- Of packages with a part of a line: the lines of which the platform has heard all other pieces, and the waybills of our
-- other packages that hold pieces of them. By way of the fulfillment orders, which have indexes. `is_other_unclear`: the
-- platform may have heard of one of those packages, and will be asked: its work, or a person before its letter, is open.
SELECT m.package_id, array_agg(m.line_id) FILTER (WHERE m.told >= l.planned),
       (SELECT coalesce(array_agg(DISTINCT n), '{}') FROM unnest(string_to_array(string_agg(m.others, ','), ',')) AS n),
       bool_or(m.is_other_unclear)
FROM (SELECT k.package_id, k.order_id, k.line_id,
             k.quantity + coalesce(sum(j.quantity) FILTER (WHERE b.status = 'confirmed'), 0) AS told,
             string_agg(s.waybill, ',') AS others,
             coalesce(bool_or(b.status = 'pending' AND b.call_deadline IS NOT NULL AND (
                 EXISTS (SELECT FROM work AS t WHERE t.step = 'writeback' AND t.subject_id = b.package_id)
                 OR EXISTS (SELECT FROM dead_letter AS d
                            WHERE d.step = 'writeback' AND d.subject_id = b.package_id AND d.closed_at IS NULL))),
                      false) AS is_other_unclear
      FROM package_line AS k
      JOIN fulfillment_order AS f ON f.order_id = k.order_id
      JOIN package AS q ON q.fulfillment_order_id = f.id AND q.cancelled_at IS NULL
      LEFT JOIN package_line AS j ON j.package_id = q.id AND j.order_id = k.order_id AND j.line_id = k.line_id
                                     AND j.quantity > 0 AND j.package_id <> k.package_id
      LEFT JOIN writeback AS b ON b.package_id = j.package_id
      LEFT JOIN shipment AS s ON s.package_id = j.package_id AND s.status = 'booked'
      WHERE k.package_id = ANY(%(ids)s) AND k.quantity > 0
      GROUP BY k.package_id, k.order_id, k.line_id, k.quantity) AS m
JOIN order_line AS l ON l.order_id = m.order_id AND l.line_id = m.line_id
GROUP BY m.package_id;

-- name: begin_writebacks
UPDATE writeback SET status = 'sending', call_deadline = now() + make_interval(secs => %(call_s)s)
WHERE package_id = ANY(%(ids)s);

-- name: give_up
-- Nobody will find out what came of a call: the other packages of the order need not wait for that.
UPDATE writeback SET status = 'pending' WHERE package_id = %(id)s AND status = 'sending';

-- name: leave_untold
UPDATE writeback SET status = 'pending' WHERE package_id = ANY(%(ids)s) AND status <> 'pending';

-- name: end_writebacks
-- `is_clear`: the call surely had no effect, or its effect is known, so nobody need ask first. Otherwise
-- the call is over, so the next try asks at once.
UPDATE writeback AS w
SET status = r.status, confirmed_at = CASE WHEN r.status = 'confirmed' THEN now() END,
    call_deadline = CASE WHEN NOT r.is_clear THEN now() END,
    platform_changed_at = coalesce(r.changed_at, w.platform_changed_at)
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, status text, is_clear boolean, changed_at timestamptz)
WHERE w.package_id = r.id;

-- name: open_writebacks
-- Write-backs that the platform has not confirmed, the oldest first. `any_open` takes them all; otherwise those
-- that were refused, died, failed before, or have waited longer than `late_s` since the package left. What waits for
-- the end of a hold is written back after it.
SELECT w.package_id, w.order_id, o.platform, o.shop, o.platform_order_id, f.lane, s.waybill, w.shipped_at, w.status,
       d.id AS letter_id, held.codes AS holds, coalesce(d.code, failed.code, held.why) AS cause,
       f.state = 'on_hold' AND p.handed_over_at IS NULL AS is_held
FROM writeback AS w
JOIN package AS p ON p.id = w.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = w.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
LEFT JOIN work AS k ON k.step = 'writeback' AND k.subject_id = w.package_id
LEFT JOIN dead_letter AS d ON d.step = 'writeback' AND d.subject_id = w.package_id AND d.closed_at IS NULL
CROSS JOIN LATERAL (SELECT k.causes -> -1 ->> 'code' AS code) AS failed
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(h.code ORDER BY h.id), '{}') AS codes, max(h.facts ->> 'code') AS why
    FROM hold AS h
    WHERE h.fulfillment_order_id = f.id AND h.step = 'writeback' AND h.code <> 'dead_letter'
      AND h.released_at IS NULL) AS held
WHERE w.status <> 'confirmed'
  AND NOT (w.status = 'pending' AND k.subject_id IS NULL AND d.id IS NULL AND p.handed_over_at IS NULL
           AND f.state IN ('on_hold', 'closed'))
  AND (%(any_open)s OR w.status = 'refused' OR d.id IS NOT NULL OR k.subject_id IS NULL
       OR failed.code IS NOT NULL OR w.shipped_at < now() - make_interval(secs => %(late_s)s))
  AND (%(order_id)s::bigint IS NULL OR w.order_id = %(order_id)s)
  AND (%(package_id)s::bigint IS NULL OR w.package_id = %(package_id)s)
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
  AND (%(platform)s::text IS NULL OR o.platform = %(platform)s)
  AND (%(since)s::timestamptz IS NULL OR w.shipped_at >= %(since)s)
  AND (%(cause)s::text IS NULL OR %(cause)s = ANY(held.codes || ARRAY[d.code, d.fingerprint, failed.code, held.why]))
ORDER BY w.shipped_at, w.package_id;

-- name: lock_writeback_work
SELECT 1 FROM work WHERE step = 'writeback' AND subject_id = %(package_id)s FOR UPDATE;

-- name: ask_again
-- Due now, and the platform is asked before it is told. A call that is under way keeps its deadline.
WITH asked AS (
    UPDATE writeback SET call_deadline = coalesce(call_deadline, now())
    WHERE package_id = %(package_id)s AND status <> 'confirmed'
    RETURNING package_id
)
INSERT INTO work (step, subject_id, lane, account)
SELECT 'writeback', package_id, %(lane)s, %(account)s FROM asked
ON CONFLICT (step, subject_id) DO UPDATE SET due_at = least(work.due_at, now())
WHERE work.lease_token IS NULL
RETURNING lane, account;

-- name: writeback_status
SELECT status FROM writeback WHERE package_id = %(package_id)s;
