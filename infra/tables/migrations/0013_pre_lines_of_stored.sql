-- commits by itself
-- Orders that were stored before there were lines: each had one fulfillment order with all its lines. Workers move them
-- meanwhile, so a few hundred at a time are locked. What came later is complete, and what is complete stays as it is.
DO $$
DECLARE
    a_few CONSTANT bigint := 500;
    low   bigint := 0;
    last  bigint;
BEGIN
    SELECT coalesce(max(id), 0) INTO last FROM fulfillment_order;
    WHILE low < last LOOP
        PERFORM FROM fulfillment_order WHERE id > low AND id <= low + a_few ORDER BY id FOR UPDATE;

        -- A refunded line is planned if its pieces are among those that were allocated or have left: the refund was
        -- paid after that. Lines that are wanted come first.
        INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
        SELECT l.id, l.order_id, l.line_id, l.quantity
        FROM (SELECT f.id, l.order_id, l.line_id, l.quantity, l.sku, l.refunded,
                     sum(l.quantity) OVER (PARTITION BY f.id, l.sku ORDER BY l.refunded, l.line_id) AS pieces,
                     l.planned + l.cancelled + l.elsewhere AS known
              FROM fulfillment_order AS f JOIN order_line AS l ON l.order_id = f.order_id
              WHERE f.id > low AND f.id <= low + a_few AND f.number = 1 AND f.state <> 'closed'
                AND l.fulfilled_by = 'merchant') AS l
        WHERE l.known = 0
          AND (NOT l.refunded
               OR l.pieces <= (SELECT r.quantity FROM reservation AS r
                               WHERE r.fulfillment_order_id = l.id AND r.sku = l.sku
                                 AND r.status IN ('allocated', 'consumed')))
        ON CONFLICT DO NOTHING;

        UPDATE order_line AS l SET planned = p.quantity, cancelled = l.quantity - p.quantity
        FROM (SELECT l.order_id, l.line_id, coalesce(k.quantity, 0) AS quantity
              FROM fulfillment_order AS f
              JOIN order_line AS l ON l.order_id = f.order_id
              LEFT JOIN fulfillment_line AS k
                ON k.fulfillment_order_id = f.id AND k.order_id = l.order_id AND k.line_id = l.line_id
              WHERE f.id > low AND f.id <= low + a_few AND f.number = 1) AS p
        WHERE l.order_id = p.order_id AND l.line_id = p.line_id
          AND l.planned + l.cancelled + l.elsewhere = 0 AND l.fulfilled_by = 'merchant';

        WITH packed AS (
            INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
            SELECT p.id, k.fulfillment_order_id, k.order_id, k.line_id, k.quantity
            FROM package AS p JOIN fulfillment_line AS k ON k.fulfillment_order_id = p.fulfillment_order_id
            WHERE p.fulfillment_order_id > low AND p.fulfillment_order_id <= low + a_few
              AND k.packed = 0 AND k.quantity > 0
            ON CONFLICT DO NOTHING
            RETURNING fulfillment_order_id, order_id, line_id, quantity
        )
        UPDATE fulfillment_line AS k SET packed = p.quantity
        FROM packed AS p
        WHERE k.fulfillment_order_id = p.fulfillment_order_id AND k.order_id = p.order_id AND k.line_id = p.line_id;

        UPDATE package AS p SET cancelled_at = f.finished_at
        FROM fulfillment_order AS f
        WHERE f.id > low AND f.id <= low + a_few AND f.state = 'closed' AND p.fulfillment_order_id = f.id
          AND p.cancelled_at IS NULL AND p.handed_over_at IS NULL
          AND NOT EXISTS (SELECT FROM shipment AS s
                          WHERE s.package_id = p.id
                            AND (s.status = 'booked' OR s.status = 'intended' AND s.call_deadline IS NOT NULL));

        COMMIT;
        low := low + a_few;
    END LOOP;
END $$;
