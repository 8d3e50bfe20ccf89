-- A person chooses an order's lane while it waits.

-- name: choose_lane
-- Review leaves a chosen lane alone. Rows that stand so already are not returned.
UPDATE fulfillment_order AS f SET lane = %(lane)s, lane_by = %(by)s
FROM fulfillment_order AS before
WHERE f.id = ANY(%(ids)s) AND before.id = f.id AND (f.lane <> %(lane)s OR f.lane_by IS NULL)
RETURNING f.id, before.lane;

-- name: move_work
-- Everything that is due for an order, or will be, changes lanes; what runs right now goes on in the new one. Rows
-- are locked as batches lock them: by subject within a step, and without the fulfillment orders behind them.
WITH own AS (
    SELECT w.step, w.subject_id
    FROM (SELECT 'normalize' AS step, r.id AS subject_id
          FROM orders AS o
          JOIN raw_payload AS r
            ON r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
          WHERE o.id = %(order_id)s
          UNION ALL
          SELECT unnest(ARRAY['reserve', 'review', 'route']), f.id
          FROM fulfillment_order AS f WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT unnest(ARRAY['label', 'writeback']), p.id
          FROM fulfillment_order AS f JOIN package AS p ON p.fulfillment_order_id = f.id
          WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT 'notify', n.id
          FROM fulfillment_order AS f JOIN package AS p ON p.fulfillment_order_id = f.id
          JOIN notice AS n ON n.package_id = p.id
          WHERE f.order_id = %(order_id)s) AS subject
    JOIN work AS w ON w.step = subject.step AND w.subject_id = subject.subject_id
    WHERE w.lane <> %(lane)s
    ORDER BY w.step, w.subject_id
    FOR UPDATE OF w
)
UPDATE work AS w SET lane = %(lane)s FROM own
WHERE w.step = own.step AND w.subject_id = own.subject_id
RETURNING w.step;
