-- What holds now and somebody must hear of, as sets of keys. A set that another table module queries already is
-- asked for there.

-- name: running_clocks
-- Orders that have not left, at the mark that they reached last, by shop and currency; of the others the marks are
-- over. A mark whose time lies ahead again (the ship-by was put off) counts for nothing. Index clock_alarm_running.
WITH running AS (
    SELECT a.order_id, a.percent,
           EXISTS (SELECT FROM fulfillment_order AS f
                   WHERE f.order_id = a.order_id AND f.state = ANY(%(states)s) AND f.reservation <> 'consumed')
           AND NOT EXISTS (SELECT FROM clock_alarm AS n WHERE n.order_id = a.order_id AND n.percent > a.percent)
           AS is_running
    FROM clock_alarm AS a WHERE a.over_at IS NULL
), over AS (
    UPDATE clock_alarm SET over_at = now()
    WHERE (order_id, percent) IN (
        SELECT a.order_id, a.percent FROM clock_alarm AS a
        JOIN running AS r ON r.order_id = a.order_id AND r.percent = a.percent
        WHERE NOT r.is_running
        FOR UPDATE OF a SKIP LOCKED)
)
SELECT r.percent, o.platform || '/' || o.shop, o.currency, count(*), sum(o.payable_minor)::bigint
FROM running AS r
JOIN orders AS o ON o.id = r.order_id
CROSS JOIN LATERAL (SELECT least(greatest(coalesce(o.paid_at, o.placed_at), o.ship_from), o.ship_by) AS at) AS started
WHERE r.is_running AND started.at + (o.ship_by - started.at) * (r.percent / 100.0)::float8 <= now()
GROUP BY r.percent, o.platform, o.shop, o.currency
ORDER BY 1, 2, 3;

-- name: orders_waiting
-- Orders that wait for an account, or for the end of a pause, past their clock. Index hold_for_a_gate.
SELECT coalesce(facts ->> 'account', facts ->> 'pause'), count(*) FROM hold
WHERE code = 'waiting_on_account' AND released_at IS NULL AND coalesce(facts ->> 'account', facts ->> 'pause') IS NOT NULL
GROUP BY 1 ORDER BY 1;

-- name: refused_counts
SELECT location, count(*) FROM stock_refusal GROUP BY location ORDER BY location;

-- name: stock_faults
SELECT name, stock_fault FROM location WHERE name = ANY(%(names)s) AND stock_fault IS NOT NULL ORDER BY name;

-- name: refused_inputs
-- Limits that were reached within so many hours. Of orders their shop, as one that sends too much does so for many.
SELECT kind, coalesce(account, name), count(*) FROM refused_input
WHERE last_at > now() - make_interval(hours => %(recent_h)s)
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: stopped_bulks
-- Bulk replays and bulk acts that paused themselves, with how many of their items wait. When a person pauses a replay,
-- the audit says so at that moment; a bulk act has a note only if it paused itself. Index audit_of_object.
SELECT b.id, (SELECT count(*) FROM bulk_member AS m WHERE m.bulk_id = b.id AND m.state = 'waiting') FROM bulk AS b
WHERE b.state = 'paused' AND b.ended_at IS NULL
  AND NOT EXISTS (SELECT FROM audit AS a
                  WHERE a.object = 'bulk/' || b.id AND a.verb = 'bulk_paused' AND a.at >= b.turned_at
                    AND a.role IS DISTINCT FROM 'machine')
UNION ALL
SELECT b.id, (SELECT count(*) FROM bulk_item AS i WHERE i.bulk_id = b.id AND i.state = 'waiting') FROM bulk_act AS b
WHERE b.state = 'paused' AND b.note <> ''
ORDER BY id;
