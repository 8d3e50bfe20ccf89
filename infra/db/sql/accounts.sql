-- name: ensure_shops
INSERT INTO shop (account) SELECT unnest(%(accounts)s::text[]) ON CONFLICT (account) DO NOTHING;

-- name: ensure_locations
INSERT INTO location (name) SELECT unnest(%(names)s::text[]) ON CONFLICT (name) DO NOTHING;

-- name: find_shops
SELECT id, account FROM shop WHERE account = ANY(%(accounts)s);

-- name: find_locations
SELECT id, name FROM location WHERE name = ANY(%(names)s);

-- name: load_shops
SELECT id, account, cursor_at, window_s, now() FROM shop WHERE id = ANY(%(ids)s);

-- name: note_read
-- The window is shorter after one that could not be read whole, NULL once one was.
UPDATE shop SET window_s = %(window_s)s, read_at = now() WHERE id = %(id)s;

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

-- name: move_cursor
-- Never backwards.
UPDATE shop SET cursor_at = %(cursor_at)s
WHERE id = %(id)s AND (cursor_at IS NULL OR cursor_at < %(cursor_at)s);

-- name: load_gaps
-- Orders that were listed but could not be fetched; tried again at every pull, until they are given up.
SELECT platform_order_id, changed_at FROM pull_gap
WHERE shop_id = %(shop_id)s AND NOT is_given_up ORDER BY changed_at LIMIT 200;

-- name: note_gaps
-- The first causes stay, and the last. What was given up begins anew when the platform lists it with a newer change.
INSERT INTO pull_gap AS g (shop_id, platform_order_id, changed_at, error, causes)
SELECT %(shop_id)s, r.platform_order_id, r.changed_at, r.error, jsonb_build_array(r.cause)
FROM json_to_recordset(%(rows)s::json)
     AS r(platform_order_id text, changed_at timestamptz, error text, cause jsonb)
ORDER BY r.platform_order_id
ON CONFLICT (shop_id, platform_order_id)
DO UPDATE SET changed_at = excluded.changed_at, error = excluded.error, is_given_up = false,
    tries = CASE WHEN g.is_given_up THEN 1 ELSE g.tries + 1 END,
    noticed_at = CASE WHEN g.is_given_up THEN now() ELSE g.noticed_at END,
    causes = CASE WHEN g.is_given_up THEN excluded.causes
                  ELSE CASE WHEN jsonb_array_length(g.causes) < 20 THEN g.causes ELSE g.causes - -1 END
                       || (excluded.causes -> 0 || jsonb_build_object('attempt', g.tries + 1)) END;

-- name: give_up_gaps
-- As subjects of `pull`: below zero, for above it are the shops.
UPDATE pull_gap SET is_given_up = true
WHERE shop_id = %(shop_id)s AND NOT is_given_up
  AND tries >= %(tries)s AND noticed_at < now() - make_interval(secs => %(patience_s)s)
RETURNING -id, tries, causes;

-- name: retry_gaps
-- The shop is asked at once.
WITH again AS (
    UPDATE pull_gap SET is_given_up = false, tries = 0, noticed_at = now()
    WHERE id IN (SELECT -s.id FROM unnest(%(subject_ids)s::bigint[]) AS s(id)) RETURNING shop_id
)
UPDATE work SET due_at = least(due_at, now())
WHERE step = 'pull' AND subject_id IN (SELECT shop_id FROM again);

-- name: close_gaps
DELETE FROM pull_gap WHERE shop_id = %(shop_id)s AND platform_order_id = ANY(%(ids)s);
