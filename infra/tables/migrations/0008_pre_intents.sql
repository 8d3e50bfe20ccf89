-- What a platform did not say of a line. Stored lines keep what was read of them.

ALTER TABLE order_line ADD COLUMN refund_unknown boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN order_line.refund_unknown IS
    'the platform did not say whether a refund is open, or whether the line still stands';

-- Calls to couriers that may have happened, and that nobody asks about: label asks, and books only what is wanted.
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'label', p.id, f.lane, p.account, o.platform || '/' || o.shop
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE s.status = 'intended' AND s.call_deadline IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'label' AND d.subject_id = p.id AND d.closed_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM hold AS h
                  WHERE h.fulfillment_order_id = f.id AND h.code = 'waybill_error' AND h.released_at IS NULL)
ORDER BY p.id
ON CONFLICT (step, subject_id) DO NOTHING;

-- Waybills that live for closed orders.
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
SELECT DISTINCT ON (f.id) f.id, 'unwanted_waybill', 'label', 'logistics', now() + interval '4 hours',
       jsonb_build_object('courier', s.courier, 'waybill', s.waybill)
FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id AND p.handed_over_at IS NULL
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE f.state = 'closed'
ORDER BY f.id, p.id
ON CONFLICT (fulfillment_order_id, code) WHERE released_at IS NULL DO NOTHING;
