-- name: parts
-- Every fulfillment order, by the platform's name of its order: its state, why it stands, and how far each dimension got.
-- An order without any has no state. Last whether a person has it, because its platform closed it while it was shipped.
SELECT o.shop, o.platform_order_id, o.fulfilled_by IN ('merchant', 'unknown'), f.state,
       coalesce((SELECT array_agg(h.code ORDER BY h.code) FROM hold AS h
                 WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL), '{}'),
       EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.order_id = o.id AND d.closed_at IS NULL),
       (SELECT count(*) FROM package AS p WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL),
       (SELECT count(*) FROM package AS p JOIN writeback AS w ON w.package_id = p.id
        WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL AND w.status = 'confirmed'),
       (SELECT count(*) FROM package AS p JOIN notice AS n ON n.package_id = p.id
        WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL AND n.status IN ('pending', 'sending')),
       coalesce(f.closed_reason IN ('not_taken_over', 'watched'), false),
       EXISTS (SELECT 1 FROM order_case AS c
               WHERE c.order_id = o.id AND c.kind = 'closed_while_shipped' AND c.closed_at IS NULL)
FROM orders AS o LEFT JOIN fulfillment_order AS f ON f.order_id = o.id;

-- name: lines
-- The pieces of every line: sold, planned, and no longer ours to ship. Last the number under which the platform shows
-- pieces that somebody else has shipped.
SELECT o.shop, o.platform_order_id, l.line_id, l.sku, l.quantity, l.planned, l.cancelled, l.elsewhere,
       l.fulfilled_by IN ('merchant', 'unknown'), CASE WHEN l.elsewhere > 0 THEN l.waybill ELSE '' END
FROM order_line AS l JOIN orders AS o ON o.id = l.order_id;

-- name: unread
-- Payloads that became dead letters before they were orders.
SELECT r.shop, r.platform_order_id FROM dead_letter AS d
JOIN raw_payload AS r ON r.id = d.subject_id
WHERE d.step = 'normalize' AND d.closed_at IS NULL AND d.order_id IS NULL;

-- name: waybills
-- Every booked waybill, once for each line that is in its package.
SELECT o.shop, o.platform_order_id, s.reference, s.waybill, k.line_id, k.quantity,
       p.handed_over_at IS NOT NULL, coalesce(w.status = 'confirmed', false),
       p.cancelled_at IS NOT NULL AND p.handed_over_at IS NULL
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN package_line AS k ON k.package_id = p.id AND k.order_id = o.id AND k.quantity > 0
LEFT JOIN writeback AS w ON w.package_id = p.id
WHERE s.status = 'booked';

-- name: shown_waybills
-- Waybills that warehouses have booked by themselves and that are in no package of ours: a case names them, or their
-- event is kept until a hold is over.
SELECT facts ->> 'waybill' FROM order_case WHERE kind = %(unwanted)s
UNION
SELECT p ->> 'waybill' FROM early_scan AS e
CROSS JOIN LATERAL jsonb_array_elements(coalesce(e.told -> 'packages', '[]')) AS p;

-- name: documents
-- Every document that a warehouse may have heard of.
SELECT o.shop, o.platform_order_id, l.reference, l.location, l.status IN ('placed', 'final')
FROM placement AS l
JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE l.reference IS NOT NULL;

-- name: pieces
-- Pieces promised, committed or shipped, by SKU.
SELECT sku, sum(quantity)::bigint FROM reservation WHERE status <> 'released' GROUP BY sku;

-- name: latencies
-- From the raw payload stored to the write-back confirmed, 99th percentile in milliseconds, by lane.
SELECT f.lane,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM w.confirmed_at - o.received_at) * 1000)
FROM writeback AS w
JOIN orders AS o ON o.id = w.order_id
JOIN package AS p ON p.id = w.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE w.status = 'confirmed'
GROUP BY f.lane;

-- name: progress
-- The last two: up to when (unix seconds) every shop's changes have been read, and what has not left its warehouse.
SELECT (SELECT count(*) FROM orders),
       (SELECT count(*) FROM dead_letter WHERE closed_at IS NULL AND step = 'normalize'),
       (SELECT count(*) FROM work WHERE step <> ALL(%(endless)s)),
       (SELECT count(*) FROM writeback WHERE status = 'confirmed'),
       (SELECT count(*) FROM pull_gap),
       (SELECT coalesce(min(extract(epoch FROM coalesce(cursor_at, to_timestamp(0)))), 0)::float8 FROM shop),
       (SELECT count(*) FROM fulfillment_order
        WHERE state IN ('approved', 'allocated', 'in_warehouse', 'packed') AND reservation <> 'consumed');

-- name: states
SELECT state, count(*) FROM fulfillment_order GROUP BY state;
