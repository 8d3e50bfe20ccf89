-- name: oversell
-- Harm for a control run: of one SKU, one piece more promised than was ever counted in.
INSERT INTO reservation (fulfillment_order_id, sku, quantity, status)
SELECT f.id, s.sku, s.on_hand - r.promised + 1, 'reserved'
FROM stock_pool AS s
CROSS JOIN LATERAL (
    SELECT coalesce(sum(quantity), 0)::integer AS promised FROM reservation
    WHERE sku = s.sku AND status IN ('reserved', 'allocated')) AS r
CROSS JOIN LATERAL (
    SELECT id FROM fulfillment_order AS o
    WHERE NOT EXISTS (SELECT 1 FROM reservation WHERE fulfillment_order_id = o.id AND sku = s.sku)
    LIMIT 1) AS f
LIMIT 1;
