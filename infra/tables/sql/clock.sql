-- name: raise_alarms
-- Raises the marks that open orders have reached, each once, and tells the timeline. Returns how many orders
-- and how much money by mark and currency. What was handed over has left: its pieces are consumed. Index orders_ship_by: an
-- order that is late for longer than `days` was heard of before, unless it is one of the `newest`. A clock that ends before
-- it starts is full from its end; that of an order that waits for a day begins on that day.
WITH running AS (
    SELECT id, ship_by, least(greatest(coalesce(paid_at, placed_at), ship_from), ship_by) AS started_at FROM orders
    WHERE ship_by > now() - make_interval(days => %(days)s)
    UNION ALL
    SELECT id, ship_by, least(greatest(coalesce(paid_at, placed_at), ship_from), ship_by) FROM orders
    WHERE ship_by <= now() - make_interval(days => %(days)s)
      AND id > (SELECT max(id) FROM orders) - %(newest)s
), reached AS (
    SELECT o.id, m.percent
    FROM running AS o
    CROSS JOIN unnest(%(percents)s::smallint[]) AS m(percent)
    WHERE o.started_at + (o.ship_by - o.started_at) * (m.percent / 100.0)::float8 <= now()
      AND NOT EXISTS (SELECT 1 FROM clock_alarm AS a WHERE a.order_id = o.id AND a.percent = m.percent)
      AND EXISTS (SELECT 1 FROM fulfillment_order AS f
                  WHERE f.order_id = o.id AND f.state = ANY(%(states)s) AND f.reservation <> 'consumed')
    LIMIT %(limit)s
), raised AS (
    INSERT INTO clock_alarm (order_id, percent, next_at)
    SELECT id, percent, CASE WHEN percent = 100 THEN now() + interval '1 day' END FROM reached ORDER BY id, percent
    ON CONFLICT (order_id, percent) DO NOTHING
    RETURNING order_id, percent
), recorded AS (
    INSERT INTO event (order_id, kind, step, cause, facts)
    SELECT order_id, 'clock_alarm', 'clock', 'timer', jsonb_build_object('clock_used_percent', percent) FROM raised
)
SELECT r.percent, o.currency, count(*), sum(o.payable_minor)::bigint
FROM raised AS r JOIN orders AS o ON o.id = r.order_id
GROUP BY r.percent, o.currency
ORDER BY r.percent, o.currency;

-- name: repeat_alarms
-- Late orders whose day is over: raised again if they have not left and nobody works on them, which is
-- what a hold says until its due time. Returns all that were looked at, by currency. Index clock_alarm_again.
WITH due AS (
    SELECT a.order_id, a.percent,
           EXISTS (SELECT 1 FROM fulfillment_order AS f
                   WHERE f.order_id = a.order_id AND f.state = ANY(%(states)s)
                     AND f.reservation <> 'consumed') AS is_running,
           EXISTS (SELECT 1 FROM fulfillment_order AS f JOIN hold AS h ON h.fulfillment_order_id = f.id
                   WHERE f.order_id = a.order_id AND h.released_at IS NULL AND h.due_at > now()) AS is_in_hand
    FROM clock_alarm AS a
    WHERE a.next_at <= now()
    ORDER BY a.next_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), turned AS (
    UPDATE clock_alarm AS a
    SET next_at = CASE WHEN d.is_running AND d.is_in_hand THEN now() + interval '1 hour'
                       WHEN d.is_running THEN now() + interval '1 day' END,
        repeats = a.repeats + (d.is_running AND NOT d.is_in_hand)::int
    FROM due AS d
    WHERE a.order_id = d.order_id AND a.percent = d.percent
    RETURNING a.order_id, d.is_running AND NOT d.is_in_hand AS is_raised
), recorded AS (
    INSERT INTO event (order_id, kind, step, cause, facts)
    SELECT t.order_id, 'clock_alarm', 'clock', 'timer',
           jsonb_build_object('days_late', extract(day FROM now() - o.ship_by)::int)
    FROM turned AS t JOIN orders AS o ON o.id = t.order_id WHERE t.is_raised
)
SELECT o.currency, count(*), count(*) FILTER (WHERE t.is_raised),
       coalesce(sum(o.payable_minor) FILTER (WHERE t.is_raised), 0)::bigint,
       coalesce(max(extract(day FROM now() - o.ship_by)) FILTER (WHERE t.is_raised), 0)::int
FROM turned AS t JOIN orders AS o ON o.id = t.order_id
GROUP BY o.currency
ORDER BY o.currency;

-- name: due_orders
-- Open orders with a clock, the most money first, with all that tells what they wait for; of an order in parts the one
-- that is held, or the first. Index orders_ship_by.
SELECT o.id, o.platform, o.shop, o.platform_order_id, f.state, f.lane, o.currency, o.payable_minor,
       greatest(coalesce(o.paid_at, o.placed_at), o.ship_from) AS started_at, o.ship_by, o.ship_from, now() AS seen_at,
       ARRAY(SELECT h.code FROM hold AS h
             WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL ORDER BY h.due_at, h.code) AS holds,
       (SELECT h.owner FROM hold AS h
        WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL ORDER BY h.due_at, h.code LIMIT 1) AS owner,
       due.step, due.due_at,
       EXISTS (SELECT 1 FROM package AS p JOIN shipment AS s ON s.package_id = p.id
               WHERE p.fulfillment_order_id = f.id AND s.status = 'booked') AS is_booked
FROM orders AS o
JOIN LATERAL (
    SELECT g.* FROM fulfillment_order AS g
    WHERE g.order_id = o.id AND g.state = ANY(%(states)s) AND g.reservation <> 'consumed'
    ORDER BY g.state <> 'on_hold', g.number LIMIT 1) AS f ON true
LEFT JOIN LATERAL (
    SELECT w.step, w.due_at FROM work AS w
    WHERE w.step = ANY(%(of_fulfillment)s) AND w.subject_id = f.id
    UNION ALL
    SELECT w.step, w.due_at FROM package AS p JOIN work AS w ON w.step = 'label' AND w.subject_id = p.id
    WHERE p.fulfillment_order_id = f.id
    ORDER BY due_at LIMIT 1) AS due ON true
WHERE o.ship_by IS NOT NULL
  AND (%(within_h)s::float8 IS NULL OR o.ship_by < now() + make_interval(secs => %(within_h)s::float8 * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY o.payable_minor DESC, o.ship_by, f.id;

-- name: running_ship_from
-- Orders that wait for a day, the first first. Index orders_ship_from.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state,
       NULL::text AS waybill, o.placed_at AS since, o.ship_from AS until, now() AS seen_at
FROM orders AS o
JOIN LATERAL (
    SELECT g.state FROM fulfillment_order AS g
    WHERE g.order_id = o.id AND g.state = ANY(%(states)s) AND g.reservation <> 'consumed'
    ORDER BY g.state <> 'on_hold', g.number LIMIT 1) AS f ON true
WHERE o.ship_from > now()
  AND (%(within_h)s::float8 IS NULL OR o.ship_from < now() + make_interval(secs => %(within_h)s::float8 * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY o.ship_from, o.id
LIMIT %(limit)s;

-- name: running_ship_by
-- Orders with a ship-by time, the first due first: those whose last mark runs (index clock_alarm_running), and those
-- that are due from the last hour on, of which the mark may not be noted yet (index orders_ship_by, `looked_max` of them).
WITH late AS (
    SELECT a.order_id AS id FROM clock_alarm AS a WHERE a.over_at IS NULL AND a.percent = 100
), found AS (
    (SELECT o.id, o.ship_by FROM late AS l JOIN orders AS o ON o.id = l.id
     WHERE o.ship_by <= now() - interval '1 hour')
    UNION ALL
    (SELECT o.id, o.ship_by
     FROM (SELECT id, ship_by, platform, shop FROM orders
           WHERE ship_by > now() - interval '1 hour'
             AND (%(within_h)s::float8 IS NULL OR ship_by < now() + make_interval(secs => %(within_h)s::float8 * 3600))
           ORDER BY ship_by LIMIT %(looked_max)s) AS o
     JOIN LATERAL (SELECT FROM fulfillment_order AS g
                   WHERE g.order_id = o.id AND g.state = ANY(%(states)s) AND g.reservation <> 'consumed' LIMIT 1) AS f ON true
     WHERE %(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s
     ORDER BY o.ship_by LIMIT %(limit)s)
)
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state,
       NULL::text AS waybill, greatest(coalesce(o.paid_at, o.placed_at), o.ship_from) AS since, o.ship_by AS until,
       now() AS seen_at
FROM found
JOIN orders AS o ON o.id = found.id
JOIN LATERAL (
    SELECT g.state FROM fulfillment_order AS g
    WHERE g.order_id = o.id AND g.state = ANY(%(states)s) AND g.reservation <> 'consumed'
    ORDER BY g.state <> 'on_hold', g.number LIMIT 1) AS f ON true
WHERE %(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s
ORDER BY found.ship_by, o.id
LIMIT %(limit)s;

-- name: running_first_scan
-- Parcels that their platform was told of and that their courier has not scanned, of those followed longest. Primary
-- key of work.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state, s.waybill,
       w.shipped_at AS since, w.shipped_at + make_interval(hours => %(hours)s) AS until, now() AS seen_at
FROM (SELECT subject_id FROM work WHERE step = 'track' ORDER BY subject_id LIMIT %(followed_max)s) AS k
JOIN package AS p ON p.id = k.subject_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
JOIN writeback AS w ON w.package_id = p.id
WHERE p.delivered_at IS NULL AND p.collected_at IS NULL AND w.status = 'confirmed'
  AND (%(within_h)s::float8 IS NULL
       OR w.shipped_at < now() + make_interval(secs => (%(within_h)s::float8 - %(hours)s) * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY w.shipped_at, p.id
LIMIT %(limit)s;

-- name: running_no_movement
-- Parcels on their way, by their last event, of those followed longest. One that waits in a locker, goes back or is lost
-- has no such clock. Primary key of work.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state, s.waybill,
       last.at AS since, last.at + make_interval(hours => %(hours)s) AS until, now() AS seen_at
FROM (SELECT subject_id FROM work WHERE step = 'track' ORDER BY subject_id LIMIT %(followed_max)s) AS k
JOIN package AS p ON p.id = k.subject_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
CROSS JOIN LATERAL (
    SELECT max(e.at) AS at, coalesce(bool_or(e.kind = ANY(%(resting)s)), false) AS may_rest
    FROM parcel_event AS e WHERE e.package_id = p.id) AS last
WHERE p.delivered_at IS NULL AND p.collected_at IS NOT NULL AND last.at IS NOT NULL AND NOT last.may_rest
  AND (%(within_h)s::float8 IS NULL
       OR last.at < now() + make_interval(secs => (%(within_h)s::float8 - %(hours)s) * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY last.at, p.id
LIMIT %(limit)s;

-- name: running_delivery
-- Parcels that their courier has, until they are signed for, of those followed longest. One that goes back or is lost has
-- no such clock. Primary keys of work and parcel_event.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state, s.waybill,
       p.collected_at AS since, p.collected_at + make_interval(hours => %(hours)s) AS until, now() AS seen_at
FROM (SELECT subject_id FROM work WHERE step = 'track' ORDER BY subject_id LIMIT %(followed_max)s) AS k
JOIN package AS p ON p.id = k.subject_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE p.delivered_at IS NULL AND p.collected_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM parcel_event AS e WHERE e.package_id = p.id AND e.kind = ANY(%(turned)s))
  AND (%(within_h)s::float8 IS NULL
       OR p.collected_at < now() + make_interval(secs => (%(within_h)s::float8 - %(hours)s) * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY p.collected_at, p.id
LIMIT %(limit)s;

-- name: running_stop_answer
-- Open stops of which somebody must have an answer until a time. Index stop_one_open.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state,
       NULL::text AS waybill, t.asked_at AS since, t.until_at AS until, now() AS seen_at
FROM stop AS t
JOIN fulfillment_order AS f ON f.id = t.fulfillment_order_id
JOIN orders AS o ON o.id = t.order_id
WHERE t.status = 'asked' AND t.until_at IS NOT NULL
  AND (%(within_h)s::float8 IS NULL OR t.until_at < now() + make_interval(secs => %(within_h)s::float8 * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY t.until_at, t.id
LIMIT %(limit)s;

-- name: running_intercept
-- Parcels whose interception is wanted and has not ended. Index shipment_intercepted.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state, s.waybill,
       greatest(s.intercept_wanted_at, p.collected_at) AS since,
       greatest(s.intercept_wanted_at, p.collected_at) + make_interval(hours => %(hours)s) AS until, now() AS seen_at
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE s.intercept_wanted_at IS NOT NULL AND s.intercept_status IN ('', 'asked', 'taken') AND s.status = 'booked'
  AND (%(within_h)s::float8 IS NULL
       OR greatest(s.intercept_wanted_at, p.collected_at) < now() + make_interval(secs => (%(within_h)s::float8 - %(hours)s) * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY until, p.id
LIMIT %(limit)s;

-- name: running_expected_return
-- Parcels that are expected back. Index parcel_return_expected.
SELECT o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.state,
       (SELECT s.waybill FROM shipment AS s WHERE s.package_id = p.id ORDER BY s.generation DESC LIMIT 1) AS waybill,
       r.expected_at AS since, r.expected_at + make_interval(hours => %(hours)s) AS until, now() AS seen_at
FROM parcel_return AS r
JOIN package AS p ON p.id = r.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = r.order_id
WHERE r.received_at IS NULL
  AND (%(within_h)s::float8 IS NULL
       OR r.expected_at < now() + make_interval(secs => (%(within_h)s::float8 - %(hours)s) * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY r.expected_at, p.id
LIMIT %(limit)s;

-- name: running_decide_by
-- Platforms' open cases that need the seller, with the time at which the platform decides. Their order may not be here yet.
-- Index order_case_decided.
SELECT c.order_id, c.shop || '/' || coalesce(o.platform_order_id, nullif(c.platform_order_id, ''), '?') AS order_name,
       coalesce((SELECT f.state FROM fulfillment_order AS f WHERE f.order_id = c.order_id ORDER BY f.number LIMIT 1), '') AS state,
       NULL::text AS waybill, c.opened_at AS since, c.decide_by AS until, now() AS seen_at
FROM order_case AS c
LEFT JOIN orders AS o ON o.id = c.order_id
WHERE c.closed_at IS NULL AND c.decide_by IS NOT NULL AND c.needs = 'seller'
  AND (%(within_h)s::float8 IS NULL OR c.decide_by < now() + make_interval(secs => %(within_h)s::float8 * 3600))
  AND (%(shop)s::text IS NULL OR c.shop = %(shop)s OR split_part(c.shop, '/', 2) = %(shop)s)
ORDER BY c.decide_by, c.id
LIMIT %(limit)s;
