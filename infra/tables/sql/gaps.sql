-- Orders that a listing showed and that could not be fetched.

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

-- name: pull_gaps
-- What is still tried, the oldest first; what was given up is a dead letter. With how many there are.
SELECT s.account || '/' || g.platform_order_id, g.error, g.tries, extract(epoch FROM now() - g.noticed_at)::float8,
       count(*) OVER ()
FROM pull_gap AS g JOIN shop AS s ON s.id = g.shop_id
WHERE NOT g.is_given_up
ORDER BY g.noticed_at, g.id LIMIT %(limit)s;
