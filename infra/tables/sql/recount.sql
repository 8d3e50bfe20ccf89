-- Counted stock, read again.

-- name: held_at
-- Without a lock: what the count will be compared with.
SELECT sku, on_hand, allocated FROM stock_location WHERE location = %(location)s;

-- name: drop_refusals
-- Refusals of a location that the new count does not repeat.
DELETE FROM stock_refusal WHERE location = %(location)s AND sku <> ALL(%(skus)s);

-- name: note_refusals
INSERT INTO stock_refusal (location, sku, on_hand, counted)
SELECT %(location)s, r.sku, r.on_hand, r.counted
FROM json_to_recordset(%(rows)s::json) AS r(sku text, on_hand integer, counted integer)
ON CONFLICT (location, sku) DO UPDATE SET on_hand = excluded.on_hand, counted = excluded.counted;

-- name: refusals
SELECT location, sku, on_hand, counted FROM stock_refusal ORDER BY location, sku LIMIT %(limit)s;

-- name: count_refusals
SELECT count(*) FROM stock_refusal;
