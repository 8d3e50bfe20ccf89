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
WHERE fulfillment_order_id = ANY(%(ids)s) AND released_at IS NULL;

-- name: tell
INSERT INTO event (order_id, fulfillment_order_id, package_id, kind, step, cause, from_state, to_state, facts)
SELECT r.order_id, r.fulfillment_order_id, r.package_id, r.kind, r.step, r.cause, r.from_state, r.to_state, r.facts
FROM json_to_recordset(%(rows)s::json)
     AS r(order_id bigint, fulfillment_order_id bigint, package_id bigint, kind text, step text, cause text,
          from_state text, to_state text, facts jsonb);

-- name: bury
-- The letter remembers what the order was worth, and how often people sent the subject back before.
WITH buried AS (
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
FROM buried GROUP BY fingerprint, coalesce(currency, '');

-- name: place_of_fulfillment_orders
SELECT f.id, f.order_id, f.id, NULL::bigint, f.state, f.lane
FROM fulfillment_order AS f WHERE f.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: place_of_packages
SELECT p.id, f.order_id, f.id, p.id, f.state, f.lane
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id WHERE p.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;

-- name: place_of_notices
SELECT n.id, f.order_id, f.id, p.id, f.state, f.lane
FROM notice AS n JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id WHERE n.id = ANY(%(ids)s)
ORDER BY f.id
FOR UPDATE OF f;
