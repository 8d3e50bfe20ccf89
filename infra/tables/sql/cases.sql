-- Cases: one row for each shop and case id. A case that was opened before stays as it is, open or closed.

-- name: open
INSERT INTO order_case (shop, case_id, kind, order_id, package_id, owner, due_at, facts)
SELECT r.shop, r.case_id, r.kind, r.order_id, r.package_id, r.owner, now() + make_interval(hours => r.due_h), r.facts
FROM json_to_recordset(%(rows)s::json)
     AS r(shop text, case_id text, kind text, order_id bigint, package_id bigint, owner text, due_h int, facts jsonb)
ORDER BY r.shop, r.case_id
ON CONFLICT (shop, case_id) DO NOTHING
RETURNING case_id;

-- name: close
UPDATE order_case SET closed_at = now(), closed_by = %(author)s, reason = %(reason)s
WHERE shop = %(shop)s AND case_id = %(case_id)s AND closed_at IS NULL
RETURNING id;

-- name: close_of_packages
-- Open cases of packages that are over. Index order_case_of_order.
UPDATE order_case AS c SET closed_at = now(), closed_by = %(author)s, reason = %(reason)s
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE p.id = ANY(%(ids)s) AND c.order_id = f.order_id AND c.package_id = p.id AND c.kind = ANY(%(kinds)s)
  AND c.closed_at IS NULL
RETURNING c.id;

-- name: close_of_dead_waybills
-- Open cases about waybills that nobody wants, of packages whose waybill is void. Where the platform shows the number, a
-- person settles that first. Index order_case_of_order.
UPDATE order_case AS c SET closed_at = now(), closed_by = %(author)s, reason = 'the waybill is void'
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE p.id = ANY(%(ids)s) AND c.order_id = f.order_id AND c.package_id = p.id AND c.kind = %(kind)s
  AND c.closed_at IS NULL AND NOT c.facts ? %(told)s;

-- name: open_of_orders
SELECT order_id, count(*) FROM order_case
WHERE order_id = ANY(%(order_ids)s) AND closed_at IS NULL
GROUP BY order_id;

-- name: list_open
-- The ids of a page of open cases, the first due first, after a known one. Index order_case_open.
SELECT c.id FROM order_case AS c
WHERE c.closed_at IS NULL
  AND (c.due_at, c.id) > (coalesce((SELECT a.due_at FROM order_case AS a WHERE a.id = %(after)s), '-infinity'), %(after)s)
  AND (%(kind)s::text IS NULL OR c.kind = %(kind)s)
  AND (%(owner)s::text IS NULL OR c.owner = %(owner)s)
  AND (%(shop)s::text IS NULL OR c.shop = %(shop)s OR split_part(c.shop, '/', 2) = %(shop)s)
  AND (%(opened_before)s::timestamptz IS NULL OR c.opened_at < %(opened_before)s)
  AND (%(due_before)s::timestamptz IS NULL OR c.due_at < %(due_before)s)
ORDER BY c.due_at, c.id
LIMIT %(limit)s;

-- name: list_closed
-- The ids of a page of closed cases, the last closed first, after a known one. Index order_case_closed.
SELECT c.id FROM order_case AS c
WHERE c.closed_at IS NOT NULL
  AND (%(after)s = 0
       OR (c.closed_at, c.id) < ((SELECT a.closed_at FROM order_case AS a WHERE a.id = %(after)s), %(after)s))
  AND (%(kind)s::text IS NULL OR c.kind = %(kind)s)
  AND (%(owner)s::text IS NULL OR c.owner = %(owner)s)
  AND (%(shop)s::text IS NULL OR c.shop = %(shop)s OR split_part(c.shop, '/', 2) = %(shop)s)
  AND (%(opened_before)s::timestamptz IS NULL OR c.opened_at < %(opened_before)s)
  AND (%(due_before)s::timestamptz IS NULL OR c.due_at < %(due_before)s)
ORDER BY c.closed_at DESC, c.id DESC
LIMIT %(limit)s;

-- name: load
-- Cases by id, in the order of the ids.
SELECT c.id, c.shop, c.case_id, c.kind, c.owner, c.opened_at, c.due_at, c.closed_at, c.closed_by, c.reason, c.facts,
       c.order_id, c.shop || '/' || coalesce(o.platform_order_id, nullif(c.platform_order_id, ''), '?') AS order_name,
       c.stage, c.needs, c.currency, c.amount_minor, c.decide_by, c.answer, c.answer_status,
       ARRAY(SELECT f.state FROM fulfillment_order AS f WHERE f.order_id = c.order_id ORDER BY f.number) AS states,
       c.package_id, p.number AS package_number, p.location, p.courier,
       (SELECT s.waybill FROM shipment AS s WHERE s.package_id = p.id ORDER BY s.generation DESC LIMIT 1) AS waybill,
       p.handed_over_at, now() AS seen_at
FROM order_case AS c
LEFT JOIN orders AS o ON o.id = c.order_id
LEFT JOIN package AS p ON p.id = c.package_id
WHERE c.id = ANY(%(ids)s)
ORDER BY array_position(%(ids)s::bigint[], c.id);

-- name: lock
-- Open cases by id. The transaction locks nothing else.
SELECT id, kind, owner, due_at, order_id FROM order_case
WHERE id = ANY(%(ids)s) AND closed_at IS NULL
ORDER BY id
FOR UPDATE;

-- name: assign
UPDATE order_case SET owner = %(owner)s, due_at = coalesce(%(due_at)s::timestamptz, due_at)
WHERE id = ANY(%(ids)s) AND closed_at IS NULL;

-- name: close_locked
UPDATE order_case SET closed_at = now(), closed_by = %(author)s, reason = %(reason)s
WHERE id = ANY(%(ids)s) AND closed_at IS NULL;

-- name: closed
SELECT id, closed_by, closed_at FROM order_case WHERE id = ANY(%(ids)s) AND closed_at IS NOT NULL;

-- name: expired
-- Open cases past their due time, by owner. Index order_case_open.
SELECT owner, count(*) FROM order_case WHERE closed_at IS NULL AND due_at < now() GROUP BY owner ORDER BY owner;

-- name: foresee
-- `done`: the code of a case that is open.
SELECT k.id, CASE WHEN c.id IS NULL THEN 'case_unknown' WHEN c.closed_at IS NULL THEN %(done)s ELSE 'case_not_open' END
FROM unnest(%(ids)s::bigint[]) AS k(id) LEFT JOIN order_case AS c ON c.id = k.id;

-- name: end_of_stretch
-- The last of some followed parcels behind a known one. Primary key of work.
SELECT max(k.subject_id) FROM (
    SELECT subject_id FROM work WHERE step = 'track' AND subject_id > %(after)s
    ORDER BY subject_id LIMIT %(limit)s) AS k;

-- name: overdue_parcels
-- Followed parcels of a stretch of which their courier has reported nothing new for so many hours, although it was asked and
-- answered after that, and that have no case of the kind. Primary key of work, index order_case_of_order.
WITH followed AS (
    SELECT p.id, f.order_id, p.collected_at, least(now(), p.tracked_at) AS seen_at
    FROM work AS k
    JOIN package AS p ON p.id = k.subject_id
    JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
    WHERE k.step = 'track' AND k.subject_id > %(after)s AND k.subject_id <= %(upto)s
      AND p.delivered_at IS NULL AND p.tracked_at IS NOT NULL
), late AS (
    SELECT d.id, d.order_id, %(not_collected)s AS kind, w.shipped_at AS since
    FROM followed AS d JOIN writeback AS w ON w.package_id = d.id
    WHERE d.collected_at IS NULL AND w.status = 'confirmed'
      AND w.shipped_at + make_interval(hours => %(first_scan_h)s) < d.seen_at
    UNION ALL
    SELECT d.id, d.order_id, %(not_moving)s, last.at
    FROM followed AS d
    CROSS JOIN LATERAL (SELECT max(e.at) AS at FROM parcel_event AS e WHERE e.package_id = d.id) AS last
    WHERE d.collected_at IS NOT NULL AND last.at + make_interval(hours => %(no_movement_h)s) < d.seen_at
    UNION ALL
    SELECT d.id, d.order_id, %(not_delivered)s, d.collected_at
    FROM followed AS d WHERE d.collected_at + make_interval(hours => %(delivery_h)s) < d.seen_at
)
SELECT l.kind, l.id AS package_id, l.order_id, o.platform || '/' || o.shop AS shop, s.reference, s.courier, s.waybill, l.since
FROM late AS l
JOIN orders AS o ON o.id = l.order_id
JOIN shipment AS s ON s.package_id = l.id AND s.status = 'booked'
WHERE NOT EXISTS (SELECT FROM order_case AS c
                  WHERE c.order_id = l.order_id AND c.package_id = l.id AND c.kind = l.kind)
ORDER BY l.id;

-- name: close_settled
-- Open cases of parcels that were collected, or signed for, after all. Index order_case_open.
UPDATE order_case AS c
SET closed_at = now(), closed_by = %(author)s,
    reason = CASE WHEN p.delivered_at IS NULL THEN 'the courier has collected the parcel' ELSE 'the parcel was signed for' END
FROM package AS p
WHERE c.closed_at IS NULL AND p.id = c.package_id
  AND (c.kind = %(not_collected)s AND p.collected_at IS NOT NULL
       OR c.kind = ANY(%(until_signed)s) AND p.delivered_at IS NOT NULL)
RETURNING c.id;
