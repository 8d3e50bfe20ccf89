-- Locations: how far their scans were read, and when their stock was asked for.

-- name: ensure_locations
INSERT INTO location (name) SELECT unnest(%(names)s::text[]) ON CONFLICT (name) DO NOTHING;

-- name: note_order_takers
UPDATE location SET takes_orders_since = CASE WHEN name = ANY(%(names)s) THEN now() END
WHERE (takes_orders_since IS NOT NULL) <> (name = ANY(%(names)s));

-- name: find_locations
SELECT id, name FROM location WHERE name = ANY(%(names)s);

-- name: note_feeds_read
UPDATE location SET read_at = now() WHERE id = ANY(%(ids)s);

-- name: silent_feeds
-- Shops and locations that could not be read for so long, unless a person has paused them. Work that is gone ended as
-- a dead letter, or the feed is not configured any more.
WITH feed AS (
    SELECT 'pull' AS step, id, account, coalesce(read_at, created_at) AS since FROM shop
    UNION ALL
    SELECT 'warehouse', id, 'warehouse/' || name, coalesce(read_at, created_at) FROM location
)
SELECT f.account, f.since, extract(epoch FROM now() - f.since)::float8 FROM feed AS f
WHERE f.since < now() - make_interval(secs => %(patience_s)s)
  AND (EXISTS (SELECT 1 FROM work AS w WHERE w.step = f.step AND w.subject_id = f.id)
       OR EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = f.step AND d.subject_id = f.id AND d.closed_as IS DISTINCT FROM 'replayed'))
  AND NOT EXISTS (SELECT 1 FROM gate AS g WHERE g.shut_by <> 'engine' AND (g.until IS NULL OR g.until > now())
                  AND (g.kind = 'account' AND g.name = f.account OR g.kind = 'step' AND g.name = f.step))
ORDER BY f.account;

-- name: load_location
SELECT id, name, feed_cursor FROM location WHERE id = ANY(%(ids)s);

-- name: advance_feed
-- Compare-and-set: a page that somebody else applied is not applied again. Counts the bytes of the day, as the row is
-- written anyway.
UPDATE location
SET feed_cursor = %(cursor)s, bytes_day = current_date,
    bytes_today = CASE WHEN bytes_day = current_date THEN bytes_today ELSE 0 END + %(size)s
WHERE id = %(id)s AND feed_cursor = %(after)s RETURNING id;

-- name: asked
-- Seconds since the warehouses were last asked; NULL: never.
SELECT name, extract(epoch FROM now() - stock_asked_at)::float8 FROM location WHERE name = ANY(%(names)s);

-- name: note_asked
UPDATE location SET stock_asked_at = now() WHERE name = %(name)s;

-- name: note_stock_fault
UPDATE location SET stock_fault = %(code)s WHERE name = %(name)s AND stock_fault IS DISTINCT FROM %(code)s;
