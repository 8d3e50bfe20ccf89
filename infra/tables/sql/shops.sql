-- Shops: how far their changes were read, and when.

-- name: ensure_shops
INSERT INTO shop (account) SELECT unnest(%(accounts)s::text[]) ON CONFLICT (account) DO NOTHING;

-- name: find_shops
SELECT id, account FROM shop WHERE account = ANY(%(accounts)s);

-- name: load_shops
SELECT id, account, cursor_at, open_from, open_to, window_s, settled_at, settle_window_s, now() FROM shop
WHERE id = ANY(%(ids)s);

-- name: note_read
-- The length of the next part, and whether anything could be read.
UPDATE shop SET window_s = %(window_s)s, read_at = CASE WHEN %(is_read)s THEN now() ELSE read_at END
WHERE id = %(id)s;

-- name: move_cursor
-- Unless somebody has set the cursor back since the reading began: then it is read from there. The second reading
-- starts at the first cursor, less the time in which changes settle; without one (NULL) it starts anew when it is
-- switched on.
UPDATE shop SET cursor_at = %(cursor_at)s, open_from = %(open_from)s, open_to = %(open_to)s,
    settled_at = CASE WHEN %(settled_at)s::timestamptz IS NOT NULL THEN coalesce(settled_at, %(settled_at)s) END
WHERE id = %(id)s AND cursor_at IS NOT DISTINCT FROM %(cursor_was)s;

-- name: cursor_ages
-- How old the cursors of some shops are; a shop without one is as old as its row. Nobody is behind who was paused by a
-- person. `reported_s`: since it was last reported.
SELECT s.account, s.cursor_at, a.age_s, p.patience_s, extract(epoch FROM now() - s.behind_told_at)::float8,
       EXISTS (SELECT 1 FROM gate AS g WHERE g.shut_by <> 'engine' AND (g.until IS NULL OR g.until > now())
               AND (g.kind = 'account' AND g.name = s.account OR g.kind = 'step' AND g.name = 'pull'))
FROM unnest(%(accounts)s::text[], %(patiences_s)s::float8[]) AS p(account, patience_s)
JOIN shop AS s ON s.account = p.account
CROSS JOIN LATERAL (SELECT extract(epoch FROM now() - greatest(s.cursor_at, s.created_at))::float8 AS age_s) AS a
ORDER BY s.account;

-- name: note_behind
UPDATE shop SET behind_told_at = CASE WHEN account = ANY(%(behind)s) THEN now() END
WHERE account = ANY(%(behind)s) OR account = ANY(%(caught_up)s);

-- name: note_settled
-- How far the second reading has come. Never backwards.
UPDATE shop
SET settled_at = greatest(settled_at, coalesce(%(settled_at)s, settled_at)), settle_window_s = %(window_s)s
WHERE id = %(id)s;

-- name: count_late
UPDATE shop SET found_late = found_late + %(found)s, found_late_at = now() WHERE id = %(id)s;

-- name: found_late
-- Shops with changes that only the second reading found.
SELECT account, found_late, found_late_at, found_late_at > now() - make_interval(hours => %(recent_h)s)
FROM shop WHERE found_late > 0 ORDER BY account;

-- name: unsettled
-- Shops whose second reading is so far behind the first.
SELECT account, extract(epoch FROM cursor_at - settled_at)::float8 FROM shop
WHERE settled_at < cursor_at - make_interval(hours => %(behind_h)s) ORDER BY account;
