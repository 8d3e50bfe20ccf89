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

-- name: set_window
-- Shorter after a window that could not be read whole, NULL once one was.
UPDATE shop SET window_s = %(window_s)s WHERE id = %(id)s AND window_s IS DISTINCT FROM %(window_s)s;

-- name: move_cursor
-- Never backwards.
UPDATE shop SET cursor_at = %(cursor_at)s
WHERE id = %(id)s AND (cursor_at IS NULL OR cursor_at < %(cursor_at)s);

-- name: load_gaps
-- Orders that were listed but could not be fetched; tried again at every pull.
SELECT platform_order_id, changed_at FROM pull_gap WHERE shop_id = %(shop_id)s ORDER BY changed_at LIMIT 200;

-- name: note_gaps
INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error)
SELECT %(shop_id)s, r.platform_order_id, r.changed_at, r.error
FROM json_to_recordset(%(rows)s::json) AS r(platform_order_id text, changed_at timestamptz, error text)
ORDER BY r.platform_order_id
ON CONFLICT (shop_id, platform_order_id)
DO UPDATE SET changed_at = excluded.changed_at, error = excluded.error, tries = pull_gap.tries + 1;

-- name: close_gaps
DELETE FROM pull_gap WHERE shop_id = %(shop_id)s AND platform_order_id = ANY(%(ids)s);
