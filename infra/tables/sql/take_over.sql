-- Shops that are taken over from another system or only watched, and the orders that are kept out for it.

-- name: note_shops
-- What the settings say of shops. A shop that is named without an instant keeps the one that it had: without it, orders
-- of the other system that are first seen from now on would be begun.
UPDATE shop AS s
SET mode = r.mode, take_over_from = coalesce(r.take_over_from, s.take_over_from),
    watched_since = CASE WHEN r.mode = 'watch' AND s.mode <> 'watch' THEN now() ELSE s.watched_since END,
    live_since = CASE WHEN r.mode = s.mode THEN s.live_since WHEN r.mode = 'live' THEN now() END
FROM json_to_recordset(%(rows)s::json) AS r(account text, mode text, take_over_from timestamptz)
WHERE s.account = r.account
  AND (s.mode, s.take_over_from) IS DISTINCT FROM (r.mode, coalesce(r.take_over_from, s.take_over_from));

-- name: undecided_shops
-- Of some shops, those of which nothing is stored and no instant is known.
SELECT r.account
FROM json_to_recordset(%(rows)s::json) AS r(account text, platform text, name text)
WHERE NOT EXISTS (SELECT 1 FROM shop AS s WHERE s.account = r.account AND s.take_over_from IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM raw_payload AS p WHERE p.shop = r.name AND p.platform = r.platform)
  AND NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.shop = r.name AND o.platform = r.platform)
  AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.shop = r.name AND t.platform = r.platform)
ORDER BY r.account;

-- name: watched_packages
-- Of some packages, those of shops that are watched and on which the step may act. `is_asked_about`: a call about it has
-- happened, or may have.
SELECT p.id, s.account,
       EXISTS (SELECT 1 FROM shipment AS h WHERE %(step)s = 'label' AND h.package_id = p.id
               AND (h.status = 'booked' OR h.status = 'intended' AND h.call_deadline IS NOT NULL))
       OR EXISTS (SELECT 1 FROM writeback AS w WHERE %(step)s = 'writeback' AND w.package_id = p.id
                  AND (w.status = 'confirmed' OR w.call_deadline IS NOT NULL)) AS is_asked_about
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shop AS s ON s.account = o.platform || '/' || o.shop AND s.mode = 'watch'
WHERE p.id = ANY(%(ids)s) AND (f.state = ANY(%(states)s) OR %(states)s = '{}');

-- name: watched_fulfillment
-- Of some fulfillment orders, those of shops that are watched and on which the step may act. `is_asked_about`: as above.
SELECT f.id, s.account,
       EXISTS (SELECT 1 FROM placement AS l
               WHERE l.fulfillment_order_id = f.id
                 AND (l.status IN ('placed', 'final') OR l.status = 'intended' AND l.call_deadline IS NOT NULL))
FROM fulfillment_order AS f
JOIN orders AS o ON o.id = f.order_id
JOIN shop AS s ON s.account = o.platform || '/' || o.shop AND s.mode = 'watch'
WHERE f.id = ANY(%(ids)s) AND (f.state = ANY(%(states)s) OR %(states)s = '{}');

-- name: watched_notices
SELECT n.id, s.account, false
FROM notice AS n
JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN shop AS s ON s.account = o.platform || '/' || o.shop AND s.mode = 'watch'
WHERE n.id = ANY(%(ids)s);

-- name: lock_orders
SELECT o.id FROM orders AS o WHERE o.id = ANY(%(ids)s) ORDER BY o.id FOR NO KEY UPDATE;

-- name: lock_kept_out
SELECT f.id FROM fulfillment_order AS f
WHERE f.order_id = ANY(%(ids)s) AND f.closed_reason = ANY(%(reasons)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: kept_out
-- Fulfillment orders of some orders that are kept out; with whether the order's content is gone, whether another part of
-- the order is not closed, and whether a person holds a part that is kept out.
SELECT f.id, f.order_id, f.lane, f.closed_reason, EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = f.order_id),
       EXISTS (SELECT 1 FROM fulfillment_order AS g WHERE g.order_id = f.order_id AND g.state <> 'closed'),
       EXISTS (SELECT 1 FROM fulfillment_order AS g JOIN hold AS h ON h.fulfillment_order_id = g.id
               WHERE g.order_id = f.order_id AND g.closed_reason = ANY(%(reasons)s)
                 AND h.step = 'person' AND h.released_at IS NULL)
FROM fulfillment_order AS f
WHERE f.order_id = ANY(%(ids)s) AND f.closed_reason = ANY(%(reasons)s)
ORDER BY f.id;

-- name: reopen
-- Kept-out fulfillment orders are begun: as a new order would be, with the pieces that are still wanted. An order that
-- waited for its payment may have been planned before, and in parts: one part gets all pieces, planned anew, and the other
-- kept-out parts are over. What a person holds of the other parts, the one that is begun is held for.
WITH begun AS (
    SELECT * FROM json_to_recordset(%(orders)s::json) AS r(id bigint, order_id bigint, state text, resume_state text)
), opened AS (
    UPDATE fulfillment_order AS f
    SET state = r.state, resume_state = r.resume_state, finished_at = NULL, closed_reason = NULL, reservation = 'none'
    FROM begun AS r
    WHERE f.id = r.id AND f.closed_reason = ANY(%(reasons)s)
    RETURNING f.id
), emptied AS (
    UPDATE fulfillment_order AS f SET closed_reason = 'nothing_left'
    FROM begun AS r
    WHERE f.order_id = r.order_id AND f.id <> r.id AND f.closed_reason = ANY(%(reasons)s)
    RETURNING f.id, r.id AS begun_id
), held AS (
    INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
    SELECT DISTINCT ON (e.begun_id, h.code) e.begun_id, h.code, h.step, h.owner, h.due_at, h.facts
    FROM emptied AS e
    JOIN hold AS h ON h.fulfillment_order_id = e.id AND h.step = 'person' AND h.released_at IS NULL
    ORDER BY e.begun_id, h.code, h.id
    ON CONFLICT (fulfillment_order_id, code) WHERE released_at IS NULL DO NOTHING
), released AS (
    UPDATE hold AS h SET released_at = now(), released_by = 'take_over', released_role = 'machine'
    FROM emptied AS e
    WHERE h.fulfillment_order_id = e.id AND h.step = 'person' AND h.released_at IS NULL
), wanted AS (
    SELECT l.* FROM json_to_recordset(%(lines)s::json)
        AS l(fulfillment_order_id bigint, order_id bigint, line_id text, planned integer, cancelled integer,
             elsewhere integer)
), counted AS (
    UPDATE order_line AS o SET planned = w.planned, cancelled = w.cancelled, elsewhere = w.elsewhere
    FROM wanted AS w WHERE o.order_id = w.order_id AND o.line_id = w.line_id
), undecided AS (
    DELETE FROM watch_decision AS d USING wanted AS w WHERE d.order_id = w.order_id
), earlier AS (
    UPDATE fulfillment_line AS k SET quantity = k.packed
    FROM wanted AS w
    WHERE k.order_id = w.order_id AND k.line_id = w.line_id
      AND (k.fulfillment_order_id <> w.fulfillment_order_id OR w.planned = 0)
)
INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
SELECT w.fulfillment_order_id, w.order_id, w.line_id, w.planned FROM wanted AS w WHERE w.planned > 0
ORDER BY w.fulfillment_order_id, w.order_id, w.line_id
ON CONFLICT (fulfillment_order_id, order_id, line_id) DO UPDATE SET quantity = excluded.quantity;

-- name: find_kept_out
-- Orders of a shop that are kept out, by the moment of their payment (else of their placing), the earliest first; each
-- once, also where several parts of it are kept out. Of whose other part is under way, nobody can begin more.
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.platform_state, f.closed_reason AS reason, o.paid_at, o.placed_at,
       o.ship_by, o.currency, o.payable_minor, d.outcome, d.decided_at, d.holds, d.packages
FROM fulfillment_order AS f
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN watch_decision AS d ON d.order_id = o.id
WHERE f.closed_reason IN ('not_taken_over', 'watched')
  AND NOT EXISTS (SELECT 1 FROM fulfillment_order AS g
                  WHERE g.order_id = f.order_id
                    AND (g.state <> 'closed' OR g.closed_reason IN ('not_taken_over', 'watched') AND g.id < f.id))
  AND (%(account)s::text IS NULL OR o.platform || '/' || o.shop = %(account)s OR o.shop = %(account)s)
  AND (%(since)s::timestamptz IS NULL OR coalesce(o.paid_at, o.placed_at) >= %(since)s)
  AND (%(before)s::timestamptz IS NULL OR coalesce(o.paid_at, o.placed_at) < %(before)s)
  AND (NOT %(is_open)s OR o.platform_state IN ('unpaid', 'hold', 'to_ship', 'part_shipped'))
ORDER BY coalesce(o.paid_at, o.placed_at), o.id
LIMIT %(limit)s;

-- name: count_kept_out
-- Orders that are kept out and open on their platform, by shop: how many, and how many would have been shipped; of the
-- newest `looked` fulfillment orders that are kept out, and whether that is all. Index fulfillment_order_kept_out,
-- backwards. OFFSET 0 keeps each look-up to one order: the tables grow with all orders that were ever stored.
WITH newest AS MATERIALIZED (
    SELECT f.id, f.order_id, f.closed_reason FROM fulfillment_order AS f
    WHERE f.closed_reason IN ('not_taken_over', 'watched')
    ORDER BY f.order_id DESC LIMIT %(looked)s
)
SELECT o.account, k.closed_reason AS reason, count(*) AS orders,
       count(*) FILTER (WHERE d.outcome = 'ship') AS would_ship,
       count(*) FILTER (WHERE d.outcome = 'hold') AS would_hold,
       (SELECT count(*) FROM newest) < %(looked)s AS is_all
FROM newest AS k
CROSS JOIN LATERAL (
    SELECT o.platform || '/' || o.shop AS account FROM orders AS o
    WHERE o.id = k.order_id AND o.platform_state IN ('unpaid', 'hold', 'to_ship', 'part_shipped') OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT bool_and(g.state = 'closed') AS is_closed, min(g.id) FILTER (WHERE g.closed_reason = k.closed_reason) AS first_id
    FROM fulfillment_order AS g WHERE g.order_id = k.order_id OFFSET 0) AS g
LEFT JOIN LATERAL (SELECT d.outcome FROM watch_decision AS d WHERE d.order_id = k.order_id OFFSET 0) AS d ON true
WHERE g.is_closed AND g.first_id = k.id
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: watched_shops
SELECT account, watched_since FROM shop WHERE mode = 'watch' ORDER BY account;

-- name: waiting_in_watch
-- What a watched shop leaves undone of orders that were begun before the watch, by step. From the due work on: orders
-- only ever become more. Work names its shop where its account does not.
SELECT w.step, count(*) FROM work AS w
WHERE w.step IN ('label', 'writeback') AND CASE w.shop WHEN '' THEN w.account ELSE w.shop END = %(account)s
  AND EXISTS (SELECT 1 FROM shop AS s WHERE s.mode = 'watch' AND s.account = %(account)s)
GROUP BY w.step ORDER BY w.step;

-- name: stretch_of_kept_out
-- The next `looked` orders that are kept out after a known one. None while no shop was watched and is live.
-- Index fulfillment_order_kept_out.
SELECT DISTINCT f.order_id FROM fulfillment_order AS f
WHERE f.closed_reason IN ('not_taken_over', 'watched') AND f.order_id > %(after)s
  AND EXISTS (SELECT 1 FROM shop WHERE mode = 'live' AND watched_since IS NOT NULL AND kept_before IS NOT NULL)
ORDER BY f.order_id
LIMIT %(looked)s;

-- name: due_to_begin
-- Of some orders, those that came while their shop was watched, and that the instant of take-over, set since, says are
-- ours. What could not be begun waits for a person.
SELECT o.id
FROM unnest(%(ids)s::bigint[]) AS k(id)
CROSS JOIN LATERAL (
    SELECT o.id FROM orders AS o
    JOIN shop AS s ON s.account = o.platform || '/' || o.shop AND s.mode = 'live'
    WHERE o.id = k.id AND o.platform_state IN ('unpaid', 'hold', 'to_ship')
      AND coalesce(o.paid_at, o.placed_at) >= s.kept_before OFFSET 0) AS o
CROSS JOIN LATERAL (
    SELECT bool_or(f.closed_reason = 'watched') AS is_watched, bool_or(f.state <> 'closed') AS is_begun,
           -- Not EXISTS, for which all open holds may be read.
           bool_or((SELECT h.id FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.code = 'not_begun'
                    AND h.released_at IS NULL) IS NOT NULL) AS is_stuck
    FROM fulfillment_order AS f WHERE f.order_id = o.id) AS f
WHERE f.is_watched AND NOT f.is_begun AND NOT f.is_stuck
ORDER BY o.id;
