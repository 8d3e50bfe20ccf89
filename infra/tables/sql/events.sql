-- The timeline.

-- name: record
INSERT INTO event (order_id, fulfillment_order_id, package_id, kind, step, cause, from_state, to_state, facts)
SELECT r.order_id, r.fulfillment_order_id, r.package_id, r.kind, r.step, r.cause, r.from_state, r.to_state, r.facts
FROM json_to_recordset(%(rows)s::json)
     AS r(order_id bigint, fulfillment_order_id bigint, package_id bigint, kind text, step text, cause text,
          from_state text, to_state text, facts jsonb);
