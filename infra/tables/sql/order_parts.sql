-- Where the parts of orders are, for persons who change an order under way. Reads only.

-- name: parts
-- In a statement after the lock, where there is one. A waybill counts as long as its package is in the house. A stop that
-- a person has asked for is the platform's too as long as a refund of these lines is open, or paid, or the order is closed
-- there: the stop has taken the place of what would hold the order.
SELECT f.id, f.order_id, f.number, f.state, coalesce(f.resume_state, f.state) AS at, f.reservation = 'consumed' AS is_consumed,
       f.location,
       ARRAY(SELECT s.waybill FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
             WHERE p.fulfillment_order_id = f.id AND p.handed_over_at IS NULL ORDER BY p.id) AS waybills,
       ARRAY(SELECT s.waybill FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
             WHERE p.fulfillment_order_id = f.id AND s.void_status = 'refused' ORDER BY p.id) AS refused,
       EXISTS (SELECT FROM package AS p JOIN shipment AS s ON s.package_id = p.id
               WHERE p.fulfillment_order_id = f.id AND s.status = 'intended' AND s.call_deadline IS NOT NULL)
       OR EXISTS (SELECT FROM placement AS l
                  WHERE l.fulfillment_order_id = f.id AND l.status = 'intended' AND l.call_deadline IS NOT NULL) AS is_called,
       EXISTS (SELECT FROM placement AS l
               WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final')) AS is_placed,
       CASE WHEN t.asked_by = 'person' AND (
                o.platform_state = 'closed'
                OR EXISTS (SELECT FROM fulfillment_line AS l
                           JOIN order_line AS k ON k.order_id = l.order_id AND k.line_id = l.line_id
                           WHERE l.fulfillment_order_id = f.id AND l.quantity > 0 AND (k.refund_open OR k.refunded))
                OR EXISTS (SELECT FROM order_case AS c
                           WHERE c.order_id = f.order_id AND (c.closed_at IS NULL OR c.stage = 'refunded')
                             AND c.kind IN ('pre_ship', 'refund_only', 'return_refund', 'exchange')
                             AND (c.lines = '{}' OR EXISTS (
                                 SELECT FROM fulfillment_line AS l
                                 WHERE l.fulfillment_order_id = f.id AND l.quantity > 0 AND l.line_id = ANY(c.lines)))))
            THEN 'platform' ELSE coalesce(t.asked_by, '') END AS stop_asker,
       EXISTS (SELECT FROM order_case AS c
               WHERE c.order_id = f.order_id AND c.answer = 'stopped' AND c.answer_status IN ('asked', 'told', 'unknown')
                 AND (c.closed_at IS NULL OR c.stage = 'refunded')
                 AND (c.lines = '{}' OR EXISTS (
                     SELECT FROM fulfillment_line AS l
                     WHERE l.fulfillment_order_id = f.id AND l.quantity > 0 AND l.line_id = ANY(c.lines)))) AS is_told,
       coalesce(t.goal, '') AS stop_goal, coalesce(t.rung, '') AS stop_rung,
       (SELECT coalesce(json_object_agg(l.line_id, l.quantity ORDER BY l.line_id), '{}') FROM fulfillment_line AS l
        WHERE l.fulfillment_order_id = f.id AND l.quantity > 0) AS lines
FROM fulfillment_order AS f
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN stop AS t ON t.fulfillment_order_id = f.id AND t.status = 'asked'
WHERE f.order_id = ANY(%(order_ids)s)
ORDER BY f.order_id, f.number;

-- name: changed_by_buyer
-- What open holds of a code say of the buyer's change.
SELECT f.order_id, h.facts ->> 'changed' FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE f.order_id = ANY(%(order_ids)s) AND h.code = 'buyer_changed' AND h.released_at IS NULL;

-- name: held
-- Fulfillment orders with an open hold of a code.
SELECT h.fulfillment_order_id FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE f.order_id = ANY(%(order_ids)s) AND h.code = %(code)s AND h.released_at IS NULL;
