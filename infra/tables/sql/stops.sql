-- Stops: requests to keep fulfillment orders from leaving. At most one of a fulfillment order is open.

-- name: ask
-- A second request joins the open one: pieces that are not wanted any more win over pieces that are shipped anew. Lines are
-- united where both want the same; none named means all. `is_new`: no stop was open.
INSERT INTO stop AS s (fulfillment_order_id, order_id, asked_by, author, code, goal, lines, is_outdated, case_id, until_at)
SELECT r.fulfillment_order_id, r.order_id, r.asked_by, r.author, r.code, r.goal, r.lines, r.is_outdated,
       r.case_id, r.until_at
FROM json_to_recordset(%(rows)s::json)
     AS r(fulfillment_order_id bigint, order_id bigint, asked_by text, author text, code text, goal text, lines text[],
          is_outdated boolean, case_id text, until_at timestamptz)
ORDER BY r.fulfillment_order_id
ON CONFLICT (fulfillment_order_id) WHERE status = 'asked'
DO UPDATE SET
    asked_by = CASE WHEN s.goal = 'rebuild' AND excluded.goal = 'close' THEN excluded.asked_by ELSE s.asked_by END,
    author = CASE WHEN s.goal = 'rebuild' AND excluded.goal = 'close' THEN excluded.author ELSE s.author END,
    code = CASE WHEN s.goal = 'rebuild' AND excluded.goal = 'close' THEN excluded.code ELSE s.code END,
    goal = CASE WHEN excluded.goal = 'close' THEN 'close' ELSE s.goal END,
    lines = CASE
        WHEN s.goal <> excluded.goal THEN CASE WHEN excluded.goal = 'close' THEN excluded.lines ELSE s.lines END
        WHEN s.lines = '{}' OR excluded.lines = '{}' THEN '{}'
        ELSE ARRAY(SELECT DISTINCT l FROM unnest(s.lines || excluded.lines) AS l ORDER BY l) END,
    is_outdated = s.is_outdated OR excluded.is_outdated,
    case_id = coalesce(s.case_id, excluded.case_id),
    until_at = least(s.until_at, excluded.until_at)
RETURNING s.fulfillment_order_id, s.id, s.xmax = 0 AS is_new;

-- name: withdraw
UPDATE stop SET status = 'withdrawn', ended_at = now(), rung = ''
WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked'
RETURNING fulfillment_order_id, id;

-- name: end
UPDATE stop AS s SET status = r.status, ended_at = now(), rung = ''
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, status text)
WHERE s.id = r.id AND s.status = 'asked';

-- name: note_rung
UPDATE stop AS s SET rung = r.rung
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, rung text)
WHERE s.id = r.id AND s.status = 'asked' AND s.rung <> r.rung;

-- name: prove
-- All goods are back: what was to be kept from its buyer is stopped. Not where only some lines were asked for, or where the
-- goods are to be shipped anew: what becomes of these is decided by a person.
UPDATE stop SET status = 'stopped', ended_at = coalesce(ended_at, now()), rung = ''
WHERE fulfillment_order_id = ANY(%(ids)s) AND status IN ('asked', 'coming_back', 'too_late') AND goal = 'close'
  AND lines = '{}'
RETURNING fulfillment_order_id;

-- name: confirm
-- A person says that the goods are still in the house; again where a document came to be known since.
UPDATE stop SET confirmed_by = %(by)s, confirmed_at = now()
WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked'
RETURNING fulfillment_order_id;

-- name: load_open
-- After the lock of the fulfillment orders, in a statement of its own.
SELECT s.id, s.fulfillment_order_id, s.order_id, o.platform || '/' || o.shop AS shop, s.code, s.goal, s.lines, s.case_id,
       s.asked_by, s.author,
       s.confirmed_at IS NOT NULL AS is_confirmed, s.asked_at, s.until_at, s.rung,
       coalesce(CASE WHEN l.reference IS NOT NULL THEN l.location END, f.location) AS location,
       l.status AS document, l.reference, coalesce(l.stop_status, '') AS recall,
       coalesce(l.status = 'intended' AND l.call_deadline IS NOT NULL, false) AS is_unclear
FROM stop AS s
JOIN fulfillment_order AS f ON f.id = s.fulfillment_order_id
JOIN orders AS o ON o.id = s.order_id
LEFT JOIN LATERAL (SELECT * FROM placement AS l WHERE l.fulfillment_order_id = f.id
                   ORDER BY l.generation DESC LIMIT 1) AS l ON true
WHERE s.fulfillment_order_id = ANY(%(ids)s) AND s.status = 'asked'
ORDER BY s.fulfillment_order_id;

-- name: load_parcels
-- Packages with the live shipment: those that were not cancelled, and cancelled ones whose waybill lives, or may. `lines`:
-- what lies in them. A hand-over that was scanned during another hold, and waits for its end, counts.
SELECT p.fulfillment_order_id, p.id AS package_id, p.account, coalesce(s.status = 'booked', false) AS lives,
       coalesce(s.status = 'intended' AND s.call_deadline IS NOT NULL, false) AS is_unclear,
       p.handed_over_at IS NOT NULL OR p.collected_at IS NOT NULL
           OR EXISTS (SELECT FROM early_scan AS e WHERE e.reference = s.reference AND e.kind = 'handed_over')
           OR EXISTS (SELECT FROM placement AS l JOIN early_scan AS e ON e.reference = l.reference AND e.kind = 'handed_over'
                      WHERE l.fulfillment_order_id = p.fulfillment_order_id) AS has_left,
       coalesce(s.void_status, '') AS void, coalesce(s.intercept_status, '') AS intercept,
       ARRAY(SELECT k.line_id FROM package_line AS k WHERE k.package_id = p.id AND k.quantity > 0 ORDER BY k.line_id) AS lines
FROM package AS p LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
WHERE p.fulfillment_order_id = ANY(%(ids)s)
  AND (p.cancelled_at IS NULL OR s.status = 'booked' OR s.status = 'intended' AND s.call_deadline IS NOT NULL)
ORDER BY p.id;

-- name: open_of
-- Shops of the fulfillment orders that have an open stop.
SELECT s.fulfillment_order_id, o.platform || '/' || o.shop
FROM stop AS s JOIN orders AS o ON o.id = s.order_id
WHERE s.fulfillment_order_id = ANY(%(ids)s) AND s.status = 'asked';

-- name: rebuild_instead
-- Whoever asked takes it back, and something was asked outside already, or the label is outdated: it is stopped all the same,
-- and goes on anew.
UPDATE stop
SET goal = 'rebuild', code = CASE WHEN is_outdated THEN 'address_changed' ELSE 'withdrawn' END, lines = '{}', case_id = NULL,
    until_at = NULL
WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked';

-- name: outdated
SELECT fulfillment_order_id FROM stop WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked' AND is_outdated;

-- name: codes
SELECT fulfillment_order_id, code FROM stop WHERE fulfillment_order_id = ANY(%(ids)s) AND status = 'asked';

-- name: is_under_way
-- Fulfillment orders of which a warehouse or a courier may still stop something, or has stopped it.
SELECT f.id FROM unnest(%(ids)s::bigint[]) AS f(id)
WHERE EXISTS (SELECT 1 FROM stop AS t WHERE t.fulfillment_order_id = f.id AND t.status = 'asked' AND t.confirmed_at IS NOT NULL)
   OR EXISTS (SELECT 1 FROM placement AS l
              WHERE l.fulfillment_order_id = f.id AND l.stop_wanted_at IS NOT NULL
                AND (l.status = 'stopped' OR l.stop_status IN ('asked', 'pending', 'unknown')))
   OR EXISTS (SELECT 1 FROM package AS p JOIN shipment AS s ON s.package_id = p.id
              WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL AND s.void_wanted_at IS NOT NULL
                AND (s.status = 'voided' OR s.void_status IN ('asked', 'unknown')));

-- name: of_orders
-- The newest stop of each fulfillment order of some orders, open or ended.
SELECT DISTINCT ON (s.fulfillment_order_id) s.fulfillment_order_id, s.order_id, s.asked_by, s.author, s.code, s.goal, s.lines,
       s.case_id, s.status, s.rung, s.asked_at, s.until_at, s.ended_at
FROM stop AS s WHERE s.order_id = ANY(%(order_ids)s)
ORDER BY s.fulfillment_order_id, s.id DESC;
