-- What would have been done with orders of watched shops.

-- name: watched_orders
-- The orders among these that are kept out because their shop is watched, with their lane.
SELECT f.order_id, f.lane FROM fulfillment_order AS f
WHERE f.order_id = ANY(%(ids)s) AND f.closed_reason = 'watched'
ORDER BY f.order_id;

-- name: watch_levels
-- Pieces that other watched orders would have taken, by location and SKU.
SELECT p.location, p.sku, sum(p.quantity)::integer FROM watch_piece AS p
WHERE p.sku = ANY(%(skus)s) AND p.order_id <> ALL(%(ids)s)
GROUP BY p.location, p.sku;

-- name: forget_decisions
DELETE FROM watch_decision WHERE order_id = ANY(%(ids)s);

-- name: note_decisions
INSERT INTO watch_decision (order_id, outcome, lane, rules, holds, packages)
SELECT r.order_id, r.outcome, r.lane, r.rules, r.holds, r.packages
FROM json_to_recordset(%(rows)s::json)
     AS r(order_id bigint, outcome text, lane text, rules text, holds jsonb, packages jsonb)
ORDER BY r.order_id;

-- name: note_pieces
INSERT INTO watch_piece (order_id, location, sku, quantity)
SELECT r.order_id, r.location, r.sku, r.quantity
FROM json_to_recordset(%(rows)s::json) AS r(order_id bigint, location text, sku text, quantity integer)
ORDER BY r.order_id, r.location, r.sku;

-- name: decision_of
SELECT d.decided_at, d.outcome, d.lane, d.rules, d.holds, d.packages FROM watch_decision AS d WHERE d.order_id = %(id)s;
