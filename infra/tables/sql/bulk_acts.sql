-- One verb on many: bulk acts with their items, and what a verb would do to each as things stand.

-- name: create
INSERT INTO bulk_act (verb, params, chosen, who, role, source, request_id, reason)
VALUES (%(verb)s, %(params)s::jsonb, %(chosen)s::jsonb, %(who)s, %(role)s, %(source)s, %(request_id)s::uuid, %(reason)s)
RETURNING id;

-- name: add_items
-- What means no one thing is refused from the start.
INSERT INTO bulk_item (bulk_id, position, subject_id, state, foreseen, code)
SELECT %(id)s, r.position, r.subject_id, CASE WHEN r.subject_id IS NULL THEN 'refused' ELSE 'waiting' END, r.foreseen,
       CASE WHEN r.subject_id IS NULL THEN r.foreseen ELSE '' END
FROM json_to_recordset(%(rows)s::json) AS r(position integer, subject_id bigint, foreseen text);

-- name: set_token
UPDATE bulk_act SET token = %(token)s WHERE id = %(id)s;

-- name: waiting_subjects
SELECT position, subject_id, foreseen FROM bulk_item WHERE bulk_id = %(id)s AND state = 'waiting' ORDER BY position;

-- name: foresee_again
UPDATE bulk_item AS i SET foreseen = r.foreseen
FROM json_to_recordset(%(rows)s::json) AS r(position integer, foreseen text)
WHERE i.bulk_id = %(id)s AND i.position = r.position AND i.state = 'waiting';

-- name: lock
SELECT verb, params, state, token FROM bulk_act WHERE id = %(id)s FOR UPDATE;

-- name: confirm
UPDATE bulk_act
SET state = 'running', confirmed_by = %(who)s, role = %(role)s, source = %(source)s, request_id = %(request_id)s::uuid
WHERE id = %(id)s AND state = 'draft';

-- name: set_state
-- What has ended stays as it ended.
UPDATE bulk_act SET state = %(state)s, note = %(note)s, ended_at = CASE WHEN %(state)s = 'cancelled' THEN now() END
WHERE id = %(id)s AND ended_at IS NULL;

-- name: cancel_waiting
UPDATE bulk_item SET state = 'cancelled', at = now() WHERE bulk_id = %(id)s AND state = 'waiting';

-- name: running
-- Index bulk_act_running.
SELECT id FROM bulk_act WHERE state = 'running' ORDER BY id;

-- name: take
SELECT verb, params, confirmed_by AS who, role, source, request_id::text, reason FROM bulk_act
WHERE id = %(id)s AND state = 'running';

-- name: next_item
-- Of a bulk act that still runs. Index bulk_item_waiting.
SELECT i.position, i.subject_id FROM bulk_item AS i JOIN bulk_act AS b ON b.id = i.bulk_id
WHERE i.bulk_id = %(id)s AND i.state = 'waiting' AND i.position > %(after)s AND b.state = 'running'
ORDER BY i.position LIMIT 1;

-- name: claim
-- One item for one transaction: another process passes by. It locks the item before anything of the order.
SELECT 1 FROM bulk_item AS i JOIN bulk_act AS b ON b.id = i.bulk_id
WHERE i.bulk_id = %(id)s AND i.position = %(position)s AND i.state = 'waiting' AND b.state = 'running'
FOR UPDATE OF i SKIP LOCKED;

-- name: claim_begun
-- An item of which a part is done already, also when a person has stopped the bulk act meanwhile. It waits for whoever
-- holds the item, so that it sees what became of the item.
SELECT 1 FROM bulk_item
WHERE bulk_id = %(id)s AND position = %(position)s AND state IN ('waiting', 'cancelled')
FOR UPDATE;

-- name: mark
UPDATE bulk_item SET state = %(state)s, code = %(code)s, facts = %(facts)s::jsonb, at = now()
WHERE bulk_id = %(id)s AND position = %(position)s;

-- name: finish
-- An item that somebody is at just now still waits.
UPDATE bulk_act AS b SET state = 'done', ended_at = now()
WHERE b.id = %(id)s AND b.state = 'running'
  AND NOT EXISTS (SELECT FROM bulk_item AS i WHERE i.bulk_id = b.id AND i.state = 'waiting')
RETURNING b.id;

-- name: list
SELECT b.id, b.verb, b.params, b.chosen, b.who, b.confirmed_by, b.reason, b.state, b.note, b.token, b.created_at,
       b.ended_at,
       (SELECT coalesce(json_object_agg(c.state, c.items), '{}')
        FROM (SELECT state, count(*) AS items FROM bulk_item WHERE bulk_id = b.id GROUP BY state) AS c) AS items,
       (SELECT coalesce(json_object_agg(c.foreseen, c.items), '{}')
        FROM (SELECT foreseen, count(*) AS items FROM bulk_item WHERE bulk_id = b.id GROUP BY foreseen) AS c) AS foreseen,
       (SELECT coalesce(json_object_agg(c.code, c.items), '{}')
        FROM (SELECT code, count(*) AS items FROM bulk_item
              WHERE bulk_id = b.id AND code <> '' GROUP BY code) AS c) AS results
FROM bulk_act AS b
WHERE %(id)s::bigint IS NULL OR b.id = %(id)s
ORDER BY b.id DESC LIMIT 50;

-- name: items
SELECT position, subject_id, state, foreseen, code, facts, at FROM bulk_item
WHERE bulk_id = %(id)s AND (%(state)s::text IS NULL OR state = %(state)s) AND position > %(after)s
ORDER BY position LIMIT %(limit)s;

-- name: foresee_release
SELECT k.id, CASE
       WHEN held.id IS NULL THEN 'hold_not_open'
       WHEN %(code)s = 'dead_letter' AND EXISTS (
           SELECT FROM dead_letter AS d WHERE d.fulfillment_order_id = held.id AND d.closed_at IS NULL) THEN 'letter_open'
       ELSE 'released' END
FROM unnest(%(ids)s::bigint[]) AS k(id)
LEFT JOIN LATERAL (
    SELECT f.id FROM fulfillment_order AS f JOIN hold AS h ON h.fulfillment_order_id = f.id
    WHERE f.order_id = k.id AND h.code = %(code)s AND h.released_at IS NULL ORDER BY f.id LIMIT 1) AS held ON true;

-- name: foresee_hold
-- `inside`: states in which an order can still be stopped; `over`: those in which it has ended.
SELECT k.id, CASE
       WHEN p.inside = 0 THEN CASE WHEN p.over = p.parts THEN 'order_ended' ELSE 'order_left' END
       WHEN p.held = p.inside THEN 'hold_open'
       ELSE 'held' END
FROM unnest(%(ids)s::bigint[]) AS k(id)
CROSS JOIN LATERAL (
    SELECT count(*) AS parts, count(*) FILTER (WHERE f.state = ANY(%(inside)s) AND f.reservation <> 'consumed') AS inside,
           count(*) FILTER (WHERE f.state = ANY(%(over)s)) AS over,
           count(*) FILTER (WHERE f.state = ANY(%(inside)s) AND f.reservation <> 'consumed' AND EXISTS (
               SELECT FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.code = %(code)s
                 AND h.released_at IS NULL)) AS held
    FROM fulfillment_order AS f WHERE f.order_id = k.id) AS p;

-- name: foresee_expedite
SELECT k.id, CASE WHEN p.running = 0 THEN 'order_ended' ELSE 'expedited' END
FROM unnest(%(ids)s::bigint[]) AS k(id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE f.state <> ALL(%(over)s)) AS running
    FROM fulfillment_order AS f WHERE f.order_id = k.id) AS p;

-- name: foresee_hold_change
-- `done`: the code of a hold that is open.
SELECT k.id, CASE WHEN h.id IS NULL THEN 'hold_unknown' WHEN h.released_at IS NULL THEN %(done)s ELSE 'hold_not_open' END
FROM unnest(%(ids)s::bigint[]) AS k(id) LEFT JOIN hold AS h ON h.id = k.id;

-- name: foresee_discard
SELECT k.id, CASE WHEN d.id IS NULL THEN 'letter_unknown' WHEN d.closed_at IS NULL THEN 'discarded' ELSE 'letter_closed' END
FROM unnest(%(ids)s::bigint[]) AS k(id) LEFT JOIN dead_letter AS d ON d.id = k.id;

-- name: foresee_put_back
-- During a hold nothing is told of a package that is still here; the release of the hold makes its write-back due.
SELECT k.id, CASE WHEN w.package_id IS NULL THEN 'writeback_unknown'
                  WHEN w.status = 'confirmed' THEN 'writeback_confirmed'
                  WHEN s.mode = 'watch' THEN 'shop_watched'
                  WHEN f.state = 'on_hold' AND p.handed_over_at IS NULL THEN 'order_held' ELSE 'put_back' END
FROM unnest(%(ids)s::bigint[]) AS k(id) LEFT JOIN writeback AS w ON w.package_id = k.id
LEFT JOIN package AS p ON p.id = w.package_id LEFT JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
LEFT JOIN orders AS o ON o.id = w.order_id LEFT JOIN shop AS s ON s.account = o.platform || '/' || o.shop;

-- name: letters
-- Open letters of a filter, the oldest first.
SELECT d.id FROM dead_letter AS d
WHERE d.closed_at IS NULL
  AND (%(step)s::text IS NULL OR d.step = %(step)s)
  AND (%(account)s::text IS NULL OR d.account = %(account)s)
  AND (%(code)s::text IS NULL OR d.code = %(code)s)
  AND (%(cause)s::text IS NULL OR d.fingerprint BETWEEN %(cause)s AND %(cause)s || 'z')
  AND (%(since)s::timestamptz IS NULL OR d.opened_at >= %(since)s)
ORDER BY d.id LIMIT %(limit)s;
