-- What a buyer must hear of a package.

-- name: want_notices
-- The event id is derived, never drawn: a restored backup tells again under the same one, and the receiver drops it.
INSERT INTO notice (package_id, event, channel, occurred_at, event_id)
SELECT r.package_id, r.event, r.channel, r.occurred_at,
       md5(json_build_array(o.platform, o.shop, o.platform_order_id, f.number, p.number, r.event, r.channel)::text)::uuid
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, event text, channel text, occurred_at timestamptz)
JOIN package AS p ON p.id = r.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
ORDER BY r.package_id
ON CONFLICT (package_id, event, channel) DO NOTHING
RETURNING id, package_id, channel;

-- name: load_notices
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane,
       o.id AS order_id, o.platform, o.shop, o.platform_order_id,
       n.id AS notice_id, n.event, n.event_id, n.channel, n.occurred_at, n.status, s.courier, s.waybill
FROM notice AS n
JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE n.id = ANY(%(ids)s)
ORDER BY n.id
FOR UPDATE OF n;

-- name: load_contacts
-- Personal data, for channels that need a number and only while they are called.
SELECT n.id AS notice_id, r.phone, r.pii, r.merge_token
FROM notice AS n
JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN receiver AS r ON r.order_id = f.order_id
WHERE n.id = ANY(%(ids)s);

-- name: begin_notices
UPDATE notice SET status = 'sending' WHERE id = ANY(%(ids)s);

-- name: end_notices
UPDATE notice AS n
SET status = r.status, told_at = CASE WHEN r.status = 'told' THEN now() END, reason = r.reason
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, status text, reason text)
WHERE n.id = r.id;
