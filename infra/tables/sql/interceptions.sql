-- The interception of parcels that have left: columns of the shipment that carries the waybill.

-- name: want
-- Of living waybills; those that are wanted already stay as they are.
UPDATE shipment SET intercept_wanted_at = now()
WHERE package_id = ANY(%(ids)s) AND status = 'booked' AND intercept_wanted_at IS NULL;

-- name: unwant
-- Nobody wants it any more, and no courier was asked.
UPDATE shipment SET intercept_wanted_at = NULL
WHERE package_id = ANY(%(ids)s) AND intercept_wanted_at IS NOT NULL AND intercept_status = '';

-- name: load
-- Packages whose interception is wanted. A courier that does not cancel a waybill because it has the parcel has collected
-- it. Locks the fulfillment orders.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id, o.platform, o.shop,
       o.platform_order_id, p.account, p.location, s.courier, s.reference, s.waybill,
       p.handed_over_at IS NOT NULL AS has_left, p.delivered_at, s.intercept_status AS status,
       p.collected_at IS NOT NULL OR s.void_status = 'collected' AS is_collected,
       s.intercept_deadline IS NOT NULL AS is_unclear,
       coalesce(greatest(0, extract(epoch FROM s.intercept_deadline - now())), 0)::float8 AS busy_s,
       s.intercept_asked_at AS asked_at, greatest(s.intercept_wanted_at, p.collected_at) AS since, now() AS seen_at
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked' AND s.intercept_wanted_at IS NOT NULL
WHERE p.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: with_stop
-- Of some fulfillment orders, those that somebody asks to stop. After the lock, in a statement of its own.
SELECT fulfillment_order_id FROM stop WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked';

-- name: intend
-- The intent is durable before the courier hears of it. A repeat stays *taken* until the courier says otherwise.
UPDATE shipment
SET intercept_status = CASE WHEN intercept_status = '' THEN 'asked' ELSE intercept_status END,
    intercept_deadline = now() + make_interval(secs => %(unclear_s)s), intercept_asked_at = now()
WHERE package_id = ANY(%(ids)s) AND status = 'booked' AND intercept_status IN ('', 'asked', 'taken');

-- name: note
-- What is known now. What has ended stays as it is. `call`: over and without effect, over with an unknown effect, or not
-- made; `asked_at` of a call that was not made is that of the one before.
UPDATE shipment AS s
SET intercept_status = r.status, intercept_code = r.code,
    intercept_deadline = CASE r.call WHEN 'unclear' THEN now() ELSE NULL END,
    intercept_asked_at = CASE r.call WHEN 'not_made' THEN r.asked_at ELSE s.intercept_asked_at END
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, status text, code text, call text, asked_at timestamptz)
WHERE s.package_id = r.package_id AND s.status = 'booked' AND s.intercept_status IN ('', 'asked', 'taken');

-- name: receive
-- Counted at a location of ours: that proves more than any answer, whatever was asked.
UPDATE shipment SET intercept_status = 'received', intercept_deadline = NULL
WHERE package_id = ANY(%(ids)s) AND status = 'booked';

-- name: hasten
-- Something was told of these parcels: they are looked at now, unless somebody looks at them already.
UPDATE work SET due_at = now()
WHERE step = 'intercept' AND subject_id = ANY(%(ids)s) AND due_at > now() AND lease_token IS NULL AND gate IS NULL;
