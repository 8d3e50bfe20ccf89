-- What the drill of an upgrade looks at.

-- name: stored_sums
-- What is planned of a stored or new order against its reservation, by SKU: all of it, once stock is promised for it.
SELECT count(*) FROM (
    SELECT r.fulfillment_order_id, r.sku, r.quantity
    FROM reservation AS r JOIN fulfillment_order AS f ON f.id = r.fulfillment_order_id
    WHERE r.status <> 'released' AND f.state <> 'closed') AS r
FULL JOIN (
    SELECT k.fulfillment_order_id, l.sku, sum(k.quantity) AS quantity
    FROM fulfillment_line AS k
    JOIN order_line AS l ON l.order_id = k.order_id AND l.line_id = k.line_id
    JOIN fulfillment_order AS f ON f.id = k.fulfillment_order_id
    WHERE k.quantity > 0 AND f.state <> 'closed' AND f.reservation IN ('reserved', 'allocated', 'consumed')
    GROUP BY k.fulfillment_order_id, l.sku) AS p USING (fulfillment_order_id, sku)
WHERE r.quantity IS DISTINCT FROM p.quantity;

-- name: unplanned
-- Open orders of which a line is wanted and not planned, and closed ones that plan something; of those that go whole.
SELECT count(*) FROM order_line AS l
JOIN fulfillment_order AS f ON f.order_id = l.order_id
WHERE NOT EXISTS (SELECT FROM fulfillment_order AS g WHERE g.order_id = l.order_id AND g.number > 1)
  AND (f.state <> 'closed' AND NOT l.refunded AND l.planned <> l.quantity
       OR f.state = 'closed' AND l.cancelled <> l.quantity);

-- name: unpacked
-- Packages of orders that are not closed that hold other pieces than are planned.
SELECT count(*) FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id
WHERE f.state <> 'closed'
  AND (SELECT sum(quantity) FROM package_line WHERE package_id = p.id)
      IS DISTINCT FROM (SELECT sum(quantity) FROM fulfillment_line WHERE fulfillment_order_id = f.id);

-- name: states
SELECT s.kind, f.state, count(*) FROM stored AS s JOIN fulfillment_order AS f ON f.order_id = s.order_id
GROUP BY s.kind, f.state ORDER BY s.kind, f.state;

-- name: progress
-- Of the orders that come in meanwhile: how many are there, told, due, and still in the house; then stored ones awake.
SELECT (SELECT count(*) FROM orders WHERE shop <> 'stored'),
       (SELECT count(*) FROM writeback AS w JOIN orders AS o ON o.id = w.order_id
        WHERE w.status = 'confirmed' AND o.shop <> 'stored'),
       (SELECT count(*) FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track')
          AND (due_at < now() + interval '1 day' OR due_at > '2100-01-01')
          AND shop <> 'taobao/stored'),
       (SELECT count(*) FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id
        WHERE f.state IN ('approved', 'allocated', 'in_warehouse', 'packed')
          AND f.reservation <> 'consumed' AND o.shop <> 'stored'),
       (SELECT count(*) FROM work WHERE due_at < now() + interval '1 day' AND shop = 'taobao/stored'),
       (SELECT count(*) FROM dead_letter WHERE step = 'normalize' AND closed_at IS NULL);

-- name: waits
-- How long the session that waits longest for a lock has waited, in seconds, and whom for; a migration waits by itself.
SELECT extract(epoch FROM clock_timestamp() - l.waitstart)::float8, l.locktype,
       coalesce(l.relation::regclass::text, ''), l.mode, %(migrating)s = ANY (pg_blocking_pids(l.pid))
FROM pg_locks AS l
WHERE NOT l.granted AND l.waitstart IS NOT NULL AND l.locktype <> 'advisory' AND l.pid <> %(migrating)s;

-- name: position
SELECT pg_current_wal_lsn()::text;

-- name: written
SELECT (pg_current_wal_lsn() - %(since)s::pg_lsn)::bigint;

-- name: workers
-- Living workers of the earlier version and of this one.
SELECT count(*) FILTER (WHERE w.worker IS NULL OR NOT w.knows_lines), count(*) FILTER (WHERE w.knows_lines)
FROM pg_locks AS l
LEFT JOIN worker_report AS w ON w.worker = l.objid::bigint
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: leases
SELECT count(*) FROM work WHERE lease_token IS NOT NULL;

-- name: stock_sums
SELECT sum(on_hand), sum(reserved), sum(allocated) FROM stock_pool;

-- name: patience
SELECT set_config('stored.orders', %(orders)s, false), set_config('statement_timeout', '0', false),
       set_config('synchronous_commit', 'off', false), set_config('work_mem', '128MB', false);

-- name: settle
VACUUM (ANALYZE);

-- name: wake
UPDATE work SET due_at = now()
WHERE shop = 'taobao/stored' AND step IN ('reserve', 'review', 'route') AND due_at > now()
  AND subject_id %% %(of)s = %(share)s;

-- name: unpaid_or_held
-- Closed by the platform, such an order ends; a package that has left for a closed one is a person's matter.
SELECT o.platform_order_id FROM orders AS o JOIN fulfillment_order AS f ON f.order_id = o.id
WHERE o.shop <> 'stored' AND (f.state = 'pending_payment' OR f.resume_state = 'paid') ORDER BY o.id DESC LIMIT 60;

-- name: on_the_way
SELECT o.platform_order_id FROM orders AS o JOIN fulfillment_order AS f ON f.order_id = o.id
WHERE o.shop <> 'stored' AND f.state IN ('paid', 'approved', 'allocated', 'in_warehouse') ORDER BY o.id DESC LIMIT 60;

-- name: letters
SELECT count(*) FROM dead_letter WHERE closed_at IS NULL AND fingerprint <> 'stored';

-- name: parts
SELECT count(*) FROM fulfillment_order WHERE number > 1;
