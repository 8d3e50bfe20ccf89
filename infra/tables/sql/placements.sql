-- Placements: a document at a warehouse, intended, placed, refused, stopped or final. At most one of a fulfillment order is
-- neither refused nor stopped.

-- name: load_undispatched
-- Fulfillment orders with the live placement, if there is one. `version`: of the content that the order has. Locks the
-- fulfillment orders.
SELECT f.id AS fulfillment_order_id, f.state, f.lane, f.number,
       coalesce(CASE WHEN l.reference IS NOT NULL THEN l.location END, f.location) AS location,
       o.id AS order_id, o.platform, o.shop, o.platform_order_id, c.version, l.status, l.reference, coalesce(l.courier, '') AS courier,
       coalesce(l.service, '') AS service, coalesce(l.their_id, '') AS their_id,
       coalesce(l.call_deadline IS NOT NULL, false) AS is_asked_about,
       coalesce(greatest(0, extract(epoch FROM l.call_deadline - now())), 0)::float8 AS busy_s,
       extract(epoch FROM now() - l.checked_at)::float8 AS checked_s,
       coalesce(greatest(0, extract(epoch FROM o.ship_from - now())), 0)::float8 AS early_s,
       o.ship_from_of IS NOT DISTINCT FROM o.raw_payload_id AS is_day_read,
       (SELECT coalesce(max(e.generation), 0) FROM placement AS e
        WHERE e.fulfillment_order_id = f.id AND e.status IN ('refused', 'stopped')) AS ended
FROM fulfillment_order AS f
JOIN orders AS o ON o.id = f.order_id
JOIN raw_payload AS c ON c.id = o.raw_payload_id
LEFT JOIN placement AS l ON l.fulfillment_order_id = f.id AND l.status IN ('intended', 'placed', 'final')
WHERE f.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: load_boxes
-- Packages of fulfillment orders that were not cancelled, with the live shipment, if there is one. After the lock, in a
-- statement of its own: one that waits for a lock reads everything else as it was before.
SELECT p.fulfillment_order_id, p.id, p.courier, s.status, s.reference, s.waybill, coalesce(s.sort_code, ''),
       extract(epoch FROM now() - s.checked_at)::float8, p.account, p.handed_over_at IS NOT NULL,
       EXISTS (SELECT 1 FROM package_line AS k WHERE k.package_id = p.id AND k.quantity > 0)
FROM package AS p LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
WHERE p.fulfillment_order_id = ANY(%(ids)s) AND p.cancelled_at IS NULL
ORDER BY p.id;

-- name: load_pieces
-- As above: pieces by line, and how many of them are in packages.
SELECT fulfillment_order_id, line_id, quantity, packed FROM fulfillment_line
WHERE fulfillment_order_id = ANY(%(ids)s) AND quantity > 0
ORDER BY fulfillment_order_id, line_id;

-- name: want
-- A document is wanted of a warehouse that books. What was wanted before and never called for is replaced.
INSERT INTO placement (fulfillment_order_id, location, generation, courier, service, status)
SELECT r.fulfillment_order_id, r.location,
       1 + (SELECT coalesce(max(e.generation), 0) FROM placement AS e
            WHERE e.fulfillment_order_id = r.fulfillment_order_id AND e.status IN ('refused', 'stopped')),
       r.courier, r.service, 'intended'
FROM json_to_recordset(%(rows)s::json) AS r(fulfillment_order_id bigint, location text, courier text, service text)
ORDER BY r.fulfillment_order_id
ON CONFLICT (fulfillment_order_id) WHERE status IN ('intended', 'placed', 'final')
DO UPDATE SET location = excluded.location, courier = excluded.courier, service = excluded.service
WHERE placement.status = 'intended' AND placement.call_deadline IS NULL;

-- name: intend
-- The intent is durable before the warehouse hears of it. Until the deadline a call may be under way, or what it placed
-- may be hidden from a look-up.
INSERT INTO placement AS l (fulfillment_order_id, location, generation, reference, status, call_deadline)
SELECT r.fulfillment_order_id, r.location, r.generation, r.reference, 'intended', now() + make_interval(secs => r.unclear_s)
FROM json_to_recordset(%(rows)s::json)
     AS r(fulfillment_order_id bigint, location text, generation smallint, reference text, unclear_s float8)
ORDER BY r.fulfillment_order_id
ON CONFLICT (fulfillment_order_id) WHERE status IN ('intended', 'placed', 'final')
DO UPDATE SET reference = coalesce(l.reference, excluded.reference), call_deadline = excluded.call_deadline,
              location = CASE WHEN l.reference IS NULL THEN excluded.location ELSE l.location END
WHERE l.status = 'intended';

-- name: place
UPDATE placement AS l
SET status = 'placed', placed_at = now(), their_id = r.their_id, open_parts = r.parts, call_deadline = NULL,
    checked_at = coalesce(now() - make_interval(secs => r.checked_s), l.checked_at)
FROM json_to_recordset(%(rows)s::json) AS r(reference text, their_id text, parts text[], checked_s float8)
WHERE l.reference = r.reference AND l.status = 'intended';

-- name: end
-- Refused, stopped or final: nothing more is asked about it.
UPDATE placement AS l
SET status = r.status, code = r.code, ended_at = now(), placed_at = CASE WHEN r.status = 'final' THEN coalesce(l.placed_at, now()) ELSE l.placed_at END,
    call_deadline = NULL, open_parts = '{}'
FROM json_to_recordset(%(rows)s::json) AS r(reference text, status text, code text)
WHERE l.reference = r.reference AND l.status IN ('intended', 'placed');

-- name: end_calls
-- Calls are over. `is_clear`: surely without effect, so the next try need not ask first; otherwise it asks as soon as a
-- look-up shows what was placed. `checked_s`: so long ago the platform allowed to ship.
UPDATE placement AS l
SET call_deadline = CASE WHEN NOT r.is_clear THEN now() + make_interval(secs => r.lag_s) END,
    checked_at = coalesce(now() - make_interval(secs => r.checked_s), l.checked_at)
FROM json_to_recordset(%(rows)s::json) AS r(reference text, is_clear boolean, lag_s float8, checked_s float8)
WHERE l.reference = r.reference AND l.status = 'intended';

-- name: documents_since
-- A page of fulfillment orders of orders that came since then and have not left, with their live document, and the highest
-- generation that a warehouse may have heard of.
SELECT f.id, f.number, f.state, f.lane, o.id AS order_id, o.platform, o.shop, o.platform_order_id,
       l.generation, coalesce(l.location, '') AS location, coalesce(l.status IN ('placed', 'final'), false) AS is_placed,
       (SELECT coalesce(max(e.generation), 0) FROM placement AS e
        WHERE e.fulfillment_order_id = f.id AND e.reference IS NOT NULL) AS known_generation,
       EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'dispatch' AND w.subject_id = f.id AND w.lease_token IS NOT NULL)
           AS is_calling
FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id
LEFT JOIN placement AS l
    ON l.fulfillment_order_id = f.id AND l.status IN ('intended', 'placed', 'final') AND l.reference IS NOT NULL
WHERE o.created_at >= %(since)s AND f.id > %(after)s AND o.paid_at IS NOT NULL
  AND f.state NOT IN ('in_transit', 'delivered', 'completed')
ORDER BY f.id
LIMIT %(limit)s;

-- name: is_dispatching
-- The worker that places the document holds its work row; a second transaction waits here.
SELECT lease_token IS NOT NULL FROM work WHERE step = 'dispatch' AND subject_id = %(id)s FOR UPDATE;

-- name: intend_found
-- What lives at a warehouse becomes our intent; the call is over, so dispatch asks at once. What is known as placed stays.
INSERT INTO placement AS l (fulfillment_order_id, location, generation, reference, status, call_deadline)
VALUES (%(id)s, %(location)s, %(generation)s, %(reference)s, 'intended', now())
ON CONFLICT (fulfillment_order_id) WHERE status IN ('intended', 'placed', 'final')
DO UPDATE SET location = excluded.location, generation = excluded.generation, reference = excluded.reference,
              call_deadline = excluded.call_deadline
WHERE l.status = 'intended';

-- name: note_asked
UPDATE placement SET asked_at = now() WHERE reference = ANY(%(references)s);

-- name: lock_documents
-- What a warehouse's event speaks of. Locks the fulfillment orders, in id order.
SELECT l.reference, l.status, l.location, l.open_parts, f.id, f.number, f.state, f.resume_state, f.lane,
       f.state = 'on_hold' AND EXISTS (SELECT 1 FROM stop AS t WHERE t.fulfillment_order_id = f.id AND t.status = 'asked'),
       o.id, o.platform, o.shop, o.platform_order_id
FROM placement AS l
JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE l.reference = ANY(%(references)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: lock_told
-- What a page of events speaks of, by document or by package. Locks the fulfillment orders, all in id order.
SELECT id FROM fulfillment_order
WHERE id IN (SELECT l.fulfillment_order_id FROM placement AS l WHERE l.reference = ANY(%(references)s)
             UNION ALL
             SELECT p.fulfillment_order_id FROM shipment AS s JOIN package AS p ON p.id = s.package_id
             WHERE s.reference = ANY(%(references)s) AND s.status = 'booked')
ORDER BY id
FOR UPDATE;

-- name: note_heard
-- An event speaks of the document, so the warehouse has it. `parts`: ids of parts whose end the event tells.
UPDATE placement AS l
SET heard_at = now(), status = CASE WHEN l.status = 'intended' THEN 'placed' ELSE l.status END,
    placed_at = coalesce(l.placed_at, now()), call_deadline = NULL,
    their_id = CASE WHEN l.their_id = '' THEN r.their_id ELSE l.their_id END,
    open_parts = ARRAY(SELECT p FROM unnest(l.open_parts) AS p WHERE p <> ALL(r.parts))
FROM json_to_recordset(%(rows)s::json) AS r(reference text, their_id text, parts text[])
WHERE l.reference = r.reference;

-- name: hear_of_packages
-- Scans of packages that we booked speak of their document too: the warehouse has it, and once all have left it is final.
UPDATE placement AS l
SET heard_at = now(), placed_at = coalesce(l.placed_at, now()), call_deadline = NULL,
    status = CASE WHEN k.have_left THEN 'final' ELSE 'placed' END, ended_at = CASE WHEN k.have_left THEN now() END,
    open_parts = CASE WHEN k.have_left THEN '{}' ELSE l.open_parts END
FROM (SELECT f.id, EXISTS (SELECT 1 FROM package AS p WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM package AS p WHERE p.fulfillment_order_id = f.id
                                   AND p.cancelled_at IS NULL AND p.handed_over_at IS NULL) AS have_left
      FROM unnest(%(ids)s::bigint[]) AS f(id)) AS k
WHERE l.fulfillment_order_id = k.id AND (l.status = 'placed' OR l.status = 'intended' AND l.reference IS NOT NULL);

-- name: want_recalls
-- The warehouse is to be asked not to ship. What it has worked off may still stand on its dock.
UPDATE placement SET stop_wanted_at = coalesce(stop_wanted_at, now())
WHERE fulfillment_order_id = ANY(%(ids)s) AND status IN ('placed', 'final');

-- name: load_recalls
-- Documents that their warehouse is to stop, after the lock of their fulfillment orders.
SELECT f.id AS fulfillment_order_id, f.state, f.lane, f.order_id, l.location, l.reference, l.their_id,
       l.stop_status AS recall,
       coalesce(greatest(0, extract(epoch FROM l.stop_deadline - now())), 0)::float8 AS busy_s
FROM placement AS l JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
WHERE l.fulfillment_order_id = ANY(%(ids)s) AND l.status IN ('placed', 'final') AND l.stop_wanted_at IS NOT NULL
ORDER BY f.id;

-- name: intend_recalls
-- A stop is about to be asked for. Until the deadline the call may be under way.
UPDATE placement AS l
SET stop_status = CASE WHEN l.stop_status = '' THEN 'asked' ELSE l.stop_status END,
    stop_deadline = now() + make_interval(secs => %(call_s)s)
WHERE l.reference = ANY(%(references)s) AND l.status IN ('placed', 'final');

-- name: note_recalls
-- What the warehouse said of a stop that is not confirmed.
UPDATE placement AS l SET stop_status = r.status, stop_deadline = NULL
FROM json_to_recordset(%(rows)s::json) AS r(reference text, status text)
WHERE l.reference = r.reference AND l.status IN ('placed', 'final');

-- name: stop
-- The warehouse has stopped it, or a person has seen that the goods are still in the house.
UPDATE placement SET status = 'stopped', ended_at = now(), call_deadline = NULL, stop_deadline = NULL, open_parts = '{}'
WHERE reference = ANY(%(references)s) AND status IN ('placed', 'final');

-- name: live_references
-- What warehouses have of fulfillment orders.
SELECT reference FROM placement WHERE fulfillment_order_id = ANY(%(ids)s) AND status IN ('placed', 'final');

-- name: want_documents_again
-- Documents are wanted after all, as long as no warehouse may still stop them.
UPDATE placement SET stop_wanted_at = NULL, stop_status = ''
WHERE fulfillment_order_id = ANY(%(ids)s) AND stop_status IN ('', 'refused');

-- name: give_up
-- A person has asked the warehouse, which has no such document: the next try need not ask.
UPDATE placement SET call_deadline = NULL
WHERE fulfillment_order_id = %(id)s AND status = 'intended' AND call_deadline IS NOT NULL;

-- name: ask_about
-- Dispatch is due for every call of fulfillment orders that may have happened and that nobody asks about. What is due
-- already stays as it is, and an open letter has its owner.
INSERT INTO work (step, subject_id, lane, account, shop, is_suspect)
SELECT 'dispatch', f.id, f.lane, 'warehouse/' || l.location, o.platform || '/' || o.shop, %(is_suspect)s
FROM placement AS l
JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE l.fulfillment_order_id = ANY(%(ids)s) AND l.status = 'intended' AND l.call_deadline IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'dispatch' AND d.subject_id = f.id AND d.closed_at IS NULL)
ORDER BY f.id
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: ask_quiet
-- Dispatch is due for placed documents of which nothing was heard for `quiet_s`, and that were not asked about meanwhile.
-- Index placement_open.
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'dispatch', f.id, f.lane, 'warehouse/' || l.location, o.platform || '/' || o.shop
FROM placement AS l
JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
JOIN location AS t ON t.name = l.location AND t.takes_orders_since IS NOT NULL
WHERE l.status = 'placed' AND l.location <> ALL(%(without)s)
  AND greatest(l.placed_at, l.heard_at, l.asked_at) < now() - make_interval(secs => %(quiet_s)s)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'dispatch' AND d.subject_id = f.id AND d.closed_at IS NULL)
ORDER BY greatest(l.placed_at, l.heard_at, l.asked_at), f.id
LIMIT %(limit)s
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: dispatch_forgotten
-- Dispatch is due for what nobody hands over: what a worker of an earlier version labelled at a location that takes orders
-- since before that, and documents that are wanted and have no work. The newest fulfillment orders only.
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'dispatch', f.id, f.lane, 'warehouse/' || f.location, o.platform || '/' || o.shop
FROM fulfillment_order AS f
JOIN location AS t ON t.name = f.location AND t.takes_orders_since IS NOT NULL
JOIN orders AS o ON o.id = f.order_id
WHERE f.id > (SELECT coalesce(max(id), 0) FROM fulfillment_order) - %(newest)s
  AND f.state IN ('allocated', 'in_warehouse')
  AND NOT EXISTS (SELECT 1 FROM placement AS l
                  WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'))
  AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'dispatch' AND w.subject_id = f.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'dispatch' AND d.subject_id = f.id AND d.closed_at IS NULL)
  AND (EXISTS (SELECT 1 FROM placement AS l WHERE l.fulfillment_order_id = f.id AND l.status = 'intended')
       OR EXISTS (SELECT 1 FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
                  WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
                    AND s.booked_at >= t.takes_orders_since)
          AND NOT EXISTS (SELECT 1 FROM package AS p
                          WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
                            AND NOT EXISTS (SELECT 1 FROM shipment AS s
                                            WHERE s.package_id = p.id AND s.status = 'booked')))
ORDER BY f.id
LIMIT %(limit)s
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: silent
-- Locations with documents that were placed so many hours ago, and of which no document was heard of since: the number of
-- open documents, and since when it is silent. Indexes placement_open and placement_heard.
SELECT l.location, count(*), coalesce(
    (SELECT max(h.heard_at) FROM placement AS h WHERE h.location = l.location), min(l.placed_at))
FROM unnest(%(locations)s::text[], %(hours)s::float8[]) AS k(name, hours)
JOIN placement AS l ON l.location = k.name AND l.status = 'placed'
WHERE l.placed_at < now() - make_interval(secs => 3600 * k.hours)
  AND NOT EXISTS (SELECT 1 FROM placement AS h
                  WHERE h.location = l.location AND h.heard_at > now() - make_interval(secs => 3600 * k.hours))
GROUP BY l.location ORDER BY l.location;
