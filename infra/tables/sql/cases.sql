-- Cases: one row for each shop and case id. A case that was opened before stays as it is, open or closed.

-- name: open
INSERT INTO order_case (shop, case_id, kind, order_id, package_id, owner, due_at, facts)
SELECT r.shop, r.case_id, r.kind, r.order_id, r.package_id, r.owner, now() + make_interval(hours => r.due_h), r.facts
FROM json_to_recordset(%(rows)s::json)
     AS r(shop text, case_id text, kind text, order_id bigint, package_id bigint, owner text, due_h int, facts jsonb)
ORDER BY r.shop, r.case_id
ON CONFLICT (shop, case_id) DO NOTHING
RETURNING case_id;

-- name: close
UPDATE order_case SET closed_at = now(), closed_by = %(author)s, reason = %(reason)s
WHERE shop = %(shop)s AND case_id = %(case_id)s AND closed_at IS NULL
RETURNING id;

-- name: open_of_orders
SELECT order_id, count(*) FROM order_case
WHERE order_id = ANY(%(order_ids)s) AND closed_at IS NULL
GROUP BY order_id;
