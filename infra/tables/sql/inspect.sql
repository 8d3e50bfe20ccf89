-- Read-only questions of people: where is this order, and does everything work.

-- name: find_by_id
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.placed_at
FROM orders AS o WHERE o.id = %(id)s;

-- name: find_by_platform_order_id
-- In any shop: skips from shop to shop over the unique index instead of reading all orders.
WITH RECURSIVE known(shop) AS (
    SELECT min(shop) FROM orders
    UNION ALL
    SELECT (SELECT min(o.shop) FROM orders AS o WHERE o.shop > known.shop) FROM known WHERE known.shop IS NOT NULL
)
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.placed_at
FROM known JOIN orders AS o ON o.shop = known.shop AND o.platform_order_id = %(platform_order_id)s
ORDER BY o.id;

-- name: find_by_shop
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.placed_at
FROM orders AS o
WHERE o.shop = ANY(%(shops)s) AND o.platform_order_id = %(platform_order_id)s
ORDER BY o.id;

-- name: find_by_waybill
-- Of any courier, a voided waybill too: skips from courier to courier over the index shipment_waybill.
WITH RECURSIVE known(courier) AS (
    SELECT min(courier) FROM shipment WHERE waybill IS NOT NULL
    UNION ALL
    SELECT (SELECT min(s.courier) FROM shipment AS s WHERE s.waybill IS NOT NULL AND s.courier > known.courier)
    FROM known WHERE known.courier IS NOT NULL
)
SELECT DISTINCT o.id, o.platform, o.shop, o.platform_order_id, o.placed_at
FROM known
JOIN shipment AS s ON s.courier = known.courier AND s.waybill = %(waybill)s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
ORDER BY o.id;

-- name: unread_payloads
-- Payloads of an order id that never became an order, with their open dead letter, if they have one, and why their
-- content is gone, if it is.
WITH RECURSIVE known(shop) AS (
    SELECT min(shop) FROM raw_payload
    UNION ALL
    SELECT (SELECT min(r.shop) FROM raw_payload AS r WHERE r.shop > known.shop) FROM known WHERE known.shop IS NOT NULL
)
SELECT r.platform, r.shop, r.platform_order_id, r.received_at, d.id AS dead_letter,
       d.code, d.causes -> -1 ->> 'message' AS message, t.cause AS forgotten, t.at AS forgotten_at
FROM known
JOIN raw_payload AS r ON r.shop = known.shop AND r.platform_order_id = %(platform_order_id)s
LEFT JOIN tombstone AS t
  ON t.shop = r.shop AND t.platform_order_id = r.platform_order_id AND t.platform = r.platform
LEFT JOIN dead_letter AS d ON d.step = 'normalize' AND d.subject_id = r.id AND d.closed_at IS NULL
ORDER BY r.id DESC;

-- name: unfetched
-- Orders that a listing showed and that could not be fetched.
SELECT s.account, g.platform_order_id, g.noticed_at, g.tries, g.error, d.id AS dead_letter
FROM pull_gap AS g
JOIN shop AS s ON s.id = g.shop_id
LEFT JOIN dead_letter AS d ON d.step = 'pull' AND d.subject_id = -g.id AND d.closed_at IS NULL
WHERE g.platform_order_id = %(platform_order_id)s
ORDER BY s.account;

-- name: order_gap
-- A change of an order that the platform has listed and that could not be fetched.
SELECT g.changed_at, g.error, g.tries, g.noticed_at, CASE WHEN NOT g.is_given_up THEN g.due_at END AS due_at
FROM orders AS o
JOIN shop AS s ON s.account = o.platform || '/' || o.shop
JOIN pull_gap AS g ON g.shop_id = s.id AND g.platform_order_id = o.platform_order_id
WHERE o.id = %(id)s;

-- name: order_head
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.platform_state, o.order_type, o.source, o.member_level,
       o.currency, o.goods_minor, o.discount_minor, o.freight_minor, o.tax_minor, o.services_minor, o.fees_minor,
       o.payable_minor, o.paid_minor, o.fulfilled_by, o.placed_at, o.paid_at, o.ship_by, o.ship_from, o.received_at,
       length(o.buyer_memo) AS buyer_memo_chars,
       length(o.seller_memo) AS seller_memo_chars,
       c.name, c.phone, c.province, c.city, c.district, c.pii, now() AS seen_at,
       (SELECT count(*) FROM foreign_answer AS a WHERE a.order_id = o.id) AS raw_answers
FROM orders AS o JOIN receiver AS c ON c.order_id = o.id
WHERE o.id = %(id)s;

-- name: order_lines
SELECT line_id, sku, title, quantity, unit_price_minor, paid_minor, is_gift, refund_open, refunded, refund_unknown,
       fulfilled_by, planned, cancelled, elsewhere, is_missing
FROM order_line WHERE order_id = %(id)s ORDER BY line_id;

-- name: order_payloads
SELECT r.id, r.received_at, r.source
FROM raw_payload AS r JOIN orders AS o
  ON r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
WHERE o.id = %(id)s ORDER BY r.id;

-- name: order_fulfillment
SELECT f.id, f.number, f.state, f.resume_state, f.lane, f.reservation, f.location, f.closed_reason, f.finished_at,
       (SELECT coalesce(json_object_agg(l.line_id, l.quantity ORDER BY l.line_id), '{}')
        FROM fulfillment_line AS l WHERE l.fulfillment_order_id = f.id AND l.quantity > 0) AS quantities
FROM fulfillment_order AS f WHERE f.order_id = %(id)s ORDER BY f.number;

-- name: order_holds
SELECT h.id, h.fulfillment_order_id, h.code, h.step, h.owner, h.opened_at, h.due_at, h.snoozed_until, h.facts,
       h.released_at, h.released_by, h.released_role
FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE f.order_id = %(id)s ORDER BY h.id;

-- name: order_cases
SELECT id, case_id, kind, package_id, owner, opened_at, due_at, facts, closed_at, closed_by, reason
FROM order_case WHERE order_id = %(id)s ORDER BY id;

-- name: order_packages
SELECT p.id, p.fulfillment_order_id, p.number, p.courier, p.account, p.location, p.packed_at, p.handed_over_at,
       p.collected_at, p.delivered_at, p.cancelled_at,
       (SELECT coalesce(json_object_agg(k.line_id, k.quantity ORDER BY k.line_id), '{}')
        FROM package_line AS k WHERE k.package_id = p.id AND k.quantity > 0) AS quantities,
       w.status AS writeback, w.confirmed_at AS written_back_at
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
LEFT JOIN writeback AS w ON w.package_id = p.id
WHERE f.order_id = %(id)s ORDER BY p.id;

-- name: order_shipments
SELECT s.package_id, s.generation, s.reference, s.status, s.waybill, s.intended_at, s.booked_at, s.voided_at
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE f.order_id = %(id)s ORDER BY s.package_id, s.generation;

-- name: order_parcel_events
SELECT e.package_id, e.at, e.kind, e.code, e.detail
FROM parcel_event AS e
JOIN package AS p ON p.id = e.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE f.order_id = %(id)s ORDER BY e.package_id, e.at, e.code;

-- name: order_documents
SELECT l.fulfillment_order_id, l.location, l.generation, l.reference, l.status, l.their_id, l.code, l.placed_at, l.ended_at,
       l.heard_at, l.asked_at
FROM placement AS l JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
WHERE f.order_id = %(id)s ORDER BY l.fulfillment_order_id, l.generation;

-- name: order_unreadable_scans
-- Of its packages, and of its documents.
SELECT u.id, u.account, u.position, u.code, u.field, u.owner, u.noticed_at, u.due_at
FROM unreadable_entry AS u
JOIN shipment AS s ON s.reference = u.reference
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE f.order_id = %(id)s AND u.closed_at IS NULL ORDER BY u.id;

-- name: order_notices
SELECT n.id, n.package_id, n.event, n.channel, n.status, n.told_at
FROM notice AS n
JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE f.order_id = %(id)s ORDER BY n.id;

-- name: order_events
SELECT e.at, e.kind, e.step, e.cause, e.from_state, e.to_state, e.package_id, e.facts
FROM event AS e WHERE e.order_id = %(id)s ORDER BY e.id;

-- name: due_work
-- The due work of named (step, subject) pairs. What waits behind a gate, or is due in a pause, says so beside its last
-- cause.
SELECT w.step, w.subject_id, w.lane, w.account, coalesce(w.gated_at, w.due_at) AS due_at, w.attempts, w.crashes,
       w.lease_token IS NOT NULL AS is_running,
       nullif(concat_ws('; ', w.causes -> -1 ->> 'code', 'waits for the gate of ' || w.gate,
                        (SELECT string_agg('paused: ' || g.kind || ' ' || g.name, '; ' ORDER BY g.kind) FROM gate AS g
                         WHERE (g.until IS NULL OR g.until > now()) AND w.due_at <= now()
                           AND g.name = CASE g.kind WHEN 'lane' THEN w.lane WHEN 'step' THEN w.step ELSE w.account END)
                       ), '') AS last_error
FROM unnest(%(steps)s::text[], %(subject_ids)s::bigint[]) AS k(step, subject_id)
JOIN work AS w ON w.step = k.step AND w.subject_id = k.subject_id
ORDER BY w.due_at;

-- name: open_letters
-- The open dead letters of named (step, subject) pairs.
SELECT d.id, d.step, d.code, d.owner, d.opened_at, d.due_at, d.attempts, d.crashes, d.causes
FROM unnest(%(steps)s::text[], %(subject_ids)s::bigint[]) AS k(step, subject_id)
JOIN dead_letter AS d ON d.step = k.step AND d.subject_id = k.subject_id AND d.closed_at IS NULL
ORDER BY d.id;
