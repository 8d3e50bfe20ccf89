-- Pages of scans as a warehouse sent them, and scans that are early.

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
-- Those whose label is recorded and whose order is not on hold, and hand-overs of an order that is being stopped; oldest
-- first, so that the scans of one package come in their order. What speaks of nobody's package stays, and is not in the way of the others.
SELECT e.event_id, e.reference, e.waybill, e.kind, e.at, e.told FROM early_scan AS e
WHERE e.location = %(location)s
  AND (EXISTS (SELECT 1 FROM shipment AS s
               JOIN package AS p ON p.id = s.package_id
               JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
               LEFT JOIN stop AS t ON t.fulfillment_order_id = f.id AND t.status = 'asked' AND e.kind = 'handed_over'
               WHERE s.reference = e.reference AND s.waybill IS NOT NULL AND (f.state <> 'on_hold' OR t.id IS NOT NULL))
       OR EXISTS (SELECT 1 FROM placement AS l JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
                  LEFT JOIN stop AS t ON t.fulfillment_order_id = f.id AND t.status = 'asked' AND e.kind = 'handed_over'
                  WHERE l.reference = e.reference AND (f.state <> 'on_hold' OR t.id IS NOT NULL)))
ORDER BY e.at, e.event_id
LIMIT 1000
FOR UPDATE SKIP LOCKED;

-- name: keep_early_scans
-- Scans of an intent of ours always; those of nobody's package up to `most` of a location, and beyond they are counted.
-- An intent is durable before its courier hears of it, so a scan that overtook its label's record is one of ours.
WITH early AS (
    SELECT r.*, EXISTS (SELECT 1 FROM shipment AS s WHERE s.reference = r.reference)
                OR EXISTS (SELECT 1 FROM placement AS l WHERE l.reference = r.reference) AS is_ours
    FROM json_to_recordset(%(rows)s::json)
         AS r(event_id text, reference text, waybill text, kind text, at timestamptz, told jsonb)
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
INSERT INTO early_scan (event_id, location, reference, waybill, kind, at, told)
SELECT k.event_id, %(location)s, k.reference, k.waybill, k.kind, k.at, k.told
FROM (SELECT event_id, reference, waybill, kind, at, told FROM early WHERE is_ours
      UNION ALL
      SELECT event_id, reference, waybill, kind, at, told FROM lone WHERE NOT is_beyond) AS k
ORDER BY k.event_id
ON CONFLICT (location, event_id) DO NOTHING;

-- name: drop_early_scans
DELETE FROM early_scan WHERE location = %(location)s AND event_id = ANY(%(event_ids)s);

-- name: lone_scans
-- Scans whose package nobody knows of, by location. Those of an order on hold wait for its release.
SELECT e.location, count(*), min(e.reference) FROM early_scan AS e
WHERE e.noticed_at < now() - make_interval(hours => %(patience_h)s)
  AND NOT EXISTS (SELECT 1 FROM shipment AS s WHERE s.reference = e.reference AND s.status = 'booked')
  AND NOT EXISTS (SELECT 1 FROM placement AS l WHERE l.reference = e.reference)
GROUP BY e.location ORDER BY e.location;
