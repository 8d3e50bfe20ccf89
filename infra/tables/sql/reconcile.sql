-- What people ask of the outside again: write-backs that did not come through, and packages after a restored backup.

-- name: open_writebacks
-- Write-backs that the platform has not confirmed, the oldest first. `any_open` takes them all; otherwise those
-- that were refused, died, failed before, or have waited longer than `late_s` since the package left. What waits for
-- a hold's end is told after it.
SELECT w.package_id, w.order_id, o.platform, o.shop, o.platform_order_id, f.lane, s.waybill, w.shipped_at, w.status,
       d.id AS letter_id, held.codes AS holds, coalesce(d.code, failed.code, held.why) AS cause
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

-- name: packages_since
-- A page of packages with their live shipment, and the highest generation we know of.
SELECT p.id, p.number, p.courier, p.account, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id,
       o.platform, o.shop, o.platform_order_id, s.generation, s.waybill,
       (SELECT coalesce(max(v.generation), 0) FROM shipment AS v WHERE v.package_id = p.id) AS known_generation,
       EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'label' AND w.subject_id = p.id AND w.lease_token IS NOT NULL)
           AS is_calling
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
WHERE p.created_at >= %(since)s AND p.id > %(after)s
ORDER BY p.id
LIMIT %(limit)s;

-- name: lost_orders
-- Orders held because the platform shows them as shipped, of which we have no package, with the numbers that it shows.
SELECT o.id, o.platform, o.shop, o.platform_order_id,
       coalesce(array_agg(DISTINCT l.waybill) FILTER (WHERE l.waybill <> ''), '{}')
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN order_line AS l ON l.order_id = o.id AND l.elsewhere > 0
WHERE h.code = 'shipped_elsewhere' AND h.released_at IS NULL AND o.received_at >= %(since)s
  AND NOT EXISTS (SELECT FROM fulfillment_order AS g JOIN package AS p ON p.fulfillment_order_id = g.id
                  WHERE g.order_id = o.id)
GROUP BY o.id
ORDER BY o.id;

-- name: lock_label
-- Whoever labels this package holds its work row; the second of two waits here.
SELECT lease_token IS NOT NULL FROM work WHERE step = 'label' AND subject_id = %(package_id)s FOR UPDATE;

-- name: void_others
-- Generations that are not the living one.
UPDATE shipment SET status = 'voided', voided_at = now(), call_deadline = NULL
WHERE package_id = %(package_id)s AND generation <> %(generation)s AND status <> 'voided';

-- name: intend_found
-- What lives at the courier becomes our intent; the call is over, so label asks at once.
INSERT INTO shipment (package_id, generation, reference, courier, status, call_deadline)
VALUES (%(package_id)s, %(generation)s, %(reference)s, %(courier)s, 'intended', now())
ON CONFLICT (package_id, generation)
DO UPDATE SET status = 'intended', waybill = NULL, booked_at = NULL, voided_at = NULL, call_deadline = now();

-- name: label_found
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'label', p.id, %(lane)s, %(account)s, o.platform || '/' || o.shop
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.id = %(package_id)s
ON CONFLICT (step, subject_id) DO UPDATE SET due_at = least(work.due_at, now())
RETURNING lane, account;

-- name: note_voided
-- A waybill that we had cancelled, whether we knew its generation or not.
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, voided_at)
VALUES (%(package_id)s, %(generation)s, %(reference)s, %(courier)s, 'voided', %(waybill)s, now())
ON CONFLICT (package_id, generation)
DO UPDATE SET status = 'voided', waybill = coalesce(shipment.waybill, excluded.waybill),
              voided_at = coalesce(shipment.voided_at, now()), call_deadline = NULL;

-- name: booked_waybill
SELECT waybill FROM shipment WHERE package_id = %(package_id)s AND status = 'booked';

-- name: label_letters
SELECT id FROM dead_letter WHERE step = 'label' AND subject_id = %(package_id)s AND closed_at IS NULL;

-- name: label_holds
SELECT code FROM hold
WHERE fulfillment_order_id = %(fulfillment_order_id)s AND step = 'label' AND code = 'waybill_error'
  AND released_at IS NULL;
