-- What people pick, pack and hand over at a location of our own.

-- name: document_progress
-- A document and whether any, and all, of its packages that were not cancelled have moved.
SELECT l.status, l.code,
       coalesce(bool_or(p.packed_at IS NOT NULL), false), coalesce(bool_and(p.handed_over_at IS NOT NULL), false)
FROM placement AS l
LEFT JOIN package AS p ON p.fulfillment_order_id = l.fulfillment_order_id AND p.cancelled_at IS NULL
WHERE l.reference = %(reference)s
GROUP BY l.id;

-- name: load_picks
-- Packages of placed documents that nobody has packed, the most urgent first: by lane, then by ship-by time. Index
-- placement_open.
SELECT p.id, p.location, p.courier, f.lane, f.state, o.ship_by, o.id, o.platform, o.shop, o.platform_order_id,
       s.reference, s.waybill
FROM placement AS l
JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN package AS p ON p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL AND p.packed_at IS NULL
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE l.location = ANY(%(locations)s) AND l.status = 'placed'
  AND f.state IN ('allocated', 'in_warehouse', 'packed') AND o.platform_state <> 'closed'
ORDER BY array_position(ARRAY['p0', 'p1', 'bulk'], f.lane), o.ship_by NULLS LAST, o.id, p.id
LIMIT %(limit)s;

-- name: load_pieces
-- What lies in packages, by line.
SELECT k.package_id, k.line_id, l.sku, k.quantity
FROM package_line AS k JOIN order_line AS l ON l.order_id = k.order_id AND l.line_id = k.line_id
WHERE k.package_id = ANY(%(ids)s) AND k.quantity > 0
ORDER BY k.package_id, l.sku, k.line_id;

-- name: find_packages
-- Packages by their reference, by a document's reference, or by a waybill of one of the couriers. `checked_s`: so long
-- ago the platform allowed to ship. `ended`: what became of the document where it lives no more.
WITH named AS (
    SELECT s.id, s.reference AS name FROM shipment AS s WHERE s.reference = ANY(%(names)s)
    UNION
    SELECT s.id, s.waybill FROM shipment AS s WHERE s.courier = ANY(%(couriers)s) AND s.waybill = ANY(%(names)s)
    UNION
    SELECT s.id, l.reference FROM placement AS l
    JOIN package AS p ON p.fulfillment_order_id = l.fulfillment_order_id AND p.cancelled_at IS NULL
    JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
    WHERE l.reference = ANY(%(names)s)
)
SELECT n.name, s.reference, coalesce(s.waybill, '') AS waybill, s.status, p.id AS package_id, p.location,
       p.cancelled_at IS NOT NULL AS is_cancelled, p.packed_at IS NOT NULL AS is_packed,
       p.handed_over_at IS NOT NULL AS has_left, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id,
       o.platform, o.shop, o.platform_order_id, o.platform_state, c.version,
       extract(epoch FROM now() - greatest(s.checked_at, d.checked_at))::float8 AS checked_s,
       coalesce(d.status, '') AS document, coalesce(d.reference, '') AS document_reference,
       (SELECT count(*) FROM package AS q
        WHERE q.fulfillment_order_id = f.id AND q.id <> p.id AND q.cancelled_at IS NULL) AS others,
       ARRAY(SELECT h.code FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL
             ORDER BY h.code) AS holds
FROM named AS n
JOIN shipment AS s ON s.id = n.id
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN raw_payload AS c ON c.id = o.raw_payload_id
LEFT JOIN LATERAL (SELECT l.status, l.reference, l.checked_at FROM placement AS l WHERE l.fulfillment_order_id = f.id
                   ORDER BY l.generation DESC LIMIT 1) AS d ON true
ORDER BY n.name, p.id;

-- name: lock_package
-- The order's share of a package: its scans, and whatever stops it, wait for each other.
SELECT f.id FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE p.id = %(id)s FOR UPDATE OF f;
