-- Dead letters and holds in the hands of people: look, put back, close, release.

-- name: causes
-- Open letters by cause: counts from the tally, the rest from the first and last letter. Index dead_letter_of_cause.
WITH sums AS (
    SELECT fingerprint, currency, sum(letters) AS letters, sum(orders) AS orders, sum(at_risk_minor) AS at_risk_minor
    FROM letter_tally GROUP BY fingerprint, currency
), total AS (
    SELECT fingerprint, sum(letters)::bigint AS letters, sum(orders)::bigint AS orders,
           coalesce(array_agg(currency ORDER BY currency) FILTER (WHERE at_risk_minor <> 0), '{}') AS currencies,
           coalesce(array_agg(at_risk_minor::bigint ORDER BY currency) FILTER (WHERE at_risk_minor <> 0), '{}') AS minors
    FROM sums GROUP BY fingerprint HAVING sum(letters) > 0
)
SELECT t.fingerprint, l.step, split_part(l.account, '/', 1) AS adapter, l.code, l.causes -> -1 ->> 'message' AS message,
       t.letters, t.orders, e.opened_at AS first_seen, l.opened_at AS last_seen, t.currencies, t.minors
FROM total AS t
CROSS JOIN LATERAL (
    SELECT opened_at FROM dead_letter WHERE fingerprint = t.fingerprint AND closed_at IS NULL
    ORDER BY fingerprint, id LIMIT 1) AS e
CROSS JOIN LATERAL (
    SELECT step, account, code, causes, opened_at FROM dead_letter
    WHERE fingerprint = t.fingerprint AND closed_at IS NULL
    ORDER BY fingerprint DESC, id DESC LIMIT 1) AS l
ORDER BY t.letters DESC, t.fingerprint;

-- name: alarms_raised
SELECT fingerprint, letters, now() - raised_at FROM letter_alarm FOR UPDATE;

-- name: note_alarms
INSERT INTO letter_alarm (fingerprint, letters)
SELECT r.fingerprint, r.letters FROM json_to_recordset(%(rows)s::json) AS r(fingerprint text, letters bigint)
ORDER BY r.fingerprint
ON CONFLICT (fingerprint) DO UPDATE SET letters = excluded.letters, raised_at = now();

-- name: forget_alarms
DELETE FROM letter_alarm WHERE fingerprint <> ALL(%(open)s);

-- name: fold_tally
-- One row for each cause again, once many changes have gathered. Safe beside writers and another sweeper.
WITH taken AS (
    DELETE FROM letter_tally
    WHERE (SELECT count(*) FROM (SELECT 1 FROM letter_tally LIMIT %(rows_max)s + 1) AS first) > %(rows_max)s
    RETURNING *
)
INSERT INTO letter_tally (fingerprint, currency, letters, orders, at_risk_minor)
SELECT fingerprint, currency, sum(letters), sum(orders), sum(at_risk_minor)
FROM taken GROUP BY fingerprint, currency HAVING sum(letters) <> 0 OR sum(at_risk_minor) <> 0;

-- name: list
-- A page of open letters, oldest first, after a known one. "z" sorts behind whatever a cause goes on with.
SELECT d.id, d.step, d.account, d.code, d.fingerprint, d.lane, d.attempts, d.crashes, d.replays, d.opened_at, d.due_at,
       d.owner, d.order_id, coalesce(
           o.platform || '/' || o.shop || '/' || o.platform_order_id,
           r.platform || '/' || r.shop || '/' || r.platform_order_id,
           d.account || '/' || g.platform_order_id) AS order_name,
       d.at_risk_minor, d.currency
FROM dead_letter AS d
LEFT JOIN orders AS o ON o.id = d.order_id
LEFT JOIN raw_payload AS r ON d.step = ANY(%(of_payloads)s) AND r.id = d.subject_id
LEFT JOIN pull_gap AS g ON d.step = ANY(%(of_shops)s) AND g.id = -d.subject_id
WHERE d.closed_at IS NULL AND d.id > %(after)s
  AND (%(step)s::text IS NULL OR d.step = %(step)s)
  AND (%(account)s::text IS NULL OR d.account = %(account)s)
  AND (%(code)s::text IS NULL OR d.code = %(code)s)
  AND (%(cause)s::text IS NULL OR d.fingerprint BETWEEN %(cause)s AND %(cause)s || 'z')
  AND (%(since)s::timestamptz IS NULL OR d.opened_at >= %(since)s)
ORDER BY d.id
LIMIT %(limit)s;

-- name: count
SELECT count(*) FROM dead_letter AS d
WHERE d.closed_at IS NULL
  AND (%(step)s::text IS NULL OR d.step = %(step)s)
  AND (%(account)s::text IS NULL OR d.account = %(account)s)
  AND (%(code)s::text IS NULL OR d.code = %(code)s)
  AND (%(cause)s::text IS NULL OR d.fingerprint BETWEEN %(cause)s AND %(cause)s || 'z')
  AND (%(since)s::timestamptz IS NULL OR d.opened_at >= %(since)s);

-- name: fingerprints
-- Fingerprints of open letters with this beginning. Index dead_letter_of_cause.
SELECT DISTINCT fingerprint FROM dead_letter
WHERE closed_at IS NULL AND fingerprint BETWEEN %(cause)s AND %(cause)s || 'z'
ORDER BY fingerprint;

-- name: show
SELECT d.id, d.step, d.account, d.code, d.fingerprint, d.lane, d.attempts, d.crashes, d.replays, d.opened_at, d.due_at,
       d.owner, d.order_id, coalesce(
           o.platform || '/' || o.shop || '/' || o.platform_order_id,
           r.platform || '/' || r.shop || '/' || r.platform_order_id,
           d.account || '/' || g.platform_order_id) AS order_name,
       d.at_risk_minor, d.currency, d.subject_id, d.fulfillment_order_id, d.causes, d.worker, d.code_version,
       d.rules_version, d.closed_at, d.closed_as, d.closed_by, d.closed_reason
FROM dead_letter AS d
LEFT JOIN orders AS o ON o.id = d.order_id
LEFT JOIN raw_payload AS r ON d.step = ANY(%(of_payloads)s) AND r.id = d.subject_id
LEFT JOIN pull_gap AS g ON d.step = ANY(%(of_shops)s) AND g.id = -d.subject_id
WHERE d.id = %(id)s;

-- name: ends
-- How letters ended; open ones are left out.
SELECT id, closed_as, closed_by, closed_at, step FROM dead_letter WHERE id = ANY(%(ids)s) ORDER BY id;

-- name: lock_open
-- A second transaction waits here, and then does not see the letter any more.
SELECT id, step, subject_id, lane, account, crashes, order_id, fulfillment_order_id
FROM dead_letter WHERE id = ANY(%(ids)s) AND closed_at IS NULL
ORDER BY id
FOR UPDATE;

-- name: subjects
-- Where the orders of open letters of known steps stand now; the letters asked for do not count as others of their
-- order, nor do holds of the steps `beside`, which stop no order. How far the work of each has come, its step says.
SELECT d.id, d.step, d.subject_id, f.state, f.resume_state,
       ARRAY(SELECT h.code FROM hold AS h
             WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL AND h.code <> 'dead_letter'
               AND h.step <> ALL(%(beside)s)
             ORDER BY h.code) AS holds,
       EXISTS (SELECT 1 FROM dead_letter AS b
               WHERE b.fulfillment_order_id = f.id AND b.closed_at IS NULL AND b.id <> ALL(%(ids)s)) AS is_one_of_many,
       d.replays
FROM dead_letter AS d LEFT JOIN fulfillment_order AS f ON f.id = d.fulfillment_order_id
WHERE d.id = ANY(%(ids)s) AND d.closed_at IS NULL AND d.step = ANY(%(steps)s)
ORDER BY d.id;

-- name: close
WITH closed AS (
    UPDATE dead_letter AS d
    SET closed_at = now(), closed_as = r.closed_as, closed_by = %(by)s, closed_reason = r.reason
    FROM json_to_recordset(%(rows)s::json) AS r(id bigint, closed_as text, reason text)
    WHERE d.id = r.id AND d.closed_at IS NULL
    RETURNING d.fingerprint, d.currency, d.order_id, d.at_risk_minor
)
INSERT INTO letter_tally (fingerprint, currency, letters, orders, at_risk_minor)
SELECT fingerprint, coalesce(currency, ''), -count(*), -count(order_id), -coalesce(sum(at_risk_minor), 0)
FROM closed GROUP BY fingerprint, coalesce(currency, '');

-- name: reopen
-- Only what a person discarded, and only where no newer letter has taken its place.
WITH opened AS (
    UPDATE dead_letter AS d SET closed_at = NULL, closed_as = NULL, closed_by = NULL, closed_reason = NULL
    WHERE d.id = %(id)s AND d.closed_as = 'discarded'
      AND NOT EXISTS (SELECT 1 FROM dead_letter AS n
                      WHERE n.step = d.step AND n.subject_id = d.subject_id AND n.closed_at IS NULL)
    RETURNING *
), tallied AS (
    INSERT INTO letter_tally (fingerprint, currency, letters, orders, at_risk_minor)
    SELECT fingerprint, coalesce(currency, ''), 1, count(order_id), coalesce(sum(at_risk_minor), 0)
    FROM opened GROUP BY fingerprint, coalesce(currency, '')
)
SELECT id, step, subject_id, lane, order_id, fulfillment_order_id, code FROM opened;

-- name: open_after
-- A stretch of open letters for the round that looks for orders that moved on. Index dead_letter_open.
SELECT id FROM dead_letter WHERE closed_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: open_letters_of
SELECT id FROM dead_letter WHERE fulfillment_order_id = %(id)s AND closed_at IS NULL ORDER BY id;

-- name: letters_of_subjects
-- Open dead letters of these subjects. Index dead_letter_of_subject.
SELECT d.id
FROM unnest(%(steps)s::text[], %(subject_ids)s::bigint[]) AS a(step, subject_id)
JOIN dead_letter AS d ON d.step = a.step AND d.subject_id = a.subject_id
WHERE d.closed_at IS NULL
ORDER BY d.id;

-- name: add_letters
-- The letter remembers what the order was worth, and how often people sent the subject back before.
WITH added AS (
    INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint, causes,
                             attempts, crashes, owner, due_at, worker, code_version, rules_version, replays,
                             at_risk_minor, currency)
    SELECT r.step, r.subject_id, r.lane, r.account, r.order_id, r.fulfillment_order_id, r.code, r.fingerprint, r.causes,
           r.attempts, r.crashes, r.owner, now() + make_interval(hours => r.due_h), r.worker, r.code_version,
           r.rules_version,
           (SELECT coalesce(max(d.replays) + 1, 0) FROM dead_letter AS d
            WHERE d.step = r.step AND d.subject_id = r.subject_id AND d.closed_as = 'replayed'),
           o.payable_minor, o.currency
    FROM json_to_recordset(%(rows)s::json)
         AS r(step text, subject_id bigint, lane text, account text, order_id bigint, fulfillment_order_id bigint,
              code text, fingerprint text, causes jsonb, attempts smallint, crashes smallint, owner text, due_h integer,
              worker integer, code_version text, rules_version text)
    LEFT JOIN orders AS o ON o.id = r.order_id
    ON CONFLICT (step, subject_id) WHERE closed_at IS NULL DO NOTHING
    RETURNING fingerprint, currency, order_id, at_risk_minor
)
INSERT INTO letter_tally (fingerprint, currency, letters, orders, at_risk_minor)
SELECT fingerprint, coalesce(currency, ''), count(*), count(order_id), coalesce(sum(at_risk_minor), 0)
FROM added GROUP BY fingerprint, coalesce(currency, '');

-- name: dead_letters
SELECT count(*) FROM dead_letter WHERE closed_at IS NULL;
