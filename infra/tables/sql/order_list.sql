-- Lists of orders. A page looks at a stretch of ids only, so that a filter that few orders pass reads no whole table;
-- and at no more than a page's worth of what else there is to know of them. No index of its own: orders are written
-- thousands of times for every time that they are listed.

-- name: bounds
SELECT coalesce((SELECT min(id) FROM orders), 0), coalesce((SELECT max(id) FROM orders), 0);

-- name: neighbour
-- The order at or below an id, and when it came in. Index orders_pkey.
SELECT id, created_at FROM orders WHERE id <= %(id)s ORDER BY id DESC LIMIT 1;

-- name: held
-- Orders from `low` to `high` with an open hold of a code or owner: the first `limit` of them, the oldest first with `way`
-- 1, the newest first with -1. Index hold_open.
SELECT order_id
FROM (SELECT DISTINCT f.order_id
      FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
      WHERE h.released_at IS NULL AND f.order_id BETWEEN %(low)s AND %(high)s
        AND (%(hold)s::text IS NULL OR h.code = %(hold)s)
        AND (%(owner)s::text IS NULL OR h.owner = %(owner)s)) AS held
ORDER BY order_id * %(way)s
LIMIT %(limit)s;

-- name: lettered
-- The same of orders with an open dead letter. Index dead_letter_of_order.
SELECT order_id
FROM (SELECT DISTINCT d.order_id FROM dead_letter AS d
      WHERE d.closed_at IS NULL AND d.order_id BETWEEN %(low)s AND %(high)s) AS lettered
ORDER BY order_id * %(way)s
LIMIT %(limit)s;

-- name: chosen
-- Of the orders from `low` to `high`, or of those in `only`, all that pass; each with the part of it that passes, one on
-- hold before the others. Indexes orders_pkey, fulfillment_order_order_id_number_key.
SELECT o.id, f.id
FROM orders AS o
JOIN LATERAL (
    SELECT g.id FROM fulfillment_order AS g
    WHERE g.order_id = o.id
      AND (%(states)s::text[] IS NULL OR g.state = ANY(%(states)s))
      AND (%(lane)s::text IS NULL OR g.lane = %(lane)s)
      AND (%(location)s::text IS NULL OR g.location = %(location)s
           OR EXISTS (SELECT FROM package AS p WHERE p.fulfillment_order_id = g.id AND p.location = %(location)s))
      AND (%(courier)s::text IS NULL
           OR EXISTS (SELECT FROM package AS p
                      WHERE p.fulfillment_order_id = g.id AND %(courier)s IN (p.courier, p.account)))
    ORDER BY g.state <> 'on_hold', g.number LIMIT 1) AS f ON true
WHERE o.id BETWEEN %(low)s AND %(high)s
  AND (%(only)s::bigint[] IS NULL OR o.id = ANY(%(only)s))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
  AND (%(older_than)s::timestamptz IS NULL OR o.created_at < %(older_than)s)
  AND (%(since)s::timestamptz IS NULL OR o.created_at >= %(since)s)
  AND (%(due_before)s::timestamptz IS NULL OR o.ship_by < %(due_before)s)
  AND (%(currency)s::text IS NULL OR o.currency = %(currency)s)
  AND (%(least_minor)s::bigint IS NULL OR o.payable_minor >= %(least_minor)s)
  AND (%(most_minor)s::bigint IS NULL OR o.payable_minor <= %(most_minor)s)
  AND (%(sku)s::text IS NULL OR EXISTS (SELECT FROM order_line AS l WHERE l.order_id = o.id AND l.sku = %(sku)s))
  AND (NOT %(has_letter)s
       OR EXISTS (SELECT FROM dead_letter AS d WHERE d.order_id = o.id AND d.closed_at IS NULL))
  -- A number that the platform shows in part only is found by the part that it shows. Index receiver_pkey.
  AND (%(phone)s::text IS NULL
       OR EXISTS (SELECT FROM receiver AS c
                  WHERE c.order_id = o.id
                    AND right(regexp_replace(c.phone, '[^0-9*]', '', 'g'), length(%(phone)s)) = %(phone)s))
ORDER BY o.id;

-- name: facts
-- What a list says of orders, each with one of its parts: where it stands, and all that tells what it waits for.
SELECT o.id, o.platform, o.shop, o.platform_order_id, f.state, f.lane,
       (SELECT count(*) FROM fulfillment_order AS g WHERE g.order_id = o.id) AS parts,
       o.payable_minor, o.currency, o.created_at AS received_at, o.ship_by, now() AS seen_at,
       ARRAY(SELECT h.code FROM hold AS h
             WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL ORDER BY h.due_at, h.code) AS holds,
       (SELECT h.owner FROM hold AS h
        WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL ORDER BY h.due_at, h.code LIMIT 1) AS hold_owner,
       letter.id AS letter_id, letter.code AS letter_code, letter.owner AS letter_owner,
       due.step, due.due_at, due.gate,
       EXISTS (SELECT FROM package AS p JOIN shipment AS s ON s.package_id = p.id
               WHERE p.fulfillment_order_id = f.id AND s.status = 'booked') AS is_booked,
       f.reservation = 'consumed' AS has_left,
       coalesce(trouble.open_kinds, '{}') AS case_kinds, trouble.owner AS case_owner,
       coalesce(trouble.is_over, false) AS had_trouble,
       EXISTS (SELECT FROM package AS p JOIN work AS w ON w.step = 'track' AND w.subject_id = p.id
               WHERE p.fulfillment_order_id = f.id) AS is_followed,
       (SELECT max(p.delivered_at) FROM package AS p
        WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL) AS delivered_at
FROM unnest(%(order_ids)s::bigint[], %(part_ids)s::bigint[]) WITH ORDINALITY AS k(order_id, part_id, place)
JOIN orders AS o ON o.id = k.order_id
JOIN fulfillment_order AS f ON f.id = k.part_id
LEFT JOIN LATERAL (
    SELECT d.id, d.code, d.owner FROM dead_letter AS d
    WHERE d.order_id = o.id AND d.closed_at IS NULL ORDER BY d.id LIMIT 1) AS letter ON true
LEFT JOIN LATERAL (
    SELECT w.step, coalesce(w.gated_at, w.due_at) AS due_at, w.gate FROM work AS w
    WHERE w.step = ANY(%(of_fulfillment)s) AND w.subject_id = f.id
    UNION ALL
    SELECT w.step, coalesce(w.gated_at, w.due_at), w.gate
    FROM package AS p JOIN work AS w ON w.step = ANY(%(of_packages)s) AND w.subject_id = p.id
    WHERE p.fulfillment_order_id = f.id
    ORDER BY due_at LIMIT 1) AS due ON true
LEFT JOIN LATERAL (
    SELECT array_agg(c.kind ORDER BY c.due_at, c.kind)
               FILTER (WHERE c.closed_at IS NULL AND c.kind <> ALL(%(beside)s)) AS open_kinds,
           (array_agg(c.owner ORDER BY c.due_at, c.kind)
               FILTER (WHERE c.closed_at IS NULL AND c.kind <> ALL(%(beside)s)))[1] AS owner,
           bool_or(c.closed_at IS NOT NULL AND c.kind = ANY(%(undelivered)s)) AS is_over
    FROM order_case AS c LEFT JOIN package AS q ON q.id = c.package_id
    WHERE c.order_id = o.id AND coalesce(q.fulfillment_order_id, f.id) = f.id) AS trouble ON true
ORDER BY k.place;

-- name: find_many
-- The orders that each of many names may mean, by the place of the name: our id, the platform's order id with or
-- without its shop, a waybill, a reference. Skips from shop to shop, and from courier to courier, over their indexes.
WITH RECURSIVE named AS (
    SELECT name, place, CASE WHEN name ~ '^[0-9]{1,18}$' THEN name::bigint END AS id
    FROM unnest(%(names)s::text[]) WITH ORDINALITY AS n(name, place)
), shop_of(shop) AS (
    SELECT min(shop) FROM orders
    UNION ALL
    SELECT (SELECT min(o.shop) FROM orders AS o WHERE o.shop > k.shop) FROM shop_of AS k WHERE k.shop IS NOT NULL
), courier_of(courier) AS (
    SELECT min(courier) FROM shipment WHERE waybill IS NOT NULL
    UNION ALL
    SELECT (SELECT min(s.courier) FROM shipment AS s WHERE s.waybill IS NOT NULL AND s.courier > k.courier)
    FROM courier_of AS k WHERE k.courier IS NOT NULL
), booked AS (
    SELECT n.place, s.package_id
    FROM named AS n CROSS JOIN courier_of AS k JOIN shipment AS s ON s.courier = k.courier AND s.waybill = n.name
    UNION ALL
    SELECT n.place, s.package_id FROM named AS n JOIN shipment AS s ON s.reference = n.name
)
SELECT n.place, o.id FROM named AS n JOIN orders AS o ON o.id = n.id
UNION
SELECT n.place, o.id
FROM named AS n CROSS JOIN shop_of AS k JOIN orders AS o ON o.shop = k.shop AND o.platform_order_id = n.name
UNION
SELECT n.place, o.id
FROM named AS n CROSS JOIN shop_of AS k
JOIN orders AS o ON o.shop = k.shop AND o.platform_order_id = regexp_replace(n.name, '^.*/', '')
WHERE n.name IN (o.shop || '/' || o.platform_order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id)
UNION
SELECT b.place, f.order_id
FROM booked AS b JOIN package AS p ON p.id = b.package_id JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
ORDER BY 1, 2;
