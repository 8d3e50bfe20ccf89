-- name: move
-- Compare-and-set on the state; rows whose state moved meanwhile are not returned.
UPDATE fulfillment_order AS f
SET state = r.to_state, resume_state = r.resume_state,
    lane = coalesce(r.lane, f.lane),
    finished_at = CASE WHEN r.is_final THEN now() END,
    closed_reason = r.closed_reason
FROM json_to_recordset(%(rows)s::json)
     AS r(id bigint, from_state text, to_state text, resume_state text, is_final boolean, closed_reason text,
          lane text)
WHERE f.id = r.id AND f.state = r.from_state
RETURNING f.id;

-- name: rows_of_fulfillment_orders
SELECT f.id, f.order_id, f.id, NULL::bigint, f.state, f.lane
FROM fulfillment_order AS f WHERE f.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: rows_of_packages
SELECT p.id, f.order_id, f.id, p.id, f.state, f.lane
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id WHERE p.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: rows_of_notices
SELECT n.id, f.order_id, f.id, p.id, f.state, f.lane
FROM notice AS n JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id WHERE n.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: set_reservation
UPDATE fulfillment_order AS f SET reservation = r.reservation
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, reservation text)
WHERE f.id = r.id;

-- name: place_fulfillment
UPDATE fulfillment_order AS f SET location = r.location, reservation = 'allocated'
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, location text)
WHERE f.id = r.id;

-- name: unplace
-- A location has refused it: no location, and never that one again.
UPDATE fulfillment_order AS f
SET location = NULL, excluded = f.excluded || jsonb_build_object(r.location, r.code),
    resume_state = CASE WHEN f.resume_state IN ('allocated', 'in_warehouse') THEN 'approved' ELSE f.resume_state END
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, location text, code text)
WHERE f.id = r.id;

-- name: leave_location
-- Stopped, and made anew from the beginning. One that other holds keep on hold begins there once they are released.
UPDATE fulfillment_order AS f
SET location = NULL, resume_state = CASE WHEN f.resume_state IS NOT NULL THEN 'paid' END
WHERE f.id = ANY(%(ids)s);

-- name: exclude
UPDATE fulfillment_order AS f SET excluded = f.excluded || r.excluded
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, excluded jsonb)
WHERE f.id = r.id;

-- name: admit_locations
UPDATE fulfillment_order SET excluded = '{}' WHERE id = %(id)s AND excluded <> '{}';

-- name: choose_lane
-- Review leaves a chosen lane alone. Rows that stand so already are not returned.
UPDATE fulfillment_order AS f SET lane = %(lane)s, lane_by = %(by)s
FROM fulfillment_order AS before
WHERE f.id = ANY(%(ids)s) AND before.id = f.id AND (f.lane <> %(lane)s OR f.lane_by IS NULL)
RETURNING f.id, before.lane;

-- name: count_parts
SELECT order_id, count(*) FROM fulfillment_order WHERE order_id = ANY(%(order_ids)s) AND state <> 'closed'
GROUP BY order_id;

-- name: add_parts
-- Further fulfillment orders of orders, numbered on. `part` tells them apart until they have an id. A hold that a person
-- opened is about the whole order: a new part gets it too.
WITH added AS (
    INSERT INTO fulfillment_order (order_id, number, state, resume_state, lane, lane_by, reservation)
    SELECT r.order_id,
           (SELECT max(f.number) FROM fulfillment_order AS f WHERE f.order_id = r.order_id) + r.part, r.state,
           r.resume_state, f.lane, f.lane_by, r.reservation
    FROM json_to_recordset(%(rows)s::json)
         AS r(fulfillment_order_id bigint, order_id bigint, part smallint, state text, resume_state text,
              reservation text)
    JOIN fulfillment_order AS f ON f.id = r.fulfillment_order_id
    ORDER BY r.order_id, r.part
    RETURNING id, order_id, number
), held AS (
    INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
    SELECT DISTINCT ON (a.id, h.code) a.id, h.code, h.step, h.owner, h.due_at, h.facts
    FROM added AS a
    JOIN fulfillment_order AS f ON f.order_id = a.order_id
    JOIN hold AS h ON h.fulfillment_order_id = f.id AND h.step = 'person' AND h.released_at IS NULL
    ORDER BY a.id, h.code, h.id
)
SELECT id, order_id, number FROM added;
