-- Packages and what lies in them.

-- name: create_packages
-- One package for each fulfillment order, with all of it that is in no package yet. A number is unique in the whole
-- order, as the courier's reference is made of order and number. It follows from the number of the fulfillment order, as
-- parts of one order may get their packages at the same time: a further package of a part is 1000 beyond the last.
WITH wanted AS (
    SELECT r.*, f.number
           + 1000 * (SELECT count(*) FROM package AS p WHERE p.fulfillment_order_id = r.fulfillment_order_id) AS number
    FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, courier text, account text, location text, service text, weight_g integer)
    JOIN fulfillment_order AS f ON f.id = r.fulfillment_order_id
), made AS (
    INSERT INTO package (fulfillment_order_id, number, courier, account, location, service, weight_g)
    SELECT w.fulfillment_order_id, w.number, w.courier, w.account, w.location, w.service, w.weight_g
    FROM wanted AS w
    ORDER BY w.fulfillment_order_id
    RETURNING id, fulfillment_order_id
), filled AS (
    INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
    SELECT m.id, l.fulfillment_order_id, l.order_id, l.line_id, l.quantity - l.packed
    FROM made AS m JOIN fulfillment_line AS l ON l.fulfillment_order_id = m.fulfillment_order_id
    WHERE l.quantity > l.packed
), packed AS (
    UPDATE fulfillment_line AS l SET packed = l.quantity
    FROM made AS m
    WHERE l.fulfillment_order_id = m.fulfillment_order_id AND l.quantity > l.packed
)
SELECT id, fulfillment_order_id FROM made;

-- name: load_packages
-- Packages with their order's identity and the live shipment, if there is one. `version`: of the
-- content that the order has; `early_s`: until it may be labelled, if `is_day_read`. Locks the fulfillment orders.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane,
       o.id AS order_id, o.platform, o.shop, o.platform_order_id,
       p.number, p.courier, p.account, p.location, p.service, p.weight_g, s.status, s.reference,
       p.cancelled_at IS NOT NULL AS is_cancelled, s.call_deadline IS NOT NULL AS is_asked_about,
       coalesce(greatest(0, extract(epoch FROM s.call_deadline - now())), 0)::float8 AS busy_s,
       coalesce(greatest(0, extract(epoch FROM o.ship_from - now())), 0)::float8 AS early_s,
       o.ship_from_of IS NOT DISTINCT FROM o.raw_payload_id AS is_day_read,
       (SELECT coalesce(max(generation), 0) FROM shipment WHERE package_id = p.id AND status = 'voided') AS voided, c.version
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN raw_payload AS c ON c.id = o.raw_payload_id
LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
WHERE p.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: load_contents
-- What lies in packages, after their fulfillment orders were locked: one that waits for a lock reads all else as before.
SELECT package_id, line_id, quantity FROM package_line WHERE package_id = ANY(%(ids)s) AND quantity > 0
ORDER BY package_id, line_id;

-- name: unwanted_packages
-- Of some packages, those whose waybill nobody wants, and why: the package or its order has ended here, a stop of the order
-- is open, or the platform has closed the order.
SELECT p.id, CASE WHEN f.state = 'closed' OR p.cancelled_at IS NOT NULL THEN 'ended'
                  WHEN s.id IS NOT NULL THEN 'stopping' ELSE 'closed_by_platform' END
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN stop AS s ON s.fulfillment_order_id = f.id AND s.status = 'asked'
WHERE p.id = ANY(%(ids)s)
  AND (f.state = 'closed' OR p.cancelled_at IS NOT NULL OR s.id IS NOT NULL OR o.platform_state = 'closed');

-- name: packages_by_reference
-- What a warehouse event speaks of. Locks the fulfillment orders, in id order.
SELECT s.reference, s.waybill, p.id, f.id, f.state, f.lane, o.id, o.platform || '/' || o.shop, p.account,
       p.handed_over_at IS NOT NULL, p.cancelled_at IS NOT NULL, s.status = 'voided', f.resume_state,
       f.state = 'on_hold' AND EXISTS (SELECT 1 FROM stop AS t WHERE t.fulfillment_order_id = f.id AND t.status = 'asked')
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE s.reference = ANY(%(references)s) AND s.waybill IS NOT NULL
ORDER BY f.id
FOR UPDATE OF f;

-- name: stamp_packages
UPDATE package AS p
SET packed_at = coalesce(p.packed_at, r.packed_at), handed_over_at = coalesce(p.handed_over_at, r.handed_over_at)
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, packed_at timestamptz, handed_over_at timestamptz)
WHERE p.id = r.id;

-- name: stamp_tracked
UPDATE package AS p
SET collected_at = r.collected_at, delivered_at = r.delivered_at, tracked_at = now()
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, collected_at timestamptz, delivered_at timestamptz)
WHERE p.id = r.id;

-- name: cancel_packages
-- The packages of fulfillment orders that have not left: their pieces are free for others. A booked waybill lives on.
WITH cancelled AS (
    UPDATE package AS p SET cancelled_at = now()
    WHERE p.fulfillment_order_id = ANY(%(ids)s) AND p.cancelled_at IS NULL AND p.handed_over_at IS NULL
    RETURNING p.id, p.fulfillment_order_id, p.courier
), unpacked AS (
    SELECT k.fulfillment_order_id, k.order_id, k.line_id, sum(k.quantity) AS quantity
    FROM cancelled AS c JOIN package_line AS k ON k.package_id = c.id
    GROUP BY k.fulfillment_order_id, k.order_id, k.line_id
), freed AS (
    UPDATE fulfillment_line AS f SET packed = f.packed - u.quantity
    FROM unpacked AS u
    WHERE f.fulfillment_order_id = u.fulfillment_order_id AND f.order_id = u.order_id AND f.line_id = u.line_id
)
SELECT c.id, c.fulfillment_order_id, c.courier, s.reference, s.waybill,
       coalesce(w.status <> 'pending' OR w.call_deadline IS NOT NULL, false),
       (SELECT v.waybill FROM shipment AS v WHERE v.package_id = c.id AND v.waybill IS NOT NULL
        ORDER BY v.generation DESC LIMIT 1)
FROM cancelled AS c
LEFT JOIN shipment AS s ON s.package_id = c.id AND s.status = 'booked'
LEFT JOIN writeback AS w ON w.package_id = c.id
ORDER BY c.id;

-- name: create_filled
-- Packages that a warehouse has packed and booked. A number is unique in the whole order, as in `create_packages`; a
-- further package of a part is 100 beyond the last. `ordinal` counts from 1 in each fulfillment order.
WITH wanted AS (
    SELECT r.*, coalesce((SELECT max(p.number) FROM package AS p WHERE p.fulfillment_order_id = f.id), f.number - 100)
           + 100 * r.ordinal AS number
    FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, ordinal integer, courier text, account text, location text, weight_g integer)
    JOIN fulfillment_order AS f ON f.id = r.fulfillment_order_id
), made AS (
    INSERT INTO package (fulfillment_order_id, number, courier, account, location, weight_g)
    SELECT fulfillment_order_id, number, courier, account, location, weight_g FROM wanted
    ORDER BY fulfillment_order_id, ordinal
    RETURNING id, fulfillment_order_id, number
), placed AS (
    SELECT m.id, m.number, w.fulfillment_order_id, w.ordinal
    FROM made AS m JOIN wanted AS w USING (fulfillment_order_id, number)
), lines AS (
    SELECT p.id, l.* FROM json_to_recordset(%(lines)s::json)
         AS l(fulfillment_order_id bigint, ordinal integer, order_id bigint, line_id text, quantity integer)
    JOIN placed AS p USING (fulfillment_order_id, ordinal)
), filled AS (
    INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
    SELECT id, fulfillment_order_id, order_id, line_id, quantity FROM lines
), packed AS (
    UPDATE fulfillment_line AS f SET packed = f.packed + k.quantity
    FROM (SELECT fulfillment_order_id, order_id, line_id, sum(quantity) AS quantity FROM lines
          GROUP BY fulfillment_order_id, order_id, line_id) AS k
    WHERE f.fulfillment_order_id = k.fulfillment_order_id AND f.order_id = k.order_id AND f.line_id = k.line_id
)
SELECT fulfillment_order_id, ordinal, id, number FROM placed ORDER BY fulfillment_order_id, ordinal;
