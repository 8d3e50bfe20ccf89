-- Signals that pools are scaled by. The sweeper measures them, everybody else reads what it wrote.

-- name: keep_to_indexes
-- For this transaction: `due` reads few rows in the order of work_due whatever the planner believes of a table that has
-- just grown a thousandfold. Asked by the primary key it would read them all, once for each account.
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_seqscan', 'off', true);

-- name: due
-- What is due by key, its oldest, and the ship-by of the first in line. Skips from key to key over work_due and
-- counts at most %(cap)s rows of a step and lane, so that a million due rows cost what ten thousand do. Of a `narrow`
-- account one row is read, and the others keep the whole bound.
WITH RECURSIVE key AS (
    SELECT ''::text AS step, ''::text AS lane, ''::text AS account, 0::bigint AS depth, 0::bigint AS room,
           NULL::timestamptz AS oldest
    UNION ALL
    SELECT next.step, next.lane, next.account, found.depth,
           have.room - CASE WHEN next.account = ANY(%(narrow)s) THEN 0 ELSE found.depth END, found.oldest
    FROM key
    CROSS JOIN LATERAL (
        SELECT step, lane, account FROM work
        WHERE lease_token IS NULL AND NOT is_suspect AND (step, lane, account) > (key.step, key.lane, key.account)
        ORDER BY step, lane, account LIMIT 1) AS next
    CROSS JOIN LATERAL (
        SELECT CASE WHEN (next.step, next.lane) = (key.step, key.lane) THEN key.room ELSE %(cap)s END AS room) AS have
    CROSS JOIN LATERAL (
        SELECT count(*) AS depth, min(due_at) AS oldest
        FROM (SELECT w.due_at FROM work AS w
              WHERE w.step = next.step AND w.lane = next.lane AND w.account = next.account AND w.due_at <= now()
                AND w.lease_token IS NULL AND NOT w.is_suspect
              ORDER BY w.due_at
              LIMIT CASE WHEN next.account = ANY(%(narrow)s) THEN 1 ELSE greatest(have.room, 1) END) AS line) AS found
)
SELECT key.step, key.lane, key.account, key.depth,
       extract(epoch FROM now() - key.oldest)::float8 AS oldest_s, clock.ship_by
FROM key
CROSS JOIN LATERAL (
    SELECT w.subject_id FROM work AS w
    WHERE w.step = key.step AND w.lane = key.lane AND w.account = key.account AND w.due_at <= now()
      AND w.lease_token IS NULL AND NOT w.is_suspect
    ORDER BY w.due_at LIMIT 1) AS head
LEFT JOIN LATERAL (
    SELECT o.ship_by FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id
    WHERE f.id = head.subject_id AND key.step = ANY(%(of_fulfillment)s)
    UNION ALL
    SELECT o.ship_by FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
    JOIN orders AS o ON o.id = f.order_id
    WHERE p.id = head.subject_id AND key.step = ANY(%(of_packages)s)) AS clock ON true
WHERE key.depth > 0;

-- name: due_suspects
-- Members of crashed batches that nobody has taken up again, the oldest of them by key. Index work_suspect.
SELECT s.step, s.lane, s.account, count(*), extract(epoch FROM now() - min(s.due_at))::float8, NULL::timestamptz
FROM (SELECT step, lane, account, due_at FROM work
      WHERE is_suspect AND lease_token IS NULL AND due_at <= now()
      ORDER BY due_at LIMIT %(cap)s) AS s
GROUP BY s.step, s.lane, s.account;

-- name: leased
-- What workers hold a lease of: as little as they can have in hand. Index work_leased.
SELECT step, lane, count(*) FROM work WHERE lease_token IS NOT NULL GROUP BY step, lane;

-- name: milestones
SELECT name, lane, orders, last_id FROM milestone;

-- name: newest
-- How far the two sources of milestones go.
SELECT coalesce((SELECT max(id) FROM raw_payload), 0), coalesce((SELECT max(id) FROM event), 0);

-- name: stored_between
-- Primary key of raw_payload: reads what has come since the last count and nothing else.
SELECT 'stored', lane, count(*) FROM raw_payload WHERE id > %(after)s AND id <= %(upto)s GROUP BY lane;

-- name: passed_between
-- Primary key of event, as above. An order in several packages counts once a count.
SELECT passed.milestone, f.lane, count(DISTINCT f.id)
FROM (
    SELECT e.fulfillment_order_id,
           CASE WHEN e.kind = 'route_moved' AND e.to_state = 'allocated' THEN 'allocated'
                WHEN e.kind = 'label_done' THEN 'labelled'
                WHEN e.kind = 'warehouse_moved' AND e.to_state = 'in_transit' THEN 'handed_over'
                WHEN e.kind = 'handed_over' THEN 'handed_over'
                WHEN e.kind = 'writeback_done' THEN 'written_back' END AS milestone
    FROM event AS e
    WHERE e.id > %(after)s AND e.id <= %(upto)s
      AND e.kind IN ('route_moved', 'label_done', 'warehouse_moved', 'handed_over', 'writeback_done')) AS passed
JOIN fulfillment_order AS f ON f.id = passed.fulfillment_order_id
WHERE passed.milestone IS NOT NULL
GROUP BY passed.milestone, f.lane;

-- name: save_milestones
INSERT INTO milestone (name, lane, orders, last_id)
SELECT r.name, r.lane, r.orders, r.last_id
FROM json_to_recordset(%(rows)s::json) AS r(name text, lane text, orders bigint, last_id bigint)
ORDER BY r.name, r.lane
ON CONFLICT (name, lane) DO UPDATE SET orders = excluded.orders, last_id = excluded.last_id;

-- name: save
INSERT INTO signal (at, step_group, lane, depth, under_way, oldest_s, ship_by, inflow, drain)
SELECT now(), r.step_group, r.lane, r.depth, r.under_way, r.oldest_s, r.ship_by, r.inflow, r.drain
FROM json_to_recordset(%(rows)s::json)
     AS r(step_group text, lane text, depth bigint, under_way bigint, oldest_s float8, ship_by timestamptz,
          inflow bigint, drain bigint);

-- name: forget
DELETE FROM signal WHERE at < now() - make_interval(secs => %(kept_s)s);

-- name: read
-- The newest signals, with what came and went since the last measurement that is older than the window.
WITH newest AS (
    SELECT max(at) AS at FROM signal
), earlier AS (
    SELECT coalesce(
        (SELECT max(s.at) FROM signal AS s WHERE s.at <= newest.at - make_interval(secs => %(window_s)s)),
        (SELECT min(s.at) FROM signal AS s)) AS at
    FROM newest
)
SELECT n.step_group, n.lane, n.depth, n.oldest_s, extract(epoch FROM n.ship_by - now())::float8,
       greatest(0, n.inflow - coalesce(e.inflow, n.inflow)), greatest(0, n.drain - coalesce(e.drain, n.drain)),
       extract(epoch FROM newest.at - earlier.at)::float8, extract(epoch FROM now() - newest.at)::float8,
       n.inflow, n.drain, n.under_way
FROM newest CROSS JOIN earlier
JOIN signal AS n ON n.at = newest.at
LEFT JOIN signal AS e ON e.at = earlier.at AND e.step_group = n.step_group AND e.lane = n.lane;

-- name: workers
-- Living worker processes by the name of their presence session.
SELECT a.application_name, count(*)
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY a.application_name;

-- name: under_way
-- What workers have in hand, by step.
SELECT step, sum(cardinality(subject_ids))::bigint FROM flight GROUP BY step;

-- name: open_holds
-- Index hold_one_open_of_a_code has every open hold's code, and nothing else.
SELECT code, count(*) FROM hold WHERE released_at IS NULL GROUP BY code ORDER BY code;

-- name: open_gaps
SELECT s.account, count(*) FROM pull_gap AS g JOIN shop AS s ON s.id = g.shop_id
WHERE NOT g.is_given_up GROUP BY s.account ORDER BY s.account;

-- name: found_late
SELECT account, found_late FROM shop WHERE found_late > 0 ORDER BY account;
