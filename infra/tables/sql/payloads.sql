-- Raw payloads, as platforms sent them.

-- name: store_raw
-- Raw payloads as they came; the same content again is the same row. Returns the new ones only. Of an order that was
-- forgotten nothing is stored again; a change that we do not know yet is noted, for a person to hear of. An order has
-- so many contents in a day; the newest of those beyond them is asked for when there is room again.
WITH forgotten AS MATERIALIZED (
    SELECT r.platform_order_id, max(r.changed_at) AS changed_at
    FROM unnest(%(platform_order_ids)s::text[], %(changed_ats)s::timestamptz[]) AS r(platform_order_id, changed_at)
    JOIN tombstone AS t
      ON t.shop = %(shop)s AND t.platform_order_id = r.platform_order_id AND t.platform = %(platform)s
    GROUP BY r.platform_order_id
), refused AS (
    UPDATE tombstone AS t SET refused = t.refused + 1, refused_at = now(), known_change = r.changed_at
    FROM forgotten AS r
    WHERE t.shop = %(shop)s AND t.platform_order_id = r.platform_order_id AND t.platform = %(platform)s
      AND (t.known_change IS NULL OR r.changed_at > t.known_change)
), crowded AS MATERIALIZED (
    SELECT r.platform_order_id
    FROM unnest(%(platform_order_ids)s::text[], %(versions)b::bytea[]) AS r(platform_order_id, version)
    WHERE %(contents_max)s <= (
        SELECT count(*) FROM (
            SELECT 1 FROM raw_payload AS p
            WHERE p.shop = %(shop)s AND p.platform_order_id = r.platform_order_id AND p.platform = %(platform)s
              AND p.received_at > now() - interval '1 day'
            LIMIT %(contents_max)s) AS kept)
      AND NOT EXISTS (
        SELECT 1 FROM raw_payload AS p
        WHERE p.shop = %(shop)s AND p.platform_order_id = r.platform_order_id AND p.platform = %(platform)s
          AND p.version = r.version)
), counted AS (
    INSERT INTO refused_input AS i (kind, name, count, account, platform_order_id)
    SELECT 'contents', %(platform)s || '/' || %(shop)s || '/' || c.platform_order_id, count(*),
           %(platform)s || '/' || %(shop)s, c.platform_order_id
    FROM crowded AS c GROUP BY c.platform_order_id
    ON CONFLICT (kind, name) DO UPDATE SET count = i.count + excluded.count, last_at = now(), asked_at = NULL
)
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, changed_at, body)
SELECT %(platform)s, %(shop)s, r.platform_order_id, r.version, %(source)s, r.lane, r.changed_at, r.body
FROM unnest(%(platform_order_ids)s::text[], %(versions)b::bytea[], %(lanes)s::text[],
            %(changed_ats)s::timestamptz[], %(bodies)b::bytea[])
     AS r(platform_order_id, version, lane, changed_at, body)
WHERE r.platform_order_id <> ALL (ARRAY(SELECT platform_order_id FROM forgotten))
  AND r.platform_order_id <> ALL (ARRAY(SELECT platform_order_id FROM crowded))
ORDER BY r.platform_order_id
ON CONFLICT (shop, platform_order_id, platform, version) DO NOTHING
RETURNING id, lane;

-- name: unread_versions
-- Orders with this many stored payloads, or more, that could not be read or wait to be read.
SELECT r.platform_order_id
FROM raw_payload AS r
WHERE r.platform = %(platform)s AND r.shop = %(shop)s AND r.platform_order_id = ANY(%(platform_order_ids)s)
  AND (EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'normalize' AND w.subject_id = r.id)
       OR EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'normalize' AND d.subject_id = r.id AND d.closed_at IS NULL))
GROUP BY r.platform_order_id
HAVING count(*) >= %(most)s;

-- name: known_changes
-- Which of the listed (order, change time) pairs need no fetch: stored already, no more than the echo of our own
-- write-back (`is_shipped`: the listing shows the order as shipped), or a gap, which is tried at its own time. What was
-- forgotten is not fetched either: a change that we do not know yet is noted, unless it shows an order that has ended.
WITH forgotten AS MATERIALIZED (
    SELECT r.platform_order_id, max(r.changed_at) AS changed_at, bool_and(r.is_shipped) AS is_shipped
    FROM unnest(%(platform_order_ids)s::text[], %(changed_ats)s::timestamptz[], %(are_shipped)s::boolean[])
         AS r(platform_order_id, changed_at, is_shipped)
    JOIN tombstone AS t
      ON t.shop = %(shop)s AND t.platform_order_id = r.platform_order_id AND t.platform = %(platform)s
    GROUP BY r.platform_order_id
), refused AS (
    UPDATE tombstone AS t
    SET refused = t.refused + 1, known_change = r.changed_at,
        refused_at = CASE WHEN r.is_shipped THEN t.refused_at ELSE now() END
    FROM forgotten AS r
    WHERE t.shop = %(shop)s AND t.platform_order_id = r.platform_order_id AND t.platform = %(platform)s
      AND (t.known_change IS NULL OR r.changed_at > t.known_change)
)
SELECT r.platform_order_id, r.changed_at
FROM unnest(%(platform_order_ids)s::text[], %(changed_ats)s::timestamptz[], %(are_shipped)s::boolean[])
     AS r(platform_order_id, changed_at, is_shipped)
WHERE EXISTS (
    SELECT 1 FROM raw_payload AS p
    WHERE p.shop = %(shop)s AND p.platform_order_id = r.platform_order_id AND p.platform = %(platform)s
      AND p.changed_at >= r.changed_at
      -- Platforms tell whole seconds: what was fetched within the second of a change may miss the next one.
      AND p.received_at >= r.changed_at + make_interval(secs => %(margin_s)s))
   OR r.is_shipped AND EXISTS (
    SELECT 1 FROM orders AS o JOIN writeback AS w ON w.order_id = o.id
    WHERE o.shop = %(shop)s AND o.platform_order_id = r.platform_order_id AND o.platform = %(platform)s
      AND w.platform_changed_at >= r.changed_at)
   OR EXISTS (
    SELECT 1 FROM pull_gap AS g
    WHERE g.shop_id = %(shop_id)s AND g.platform_order_id = r.platform_order_id AND g.changed_at >= r.changed_at)
   OR r.platform_order_id = ANY (ARRAY(SELECT platform_order_id FROM forgotten));

-- name: load_raw
-- With the moment the shop joined us: what was shipped before is none of our business; and with what the shop says of
-- orders that another system ships. Bodies come until they are
-- `most` bytes together; a NULL stands for each of the others, and for those of a forgotten order, whose size is 0.
WITH asked AS (
    SELECT p.*, t.platform_order_id IS NOT NULL AS is_forgotten,
           CASE WHEN t.platform_order_id IS NULL THEN octet_length(p.body) ELSE 0 END AS size
    FROM raw_payload AS p
    LEFT JOIN tombstone AS t
      ON t.shop = p.shop AND t.platform_order_id = p.platform_order_id AND t.platform = p.platform
    WHERE p.id = ANY(%(ids)s)
)
SELECT p.id, p.platform, p.shop, p.lane, p.lane_by, p.received_at, s.created_at, s.kept_before, s.mode,
       p.size, p.is_forgotten,
       CASE WHEN NOT p.is_forgotten AND sum(p.size) OVER (ORDER BY p.size, p.id) <= %(most)s THEN p.body END
FROM asked AS p LEFT JOIN shop AS s ON s.account = p.platform || '/' || p.shop
ORDER BY p.platform, p.shop, p.platform_order_id, p.changed_at, p.id;

-- name: load_body
SELECT body FROM raw_payload WHERE id = %(id)s;

-- name: choose_payload_lane
-- Payloads of an id that wait to be read and are no order yet. The step that reads them takes over lane and person.
WITH RECURSIVE known(shop) AS (
    SELECT min(shop) FROM raw_payload
    UNION ALL
    SELECT (SELECT min(r.shop) FROM raw_payload AS r WHERE r.shop > known.shop) FROM known WHERE known.shop IS NOT NULL
), waiting AS (
    SELECT r.id, r.lane
    FROM known
    JOIN raw_payload AS r ON r.shop = known.shop AND r.platform_order_id = %(platform_order_id)s
    JOIN work AS w ON w.step = 'normalize' AND w.subject_id = r.id
    WHERE %(place)s IN ('', r.shop, r.platform || '/' || r.shop)
      AND NOT EXISTS (SELECT 1 FROM orders AS o
                      WHERE o.shop = r.shop AND o.platform_order_id = r.platform_order_id AND o.platform = r.platform)
    ORDER BY r.id
    FOR UPDATE OF r
)
UPDATE raw_payload AS r SET lane = %(lane)s, lane_by = %(by)s FROM waiting WHERE r.id = waiting.id
RETURNING r.id, waiting.lane, r.platform || '/' || r.shop;

-- name: move_payload_work
-- Waits for a batch that reads them just now; what it read is no work any more.
WITH own AS (
    SELECT subject_id FROM work WHERE step = 'normalize' AND subject_id = ANY(%(ids)s) ORDER BY subject_id FOR UPDATE
)
UPDATE work AS w SET lane = %(lane)s FROM own WHERE w.step = 'normalize' AND w.subject_id = own.subject_id
RETURNING w.subject_id;
