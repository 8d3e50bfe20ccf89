-- The erasure of one person: found within the database, recorded without anything of the person.

-- name: search_orders
-- Orders whose receiver or buyer is one of these words, exactly.
SELECT DISTINCT o.platform, o.shop, o.platform_order_id
FROM orders AS o JOIN receiver AS c ON c.order_id = o.id
WHERE c.name = ANY(%(words)s) OR c.phone = ANY(%(words)s) OR o.buyer_id = ANY(%(words)s)
ORDER BY 1, 2, 3;

-- name: search_payloads
-- Of a stretch of payloads, those whose bytes hold one of these.
SELECT DISTINCT r.platform, r.shop, r.platform_order_id
FROM raw_payload AS r
WHERE r.id > %(after)s AND r.id <= %(upto)s AND octet_length(r.body) > 0
  AND EXISTS (SELECT 1 FROM unnest(%(needles)s::bytea[]) AS n(word) WHERE position(n.word IN r.body) > 0)
ORDER BY 1, 2, 3;

-- name: last_payload
SELECT coalesce(max(id), 0) FROM raw_payload;

-- name: last_page
SELECT coalesce(max(id), 0) FROM warehouse_page;

-- name: last_audit
SELECT coalesce(max(id), 0) FROM audit;

-- name: unread_names
-- Payloads of an order id in any shop, whether they became an order or not.
WITH RECURSIVE known(shop) AS (
    SELECT min(shop) FROM raw_payload
    UNION ALL
    SELECT (SELECT min(r.shop) FROM raw_payload AS r WHERE r.shop > known.shop) FROM known WHERE known.shop IS NOT NULL
)
SELECT DISTINCT r.platform, r.shop, r.platform_order_id
FROM known JOIN raw_payload AS r ON r.shop = known.shop AND r.platform_order_id = %(platform_order_id)s
WHERE %(place)s IN ('', r.shop, r.platform || '/' || r.shop)
ORDER BY 1, 2, 3;

-- name: order_state
-- How an order stands: its id, its tombstone, its states, and what is open of it.
SELECT o.id, t.cause,
       (SELECT string_agg(f.state, ', ' ORDER BY f.number) FROM fulfillment_order AS f WHERE f.order_id = o.id),
       (SELECT count(*) FROM fulfillment_order AS f JOIN hold AS h ON h.fulfillment_order_id = f.id
        WHERE f.order_id = o.id AND h.released_at IS NULL),
       (SELECT count(*) FROM raw_payload AS r JOIN dead_letter AS d ON d.step = 'normalize' AND d.subject_id = r.id
        WHERE r.shop = k.shop AND r.platform_order_id = k.platform_order_id AND r.platform = k.platform
          AND d.closed_at IS NULL)
     + (SELECT count(*) FROM dead_letter AS d WHERE d.order_id = o.id AND d.closed_at IS NULL)
FROM (SELECT %(platform)s::text AS platform, %(shop)s::text AS shop, %(platform_order_id)s::text AS platform_order_id) AS k
LEFT JOIN orders AS o ON o.shop = k.shop AND o.platform_order_id = k.platform_order_id AND o.platform = k.platform
LEFT JOIN tombstone AS t ON t.shop = k.shop AND t.platform_order_id = k.platform_order_id AND t.platform = k.platform;

-- name: payloads_of
SELECT id FROM raw_payload
WHERE shop = %(shop)s AND platform_order_id = %(platform_order_id)s AND platform = %(platform)s
ORDER BY id;

-- name: words_of
-- What an order calls its person, and under which numbers a warehouse speaks of it. Memos are not among them: their
-- words are anybody's.
SELECT ARRAY[c.name, c.phone, c.detail, c.merge_token, o.buyer_id],
       ARRAY(SELECT unnest(ARRAY[s.reference, s.waybill]) FROM fulfillment_order AS f
             JOIN package AS p ON p.fulfillment_order_id = f.id JOIN shipment AS s ON s.package_id = p.id
             WHERE f.order_id = o.id)
FROM orders AS o JOIN receiver AS c ON c.order_id = o.id WHERE o.id = %(id)s;

-- name: mark_erased
UPDATE tombstone SET cause = 'erased'
WHERE shop = %(shop)s AND platform_order_id = %(platform_order_id)s AND platform = %(platform)s;

-- name: erase_titles
UPDATE order_line AS l SET title = ''
WHERE l.order_id = %(id)s AND EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word) WHERE strpos(l.title, n.word) > 0)
RETURNING l.line_id;

-- name: erase_early_scans
DELETE FROM early_scan AS e
WHERE e.reference = ANY(%(numbers)s) OR e.waybill = ANY(%(numbers)s)
   OR EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word)
              WHERE strpos(concat_ws(' ', e.event_id, e.reference, e.waybill, e.kind, e.told), n.word) > 0)
RETURNING e.event_id;

-- name: erase_pages
-- Pages that speak of the order, or name the person. What they said was applied when they came.
UPDATE warehouse_page AS p SET body = ''
WHERE p.id > %(after)s AND p.id <= %(upto)s AND octet_length(p.body) > 0
  AND EXISTS (SELECT 1 FROM unnest(%(needles)s::bytea[]) AS n(word) WHERE position(n.word IN p.body) > 0)
RETURNING p.id;

-- name: erase_audit
-- Who did what and when stays, not the words.
WITH kept AS (
    SELECT a.id,
           (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(a.facts) AS e
            WHERE e.key = ANY(%(kept)s) OR e.value = '""') AS facts,
           (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(a.before) AS e
            WHERE e.key = ANY(%(kept)s) OR e.value = '""') AS before,
           (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(a.after) AS e
            WHERE e.key = ANY(%(kept)s) OR e.value = '""') AS after
    FROM audit AS a
    WHERE a.id > %(after)s AND a.id <= %(upto)s
      AND (a.object = ANY(%(objects)s)
           OR EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word)
                      WHERE strpos(concat_ws(' ', a.object, a.reason, a.facts::text, a.before::text, a.after::text), n.word) > 0))
)
UPDATE audit AS a SET reason = '', facts = k.facts, before = k.before, after = k.after
FROM kept AS k WHERE a.id = k.id RETURNING a.id;

-- name: objects_of
-- What audit rows about an order are about. Reads all letters, once for each erased order.
SELECT 'order/' || %(id)s::bigint
UNION ALL
SELECT 'letter/' || d.id FROM dead_letter AS d WHERE d.order_id = %(id)s::bigint
UNION ALL
SELECT 'hold/' || h.id FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE f.order_id = %(id)s::bigint
UNION ALL
SELECT 'case/' || c.id FROM order_case AS c WHERE c.order_id = %(id)s::bigint;

-- name: erase_bulks
UPDATE bulk AS b SET reason = '', note = '', filter = '{}'
WHERE EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word)
              WHERE strpos(concat_ws(' ', b.reason, b.note, b.filter::text), n.word) > 0)
RETURNING b.id;

-- name: erase_bulk_acts
-- Its parameters hold an owner's name at most; how the items were chosen may hold what somebody typed.
UPDATE bulk_act AS b SET reason = '', chosen = '{}'
WHERE EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word)
              WHERE strpos(concat_ws(' ', b.reason, b.chosen::text), n.word) > 0)
RETURNING b.id;

-- name: erase_cases
-- Of the person's other orders too: whoever closed a case may have named the person.
UPDATE order_case AS c SET reason = ''
WHERE EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word) WHERE strpos(c.reason, n.word) > 0)
RETURNING c.id;

-- name: erase_gates
UPDATE gate AS g SET reason = ''
WHERE EXISTS (SELECT 1 FROM unnest(%(words)s::text[]) AS n(word) WHERE strpos(g.reason, n.word) > 0)
RETURNING g.name;

-- name: ask
INSERT INTO erasure (who, reason, owner, subject, due_at)
VALUES (%(who)s, %(reason)s, %(owner)s, %(subject)s, now() + make_interval(days => %(due_days)s))
RETURNING id;

-- name: ask_orders
INSERT INTO erasure_order (erasure_id, platform, shop, platform_order_id)
SELECT %(id)s, k.platform, k.shop, k.platform_order_id
FROM unnest(%(platforms)s::text[], %(shops)s::text[], %(platform_order_ids)s::text[])
     AS k(platform, shop, platform_order_id)
ORDER BY k.shop, k.platform_order_id, k.platform;

-- name: open_orders
-- Orders that wait to be erased, of one erasure or of all.
SELECT e.erasure_id, e.platform, e.shop, e.platform_order_id FROM erasure_order AS e
WHERE e.done_at IS NULL AND (%(id)s::bigint IS NULL OR e.erasure_id = %(id)s)
ORDER BY e.erasure_id, e.shop, e.platform_order_id, e.platform
LIMIT %(limit)s;

-- name: lock_open
-- A second transaction finds it locked or done.
SELECT 1 FROM erasure_order
WHERE erasure_id = %(erasure_id)s AND shop = %(shop)s AND platform_order_id = %(platform_order_id)s
  AND platform = %(platform)s AND done_at IS NULL
FOR UPDATE SKIP LOCKED;

-- name: end_order
UPDATE erasure_order SET done_at = now(), rows = %(rows)s::json
WHERE erasure_id = %(erasure_id)s AND shop = %(shop)s AND platform_order_id = %(platform_order_id)s
  AND platform = %(platform)s;

-- name: end_erasure
UPDATE erasure AS e SET done_at = now()
WHERE e.id = %(id)s AND e.done_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM erasure_order AS o WHERE o.erasure_id = e.id AND o.done_at IS NULL)
RETURNING e.id;

-- name: show
SELECT e.id, e.who, e.reason, e.owner, encode(e.subject, 'hex'), e.asked_at, e.due_at, e.done_at
FROM erasure AS e WHERE e.id = %(id)s;

-- name: show_orders
SELECT platform, shop, platform_order_id, rows, done_at FROM erasure_order
WHERE erasure_id = %(id)s ORDER BY shop, platform_order_id, platform;

-- name: list
SELECT e.id, e.who, e.owner, e.asked_at, e.due_at, e.done_at, count(o.*), count(o.*) FILTER (WHERE o.done_at IS NULL)
FROM erasure AS e JOIN erasure_order AS o ON o.erasure_id = e.id
WHERE NOT %(only_open)s OR e.done_at IS NULL
GROUP BY e.id ORDER BY e.id;

-- name: erased_names
-- Also those that a restored backup did not hold: of them there is a tombstone only.
SELECT platform, shop, platform_order_id FROM erasure_order
UNION
SELECT platform, shop, platform_order_id FROM tombstone WHERE cause = 'erased'
ORDER BY 1, 2, 3;

-- name: known_names
-- Of some names, those of orders or payloads that are here.
SELECT k.platform, k.shop, k.platform_order_id
FROM unnest(%(platforms)s::text[], %(shops)s::text[], %(platform_order_ids)s::text[])
     AS k(platform, shop, platform_order_id)
WHERE EXISTS (SELECT 1 FROM raw_payload AS r
              WHERE r.shop = k.shop AND r.platform_order_id = k.platform_order_id AND r.platform = k.platform)
ORDER BY 1, 2, 3;

-- name: add_tombstones
-- Orders that are not here and must not come in again, as after a restored backup.
INSERT INTO tombstone (platform, shop, platform_order_id, cause, end_state)
SELECT k.platform, k.shop, k.platform_order_id, 'erased', 'unknown'
FROM unnest(%(platforms)s::text[], %(shops)s::text[], %(platform_order_ids)s::text[])
     AS k(platform, shop, platform_order_id)
ORDER BY k.shop, k.platform_order_id, k.platform
ON CONFLICT (shop, platform_order_id, platform) DO NOTHING
RETURNING platform_order_id;
