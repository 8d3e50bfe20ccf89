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
-- Of open letters, those that begin so. Index dead_letter_of_cause.
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
-- How letters ended, of those that have.
SELECT id, closed_as, closed_by, closed_at, step FROM dead_letter WHERE id = ANY(%(ids)s) ORDER BY id;

-- name: lock_open
-- Whoever comes second waits here, and then does not see the letter any more.
SELECT id, step, subject_id, lane, account, crashes, order_id, fulfillment_order_id
FROM dead_letter WHERE id = ANY(%(ids)s) AND closed_at IS NULL
ORDER BY id
FOR UPDATE;

-- name: lock_work
-- The work row first, as everywhere, then the fulfillment order.
SELECT w.step, w.subject_id
FROM unnest(%(steps)s::text[], %(subject_ids)s::bigint[]) AS k(step, subject_id)
JOIN work AS w ON w.step = k.step AND w.subject_id = k.subject_id
ORDER BY w.step, w.subject_id
FOR UPDATE OF w;

-- name: standings
-- Where the orders of open letters of known steps stand now; the letters asked for do not count as others of their
-- order. How far the work of each has come, its step says.
SELECT d.id, d.step, d.subject_id, f.state, f.resume_state,
       ARRAY(SELECT h.code FROM hold AS h
             WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL AND h.code <> 'dead_letter'
             ORDER BY h.code) AS holds,
       EXISTS (SELECT 1 FROM dead_letter AS b
               WHERE b.fulfillment_order_id = f.id AND b.closed_at IS NULL AND b.id <> ALL(%(ids)s)) AS is_one_of_many,
       d.replays
FROM dead_letter AS d LEFT JOIN fulfillment_order AS f ON f.id = d.fulfillment_order_id
WHERE d.id = ANY(%(ids)s) AND d.closed_at IS NULL AND d.step = ANY(%(steps)s)
ORDER BY d.id;

-- name: waybill_owner
-- Index shipment_waybill: a number belongs to one shipment of its courier.
SELECT o.platform || '/' || o.shop || '/' || o.platform_order_id
FROM shipment AS ours
JOIN shipment AS s ON s.courier = ours.courier AND s.waybill = %(waybill)s AND s.id <> ours.id
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE ours.reference = %(reference)s;

-- name: put_back
-- Due again with a clean slate, in the turn of its own shop. What once killed its worker runs alone.
INSERT INTO work (step, subject_id, lane, account, shop, is_suspect)
SELECT r.step, r.subject_id, r.lane, r.account,
       coalesce(nullif(coalesce(o.platform, p.platform) || '/' || coalesce(o.shop, p.shop), r.account), ''), r.is_suspect
FROM json_to_recordset(%(rows)s::json)
     AS r(step text, subject_id bigint, lane text, account text, order_id bigint, is_suspect boolean)
LEFT JOIN orders AS o ON o.id = r.order_id
LEFT JOIN raw_payload AS p ON r.step = ANY(%(of_payloads)s) AND p.id = r.subject_id
ORDER BY r.step, r.subject_id
ON CONFLICT (step, subject_id) DO UPDATE SET due_at = least(work.due_at, now()), attempts = 0, crashes = 0
WHERE work.lease_token IS NULL;

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

-- name: release_blocks
-- The hold that open letters are falls with the last of them.
UPDATE hold AS h SET released_at = now(), released_by = %(by)s, released_role = %(role)s, released_reason = %(reason)s
WHERE h.fulfillment_order_id = ANY(%(ids)s) AND h.code = 'dead_letter' AND h.released_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.fulfillment_order_id = h.fulfillment_order_id AND d.closed_at IS NULL);

-- name: open_after
-- A stretch of open letters for the round that looks for orders that moved on. Index dead_letter_open.
SELECT id FROM dead_letter WHERE closed_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: open_letters_of
SELECT id FROM dead_letter WHERE fulfillment_order_id = %(id)s AND closed_at IS NULL ORDER BY id;

-- name: release_hold
-- By a person. The content that was seen is kept with it, so that every step can respect the decision.
UPDATE hold AS h
SET released_at = now(), released_by = %(by)s, released_role = %(role)s, released_reason = %(reason)s,
    waived_payload = CASE WHEN %(is_waived)s THEN o.raw_payload_id END
FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id
WHERE f.id = %(id)s AND h.fulfillment_order_id = f.id AND h.code = %(code)s AND h.released_at IS NULL
RETURNING h.step, h.facts ->> 'code';

-- name: waived
-- Holds that a person released for the content that an order has now.
SELECT f.id, h.id, h.code, h.facts
FROM fulfillment_order AS f
JOIN orders AS o ON o.id = f.order_id
JOIN fulfillment_order AS g ON g.order_id = f.order_id
JOIN hold AS h ON h.fulfillment_order_id = g.id
WHERE f.id = ANY(%(ids)s) AND h.waived_payload = o.raw_payload_id;

-- name: keep_waivers
-- They stand for a newer content too.
UPDATE hold AS h SET waived_payload = r.raw_payload_id
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, raw_payload_id bigint) WHERE h.id = r.id;

-- name: fulfillment_with_hold
SELECT f.id FROM fulfillment_order AS f JOIN hold AS h ON h.fulfillment_order_id = f.id
WHERE f.order_id = %(order_id)s AND h.code = %(code)s AND h.released_at IS NULL
ORDER BY f.id;

-- name: last_release
SELECT h.released_by, h.released_at FROM fulfillment_order AS f JOIN hold AS h ON h.fulfillment_order_id = f.id
WHERE f.order_id = %(order_id)s AND h.code = %(code)s AND h.released_at IS NOT NULL
ORDER BY h.released_at DESC LIMIT 1;

-- name: shop_of
-- The shop's account, by a fulfillment order.
SELECT o.platform || '/' || o.shop FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id WHERE f.id = %(id)s;
