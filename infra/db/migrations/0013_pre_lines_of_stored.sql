-- Orders that were stored before there were lines: each had one fulfillment order with all its lines.

-- Whoever moves an open one waits until its lines are there.
SELECT count(*) FROM (SELECT FROM fulfillment_order WHERE finished_at IS NULL ORDER BY id FOR UPDATE) AS locked;

-- A line that was refunded after its parcel had left was in it: its SKU is among the pieces that were consumed.
INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
SELECT f.id, l.order_id, l.line_id, l.quantity
FROM fulfillment_order AS f JOIN order_line AS l ON l.order_id = f.order_id
WHERE f.number = 1 AND f.state <> 'closed'
  AND (NOT l.refunded
       OR EXISTS (SELECT FROM reservation AS r
                  WHERE r.fulfillment_order_id = f.id AND r.sku = l.sku AND r.status IN ('allocated', 'consumed')))
ON CONFLICT DO NOTHING;

-- Not of those that were admitted since the tables are there, and have been closed already.
UPDATE order_line AS l SET planned = f.quantity
FROM fulfillment_line AS f JOIN fulfillment_order AS o ON o.id = f.fulfillment_order_id AND o.state <> 'closed'
WHERE l.order_id = f.order_id AND l.line_id = f.line_id AND l.planned <> f.quantity;

UPDATE order_line AS l SET cancelled = l.quantity - l.planned
FROM fulfillment_order AS f
WHERE f.order_id = l.order_id AND f.number = 1 AND f.state <> 'closed'
  AND l.refunded AND l.cancelled = 0 AND l.elsewhere = 0 AND l.planned < l.quantity;

INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
SELECT p.id, f.fulfillment_order_id, f.order_id, f.line_id, f.quantity
FROM package AS p JOIN fulfillment_line AS f ON f.fulfillment_order_id = p.fulfillment_order_id
WHERE f.quantity > 0 AND NOT EXISTS (SELECT FROM package_line AS k WHERE k.package_id = p.id);

UPDATE fulfillment_line AS f SET packed = k.quantity
FROM package_line AS k
WHERE k.fulfillment_order_id = f.fulfillment_order_id AND k.order_id = f.order_id AND k.line_id = f.line_id
  AND f.packed = 0;
