-- name: raise_alarms
-- Raises the marks that open orders have reached, each once, and tells the timeline. Returns how many orders
-- and how much money by mark and currency. Index orders_ship_by: orders late for longer than `days` were heard of.
WITH reached AS (
    SELECT o.id, m.percent
    FROM orders AS o
    CROSS JOIN unnest(%(percents)s::smallint[]) AS m(percent)
    WHERE o.ship_by > now() - make_interval(days => %(days)s)
      AND coalesce(o.paid_at, o.placed_at)
          + (o.ship_by - coalesce(o.paid_at, o.placed_at)) * (m.percent / 100.0)::float8 <= now()
      AND NOT EXISTS (SELECT 1 FROM clock_alarm AS a WHERE a.order_id = o.id AND a.percent = m.percent)
      AND EXISTS (SELECT 1 FROM fulfillment_order AS f WHERE f.order_id = o.id AND f.state = ANY(%(states)s))
    LIMIT %(limit)s
), raised AS (
    INSERT INTO clock_alarm (order_id, percent)
    SELECT id, percent FROM reached ORDER BY id, percent
    ON CONFLICT (order_id, percent) DO NOTHING
    RETURNING order_id, percent
), told AS (
    INSERT INTO event (order_id, kind, step, cause, facts)
    SELECT order_id, 'clock_alarm', 'clock', 'timer', jsonb_build_object('clock_used_percent', percent) FROM raised
)
SELECT r.percent, o.currency, count(*), sum(o.payable_minor)::bigint
FROM raised AS r JOIN orders AS o ON o.id = r.order_id
GROUP BY r.percent, o.currency
ORDER BY r.percent, o.currency;

-- name: due_orders
-- Open orders with a clock, the most money first, with all that tells what they wait for. Index orders_ship_by.
SELECT o.id, o.platform, o.shop, o.platform_order_id, f.state, f.lane, o.currency, o.payable_minor,
       coalesce(o.paid_at, o.placed_at) AS started_at, o.ship_by, now() AS seen_at,
       ARRAY(SELECT h.code FROM hold AS h
             WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL ORDER BY h.due_at, h.code) AS holds,
       (SELECT h.owner FROM hold AS h
        WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL ORDER BY h.due_at, h.code LIMIT 1) AS owner,
       due.step, due.due_at,
       EXISTS (SELECT 1 FROM package AS p JOIN shipment AS s ON s.package_id = p.id
               WHERE p.fulfillment_order_id = f.id AND s.status = 'booked') AS is_booked
FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id AND f.state = ANY(%(states)s)
LEFT JOIN LATERAL (
    SELECT w.step, w.due_at FROM work AS w
    WHERE w.step = ANY('{reserve,review,route}') AND w.subject_id = f.id
    UNION ALL
    SELECT w.step, w.due_at FROM package AS p JOIN work AS w ON w.step = 'label' AND w.subject_id = p.id
    WHERE p.fulfillment_order_id = f.id
    ORDER BY due_at LIMIT 1) AS due ON true
WHERE o.ship_by IS NOT NULL
  AND (%(within_h)s::float8 IS NULL OR o.ship_by < now() + make_interval(secs => %(within_h)s::float8 * 3600))
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
ORDER BY o.payable_minor DESC, o.ship_by, f.id;
