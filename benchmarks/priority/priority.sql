-- name: rest_pulls
-- New orders come by the benchmark's own feed: no shop is asked any more.
UPDATE work SET due_at = now() + interval '1 day' WHERE step = 'pull';

-- name: fill_pools
UPDATE stock_pool SET on_hand = on_hand + 1000000;

-- name: fill_locations
UPDATE stock_location SET on_hand = on_hand + 1000000;

-- name: skus
SELECT sku FROM stock_pool ORDER BY sku;

-- name: waiting
-- Due rows before each step.
SELECT step, count(*) FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track') GROUP BY step ORDER BY step;

-- name: latencies
-- Orders stored since a moment, by lane: when, and how long until the write-back was confirmed, in seconds.
SELECT f.lane, extract(epoch FROM o.received_at - %(since)s), extract(epoch FROM w.confirmed_at - o.received_at)
FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id
JOIN writeback AS w ON w.order_id = o.id
WHERE o.received_at >= %(since)s AND o.platform_order_id = ANY(%(tids)s) AND w.status = 'confirmed'
ORDER BY o.received_at;

-- name: bulk_latencies
-- The same for all orders but urgent ones that were written back since then, whenever they were stored.
SELECT extract(epoch FROM w.confirmed_at - %(since)s), extract(epoch FROM w.confirmed_at - o.received_at)
FROM writeback AS w JOIN orders AS o ON o.id = w.order_id
JOIN fulfillment_order AS f ON f.order_id = o.id
WHERE f.lane <> 'p0' AND w.confirmed_at BETWEEN %(since)s AND %(until)s
ORDER BY w.confirmed_at;

-- name: steps_done
-- What was done in a span, by lane: each step of an order leaves an event.
SELECT f.lane, count(*) FROM event AS e JOIN fulfillment_order AS f ON f.id = e.fulfillment_order_id
WHERE e.at BETWEEN %(since)s AND %(until)s GROUP BY f.lane;

-- name: confirmed
SELECT count(*) FROM orders AS o JOIN writeback AS w ON w.order_id = o.id
WHERE o.platform_order_id = ANY(%(tids)s) AND w.status = 'confirmed';

-- name: held
SELECT o.platform_order_id, h.code FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id JOIN hold AS h ON h.fulfillment_order_id = f.id
WHERE o.platform_order_id = ANY(%(tids)s) AND h.released_at IS NULL;

-- name: batches
-- Batches under way, those of members that run alone left out: for how long, in seconds.
SELECT token, step, cardinality(subject_ids), extract(epoch FROM clock_timestamp() - started_at)
FROM flight WHERE NOT is_alone;
