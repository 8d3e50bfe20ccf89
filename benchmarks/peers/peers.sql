-- name: left
-- Orders so far, and what a plain chain still has on its way: it keeps no due rows to count.
SELECT (SELECT count(*) FROM orders),
       (SELECT count(*) FROM fulfillment_order
        WHERE state IN ('paid', 'approved', 'allocated', 'in_warehouse', 'packed') AND reservation <> 'consumed'),
       (SELECT count(*) FROM writeback WHERE status <> 'confirmed'),
       (SELECT count(*) FROM notice WHERE status IN ('pending', 'sending'));
