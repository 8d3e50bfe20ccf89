-- Pieces of lines: in the work of a location (fulfillment_line) and in the box (package_line).

-- name: load_plan
-- Pieces of some orders by fulfillment order and line. Bound are those in a package that has left, has a waybill, or for
-- which a call to the courier may have happened; and all of a document that a warehouse has, or may have. Package lines
-- are found by their package: indexes placement_one_live,
-- package_fulfillment_order_id_number_key and package_line_pkey.
SELECT l.order_id, l.fulfillment_order_id, l.line_id, l.quantity, f.state = 'closed',
       CASE WHEN EXISTS (SELECT FROM placement AS d
                         WHERE d.fulfillment_order_id = f.id
                           AND (d.status IN ('placed', 'final') OR d.status = 'intended' AND d.call_deadline IS NOT NULL))
            THEN l.quantity
       ELSE coalesce((SELECT sum(k.quantity)::integer
                 FROM package_line AS k
                 JOIN package AS p ON p.id = k.package_id AND p.cancelled_at IS NULL
                 WHERE p.fulfillment_order_id = f.id
                   AND k.fulfillment_order_id = f.id AND k.order_id = l.order_id AND k.line_id = l.line_id
                   AND (p.handed_over_at IS NOT NULL
                        OR EXISTS (SELECT FROM shipment AS s
                                   WHERE s.package_id = p.id
                                     AND (s.status = 'booked'
                                          OR s.status = 'intended' AND s.call_deadline IS NOT NULL)))), 0) END
FROM fulfillment_order AS f JOIN fulfillment_line AS l ON l.fulfillment_order_id = f.id
WHERE f.order_id = ANY(%(order_ids)s)
ORDER BY l.order_id, l.fulfillment_order_id, l.line_id;

-- name: load_shipped
-- Pieces of some orders by line and waybill, and whether the platform was told of them, or may have been.
SELECT k.order_id, k.line_id, s.waybill, k.quantity, coalesce(w.status <> 'pending' OR w.call_deadline IS NOT NULL, false)
FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id
JOIN shipment AS s ON s.package_id = p.id AND s.waybill IS NOT NULL
JOIN package_line AS k ON k.package_id = p.id
LEFT JOIN writeback AS w ON w.package_id = p.id
WHERE f.order_id = ANY(%(order_ids)s);

-- name: set_quantities
-- Fewer pieces than before, counted off in the order's line. What is taken leaves the package that is not labelled yet:
-- there is at most one. What is packed counts down only by that, so that pieces in any other package stay planned.
WITH fewer AS (
    SELECT r.*, l.quantity AS had, greatest(0, l.packed - r.quantity) AS beyond
    FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, order_id bigint, line_id text, quantity integer)
    JOIN fulfillment_line AS l USING (fulfillment_order_id, order_id, line_id)
), unpacked AS (
    UPDATE package_line AS k SET quantity = k.quantity - w.beyond
    FROM fewer AS w, package AS p
    WHERE w.beyond > 0 AND k.fulfillment_order_id = w.fulfillment_order_id AND k.order_id = w.order_id
      AND k.line_id = w.line_id AND p.id = k.package_id AND p.fulfillment_order_id = w.fulfillment_order_id
      AND p.cancelled_at IS NULL AND p.handed_over_at IS NULL
      AND NOT EXISTS (SELECT FROM shipment AS s
                      WHERE s.package_id = p.id
                        AND (s.status = 'booked' OR s.status = 'intended' AND s.call_deadline IS NOT NULL))
    RETURNING k.fulfillment_order_id, k.order_id, k.line_id, w.beyond AS count
), counted AS (
    UPDATE order_line AS o SET planned = o.planned - w.count
    FROM (SELECT order_id, line_id, sum(had - quantity) AS count FROM fewer GROUP BY order_id, line_id) AS w
    WHERE o.order_id = w.order_id AND o.line_id = w.line_id
)
UPDATE fulfillment_line AS l SET quantity = w.quantity, packed = l.packed - coalesce(u.count, 0)
FROM fewer AS w LEFT JOIN unpacked AS u USING (fulfillment_order_id, order_id, line_id)
WHERE l.fulfillment_order_id = w.fulfillment_order_id AND l.order_id = w.order_id AND l.line_id = w.line_id;

-- name: take_short
-- Pieces that a warehouse did not find leave the plan, whatever label their package has: the newest package first.
WITH fewer AS (
    SELECT r.*, greatest(0, l.packed - (l.quantity - r.missing)) AS beyond
    FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, order_id bigint, line_id text, missing integer)
    JOIN fulfillment_line AS l USING (fulfillment_order_id, order_id, line_id)
), boxed AS (
    SELECT k.package_id, k.fulfillment_order_id, k.order_id, k.line_id, w.beyond,
           coalesce(sum(k.quantity) OVER (PARTITION BY k.fulfillment_order_id, k.order_id, k.line_id
                                          ORDER BY k.package_id DESC
                                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM fewer AS w
    JOIN package_line AS k USING (fulfillment_order_id, order_id, line_id)
    JOIN package AS p ON p.id = k.package_id AND p.cancelled_at IS NULL
    WHERE w.beyond > 0
), unpacked AS (
    UPDATE package_line AS k SET quantity = k.quantity - least(k.quantity, greatest(0, b.beyond - b.before))
    FROM boxed AS b
    WHERE k.package_id = b.package_id AND k.fulfillment_order_id = b.fulfillment_order_id AND k.order_id = b.order_id
      AND k.line_id = b.line_id
), counted AS (
    UPDATE order_line AS o SET planned = o.planned - w.count
    FROM (SELECT order_id, line_id, sum(missing) AS count FROM fewer GROUP BY order_id, line_id) AS w
    WHERE o.order_id = w.order_id AND o.line_id = w.line_id
)
UPDATE fulfillment_line AS l SET quantity = l.quantity - w.missing, packed = l.packed - w.beyond
FROM fewer AS w
WHERE l.fulfillment_order_id = w.fulfillment_order_id AND l.order_id = w.order_id AND l.line_id = w.line_id;

-- name: add_quantities
-- More pieces than before, counted in the order's line unless `is_counted` there already: the constraint of the line
-- refuses what would be planned twice.
WITH more AS (
    SELECT * FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, order_id bigint, line_id text, quantity integer, is_counted boolean)
), counted AS (
    UPDATE order_line AS o SET planned = o.planned + w.count
    FROM (SELECT order_id, line_id, sum(quantity) AS count FROM more WHERE NOT is_counted GROUP BY order_id, line_id) AS w
    WHERE o.order_id = w.order_id AND o.line_id = w.line_id
)
INSERT INTO fulfillment_line AS l (fulfillment_order_id, order_id, line_id, quantity)
SELECT r.fulfillment_order_id, r.order_id, r.line_id, r.quantity
FROM more AS r
ORDER BY r.fulfillment_order_id, r.order_id, r.line_id
ON CONFLICT (fulfillment_order_id, order_id, line_id) DO UPDATE SET quantity = l.quantity + excluded.quantity;

-- name: move_reservations
-- Pieces that one fulfillment order had reserved become another one's. What the first keeps is in `kept`.
WITH moved AS (
    SELECT * FROM json_to_recordset(%(rows)s::json)
         AS r(from_id bigint, to_id bigint, sku text, quantity integer, kept integer)
), given AS (
    UPDATE reservation AS v
    SET quantity = CASE WHEN k.kept > 0 THEN k.kept ELSE v.quantity END,
        status = CASE WHEN k.kept > 0 THEN v.status ELSE 'released' END
    FROM (SELECT DISTINCT from_id, sku, kept FROM moved) AS k
    WHERE v.fulfillment_order_id = k.from_id AND v.sku = k.sku
)
INSERT INTO reservation (fulfillment_order_id, sku, quantity, status)
SELECT to_id, sku, quantity, 'reserved' FROM moved
ORDER BY to_id, sku;
