-- The listing map, and orders that wait for a SKU. An order waits while it has an open hold sku_unmapped, nothing of it
-- is reserved, and it was not reviewed yet (pending_payment, paid, or held from paid).

-- name: entries
-- What the map says of these listings and of their products. Primary key.
SELECT m.platform, m.shop, m.product_id, m.platform_sku, m.sku
FROM (SELECT DISTINCT * FROM json_to_recordset(%(rows)s::json)
          AS r(platform text, shop text, product_id text, platform_sku text)) AS k
JOIN listing_sku AS m
  ON m.platform = k.platform AND m.shop = k.shop AND m.product_id = k.product_id
 AND m.platform_sku IN (k.platform_sku, '');

-- name: lock_entries
-- Entries that are there, of exactly these listings, with what they say.
SELECT m.platform, m.shop, m.product_id, m.platform_sku, m.sku
FROM json_to_recordset(%(rows)s::json) AS r(platform text, shop text, product_id text, platform_sku text)
JOIN listing_sku AS m USING (platform, shop, product_id, platform_sku)
ORDER BY m.platform, m.shop, m.product_id, m.platform_sku
FOR UPDATE OF m;

-- name: put_entries
INSERT INTO listing_sku AS m (platform, shop, product_id, platform_sku, sku, author)
SELECT r.platform, r.shop, r.product_id, r.platform_sku, r.sku, %(author)s
FROM json_to_recordset(%(rows)s::json) AS r(platform text, shop text, product_id text, platform_sku text, sku text)
ORDER BY r.platform, r.shop, r.product_id, r.platform_sku
ON CONFLICT (platform, shop, product_id, platform_sku)
DO UPDATE SET sku = excluded.sku, author = excluded.author, at = now();

-- name: drop_entry
DELETE FROM listing_sku
WHERE platform = %(platform)s AND shop = %(shop)s AND product_id = %(product_id)s AND platform_sku = %(platform_sku)s
RETURNING sku;

-- name: list_entries
SELECT m.platform, m.shop, m.product_id, m.platform_sku, m.sku, m.author, m.at,
       m.sku = '' OR EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = m.sku)
FROM listing_sku AS m
WHERE (m.platform, m.shop, m.product_id, m.platform_sku)
      > (%(platform)s, %(shop)s, %(product_id)s, %(platform_sku)s)
ORDER BY m.platform, m.shop, m.product_id, m.platform_sku
LIMIT %(limit)s;

-- name: unknown_skus
-- SKUs that stock does not know.
SELECT r.sku FROM unnest(%(skus)s::text[]) AS r(sku)
WHERE NOT EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = r.sku)
ORDER BY r.sku;

-- name: waiting
-- A stretch of the fulfillment orders with an open hold sku_unmapped. Index hold_sku_unmapped.
SELECT fulfillment_order_id FROM hold
WHERE code = 'sku_unmapped' AND released_at IS NULL AND fulfillment_order_id > %(after)s
ORDER BY fulfillment_order_id
LIMIT %(limit)s;

-- name: lock_ready
-- The fulfillment orders among these that can continue: the map has another SKU for one of their lines, or stock knows
-- all of them by now and nothing is due for it. The order is locked too, so that no newer content is stored over it;
-- what others work on is left out.
SELECT f.id
FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id
WHERE f.id = ANY(%(ids)s) AND f.reservation NOT IN ('reserved', 'allocated', 'consumed')
  AND (f.state IN ('pending_payment', 'paid') OR f.state = 'on_hold' AND f.resume_state = 'paid')
  AND NOT EXISTS (SELECT FROM dead_letter AS d
                  WHERE d.step = 'reserve' AND d.subject_id = f.id AND d.closed_at IS NULL)
  AND (EXISTS (
          SELECT FROM fulfillment_line AS p
          JOIN order_line AS l ON l.order_id = p.order_id AND l.line_id = p.line_id
          CROSS JOIN LATERAL (
              SELECT m.sku FROM listing_sku AS m
              WHERE m.platform = o.platform AND m.shop = o.shop AND m.product_id = l.product_id
                AND m.platform_sku IN (l.platform_sku, '')
              ORDER BY m.platform_sku DESC LIMIT 1) AS m
          WHERE p.fulfillment_order_id = f.id AND p.quantity > 0 AND (m.sku = '' OR m.sku <> l.sku)
            AND NOT EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = l.sku))
       OR f.reservation IN ('none', 'unmapped')
          AND EXISTS (SELECT FROM fulfillment_line AS p WHERE p.fulfillment_order_id = f.id AND p.quantity > 0)
          AND NOT EXISTS (SELECT FROM work AS w WHERE w.step = 'reserve' AND w.subject_id = f.id)
          AND NOT EXISTS (
          SELECT FROM fulfillment_line AS p
          JOIN order_line AS l ON l.order_id = p.order_id AND l.line_id = p.line_id
          WHERE p.fulfillment_order_id = f.id AND p.quantity > 0
            AND NOT EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = l.sku)))
ORDER BY f.id
FOR NO KEY UPDATE OF o SKIP LOCKED FOR UPDATE OF f SKIP LOCKED;

-- name: open_lines
-- The lines that some fulfillment orders work on, and whether stock knows their SKU.
SELECT p.fulfillment_order_id, p.order_id, p.line_id, o.platform, o.shop, l.product_id, l.platform_sku, l.sku,
       EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = l.sku)
FROM fulfillment_line AS p
JOIN order_line AS l ON l.order_id = p.order_id AND l.line_id = p.line_id
JOIN orders AS o ON o.id = p.order_id
WHERE p.fulfillment_order_id = ANY(%(ids)s) AND p.quantity > 0
ORDER BY p.fulfillment_order_id, p.order_id, p.line_id;

-- name: set_skus
UPDATE order_line AS l SET sku = r.sku, replaced_sku = coalesce(l.replaced_sku, l.sku)
FROM json_to_recordset(%(rows)s::json) AS r(order_id bigint, line_id text, sku text)
WHERE l.order_id = r.order_id AND l.line_id = r.line_id;

-- name: leave_out
-- Lines with nothing to pick: taken out of the work of their fulfillment orders, and nobody's to ship from now on.
WITH asked AS (
    SELECT p.fulfillment_order_id, p.order_id, p.line_id, p.quantity
    FROM json_to_recordset(%(rows)s::json) AS r(fulfillment_order_id bigint, order_id bigint, line_id text)
    JOIN fulfillment_line AS p USING (fulfillment_order_id, order_id, line_id)
    WHERE p.packed = 0
), taken AS (
    UPDATE fulfillment_line AS p SET quantity = 0
    FROM asked AS a
    WHERE p.fulfillment_order_id = a.fulfillment_order_id AND p.order_id = a.order_id AND p.line_id = a.line_id
)
UPDATE order_line AS l
SET planned = l.planned - a.quantity, fulfilled_by = 'nobody', replaced_sku = coalesce(l.replaced_sku, l.sku)
FROM (SELECT order_id, line_id, sum(quantity)::integer AS quantity FROM asked GROUP BY order_id, line_id) AS a
WHERE l.order_id = a.order_id AND l.line_id = a.line_id;

-- name: set_fulfilled_by
-- An order of which nothing is ours to ship has no clock.
UPDATE orders AS o
SET fulfilled_by = r.fulfilled_by,
    ship_by = CASE WHEN r.fulfilled_by IN ('merchant', 'unknown') THEN o.ship_by END
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, fulfilled_by text)
WHERE o.id = r.id;

-- name: lock_order
SELECT id FROM orders WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: wanted
-- Listings that open orders wait for, those with the most orders first: lines without a SKU, or whose SKU stock does
-- not know. Index hold_sku_unmapped.
SELECT o.platform, o.shop, l.product_id, l.platform_sku, min(l.sku), min(l.title), count(DISTINCT f.order_id), min(h.opened_at)
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN fulfillment_line AS p ON p.fulfillment_order_id = f.id AND p.quantity > 0
JOIN order_line AS l ON l.order_id = p.order_id AND l.line_id = p.line_id
WHERE h.code = 'sku_unmapped' AND h.released_at IS NULL AND f.finished_at IS NULL
  AND NOT EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = l.sku)
GROUP BY o.platform, o.shop, l.product_id, l.platform_sku
ORDER BY 7 DESC, 1, 2, 3, 4
LIMIT %(limit)s;

-- name: count_wanted
-- How many such listings there are, and how many orders wait for them.
SELECT count(DISTINCT (o.platform, o.shop, l.product_id, l.platform_sku)), count(DISTINCT f.order_id)
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN fulfillment_line AS p ON p.fulfillment_order_id = f.id AND p.quantity > 0
JOIN order_line AS l ON l.order_id = p.order_id AND l.line_id = p.line_id
WHERE h.code = 'sku_unmapped' AND h.released_at IS NULL AND f.finished_at IS NULL
  AND NOT EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = l.sku);

-- name: count_waiting_for
-- How many open orders wait for one of these listings; a row without a variant means all variants of the product.
SELECT count(DISTINCT f.order_id)
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN fulfillment_line AS p ON p.fulfillment_order_id = f.id AND p.quantity > 0
JOIN order_line AS l ON l.order_id = p.order_id AND l.line_id = p.line_id
JOIN json_to_recordset(%(rows)s::json) AS r(platform text, shop text, product_id text, platform_sku text)
  ON r.platform = o.platform AND r.shop = o.shop AND r.product_id = l.product_id
 AND r.platform_sku IN (l.platform_sku, '')
WHERE h.code = 'sku_unmapped' AND h.released_at IS NULL AND f.finished_at IS NULL
  AND NOT EXISTS (SELECT FROM stock_pool AS s WHERE s.sku = l.sku);
