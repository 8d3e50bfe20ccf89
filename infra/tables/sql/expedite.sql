-- A person chooses an order's lane while it waits, or its payload's while nobody has read it.

-- name: choose_payload_lane
-- Payloads of an id that wait to be read and are no order yet. Whoever reads them takes lane and person over.
WITH RECURSIVE known(shop) AS (
    SELECT min(shop) FROM raw_payload
    UNION ALL
    SELECT (SELECT min(r.shop) FROM raw_payload AS r WHERE r.shop > known.shop) FROM known WHERE known.shop IS NOT NULL
), waiting AS (
    SELECT r.id, r.lane
    FROM known
    JOIN raw_payload AS r ON r.shop = known.shop AND r.platform_order_id = %(platform_order_id)s
    JOIN work AS w ON w.step = 'normalize' AND w.subject_id = r.id
    WHERE %(place)s IN ('', r.shop, r.platform || '/' || r.shop)
      AND NOT EXISTS (SELECT 1 FROM orders AS o
                      WHERE o.shop = r.shop AND o.platform_order_id = r.platform_order_id AND o.platform = r.platform)
    ORDER BY r.id
    FOR UPDATE OF r
)
UPDATE raw_payload AS r SET lane = %(lane)s, lane_by = %(by)s FROM waiting WHERE r.id = waiting.id
RETURNING r.id, waiting.lane, r.platform || '/' || r.shop;

-- name: move_payload_work
-- Waits for a batch that reads them just now; what it read is no work any more.
WITH own AS (
    SELECT subject_id FROM work WHERE step = 'normalize' AND subject_id = ANY(%(ids)s) ORDER BY subject_id FOR UPDATE
)
UPDATE work AS w SET lane = %(lane)s FROM own WHERE w.step = 'normalize' AND w.subject_id = own.subject_id
RETURNING w.subject_id;

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
    FROM (SELECT unnest(%(of_payloads)s::text[]) AS step, r.id AS subject_id
          FROM orders AS o
          JOIN raw_payload AS r
            ON r.shop = o.shop AND r.platform_order_id = o.platform_order_id AND r.platform = o.platform
          WHERE o.id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_fulfillment)s::text[]), f.id
          FROM fulfillment_order AS f WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_packages)s::text[]), p.id
          FROM fulfillment_order AS f JOIN package AS p ON p.fulfillment_order_id = f.id
          WHERE f.order_id = %(order_id)s
          UNION ALL
          SELECT unnest(%(of_notices)s::text[]), n.id
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
