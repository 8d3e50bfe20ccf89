-- How far the work of a step has come, asked of the tables that the step writes. Each query answers for one step, which
-- names it in its own file; none is on the way of an order that goes well.

-- name: closed_gaps
-- The closed ones of gaps of a shop's listing, given as subjects (below zero).
SELECT k.subject_id FROM unnest(%(ids)s::bigint[]) AS k(subject_id)
WHERE k.subject_id < 0 AND NOT EXISTS (SELECT 1 FROM pull_gap AS g WHERE g.id = -k.subject_id);

-- name: read_payloads
-- Payloads whose order has their content or a newer one.
SELECT r.id FROM raw_payload AS r
JOIN orders AS o ON o.shop = r.shop AND o.platform_order_id = r.platform_order_id AND o.platform = r.platform
WHERE r.id = ANY(%(ids)s) AND o.raw_payload_id >= r.id;

-- name: promised
-- Fulfillment orders that have stock.
SELECT id FROM fulfillment_order WHERE id = ANY(%(ids)s) AND reservation IN ('reserved', 'allocated', 'consumed');

-- name: booked
-- Packages with a waybill.
SELECT package_id FROM shipment WHERE package_id = ANY(%(ids)s) AND status = 'booked';

-- name: open_bookings
-- Packages whose waybill is wanted and not recorded: our reference, and whether a call may have happened.
SELECT package_id, reference, call_deadline IS NOT NULL FROM shipment
WHERE package_id = ANY(%(ids)s) AND status = 'intended';

-- name: unbooked
-- Packages of fulfillment orders that have no waybill, with their courier's account.
SELECT p.id, p.account FROM package AS p
WHERE p.fulfillment_order_id = ANY(%(ids)s) AND p.cancelled_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM shipment AS s WHERE s.package_id = p.id AND s.status = 'booked')
ORDER BY p.id;

-- name: confirmed
-- Packages whose platform shows their waybill.
SELECT package_id FROM writeback WHERE package_id = ANY(%(ids)s) AND status = 'confirmed';

-- name: unconfirmed
-- Packages of fulfillment orders whose platform has not confirmed what it must hear, with their shop.
SELECT w.package_id, o.platform || '/' || o.shop
FROM package AS p JOIN writeback AS w ON w.package_id = p.id JOIN orders AS o ON o.id = w.order_id
WHERE p.fulfillment_order_id = ANY(%(ids)s) AND w.status <> 'confirmed'
ORDER BY w.package_id;

-- name: ended_notices
SELECT id FROM notice WHERE id = ANY(%(ids)s) AND status IN ('told', 'unknown', 'unreachable');

-- name: dispatched
-- Fulfillment orders whose warehouse has their document.
SELECT fulfillment_order_id FROM placement WHERE fulfillment_order_id = ANY(%(ids)s) AND status IN ('placed', 'final');

-- name: open_documents
-- Fulfillment orders whose document was about to be placed: our reference, and whether a call may have happened.
SELECT fulfillment_order_id, reference, call_deadline IS NOT NULL FROM placement
WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'intended' AND reference IS NOT NULL;

-- name: undispatched
-- Fulfillment orders at locations that take orders, and whose warehouse has no document: wanted of a warehouse that books,
-- or with all packages labelled, one of them since the location takes orders.
SELECT f.id, 'warehouse/' || f.location
FROM fulfillment_order AS f JOIN location AS t ON t.name = f.location AND t.takes_orders_since IS NOT NULL
WHERE f.id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT 1 FROM placement AS l
                  WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'))
  AND (EXISTS (SELECT 1 FROM placement AS l WHERE l.fulfillment_order_id = f.id AND l.status = 'intended')
       -- Without packages of ours the warehouse books. What it had was stopped.
       OR EXISTS (SELECT 1 FROM placement AS l WHERE l.fulfillment_order_id = f.id AND l.status = 'stopped')
          AND NOT EXISTS (SELECT 1 FROM package AS p WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL)
       OR EXISTS (SELECT 1 FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
                  WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
                    AND s.booked_at >= t.takes_orders_since)
          AND NOT EXISTS (SELECT 1 FROM package AS p
                          WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
                            AND NOT EXISTS (SELECT 1 FROM shipment AS s
                                            WHERE s.package_id = p.id AND s.status = 'booked')))
ORDER BY f.id;

-- name: unstopped
-- Fulfillment orders with an open stop.
SELECT fulfillment_order_id FROM stop WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked';

-- name: open_recalls
-- Documents that their warehouse is to stop and has not said that it did: our reference.
SELECT fulfillment_order_id, reference FROM placement
WHERE fulfillment_order_id = ANY(%(ids)s) AND status IN ('placed', 'final') AND stop_wanted_at IS NOT NULL;

-- name: open_voids
-- Packages whose waybill lives and nobody wants: our reference.
SELECT package_id, reference FROM shipment
WHERE package_id = ANY(%(ids)s) AND status = 'booked' AND void_wanted_at IS NOT NULL;
