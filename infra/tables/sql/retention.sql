-- What is forgotten once an order has ended, or when a person asks. Locks: orders, then fulfillment orders, both in id
-- order and without waiting, as a step may hold them.

-- name: page_of_orders
-- A stretch of orders after a known one. `is_due`: old enough that it may have ended so long ago. `is_left`: not forgotten.
SELECT o.id, o.created_at < now() - make_interval(days => %(days)s) AS is_due,
       NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = o.id) AS is_left
FROM orders AS o WHERE o.id > %(after)s ORDER BY o.id LIMIT %(limit)s;

-- name: ended
-- Of some orders, those that ended `days` ago and of which nothing is open, due, under way or unclear. A package that
-- was handed over `transit_days` before that counts as delivered: its courier may never tell of its delivery.
SELECT o.id FROM orders AS o
WHERE o.id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = o.id)
  AND EXISTS (SELECT 1 FROM fulfillment_order AS f WHERE f.order_id = o.id)
  AND NOT EXISTS (
    SELECT 1 FROM fulfillment_order AS f
    WHERE f.order_id = o.id
      AND (CASE
               WHEN f.state IN ('completed', 'closed') THEN f.finished_at > now() - make_interval(days => %(days)s)
               WHEN f.state IN ('in_transit', 'delivered')
                    OR f.state = 'packed' AND f.reservation = 'consumed' THEN EXISTS (
                   SELECT 1 FROM package AS p WHERE p.fulfillment_order_id = f.id
                     AND (p.handed_over_at IS NULL
                          OR p.handed_over_at > now() - make_interval(days => %(days)s + %(transit_days)s)))
               ELSE true END
           OR EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL)
           OR EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.fulfillment_order_id = f.id AND d.closed_at IS NULL)
           OR EXISTS (SELECT 1 FROM placement AS l
                      WHERE l.fulfillment_order_id = f.id AND l.status = 'intended' AND l.call_deadline IS NOT NULL)
           OR EXISTS (SELECT 1 FROM work AS w
                      WHERE w.step = ANY(%(of_fulfillment)s) AND w.subject_id = f.id)))
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.order_id = o.id AND d.closed_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM order_case AS c WHERE c.order_id = o.id AND c.closed_at IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM fulfillment_order AS f JOIN package AS p ON p.fulfillment_order_id = f.id
    WHERE f.order_id = o.id
      AND (EXISTS (SELECT 1 FROM work AS w WHERE w.step = ANY(%(of_packages)s) AND w.subject_id = p.id)
           OR EXISTS (SELECT 1 FROM shipment AS s
                      WHERE s.package_id = p.id AND s.status = 'intended' AND s.call_deadline IS NOT NULL)
           -- What a person decided, as a closed letter says, is settled.
           OR EXISTS (SELECT 1 FROM writeback AS b
                      WHERE b.package_id = p.id AND b.status IN ('pending', 'sending') AND NOT EXISTS (
                          SELECT 1 FROM dead_letter AS d WHERE d.step = 'writeback' AND d.subject_id = p.id))
           OR EXISTS (SELECT 1 FROM notice AS n
                      WHERE n.package_id = p.id
                        AND (EXISTS (SELECT 1 FROM work AS w WHERE w.step = ANY(%(of_notices)s) AND w.subject_id = n.id)
                             OR n.status IN ('pending', 'sending') AND NOT EXISTS (
                                 SELECT 1 FROM dead_letter AS d WHERE d.step = 'notify' AND d.subject_id = n.id)))))
  AND NOT EXISTS (
    SELECT 1 FROM raw_payload AS r
    WHERE r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
      AND (r.received_at > now() - make_interval(days => %(days)s)
           OR EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'normalize' AND w.subject_id = r.id)
           OR EXISTS (SELECT 1 FROM dead_letter AS d
                      WHERE d.step = 'normalize' AND d.subject_id = r.id AND d.closed_at IS NULL)))
  AND NOT EXISTS (
    SELECT 1 FROM pull_gap AS g JOIN shop AS s ON s.id = g.shop_id
    WHERE s.account = o.platform || '/' || o.shop AND g.platform_order_id = o.platform_order_id
      AND (NOT g.is_given_up
           OR EXISTS (SELECT 1 FROM dead_letter AS d
                      WHERE d.step = 'pull' AND d.subject_id = -g.id AND d.closed_at IS NULL)))
ORDER BY o.id;

-- name: lock_orders
-- Orders that no other transaction has locked.
SELECT id FROM orders WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: lock_fulfillment
SELECT id, order_id FROM fulfillment_order WHERE order_id = ANY(%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: count_fulfillment
SELECT order_id, count(*) FROM fulfillment_order WHERE order_id = ANY(%(ids)s) GROUP BY order_id;

-- name: add_order_tombstones
-- The platform's newest change that we know of is old news, also the echo of our own write-back.
INSERT INTO tombstone (platform, shop, platform_order_id, order_id, cause, end_state, known_change)
SELECT o.platform, o.shop, o.platform_order_id, o.id, %(cause)s,
       (SELECT string_agg(DISTINCT f.state, ',' ORDER BY f.state) FROM fulfillment_order AS f WHERE f.order_id = o.id),
       greatest(o.changed_at,
                (SELECT max(w.platform_changed_at) FROM writeback AS w WHERE w.order_id = o.id),
                (SELECT max(r.changed_at) FROM raw_payload AS r
                 WHERE r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform))
FROM orders AS o WHERE o.id = ANY(%(ids)s)
ORDER BY o.shop, o.platform_order_id, o.platform
ON CONFLICT (shop, platform_order_id, platform) DO NOTHING;

-- name: forget_receivers
UPDATE receiver
SET name = '', phone = '', province = '', city = '', district = '', town = '', detail = '', zip_code = '',
    merge_token = '', pii = 'absent', corrected_from = NULL
WHERE order_id = ANY(%(ids)s)
RETURNING order_id;

-- name: forget_buyers
-- Amounts, times and states stay: reports and ledgers read them.
UPDATE orders SET buyer_id = '', buyer_memo = '', seller_memo = ''
WHERE id = ANY(%(ids)s) AND (buyer_id <> '' OR buyer_memo <> '' OR seller_memo <> '')
RETURNING id;

-- name: forget_payloads
-- The row stays, with the version of the content: the same content again is the same row.
UPDATE raw_payload AS r SET body = ''
FROM orders AS o
WHERE o.id = ANY(%(ids)s)
  AND r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
  AND octet_length(r.body) > 0
RETURNING r.id;

-- name: forget_holds
-- Facts by an allow-list: what others said is not on it.
WITH kept AS (
    SELECT h.id, (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(h.facts) AS e
                  WHERE e.key = ANY(%(kept)s) OR e.value = '""') AS facts
    FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
    WHERE f.order_id = ANY(%(ids)s)
)
UPDATE hold AS h
SET facts = k.facts, released_reason = CASE WHEN h.released_reason IS NOT NULL THEN '' END
FROM kept AS k
WHERE h.id = k.id AND (h.facts <> k.facts OR h.released_reason <> '')
RETURNING h.id;

-- name: forget_cases
WITH kept AS (
    SELECT c.id, (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(c.facts) AS e
                  WHERE e.key = ANY(%(kept)s) OR e.value = '""') AS facts
    FROM order_case AS c WHERE c.order_id = ANY(%(ids)s)
)
UPDATE order_case AS c SET facts = k.facts, reason = ''
FROM kept AS k
WHERE c.id = k.id AND (c.facts <> k.facts OR c.reason <> '')
RETURNING c.id;

-- name: forget_events
WITH kept AS (
    SELECT v.id, (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(v.facts) AS e
                  WHERE e.key = ANY(%(kept)s) OR e.value = '""') AS facts
    FROM event AS v WHERE v.order_id = ANY(%(ids)s)
)
UPDATE event AS v SET facts = k.facts FROM kept AS k WHERE v.id = k.id AND v.facts <> k.facts
RETURNING v.id;

-- name: forget_letters
-- Of each cause the type, code, place and time stay, not the words. Index dead_letter_of_subject.
WITH subject AS (
    SELECT f.id, f.order_id FROM fulfillment_order AS f WHERE f.order_id = ANY(%(ids)s)
), packed AS (
    SELECT p.id FROM package AS p JOIN subject AS f ON f.id = p.fulfillment_order_id
), of_order AS (
    SELECT s.step, f.id FROM subject AS f CROSS JOIN unnest(%(of_fulfillment)s::text[]) AS s(step)
    UNION ALL
    SELECT s.step, p.id FROM packed AS p CROSS JOIN unnest(%(of_packages)s::text[]) AS s(step)
    UNION ALL
    SELECT unnest(%(of_notices)s::text[]), n.id FROM notice AS n JOIN packed AS p ON p.id = n.package_id
    UNION ALL
    SELECT unnest(%(of_payloads)s::text[]), r.id FROM orders AS o JOIN raw_payload AS r
      ON r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
    WHERE o.id = ANY(%(ids)s)
    UNION ALL
    SELECT unnest(%(of_shops)s::text[]), -g.id FROM orders AS o JOIN shop AS s ON s.account = o.platform || '/' || o.shop
    JOIN pull_gap AS g ON g.shop_id = s.id AND g.platform_order_id = o.platform_order_id
    WHERE o.id = ANY(%(ids)s)
)
UPDATE dead_letter AS d
SET closed_reason = CASE WHEN d.closed_reason IS NOT NULL THEN '' END,
    causes = (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'type', c.value ->> 'type', 'code', c.value ->> 'code', 'message', '', 'at', c.value ->> 'at',
            'when', c.value ->> 'when', 'attempt', c.value -> 'attempt', 'behind', '[]'::jsonb) ORDER BY c.ordinality),
            '[]')
        FROM jsonb_array_elements(d.causes) WITH ORDINALITY AS c)
FROM of_order AS k
WHERE d.step = k.step AND d.subject_id = k.id AND d.closed_at IS NOT NULL
RETURNING d.id;

-- name: forget_decisions
-- With the pieces that the order would have taken, which count against watched orders.
DELETE FROM watch_decision WHERE order_id = ANY(%(ids)s) RETURNING order_id;

-- name: forget_answers
DELETE FROM foreign_answer WHERE order_id = ANY(%(ids)s) RETURNING id;

-- name: forget_parcel_events
DELETE FROM parcel_event AS e USING package AS p, fulfillment_order AS f
WHERE f.order_id = ANY(%(ids)s) AND p.fulfillment_order_id = f.id AND e.package_id = p.id
RETURNING e.package_id;

-- name: forget_gaps
DELETE FROM pull_gap AS g USING orders AS o, shop AS s
WHERE o.id = ANY(%(ids)s) AND s.account = o.platform || '/' || o.shop
  AND g.shop_id = s.id AND g.platform_order_id = o.platform_order_id
RETURNING g.id;

-- name: mark
SELECT upto FROM retention_mark WHERE kind = %(kind)s;

-- name: set_mark
INSERT INTO retention_mark AS m (kind, upto, rows) VALUES (%(kind)s, %(upto)s, %(rows)s)
ON CONFLICT (kind) DO UPDATE SET upto = excluded.upto, rows = m.rows + excluded.rows, at = now();

-- name: page_of_payloads
-- A stretch of payloads after a known one, as for orders.
SELECT id, received_at < now() - make_interval(days => %(days)s) AS is_due, octet_length(body) > 0 AS is_left
FROM raw_payload WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: unread
-- Of some payloads, the names of those that never became an order and that nobody reads or decides about any more.
SELECT DISTINCT r.platform, r.shop, r.platform_order_id
FROM raw_payload AS r
WHERE r.id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT 1 FROM orders AS o
                  WHERE o.shop = r.shop AND o.platform_order_id = r.platform_order_id AND o.platform = r.platform)
  AND NOT EXISTS (SELECT 1 FROM tombstone AS t
                  WHERE t.shop = r.shop AND t.platform_order_id = r.platform_order_id AND t.platform = r.platform)
  AND NOT EXISTS (
    SELECT 1 FROM raw_payload AS s
    WHERE s.shop = r.shop AND s.platform_order_id = r.platform_order_id AND s.platform = r.platform
      AND (s.received_at > now() - make_interval(days => %(days)s)
           OR EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'normalize' AND w.subject_id = s.id)
           OR EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.step = 'normalize' AND d.subject_id = s.id
                      AND (d.closed_at IS NULL OR d.closed_at > now() - make_interval(days => %(days)s)))))
ORDER BY r.shop, r.platform_order_id, r.platform;

-- name: lock_unread
-- All payloads of these names; fewer than there are when somebody else holds one.
SELECT r.id FROM raw_payload AS r
JOIN unnest(%(platforms)s::text[], %(shops)s::text[], %(platform_order_ids)s::text[])
     AS k(platform, shop, platform_order_id)
  ON r.shop = k.shop AND r.platform_order_id = k.platform_order_id AND r.platform = k.platform
ORDER BY r.id
FOR UPDATE OF r SKIP LOCKED;

-- name: add_payload_tombstones
INSERT INTO tombstone (platform, shop, platform_order_id, cause, end_state, known_change)
SELECT r.platform, r.shop, r.platform_order_id, %(cause)s, 'unread', max(r.changed_at)
FROM raw_payload AS r WHERE r.id = ANY(%(ids)s)
GROUP BY r.platform, r.shop, r.platform_order_id
ORDER BY r.shop, r.platform_order_id, r.platform
ON CONFLICT (shop, platform_order_id, platform) DO NOTHING;

-- name: forget_unread_payloads
UPDATE raw_payload SET body = '' WHERE id = ANY(%(ids)s) AND octet_length(body) > 0 RETURNING id;

-- name: forget_unread_letters
UPDATE dead_letter AS d
SET closed_reason = CASE WHEN d.closed_reason IS NOT NULL THEN '' END,
    causes = (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'type', c.value ->> 'type', 'code', c.value ->> 'code', 'message', '', 'at', c.value ->> 'at',
            'when', c.value ->> 'when', 'attempt', c.value -> 'attempt', 'behind', '[]'::jsonb) ORDER BY c.ordinality),
            '[]')
        FROM jsonb_array_elements(d.causes) WITH ORDINALITY AS c)
WHERE d.step = 'normalize' AND d.subject_id = ANY(%(ids)s) AND d.closed_at IS NOT NULL
RETURNING d.id;

-- name: forget_leftovers
-- Bodies of forgotten orders that were stored all the same, whatever became of their letters.
UPDATE raw_payload AS r SET body = ''
FROM tombstone AS t
WHERE r.id = ANY(%(ids)s) AND octet_length(r.body) > 0
  AND t.shop = r.shop AND t.platform_order_id = r.platform_order_id AND t.platform = r.platform
RETURNING r.id;

-- name: forget_refused_payloads
-- Bodies that came in the moment their order was forgotten: normalize has refused them.
UPDATE raw_payload AS r SET body = ''
FROM dead_letter AS d
WHERE d.closed_at IS NULL AND d.step = 'normalize' AND d.code = 'order_forgotten'
  AND r.id = d.subject_id AND octet_length(r.body) > 0
RETURNING r.id;

-- name: page_of_pages
SELECT coalesce(max(p.id), 0), coalesce(bool_and(p.received_at < now() - make_interval(days => %(days)s)), false)
FROM (SELECT id, received_at FROM warehouse_page WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS p;

-- name: purge_pages
-- A page stays as long as an open record says that an entry of it could not be read.
DELETE FROM warehouse_page WHERE id = ANY(ARRAY(
    SELECT p.id FROM warehouse_page AS p
    WHERE p.id > %(after)s AND p.id <= %(upto)s AND p.received_at < now() - make_interval(days => %(days)s)
      AND NOT EXISTS (SELECT 1 FROM unreadable_entry AS u WHERE u.page_id = p.id AND u.closed_at IS NULL)
    ORDER BY p.id FOR UPDATE OF p SKIP LOCKED))
RETURNING id;

-- name: purge_entries
DELETE FROM unreadable_entry WHERE id = ANY(ARRAY(
    SELECT u.id FROM unreadable_entry AS u
    WHERE u.closed_at < now() - make_interval(days => %(days)s)
    ORDER BY u.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING id;

-- name: purge_early_scans
-- Scans without a known package; scans that wait for the end of a hold stay.
DELETE FROM early_scan WHERE (location, event_id) IN (
    SELECT e.location, e.event_id FROM early_scan AS e
    WHERE e.noticed_at < now() - make_interval(days => %(days)s)
      AND NOT EXISTS (SELECT 1 FROM shipment AS s WHERE s.reference = e.reference AND s.status = 'booked')
      AND NOT EXISTS (SELECT 1 FROM placement AS l WHERE l.reference = e.reference)
    ORDER BY e.location, e.event_id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
RETURNING event_id;

-- name: purge_gaps
-- Given up, and no letter of theirs is open.
DELETE FROM pull_gap WHERE id = ANY(ARRAY(
    SELECT g.id FROM pull_gap AS g
    WHERE g.is_given_up AND g.noticed_at < now() - make_interval(days => %(days)s)
      AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                      WHERE d.step = 'pull' AND d.subject_id = -g.id AND d.closed_at IS NULL)
    ORDER BY g.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING id;

-- name: page_of_events
SELECT coalesce(max(e.id), 0), coalesce(bool_and(e.at < now() - make_interval(days => %(days)s)), false)
FROM (SELECT id, at FROM event WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS e;

-- name: purge_events
-- Of orders whose person was forgotten, and of no order.
DELETE FROM event AS e
WHERE e.id > %(after)s AND e.id <= %(upto)s AND e.at < now() - make_interval(days => %(days)s)
  AND (e.order_id IS NULL OR EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = e.order_id))
RETURNING e.id;

-- name: page_of_letters
SELECT coalesce(max(d.id), 0), coalesce(bool_and(d.opened_at < now() - make_interval(days => %(days)s)), false)
FROM (SELECT id, opened_at FROM dead_letter WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS d;

-- name: purge_letters
-- Closed so long ago, in no bulk replay, of orders whose person was forgotten. A letter that settled a write-back or a
-- notice stays: it says that a person decided.
DELETE FROM dead_letter WHERE id = ANY(ARRAY(
    SELECT d.id FROM dead_letter AS d
    WHERE d.id > %(after)s AND d.id <= %(upto)s AND d.closed_at < now() - make_interval(days => %(days)s)
      AND (d.order_id IS NULL OR EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = d.order_id))
      AND (d.step <> 'normalize' OR EXISTS (
           SELECT 1 FROM raw_payload AS r JOIN tombstone AS t
             ON t.shop = r.shop AND t.platform_order_id = r.platform_order_id AND t.platform = r.platform
           WHERE r.id = d.subject_id))
      AND NOT EXISTS (SELECT 1 FROM bulk_member AS b WHERE b.letter_id = d.id)
      AND NOT EXISTS (SELECT 1 FROM writeback AS w WHERE d.step = 'writeback' AND w.package_id = d.subject_id
                      AND w.status IN ('pending', 'sending'))
      AND NOT EXISTS (SELECT 1 FROM notice AS n WHERE d.step = 'notify' AND n.id = d.subject_id
                      AND n.status IN ('pending', 'sending'))
      AND NOT EXISTS (SELECT 1 FROM pull_gap AS g WHERE d.step = 'pull' AND g.id = -d.subject_id)
    ORDER BY d.id FOR UPDATE SKIP LOCKED))
RETURNING id;

-- name: purge_bulk_members
DELETE FROM bulk_member WHERE (bulk_id, letter_id) IN (
    SELECT m.bulk_id, m.letter_id FROM bulk AS b JOIN bulk_member AS m ON m.bulk_id = b.id
    WHERE b.ended_at < now() - make_interval(days => %(days)s)
    ORDER BY m.bulk_id, m.letter_id LIMIT %(limit)s
    FOR UPDATE OF m SKIP LOCKED)
RETURNING letter_id;

-- name: purge_bulks
DELETE FROM bulk AS b
WHERE b.ended_at < now() - make_interval(days => %(days)s)
  AND NOT EXISTS (SELECT 1 FROM bulk_member AS m WHERE m.bulk_id = b.id)
RETURNING b.id;

-- name: purge_bulk_items
-- Of bulk acts that have ended, and of drafts that nobody confirmed.
DELETE FROM bulk_item WHERE (bulk_id, position) IN (
    SELECT i.bulk_id, i.position FROM bulk_act AS b JOIN bulk_item AS i ON i.bulk_id = b.id
    WHERE coalesce(b.ended_at, CASE WHEN b.state = 'draft' THEN b.created_at END) < now() - make_interval(days => %(days)s)
    ORDER BY i.bulk_id, i.position LIMIT %(limit)s
    FOR UPDATE OF i SKIP LOCKED)
RETURNING position;

-- name: purge_bulk_acts
DELETE FROM bulk_act AS b
WHERE coalesce(b.ended_at, CASE WHEN b.state = 'draft' THEN b.created_at END) < now() - make_interval(days => %(days)s)
  AND NOT EXISTS (SELECT 1 FROM bulk_item AS i WHERE i.bulk_id = b.id)
RETURNING b.id;

-- name: purge_alarms
-- Index alarm_closed.
DELETE FROM alarm WHERE id IN (
    SELECT id FROM alarm WHERE closed_at < now() - make_interval(days => %(days)s)
    ORDER BY closed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: purge_cases
-- Index order_case_closed.
DELETE FROM order_case WHERE id IN (
    SELECT id FROM order_case WHERE closed_at < now() - make_interval(days => %(days)s)
    ORDER BY closed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: take_refused
-- Changes of forgotten orders that were not reported, each once: a second transaction finds none.
UPDATE tombstone AS t SET refused_at = NULL
FROM (SELECT shop, platform_order_id, platform FROM tombstone
      WHERE refused_at IS NOT NULL ORDER BY refused_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS k
WHERE t.shop = k.shop AND t.platform_order_id = k.platform_order_id AND t.platform = k.platform
RETURNING t.platform, t.shop, t.platform_order_id, t.cause, t.end_state, t.known_change;

-- name: note_refused
-- As a gap that is not tried: the subject of a dead letter of `pull`. None for a shop that is gone.
INSERT INTO pull_gap AS g (shop_id, platform_order_id, changed_at, error, is_given_up)
SELECT s.id, %(platform_order_id)s, %(changed_at)s, 'order_forgotten', true
FROM shop AS s WHERE s.account = %(account)s
ON CONFLICT (shop_id, platform_order_id)
DO UPDATE SET changed_at = excluded.changed_at, error = excluded.error, is_given_up = true
RETURNING -g.id;

-- name: count_old
-- What is older than its policy. Some of it may still have to stay: of orders that have not ended, or in use.
SELECT CASE %(kind)s
    WHEN 'pages' THEN (SELECT count(*) FROM warehouse_page WHERE received_at < now() - make_interval(days => %(days)s))
    WHEN 'early_scans' THEN (SELECT count(*) FROM early_scan WHERE noticed_at < now() - make_interval(days => %(days)s))
    WHEN 'gaps' THEN (SELECT count(*) FROM pull_gap
                      WHERE is_given_up AND noticed_at < now() - make_interval(days => %(days)s))
    WHEN 'events' THEN (SELECT count(*) FROM event WHERE at < now() - make_interval(days => %(days)s))
    WHEN 'letters' THEN (SELECT count(*) FROM dead_letter WHERE closed_at < now() - make_interval(days => %(days)s))
    WHEN 'bulks' THEN (SELECT count(*) FROM bulk WHERE ended_at < now() - make_interval(days => %(days)s))
                    + (SELECT count(*) FROM bulk_act
                       WHERE coalesce(ended_at, CASE WHEN state = 'draft' THEN created_at END)
                             < now() - make_interval(days => %(days)s))
    WHEN 'entries' THEN (SELECT count(*) FROM unreadable_entry WHERE closed_at < now() - make_interval(days => %(days)s))
    WHEN 'alarms' THEN (SELECT count(*) FROM alarm WHERE closed_at < now() - make_interval(days => %(days)s))
    WHEN 'cases' THEN (SELECT count(*) FROM order_case WHERE closed_at < now() - make_interval(days => %(days)s))
END;

-- name: sizes
-- Bytes with indexes and long values, rows as last counted by vacuum, and the oldest row, of the tables that grow.
-- Primary keys grow with time, so the oldest row is the first.
SELECT c.relname, pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint,
       CASE c.relname
           WHEN 'raw_payload' THEN (SELECT received_at FROM raw_payload WHERE id = (SELECT min(id) FROM raw_payload))
           WHEN 'orders' THEN (SELECT created_at FROM orders WHERE id = (SELECT min(id) FROM orders))
           WHEN 'event' THEN (SELECT at FROM event WHERE id = (SELECT min(id) FROM event))
           WHEN 'warehouse_page' THEN (
               SELECT received_at FROM warehouse_page WHERE id = (SELECT min(id) FROM warehouse_page))
           WHEN 'dead_letter' THEN (SELECT opened_at FROM dead_letter WHERE id = (SELECT min(id) FROM dead_letter))
           WHEN 'audit' THEN (SELECT at FROM audit WHERE id = (SELECT min(id) FROM audit))
           WHEN 'early_scan' THEN (SELECT min(noticed_at) FROM early_scan)
           WHEN 'pull_gap' THEN (SELECT min(noticed_at) FROM pull_gap)
       END
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY 2 DESC, 1;

-- name: purged
-- Rows that purges took so far, by kind, and when last.
SELECT CASE WHEN kind IN ('orders', 'orders_left', 'payloads', 'payloads_left') THEN 'persons' ELSE kind END,
       sum(rows)::bigint, max(at)
FROM retention_mark GROUP BY 1 ORDER BY 1;

-- name: behind
-- The first order behind the front of the purge, in days beyond the policy: how late the purge is. NULL: not at all.
SELECT extract(epoch FROM now() - make_interval(days => %(days)s) - o.created_at)::float8 / 86400
FROM orders AS o
WHERE o.id = (SELECT min(id) FROM orders
              WHERE id > coalesce((SELECT upto FROM retention_mark WHERE kind = 'orders'), 0));

-- name: oldest_page
SELECT extract(epoch FROM now() - received_at)::float8 / 86400
FROM warehouse_page WHERE id = (SELECT min(id) FROM warehouse_page);

-- name: tombstones
SELECT cause, count(*), sum(refused)::bigint FROM tombstone GROUP BY cause ORDER BY cause;

-- name: refused_inputs
-- Of the last week.
SELECT kind, name, count, first_at, last_at FROM refused_input
WHERE last_at > now() - interval '7 days'
ORDER BY last_at DESC, kind, name LIMIT 100;

-- name: purge_refused_inputs
-- What has not been beyond its limit for a month, unless an order's newest content is still to be asked for.
DELETE FROM refused_input
WHERE last_at < now() - interval '30 days' AND (kind <> 'contents' OR asked_at IS NOT NULL);

-- name: open_erasures
SELECT count(*), count(*) FILTER (WHERE due_at < now()), min(due_at) FROM erasure WHERE done_at IS NULL;

-- name: say_refused_inputs
-- Limits that were reached since the last report, each at most once a day.
UPDATE refused_input SET said_at = now()
WHERE said_at IS NULL OR said_at < last_at AND said_at < now() - interval '1 day'
RETURNING kind, name, count;

-- name: ask_for_newest
-- Orders that had too many contents and have room again: the platform is asked for the newest one, as for a gap.
WITH due AS (
    SELECT i.kind, i.name, s.id AS shop_id, i.platform_order_id
    FROM refused_input AS i JOIN shop AS s ON s.account = i.account
    WHERE i.kind = 'contents' AND i.asked_at IS NULL
      AND %(contents_max)s > (
        SELECT count(*) FROM (
            SELECT 1 FROM raw_payload AS p
            WHERE p.platform || '/' || p.shop = i.account AND p.shop = substr(i.account, strpos(i.account, '/') + 1)
              AND p.platform_order_id = i.platform_order_id AND p.received_at > now() - interval '1 day'
            LIMIT %(contents_max)s) AS kept)
    ORDER BY i.name LIMIT %(limit)s
    FOR UPDATE OF i SKIP LOCKED
), asked AS (
    UPDATE refused_input AS i SET asked_at = now() FROM due WHERE i.kind = due.kind AND i.name = due.name
)
INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error)
SELECT due.shop_id, due.platform_order_id, now(), 'too_many_contents' FROM due
ORDER BY due.platform_order_id
ON CONFLICT (shop_id, platform_order_id) DO UPDATE SET is_given_up = false, due_at = now()
RETURNING platform_order_id;
