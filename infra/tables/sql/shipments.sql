-- name: create_packages
-- One package for each fulfillment order, with all of it that is in no package yet. A number is unique in the whole
-- order, as the courier's reference is made of order and number. It follows from the number of the fulfillment order, as
-- parts of one order may get their packages at the same time: a further package of a part is 1000 beyond the last.
WITH wanted AS (
    SELECT r.*, f.number
           + 1000 * (SELECT count(*) FROM package AS p WHERE p.fulfillment_order_id = r.fulfillment_order_id) AS number
    FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, courier text, account text, location text, service text, weight_g integer)
    JOIN fulfillment_order AS f ON f.id = r.fulfillment_order_id
), made AS (
    INSERT INTO package (fulfillment_order_id, number, courier, account, location, service, weight_g)
    SELECT w.fulfillment_order_id, w.number, w.courier, w.account, w.location, w.service, w.weight_g
    FROM wanted AS w
    ORDER BY w.fulfillment_order_id
    RETURNING id, fulfillment_order_id
), filled AS (
    INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
    SELECT m.id, l.fulfillment_order_id, l.order_id, l.line_id, l.quantity - l.packed
    FROM made AS m JOIN fulfillment_line AS l ON l.fulfillment_order_id = m.fulfillment_order_id
    WHERE l.quantity > l.packed
), packed AS (
    UPDATE fulfillment_line AS l SET packed = l.quantity
    FROM made AS m
    WHERE l.fulfillment_order_id = m.fulfillment_order_id AND l.quantity > l.packed
)
SELECT id, fulfillment_order_id FROM made;

-- name: load_packages
-- Packages with their order's identity and the live shipment, if there is one. `version`: of the
-- content that the order has. Locks the fulfillment orders.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane,
       o.id AS order_id, o.platform, o.shop, o.platform_order_id,
       p.number, p.courier, p.account, p.location, p.service, p.weight_g, s.status, s.reference,
       s.call_deadline IS NOT NULL AS is_asked_about,
       coalesce(greatest(0, extract(epoch FROM s.call_deadline - now())), 0)::float8 AS busy_s,
       (SELECT coalesce(max(generation), 0) FROM shipment WHERE package_id = p.id AND status = 'voided') AS voided, c.version
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN raw_payload AS c ON c.id = o.raw_payload_id
LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
WHERE p.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: load_contents
-- What lies in packages, after their fulfillment orders were locked: one that waits for a lock reads all else as before.
SELECT package_id, line_id, quantity FROM package_line WHERE package_id = ANY(%(ids)s) AND quantity > 0
ORDER BY package_id, line_id;

-- name: intend_shipments
-- The intent is durable before the courier hears of it. Until the deadline a call may be under way, or what it
-- booked may be hidden from a look-up.
INSERT INTO shipment (package_id, generation, reference, courier, status, call_deadline)
SELECT r.package_id, r.generation, r.reference, r.courier, 'intended', now() + make_interval(secs => r.unclear_s)
FROM json_to_recordset(%(rows)s::json)
     AS r(package_id bigint, generation smallint, reference text, courier text, unclear_s float8)
ORDER BY r.package_id
ON CONFLICT (package_id) WHERE status <> 'voided'
DO UPDATE SET call_deadline = excluded.call_deadline;

-- name: book_shipments
UPDATE shipment AS s
SET status = 'booked', waybill = r.waybill, sort_code = r.sort_code, booked_at = now(), call_deadline = NULL
FROM json_to_recordset(%(rows)s::json) AS r(reference text, waybill text, sort_code text)
WHERE s.reference = r.reference AND s.status = 'intended';

-- name: clear_calls
-- The call surely had no effect: the next try need not ask first.
UPDATE shipment SET call_deadline = NULL WHERE reference = ANY(%(references)s) AND status = 'intended';

-- name: end_calls
-- The call is over, whatever its effect: the next try asks first, as soon as a look-up shows what was booked.
UPDATE shipment SET call_deadline = now() + make_interval(secs => %(lag_s)s) WHERE reference = ANY(%(references)s) AND status = 'intended';

-- name: void_shipments
UPDATE shipment SET status = 'voided', voided_at = now(), call_deadline = NULL
WHERE reference = ANY(%(references)s) AND status <> 'voided';

-- name: closed_packages
-- Of some packages, those whose order is closed, here or on its platform: nobody wants a waybill for them.
SELECT p.id FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.id = ANY(%(ids)s) AND (f.state = 'closed' OR o.platform_state = 'closed');

-- name: living_waybills
-- Booked waybills of fulfillment orders whose packages have not left.
SELECT p.fulfillment_order_id, s.courier, s.waybill
FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE p.fulfillment_order_id = ANY(%(ids)s) AND p.handed_over_at IS NULL
ORDER BY p.id;

-- name: being_labelled
-- Orders of which a worker is about to call a courier, or talks to one right now.
SELECT DISTINCT f.order_id
FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id
JOIN work AS w ON w.step = 'label' AND w.subject_id = p.id AND w.lease_until > now()
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'intended' AND s.call_deadline IS NOT NULL
WHERE f.order_id = ANY(%(order_ids)s);

-- name: ask_about
-- Label is due for every call of fulfillment orders that may have happened and that nobody asks about: it asks, and
-- books only what is still wanted. What is due already stays as it is, and an open letter has its owner.
INSERT INTO work (step, subject_id, lane, account, shop, is_suspect)
SELECT 'label', p.id, f.lane, p.account, o.platform || '/' || o.shop, %(is_suspect)s
FROM package AS p
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'intended' AND s.call_deadline IS NOT NULL
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.fulfillment_order_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'label' AND d.subject_id = p.id AND d.closed_at IS NULL)
ORDER BY p.id
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: give_up_intents
-- A person has settled with the courier what nobody can ask it. The order is closed, so nothing is booked again.
UPDATE shipment AS s SET status = 'voided', voided_at = now(), call_deadline = NULL
FROM package AS p WHERE p.id = s.package_id AND p.fulfillment_order_id = %(id)s AND s.status = 'intended';

-- name: tell_untold
-- What a platform must hear of a label that was booked while the order was held.
INSERT INTO work (step, subject_id, lane, account)
SELECT 'writeback', w.package_id, f.lane, o.platform || '/' || o.shop
FROM package AS p
JOIN writeback AS w ON w.package_id = p.id AND w.status = 'pending'
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.fulfillment_order_id = %(id)s
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'writeback' AND d.subject_id = p.id AND d.closed_at IS NULL)
ORDER BY p.id
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: packages_by_reference
-- What a warehouse event speaks of. Locks the fulfillment orders, in id order.
SELECT s.reference, s.waybill, p.id, f.id, f.state, f.lane, o.id, o.platform, o.shop
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE s.reference = ANY(%(references)s) AND s.status = 'booked'
ORDER BY f.id
FOR UPDATE OF f;

-- name: stamp_packages
UPDATE package AS p
SET packed_at = coalesce(p.packed_at, r.packed_at), handed_over_at = coalesce(p.handed_over_at, r.handed_over_at)
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, packed_at timestamptz, handed_over_at timestamptz)
WHERE p.id = r.id;

-- name: store_page
-- Of a location that has filled its bytes of the day only the row: its scans are applied all the same.
WITH space AS (
    SELECT bytes_today <= %(bytes_max)s AS is_left FROM location WHERE name = %(location)s
), counted AS (
    INSERT INTO refused_input AS i (kind, name, count)
    SELECT 'page bodies', %(location)s, 1 FROM space WHERE NOT is_left
    ON CONFLICT (kind, name) DO UPDATE SET count = i.count + 1, last_at = now()
)
INSERT INTO warehouse_page (location, after, body)
SELECT %(location)s, %(after)s, CASE WHEN coalesce((SELECT is_left FROM space), true) THEN %(body)s::bytea ELSE '' END
RETURNING id;

-- name: early_scans
-- Those whose label is recorded and whose order is not on hold; oldest first, so that the scans of one
-- package come in their order. What speaks of nobody's package stays, and is not in the way of the others.
SELECT e.event_id, e.reference, e.waybill, e.kind, e.at FROM early_scan AS e
WHERE e.location = %(location)s
  AND EXISTS (SELECT 1 FROM shipment AS s
              JOIN package AS p ON p.id = s.package_id
              JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
              WHERE s.reference = e.reference AND s.status = 'booked' AND f.state <> 'on_hold')
ORDER BY e.at, e.event_id
LIMIT 1000
FOR UPDATE SKIP LOCKED;

-- name: keep_early_scans
-- Scans of an intent of ours always; those of nobody's package up to `most` of a location, and beyond they are counted.
-- An intent is durable before its courier hears of it, so a scan that overtook its label's record is one of ours.
WITH early AS (
    SELECT r.*, EXISTS (SELECT 1 FROM shipment AS s WHERE s.reference = r.reference) AS is_ours
    FROM json_to_recordset(%(rows)s::json)
         AS r(event_id text, reference text, waybill text, kind text, at timestamptz)
    WHERE NOT EXISTS (SELECT 1 FROM early_scan AS e WHERE e.location = %(location)s AND e.event_id = r.event_id)
), lone AS (
    SELECT e.*, row_number() OVER (ORDER BY e.event_id) > %(most)s - (
        SELECT count(*) FROM (SELECT 1 FROM early_scan AS k WHERE k.location = %(location)s LIMIT %(most)s) AS kept)
        AS is_beyond
    FROM early AS e WHERE NOT e.is_ours
), counted AS (
    INSERT INTO refused_input AS i (kind, name, count)
    SELECT 'early scans', %(location)s, count(*) FROM lone WHERE is_beyond HAVING count(*) > 0
    ON CONFLICT (kind, name) DO UPDATE SET count = i.count + excluded.count, last_at = now()
)
INSERT INTO early_scan (event_id, location, reference, waybill, kind, at)
SELECT k.event_id, %(location)s, k.reference, k.waybill, k.kind, k.at
FROM (SELECT event_id, reference, waybill, kind, at FROM early WHERE is_ours
      UNION ALL
      SELECT event_id, reference, waybill, kind, at FROM lone WHERE NOT is_beyond) AS k
ORDER BY k.event_id
ON CONFLICT (location, event_id) DO NOTHING;

-- name: drop_early_scans
DELETE FROM early_scan WHERE location = %(location)s AND event_id = ANY(%(event_ids)s);

-- name: load_location
SELECT id, name, feed_cursor FROM location WHERE id = ANY(%(ids)s);

-- name: advance_feed
-- Compare-and-set: a page that somebody else applied is not applied again. Counts the bytes of the day, as the row is
-- written anyway.
UPDATE location
SET feed_cursor = %(cursor)s, bytes_day = current_date,
    bytes_today = CASE WHEN bytes_day = current_date THEN bytes_today ELSE 0 END + %(size)s
WHERE id = %(id)s AND feed_cursor = %(after)s RETURNING id;

-- name: want_writebacks
INSERT INTO writeback (package_id, order_id, shipped_at)
SELECT r.package_id, r.order_id, r.shipped_at
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, order_id bigint, shipped_at timestamptz)
ORDER BY r.package_id
ON CONFLICT (package_id) DO NOTHING;

-- name: load_writebacks
-- `outside`: lines of the order that stand, and of which not all lies in this package. `lines`: without those that were
-- refunded or closed since the label, which the platform would refuse.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane,
       o.id AS order_id, o.platform, o.shop, o.platform_order_id,
       s.courier, s.waybill, w.shipped_at, w.status, w.call_deadline IS NOT NULL AS is_asked_about,
       coalesce(greatest(0, extract(epoch FROM w.call_deadline - now())), 0)::float8 AS busy_s,
       EXISTS (SELECT 1 FROM writeback AS b
               WHERE b.order_id = o.id AND b.package_id <> p.id AND b.status = 'sending') AS is_taken,
       ARRAY(SELECT l.line_id FROM order_line AS l
             WHERE l.order_id = o.id AND NOT l.refunded
               AND l.planned + l.elsewhere
                   + CASE WHEN l.fulfilled_by NOT IN ('merchant', 'unknown') THEN l.quantity ELSE 0 END
                   > coalesce((SELECT sum(k.quantity) FROM package_line AS k
                               WHERE k.package_id = p.id AND k.order_id = l.order_id AND k.line_id = l.line_id), 0)
             ORDER BY l.line_id) AS outside,
       (SELECT coalesce(json_agg(json_build_array(k.line_id, k.quantity) ORDER BY k.line_id), '[]')
        FROM package_line AS k JOIN order_line AS l USING (order_id, line_id)
        WHERE k.package_id = p.id AND k.order_id = w.order_id AND k.quantity > 0 AND NOT l.refunded) AS lines
FROM writeback AS w
JOIN package AS p ON p.id = w.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE w.package_id = ANY(%(ids)s)
ORDER BY p.id
FOR UPDATE OF w;

-- name: begin_writebacks
UPDATE writeback SET status = 'sending', call_deadline = now() + make_interval(secs => %(call_s)s)
WHERE package_id = ANY(%(ids)s);

-- name: end_writebacks
-- `is_clear`: the call surely had no effect, or its effect is known, so nobody need ask first. Otherwise
-- the call is over, so the next try asks at once.
UPDATE writeback AS w
SET status = r.status, confirmed_at = CASE WHEN r.status = 'confirmed' THEN now() END,
    call_deadline = CASE WHEN NOT r.is_clear THEN now() END,
    platform_changed_at = coalesce(r.changed_at, w.platform_changed_at)
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, status text, is_clear boolean, changed_at timestamptz)
WHERE w.package_id = r.id;

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
