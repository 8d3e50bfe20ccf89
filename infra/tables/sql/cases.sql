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

-- name: open_of_orders
SELECT order_id, count(*) FROM order_case
WHERE order_id = ANY(%(order_ids)s) AND closed_at IS NULL
GROUP BY order_id;

-- name: list_open
-- A page of open cases, the first due first, after a known one. Index order_case_open.
SELECT c.id, c.shop, c.case_id, c.kind, c.owner, c.opened_at, c.due_at, c.closed_at, c.closed_by, c.reason, c.facts,
       c.order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name,
       ARRAY(SELECT f.state FROM fulfillment_order AS f WHERE f.order_id = c.order_id ORDER BY f.number) AS states,
       c.package_id, p.number AS package_number, p.location, p.courier,
       (SELECT s.waybill FROM shipment AS s WHERE s.package_id = p.id ORDER BY s.generation DESC LIMIT 1) AS waybill,
       p.handed_over_at, now() AS seen_at
FROM order_case AS c
JOIN orders AS o ON o.id = c.order_id
LEFT JOIN package AS p ON p.id = c.package_id
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
-- A page of closed cases, the last closed first, after a known one. Index order_case_closed.
SELECT c.id, c.shop, c.case_id, c.kind, c.owner, c.opened_at, c.due_at, c.closed_at, c.closed_by, c.reason, c.facts,
       c.order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name,
       ARRAY(SELECT f.state FROM fulfillment_order AS f WHERE f.order_id = c.order_id ORDER BY f.number) AS states,
       c.package_id, p.number AS package_number, p.location, p.courier,
       (SELECT s.waybill FROM shipment AS s WHERE s.package_id = p.id ORDER BY s.generation DESC LIMIT 1) AS waybill,
       p.handed_over_at, now() AS seen_at
FROM order_case AS c
JOIN orders AS o ON o.id = c.order_id
LEFT JOIN package AS p ON p.id = c.package_id
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

-- name: show
SELECT c.id, c.shop, c.case_id, c.kind, c.owner, c.opened_at, c.due_at, c.closed_at, c.closed_by, c.reason, c.facts,
       c.order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name,
       ARRAY(SELECT f.state FROM fulfillment_order AS f WHERE f.order_id = c.order_id ORDER BY f.number) AS states,
       c.package_id, p.number AS package_number, p.location, p.courier,
       (SELECT s.waybill FROM shipment AS s WHERE s.package_id = p.id ORDER BY s.generation DESC LIMIT 1) AS waybill,
       p.handed_over_at, now() AS seen_at
FROM order_case AS c
JOIN orders AS o ON o.id = c.order_id
LEFT JOIN package AS p ON p.id = c.package_id
WHERE c.id = %(id)s;

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
