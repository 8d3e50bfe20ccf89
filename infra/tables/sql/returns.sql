-- Parcels that are expected back, or that came back: one row a package.

-- name: expect
-- A parcel that is expected or received already stays as it is.
INSERT INTO parcel_return (package_id, order_id, why)
SELECT r.package_id, r.order_id, r.why
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, order_id bigint, why text)
ORDER BY r.package_id
ON CONFLICT (package_id) DO NOTHING
RETURNING package_id;

-- name: lock
-- Packages with the last waybill, which may be voided: a courier may carry what it has cancelled. Locks the fulfillment
-- orders.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id, o.platform, o.shop,
       o.platform_order_id, p.location, s.courier, s.reference, s.waybill, p.handed_over_at IS NOT NULL AS has_left,
       p.collected_at IS NOT NULL AS is_collected, p.cancelled_at IS NOT NULL AS is_cancelled
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN LATERAL (SELECT s.courier, s.reference, s.waybill FROM shipment AS s
              WHERE s.package_id = p.id AND s.waybill IS NOT NULL ORDER BY s.generation DESC LIMIT 1) AS s ON true
WHERE p.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: known
-- Returns of packages. After the lock of their fulfillment orders, in a statement of its own.
SELECT package_id, why, expected_at, received_at, received_by, location FROM parcel_return
WHERE package_id = ANY(%(ids)s);

-- name: sent
-- What packages held when they left, by line.
SELECT k.package_id, k.line_id, l.sku, k.quantity
FROM package_line AS k JOIN order_line AS l ON l.order_id = k.order_id AND l.line_id = k.line_id
WHERE k.package_id = ANY(%(ids)s) AND k.quantity > 0
ORDER BY k.package_id, k.line_id;

-- name: receive
-- Once a package: a second count changes nothing.
INSERT INTO parcel_return AS r (package_id, order_id, why, received_at, received_by, location)
VALUES (%(package_id)s, %(order_id)s, %(why)s, now(), %(by)s, %(location)s)
ON CONFLICT (package_id) DO UPDATE
SET received_at = now(), received_by = excluded.received_by, location = excluded.location
WHERE r.received_at IS NULL
RETURNING r.why;

-- name: add_lines
INSERT INTO parcel_return_line (package_id, line_id, sku, sent, sellable, damaged)
SELECT %(package_id)s, r.line_id, r.sku, r.sent, r.sellable, r.damaged
FROM json_to_recordset(%(rows)s::json) AS r(line_id text, sku text, sent integer, sellable integer, damaged integer);

-- name: all_back
-- Of fulfillment orders, those of which every package that has left was counted back.
SELECT p.fulfillment_order_id FROM package AS p
LEFT JOIN parcel_return AS r ON r.package_id = p.id AND r.received_at IS NOT NULL
WHERE p.fulfillment_order_id = ANY(%(ids)s) AND p.cancelled_at IS NULL
GROUP BY p.fulfillment_order_id
HAVING bool_and(r.package_id IS NOT NULL);

-- name: overdue
-- Returns that were expected so long ago that somebody must look for them, and that have no case. Index
-- parcel_return_expected.
SELECT r.package_id, r.order_id, o.platform || '/' || o.shop AS shop, s.reference, s.courier, s.waybill,
       r.expected_at AS since
FROM parcel_return AS r
JOIN orders AS o ON o.id = r.order_id
JOIN LATERAL (SELECT s.courier, s.reference, s.waybill FROM shipment AS s
              WHERE s.package_id = r.package_id AND s.waybill IS NOT NULL ORDER BY s.generation DESC LIMIT 1) AS s ON true
WHERE r.received_at IS NULL AND r.expected_at < now() - make_interval(hours => %(hours)s)
  AND NOT EXISTS (SELECT FROM order_case AS c
                  WHERE c.order_id = r.order_id AND c.package_id = r.package_id AND c.kind = %(kind)s)
ORDER BY r.expected_at, r.package_id
LIMIT %(limit)s;

-- name: of_order
SELECT r.package_id, r.why, r.expected_at, r.received_at, r.received_by, r.location,
       coalesce((SELECT sum(k.quantity) FROM package_line AS k WHERE k.package_id = r.package_id), 0)::int AS sent,
       coalesce(sum(l.sellable), 0)::int AS sellable, coalesce(sum(l.damaged), 0)::int AS damaged
FROM parcel_return AS r LEFT JOIN parcel_return_line AS l ON l.package_id = r.package_id
WHERE r.order_id = %(order_id)s
GROUP BY r.package_id
ORDER BY r.package_id;
