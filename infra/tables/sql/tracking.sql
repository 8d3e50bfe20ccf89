-- Parcels that have left, and what their couriers tell of them.

-- name: load_tracked
-- Packages with their waybill. Locks the fulfillment orders.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id, o.platform, o.shop,
       o.platform_order_id, p.account, p.location, s.courier, s.reference, s.waybill, p.handed_over_at, p.delivered_at,
       s.intercept_wanted_at IS NOT NULL AND s.intercept_status <> 'failed' OR s.intercept_status = 'received'
           AS is_intercepted
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE p.id = ANY(%(ids)s) AND p.handed_over_at IS NOT NULL
ORDER BY f.id
FOR UPDATE OF f;

-- name: load_phones
-- Personal data, for the time of one call.
SELECT p.id, r.phone FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN receiver AS r ON r.order_id = f.order_id
WHERE p.id = ANY(%(ids)s) AND r.pii = 'plain';

-- name: events_of
-- Primary key of parcel_event.
SELECT package_id, code, kind, at FROM parcel_event WHERE package_id = ANY(%(ids)s);

-- name: keep_events
INSERT INTO parcel_event (package_id, at, code, kind, detail)
SELECT r.package_id, r.at, r.code, r.kind, r.detail
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, at timestamptz, code text, kind text, detail text)
ORDER BY r.package_id, r.at, r.code
ON CONFLICT (package_id, at, code) DO NOTHING;

-- name: deliveries
-- Of fulfillment orders: when the last package was signed, NULL while one is not, and whether a case of the order is open,
-- but for cases `beside` the order.
SELECT f.id, CASE WHEN bool_and(p.delivered_at IS NOT NULL) THEN max(p.delivered_at) END,
       EXISTS (SELECT 1 FROM order_case AS c WHERE c.order_id = f.order_id AND c.closed_at IS NULL
                                                AND c.kind <> ALL(%(beside)s))
FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
WHERE f.id = ANY(%(ids)s)
GROUP BY f.id;

-- name: follow_forgotten
-- Track is due for parcels that have left, that their courier was never asked about, and that have no work: of the newest
-- packages, handed over since the day before this database learnt to follow parcels.
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'track', p.id, 'bulk', a.asked, o.platform || '/' || o.shop
FROM package AS p
JOIN unnest(%(accounts)s::text[], %(asked)s::text[]) AS a(account, asked) ON a.account = p.account
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id AND f.state IN ('packed', 'in_transit')
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE p.id > (SELECT coalesce(max(id), 0) FROM package) - %(newest)s
  AND p.handed_over_at > now() - make_interval(secs => %(within_s)s)
  AND p.handed_over_at > (SELECT applied_at - interval '1 day' FROM schema_migration WHERE version = 24)
  AND p.tracked_at IS NULL AND p.delivered_at IS NULL AND p.cancelled_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'track' AND w.subject_id = p.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'track' AND d.subject_id = p.id AND d.closed_at IS NULL)
ORDER BY p.id
LIMIT %(limit)s
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;
