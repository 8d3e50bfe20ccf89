-- name: load_levels
-- Unlocked, so that a sold-out SKU is refused without waiting for anybody.
SELECT sku, on_hand, reserved, frozen, allocated FROM stock_pool WHERE sku = ANY(%(skus)s);

-- name: load_location_levels
SELECT sku, location, on_hand, allocated FROM stock_location WHERE sku = ANY(%(skus)s);

-- name: lock_levels
-- Pool rows, locked in SKU order; always before location rows, always last in a transaction.
SELECT sku, on_hand, reserved, frozen, allocated FROM stock_pool WHERE sku = ANY(%(skus)s)
ORDER BY sku
FOR UPDATE;

-- name: lock_location_levels
SELECT sku, location, on_hand, allocated FROM stock_location WHERE sku = ANY(%(skus)s)
ORDER BY sku, location
FOR UPDATE;

-- name: take_reserved
UPDATE stock_pool AS s SET reserved = s.reserved + r.quantity
FROM json_to_recordset(%(rows)s::json) AS r(sku text, quantity integer)
WHERE s.sku = r.sku;

-- name: add_reservations
INSERT INTO reservation (fulfillment_order_id, sku, quantity, status)
SELECT r.fulfillment_order_id, r.sku, r.quantity, 'reserved'
FROM json_to_recordset(%(rows)s::json) AS r(fulfillment_order_id bigint, sku text, quantity integer)
ON CONFLICT (fulfillment_order_id, sku)
DO UPDATE SET quantity = excluded.quantity, status = 'reserved', location = NULL;

-- name: load_reservations
SELECT fulfillment_order_id, sku, quantity, status, location FROM reservation
WHERE fulfillment_order_id = ANY(%(ids)s);

-- name: allocate_pool
UPDATE stock_pool AS s SET reserved = s.reserved - r.quantity, allocated = s.allocated + r.quantity
FROM json_to_recordset(%(rows)s::json) AS r(sku text, quantity integer)
WHERE s.sku = r.sku;

-- name: allocate_location
UPDATE stock_location AS s SET allocated = s.allocated + r.quantity
FROM json_to_recordset(%(rows)s::json) AS r(sku text, location text, quantity integer)
WHERE s.sku = r.sku AND s.location = r.location;

-- name: allocate_reservations
UPDATE reservation AS v SET status = 'allocated', location = r.location
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, location text)
WHERE v.fulfillment_order_id = r.id AND v.status = 'reserved';

-- name: mark_consumed
-- Pieces that were handed over. Returns what must come off the counters.
WITH gone AS (
    UPDATE reservation SET status = 'consumed'
    WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'allocated'
    RETURNING sku, location, quantity
), marked AS (
    UPDATE fulfillment_order SET reservation = 'consumed' WHERE id = ANY(%(ids)s)
)
SELECT sku, location, sum(quantity)::integer FROM gone GROUP BY sku, location ORDER BY sku, location;

-- name: mark_released
WITH freed AS (
    UPDATE reservation AS v SET status = 'released'
    FROM reservation AS before
    WHERE v.fulfillment_order_id = ANY(%(ids)s) AND v.status IN ('reserved', 'allocated')
      AND before.fulfillment_order_id = v.fulfillment_order_id AND before.sku = v.sku
    RETURNING v.sku, v.location, v.quantity, before.status
), marked AS (
    UPDATE fulfillment_order SET reservation = 'released'
    WHERE id = ANY(%(ids)s) AND reservation IN ('reserved', 'allocated')
)
SELECT sku, location, status, sum(quantity)::integer FROM freed GROUP BY sku, location, status ORDER BY sku, location;

-- name: shrink_reservations
-- Fewer pieces than were promised or allocated; a SKU that is not named is wanted no more. Returns what came free.
WITH wanted AS (
    SELECT v.fulfillment_order_id, v.sku, v.quantity AS had, v.status AS was, coalesce(r.quantity, 0) AS stays
    FROM reservation AS v
    LEFT JOIN json_to_recordset(%(rows)s::json) AS r(fulfillment_order_id bigint, sku text, quantity integer)
      USING (fulfillment_order_id, sku)
    WHERE v.fulfillment_order_id = ANY(%(ids)s) AND v.status IN ('reserved', 'allocated')
), freed AS (
    UPDATE reservation AS v
    SET quantity = CASE WHEN w.stays > 0 THEN w.stays ELSE w.had END,
        status = CASE WHEN w.stays > 0 THEN v.status ELSE 'released' END
    FROM wanted AS w
    WHERE v.fulfillment_order_id = w.fulfillment_order_id AND v.sku = w.sku AND w.stays < w.had
    RETURNING v.sku, v.location, w.was, w.had - w.stays AS count
)
SELECT sku, location, was, sum(count)::integer FROM freed GROUP BY sku, location, was ORDER BY sku, location, was;

-- name: move_pool
UPDATE stock_pool AS s
SET on_hand = s.on_hand + r.on_hand, reserved = s.reserved + r.reserved, allocated = s.allocated + r.allocated
FROM json_to_recordset(%(rows)s::json) AS r(sku text, on_hand integer, reserved integer, allocated integer)
WHERE s.sku = r.sku;

-- name: move_location
UPDATE stock_location AS s SET on_hand = s.on_hand + r.on_hand, allocated = s.allocated + r.allocated
FROM json_to_recordset(%(rows)s::json) AS r(sku text, location text, on_hand integer, allocated integer)
WHERE s.sku = r.sku AND s.location = r.location;

-- name: give_back
-- Pieces that came back to a location. The pool rows are locked already (`lock_levels`).
WITH back AS (
    SELECT r.sku, %(location)s AS location, r.quantity
    FROM json_to_recordset(%(rows)s::json) AS r(sku text, quantity integer)
), placed AS (
    INSERT INTO stock_location AS s (sku, location, on_hand)
    SELECT sku, location, quantity FROM back ORDER BY sku
    ON CONFLICT (sku, location) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand
)
UPDATE stock_pool AS p SET on_hand = p.on_hand + b.quantity FROM back AS b WHERE p.sku = b.sku;

-- name: count_in
-- Counted stock of a location, as a first load: what is known already is left alone.
WITH counted AS (
    SELECT * FROM json_to_recordset(%(rows)s::json) AS r(sku text, quantity integer)
), pooled AS (
    INSERT INTO stock_pool (sku, on_hand) SELECT sku, 0 FROM counted ORDER BY sku ON CONFLICT (sku) DO NOTHING
)
SELECT count(*) FROM counted;

-- name: count_in_location
-- The pool rows are locked already (`lock_levels`): a location row is never written before its pool row is locked.
WITH placed AS (
    INSERT INTO stock_location (sku, location, on_hand)
    SELECT r.sku, %(location)s, r.quantity FROM json_to_recordset(%(rows)s::json) AS r(sku text, quantity integer)
    ORDER BY r.sku
    ON CONFLICT (sku, location) DO NOTHING
    RETURNING sku, on_hand
)
UPDATE stock_pool AS s SET on_hand = s.on_hand + p.on_hand FROM placed AS p WHERE s.sku = p.sku;

-- name: uncounted
-- Locations of which no SKU was ever counted.
SELECT n.name FROM unnest(%(names)s::text[]) AS n(name)
WHERE NOT EXISTS (SELECT 1 FROM stock_location AS s WHERE s.location = n.name);
