-- Holds in the hands of people: opened, listed, assigned, snoozed. `letters.sql` releases them.

-- name: open_by_person
-- At most one open hold of a code for each fulfillment order; those that got none are not returned.
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
-- How holds ended, of those that have.
SELECT id, released_by, released_at FROM hold WHERE id = ANY(%(ids)s) AND released_at IS NOT NULL;
