-- name: ensure_shops
INSERT INTO shop (account) SELECT unnest(%(accounts)s::text[]) ON CONFLICT (account) DO NOTHING;

-- name: ensure_locations
INSERT INTO location (name) SELECT unnest(%(names)s::text[]) ON CONFLICT (name) DO NOTHING;

-- name: find_shops
SELECT id, account FROM shop WHERE account = ANY(%(accounts)s);

-- name: find_locations
SELECT id, name FROM location WHERE name = ANY(%(names)s);

-- name: load_shops
SELECT id, account, cursor_at, open_from, open_to, window_s, settled_at, settle_window_s, now() FROM shop
WHERE id = ANY(%(ids)s);

-- name: note_read
-- The length of the next part, and whether anything could be read.
UPDATE shop SET window_s = %(window_s)s, read_at = CASE WHEN %(is_read)s THEN now() ELSE read_at END
WHERE id = %(id)s;

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
-- Unless somebody has set the cursor back since the reading began: then it is read from there. The second reading
-- starts at the first cursor, less the time in which changes settle; without one (NULL) it starts anew when it is
-- switched on.
UPDATE shop SET cursor_at = %(cursor_at)s, open_from = %(open_from)s, open_to = %(open_to)s,
    settled_at = CASE WHEN %(settled_at)s::timestamptz IS NOT NULL THEN coalesce(settled_at, %(settled_at)s) END
WHERE id = %(id)s AND cursor_at IS NOT DISTINCT FROM %(cursor_was)s;

-- name: cursor_ages
-- How old the cursors of some shops are; a shop without one is as old as its row. Nobody is behind who was paused by a
-- person. `told_s`: since somebody was last told of it.
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

-- name: load_gaps
-- Orders that were listed but could not be fetched and are due again, the longest due first.
SELECT platform_order_id, changed_at FROM pull_gap
WHERE shop_id = %(shop_id)s AND NOT is_given_up AND due_at <= now() AND platform_order_id <> ''
ORDER BY due_at, id LIMIT %(limit)s;

-- name: note_gaps
-- The first causes stay, and the last. `spent` is 1 for a try and 0 for what a shut gate kept from being tried: that has
-- no cause of its own, and comes back after `after_s`. What was given up begins anew when the platform lists it with a
-- newer change.
WITH noted AS (
    SELECT r.*, coalesce(g.is_given_up, true) AS is_new, coalesce(g.causes, '[]') AS before,
           CASE WHEN g.is_given_up IS FALSE THEN g.tries ELSE 0 END + r.spent AS tries
    FROM json_to_recordset(%(rows)s::json)
         AS r(platform_order_id text, changed_at timestamptz, error text, spent integer, after_s float8, cause jsonb)
    LEFT JOIN pull_gap AS g ON g.shop_id = %(shop_id)s AND g.platform_order_id = r.platform_order_id
)
INSERT INTO pull_gap AS g (shop_id, platform_order_id, changed_at, error, tries, due_at, causes)
SELECT %(shop_id)s, n.platform_order_id, n.changed_at, n.error, n.tries,
       now() + make_interval(secs => greatest(n.after_s, CASE WHEN n.spent > 0 THEN
           least(%(first_s)s * power(2, least(n.tries, 30) - 1), %(max_s)s) ELSE 0 END)),
       CASE WHEN n.spent = 0 THEN CASE WHEN n.is_new THEN '[]' ELSE n.before END
            WHEN n.is_new THEN jsonb_build_array(n.cause)
            ELSE CASE WHEN jsonb_array_length(n.before) < 20 THEN n.before ELSE n.before - -1 END
                 || (n.cause || jsonb_build_object('attempt', n.tries)) END
FROM noted AS n
ORDER BY n.platform_order_id
ON CONFLICT (shop_id, platform_order_id)
DO UPDATE SET changed_at = greatest(g.changed_at, excluded.changed_at), is_given_up = false,
    error = CASE WHEN excluded.tries > g.tries OR g.is_given_up THEN excluded.error ELSE g.error END,
    tries = excluded.tries, due_at = excluded.due_at, causes = excluded.causes,
    noticed_at = CASE WHEN g.is_given_up THEN now() ELSE g.noticed_at END;

-- name: ask_again
-- Orders of which a content was stored that does not say enough: the next round of their shop reads them once more.
INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error, tries)
SELECT s.id, r.platform_order_id, r.changed_at, 'asked_again', 0
FROM json_to_recordset(%(rows)s::json) AS r(account text, platform_order_id text, changed_at timestamptz)
JOIN shop AS s ON s.account = r.account
ORDER BY s.id, r.platform_order_id
ON CONFLICT (shop_id, platform_order_id) DO NOTHING;

-- name: note_nameless
-- A row of the listing that does not tell its order id: one for a shop, until a person has closed its letter.
INSERT INTO pull_gap AS g (shop_id, platform_order_id, changed_at, error, causes, is_given_up)
VALUES (%(shop_id)s, '', %(changed_at)s, %(error)s, jsonb_build_array(%(cause)s::jsonb), true)
ON CONFLICT (shop_id, platform_order_id)
DO UPDATE SET changed_at = excluded.changed_at, error = excluded.error, causes = excluded.causes,
    is_given_up = true, tries = 1, noticed_at = now()
WHERE NOT EXISTS (
    SELECT 1 FROM dead_letter AS d WHERE d.step = 'pull' AND d.subject_id = -g.id AND d.closed_at IS NULL)
RETURNING -id, tries, causes;

-- name: give_up_gaps
-- As subjects of `pull`: below zero, for above it are the shops.
UPDATE pull_gap SET is_given_up = true
WHERE shop_id = %(shop_id)s AND NOT is_given_up
  AND tries >= %(tries)s AND noticed_at < now() - make_interval(secs => %(patience_s)s)
RETURNING -id, tries, causes;

-- name: retry_gaps
-- The shop is asked at once. For a row of the listing without an order id its window is read again.
WITH chosen AS (
    SELECT g.id, g.shop_id, g.platform_order_id, g.changed_at
    FROM pull_gap AS g JOIN unnest(%(subject_ids)s::bigint[]) AS s(id) ON g.id = -s.id
), again AS (
    UPDATE pull_gap AS g SET is_given_up = false, tries = 0, noticed_at = now(), due_at = now()
    FROM chosen AS c WHERE g.id = c.id AND c.platform_order_id <> ''
), nameless AS (
    DELETE FROM pull_gap AS g USING chosen AS c WHERE g.id = c.id AND c.platform_order_id = ''
), back AS (
    UPDATE shop AS s SET cursor_at = least(s.cursor_at, c.changed_at)
    FROM chosen AS c WHERE s.id = c.shop_id AND c.platform_order_id = ''
)
UPDATE work SET due_at = least(due_at, now())
WHERE step = 'pull' AND subject_id IN (SELECT shop_id FROM chosen);

-- name: close_gaps
DELETE FROM pull_gap WHERE shop_id = %(shop_id)s AND platform_order_id = ANY(%(ids)s);
