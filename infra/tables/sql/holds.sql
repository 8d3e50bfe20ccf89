-- Holds: why a fulfillment order stands still, whose a hold is, who releases it, and what a person let pass.

-- name: open_holds_of
SELECT fulfillment_order_id, code, step FROM hold
WHERE fulfillment_order_id = ANY(%(ids)s) AND released_at IS NULL;

-- name: release_blocks
-- The hold that open letters are falls with the last of them.
UPDATE hold AS h SET released_at = now(), released_by = %(by)s, released_role = %(role)s, released_reason = %(reason)s
WHERE h.fulfillment_order_id = ANY(%(ids)s) AND h.code = 'dead_letter' AND h.released_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.fulfillment_order_id = h.fulfillment_order_id AND d.closed_at IS NULL);

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
-- They count for a newer content too.
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

-- name: lost_orders
-- Orders held because the platform shows them as shipped, of which we have no package, with the numbers that it shows.
SELECT o.id, o.platform, o.shop, o.platform_order_id,
       coalesce(array_agg(DISTINCT l.waybill) FILTER (WHERE l.waybill <> ''), '{}'),
       EXISTS (SELECT FROM order_line AS r WHERE r.order_id = o.id AND r.planned > 0)
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN order_line AS l ON l.order_id = o.id AND l.elsewhere > 0
WHERE h.code = 'shipped_elsewhere' AND h.released_at IS NULL AND o.received_at >= %(since)s
  AND NOT EXISTS (SELECT FROM fulfillment_order AS g JOIN package AS p ON p.fulfillment_order_id = g.id
                  WHERE g.order_id = o.id)
GROUP BY o.id
ORDER BY o.id;

-- name: label_holds
SELECT code FROM hold
WHERE fulfillment_order_id = %(fulfillment_order_id)s AND step = 'label' AND code = 'waybill_error'
  AND released_at IS NULL;

-- name: holds_of_subjects
-- Fulfillment orders that a step holds for an error that these packages blame on their account.
SELECT DISTINCT h.fulfillment_order_id
FROM unnest(%(accounts)s::text[], %(package_ids)s::bigint[]) AS a(account, package_id)
JOIN package AS p ON p.id = a.package_id
JOIN hold AS h ON h.fulfillment_order_id = p.fulfillment_order_id
WHERE h.code = %(code)s AND h.step = %(step)s AND h.released_at IS NULL
  AND EXISTS (SELECT FROM accusation AS c WHERE c.account = a.account AND c.code = h.facts ->> 'code')
ORDER BY h.fulfillment_order_id;

-- name: waits_ended
-- Of a stretch of the open waits, in the order of their ids: its last hold, its length, and the fulfillment orders of
-- which a wait is over: for an account that is not among these, or for a pause that has ended. Index hold_for_a_gate.
WITH stretch AS MATERIALIZED (
    SELECT id, fulfillment_order_id, facts FROM hold
    WHERE code = 'waiting_on_account' AND released_at IS NULL AND id > %(after)s
    ORDER BY id LIMIT %(size)s
)
SELECT max(h.id), count(*), coalesce(array_agg(h.fulfillment_order_id ORDER BY h.fulfillment_order_id) FILTER (WHERE
    CASE WHEN %(by_pause)s
         THEN h.facts ->> 'pause' IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM gate AS g WHERE g.kind || '/' || g.name = h.facts ->> 'pause'
                              AND (g.until IS NULL OR g.until > now()))
         ELSE h.facts ->> 'pause' IS NULL AND NOT (h.facts ->> 'account' = ANY(%(accounts)s)) END), '{}')
FROM stretch AS h;

-- name: release_waiting
-- The wait is over for everything whose account is free again. Index hold_for_a_gate.
UPDATE hold AS h SET released_at = now(), released_by = 'engine', released_role = 'machine'
FROM fulfillment_order AS f
WHERE h.code = 'waiting_on_account' AND h.released_at IS NULL AND h.facts ->> 'pause' IS NULL
  AND NOT (h.facts ->> 'account' = ANY(%(accounts)s))
  AND f.id = h.fulfillment_order_id AND f.id = ANY(%(ids)s)
RETURNING f.id, f.order_id, f.lane, f.state, h.step;

-- name: open_holds
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
SELECT r.fulfillment_order_id, r.code, r.step, r.owner, now() + make_interval(hours => r.due_h), r.facts
FROM json_to_recordset(%(rows)s::json)
     AS r(fulfillment_order_id bigint, code text, step text, owner text, due_h integer, facts jsonb)
ORDER BY r.fulfillment_order_id, r.code
ON CONFLICT (fulfillment_order_id, code) WHERE released_at IS NULL DO NOTHING;

-- name: release_holds
UPDATE hold AS h SET released_at = now(), released_by = %(by)s, released_role = 'machine'
FROM json_to_recordset(%(rows)s::json) AS r(fulfillment_order_id bigint, code text)
WHERE h.fulfillment_order_id = r.fulfillment_order_id AND h.code = r.code AND h.released_at IS NULL;

-- name: release_all_holds
UPDATE hold SET released_at = now(), released_by = %(by)s, released_role = 'machine'
WHERE fulfillment_order_id = ANY(%(ids)s) AND released_at IS NULL
  AND NOT (step = 'person' AND fulfillment_order_id = ANY(%(kept_out)s));

-- name: expired_holds
-- Open holds past their due time, by owner.
SELECT owner, count(*) FROM hold
WHERE released_at IS NULL AND due_at < now() AND (snoozed_until > now()) IS NOT TRUE
GROUP BY owner ORDER BY owner;

-- name: unwanted_waybills
-- Waybills that live although nobody wants them, the oldest first: of closed orders, each a hold, then of orders that go
-- on another way, each a case.
(SELECT o.platform || '/' || o.shop || '/' || o.platform_order_id, h.facts ->> 'courier', h.facts ->> 'waybill'
 FROM hold AS h
 JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
 JOIN orders AS o ON o.id = f.order_id
 WHERE h.code = 'unwanted_waybill' AND h.released_at IS NULL
 ORDER BY h.id LIMIT %(limit)s)
UNION ALL
(SELECT o.platform || '/' || o.shop || '/' || o.platform_order_id, c.facts ->> 'courier', c.facts ->> 'waybill'
 FROM order_case AS c JOIN orders AS o ON o.id = c.order_id
 WHERE c.kind = 'unwanted_waybill' AND c.closed_at IS NULL
 ORDER BY c.id LIMIT %(limit)s)
LIMIT %(limit)s;

-- name: release_resumed
-- The pause that these holds name is over.
UPDATE hold AS h SET released_at = now(), released_by = 'engine', released_role = 'machine'
FROM fulfillment_order AS f
WHERE h.code = 'waiting_on_account' AND h.released_at IS NULL AND h.facts ->> 'pause' IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM gate AS g WHERE g.kind || '/' || g.name = h.facts ->> 'pause'
                  AND (g.until IS NULL OR g.until > now()))
  AND f.id = h.fulfillment_order_id AND f.id = ANY(%(ids)s)
RETURNING f.id, f.order_id, f.lane, f.state, h.step;

-- name: open_by_person
-- At most one open hold of a code for each fulfillment order; fulfillment orders without a new hold are not returned.
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
SELECT id, %(code)s, 'person', %(owner)s, coalesce(%(due_at)s::timestamptz, now() + make_interval(hours => %(due_h)s)),
       %(facts)s::jsonb
FROM unnest(%(ids)s::bigint[]) AS id
ORDER BY id
ON CONFLICT (fulfillment_order_id, code) WHERE released_at IS NULL DO NOTHING
RETURNING fulfillment_order_id, due_at;

-- name: list
-- A page of open holds, the first due first, after a known one. Index hold_open.
SELECT h.id, h.code, h.step, h.owner, h.opened_at, h.due_at, h.snoozed_until, h.facts, f.order_id,
       o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name, f.number AS part, f.state,
       o.payable_minor, o.currency, o.ship_by, now() AS seen_at
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE h.released_at IS NULL
  AND (h.due_at, h.id) > (coalesce((SELECT a.due_at FROM hold AS a WHERE a.id = %(after)s), '-infinity'), %(after)s)
  AND (%(code)s::text IS NULL OR h.code = %(code)s)
  AND (%(owner)s::text IS NULL OR h.owner = %(owner)s)
  AND (%(shop)s::text IS NULL OR o.shop = %(shop)s OR o.platform || '/' || o.shop = %(shop)s)
  AND (%(opened_before)s::timestamptz IS NULL OR h.opened_at < %(opened_before)s)
  AND (%(due_before)s::timestamptz IS NULL OR h.due_at < %(due_before)s)
  AND (%(is_snoozed)s::boolean IS NULL OR coalesce(h.snoozed_until > now(), false) = %(is_snoozed)s)
ORDER BY h.due_at, h.id
LIMIT %(limit)s;

-- name: lock
-- Open holds by id, with where their orders stand. Whoever releases one has locked its fulfillment order before, and
-- waits here for this transaction, which locks nothing else.
SELECT h.id, h.code, h.owner, h.due_at, h.snoozed_until, f.id, f.order_id, f.state, f.lane
FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE h.id = ANY(%(ids)s) AND h.released_at IS NULL
ORDER BY h.id
FOR UPDATE OF h;

-- name: assign
-- A snooze was the former owner's, so it ends.
UPDATE hold SET owner = %(owner)s, due_at = coalesce(%(due_at)s::timestamptz, due_at), snoozed_until = NULL
WHERE id = ANY(%(ids)s) AND released_at IS NULL;

-- name: snooze
UPDATE hold SET snoozed_until = %(until)s WHERE id = ANY(%(ids)s) AND released_at IS NULL;

-- name: ends
-- How holds ended; open ones are left out.
SELECT id, released_by, released_at FROM hold WHERE id = ANY(%(ids)s) AND released_at IS NOT NULL;
