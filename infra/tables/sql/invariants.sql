-- What must hold at every commit. Each query returns its breaches as (order id if there is one, what is wrong).
-- They read whole tables: for the sweeper's slow pace, for `doctor` and for drills, never for a step.

-- name: open_order_moves
-- What is not ours waits as paid for its end on the platform, without work.
SELECT f.order_id, format('fulfillment order %%s in %%s', f.id, f.state)
FROM fulfillment_order AS f
WHERE f.state = ANY(%(states)s)
  AND NOT (f.state = 'paid'
           AND EXISTS (SELECT 1 FROM orders AS o
                       WHERE o.id = f.order_id AND o.fulfilled_by NOT IN ('merchant', 'unknown')))
  AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.fulfillment_order_id = f.id AND d.closed_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM work AS w
                  WHERE w.step = ANY(%(of_fulfillment)s) AND w.subject_id = f.id)
  AND (f.state IN ('paid', 'on_hold', 'approved')
       OR NOT EXISTS (SELECT 1 FROM package AS p WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL)
          AND NOT EXISTS (SELECT 1 FROM placement AS l
                          WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'))
       OR EXISTS (SELECT 1 FROM package AS p
                  WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
                    AND NOT EXISTS (SELECT 1 FROM shipment AS s WHERE s.package_id = p.id AND s.status = 'booked')
                    AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'label' AND w.subject_id = p.id)))
ORDER BY f.id LIMIT %(limit)s;

-- name: clock_is_heard
-- The grace leaves the sweeper time for its round, and a late arrival time to be seen at all.
SELECT f.order_id, format('ship by %%s, no alarm', to_char(o.ship_by AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'))
FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id AND f.state = ANY(%(states)s) AND f.reservation <> 'consumed'
WHERE o.ship_by < now() - make_interval(secs => %(grace_s)s)
  AND o.ship_by > now() - make_interval(days => %(days)s)
  AND o.created_at < now() - make_interval(secs => %(grace_s)s)
  AND NOT EXISTS (SELECT 1 FROM clock_alarm AS a WHERE a.order_id = o.id AND a.percent = 100)
ORDER BY f.id LIMIT %(limit)s;

-- name: hold_has_owner
SELECT f.order_id, format('hold %%s of fulfillment order %%s', h.code, f.id)
FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE h.released_at IS NULL AND (h.owner = '' OR h.due_at IS NULL)
ORDER BY h.id LIMIT %(limit)s;

-- name: final_has_time
SELECT order_id, format('fulfillment order %%s in %%s', id, state)
FROM fulfillment_order
WHERE (state = ANY(%(final_states)s)) <> (finished_at IS NOT NULL)
ORDER BY id LIMIT %(limit)s;

-- name: history_is_legal
-- The newest events only: older ones were looked at in their time.
SELECT e.order_id, format('%%s to %%s by %%s', e.from_state, e.to_state, e.cause)
FROM event AS e
WHERE e.id > (SELECT coalesce(max(id), 0) FROM event) - %(newest)s
  AND e.from_state IS NOT NULL AND e.kind <> 'move_refused'
  AND e.from_state || ' ' || e.to_state || ' ' || e.cause <> ALL(%(moves)s)
ORDER BY e.id LIMIT %(limit)s;

-- name: one_live_shipment
SELECT f.order_id, format('package %%s has %%s', p.id, twice.shipments)
FROM (SELECT package_id, count(*) AS shipments FROM shipment
      WHERE status <> 'voided' GROUP BY package_id HAVING count(*) > 1) AS twice
JOIN package AS p ON p.id = twice.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
ORDER BY p.id LIMIT %(limit)s;

-- name: intent_is_resolved
SELECT f.order_id, format('package %%s may be booked as %%s', p.id, s.reference)
FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE s.status = 'intended' AND s.call_deadline IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'label' AND w.subject_id = p.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'label' AND d.subject_id = p.id AND d.closed_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM hold AS h
                  WHERE h.fulfillment_order_id = f.id AND h.code = 'waybill_error' AND h.released_at IS NULL)
ORDER BY p.id LIMIT %(limit)s;

-- name: document_is_resolved
SELECT f.order_id, format('fulfillment order %%s may be at %%s as %%s', f.id, l.location, l.reference)
FROM placement AS l JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
WHERE l.status = 'intended' AND l.call_deadline IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'dispatch' AND w.subject_id = f.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'dispatch' AND d.subject_id = f.id AND d.closed_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM hold AS h
                  WHERE h.fulfillment_order_id = f.id AND h.code = 'dispatch_error' AND h.released_at IS NULL)
ORDER BY f.id LIMIT %(limit)s;

-- name: one_live_document
SELECT f.order_id, format('fulfillment order %%s has %%s', f.id, twice.documents)
FROM (SELECT fulfillment_order_id, count(*) AS documents FROM placement
      WHERE status IN ('intended', 'placed', 'final') GROUP BY fulfillment_order_id HAVING count(*) > 1) AS twice
JOIN fulfillment_order AS f ON f.id = twice.fulfillment_order_id
ORDER BY f.id LIMIT %(limit)s;

-- name: unwanted_is_shown
SELECT f.order_id, format('waybill %%s of package %%s', s.waybill, p.id)
FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id AND p.handed_over_at IS NULL
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
WHERE (f.state = 'closed' OR p.cancelled_at IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.code = 'unwanted_waybill')
  AND NOT (s.void_wanted_at IS NOT NULL
           AND (EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'void' AND w.subject_id = p.id)
                OR EXISTS (SELECT 1 FROM dead_letter AS d
                           WHERE d.step = 'void' AND d.subject_id = p.id AND d.closed_at IS NULL)))
ORDER BY p.id LIMIT %(limit)s;

-- name: stop_goes_on
-- The hold of an open stop has an owner; without one the stop of what has left the house has work, or a letter.
SELECT s.order_id, format('stop %%s of fulfillment order %%s', s.id, s.fulfillment_order_id)
FROM stop AS s JOIN fulfillment_order AS f ON f.id = s.fulfillment_order_id
WHERE s.status = 'asked'
  AND NOT EXISTS (SELECT 1 FROM hold AS h
                  WHERE h.fulfillment_order_id = f.id AND h.code = 'stopping' AND h.released_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = ANY(%(of_fulfillment)s) AND w.subject_id = f.id)
  AND NOT EXISTS (SELECT 1 FROM package AS p JOIN work AS w ON w.step = ANY(%(of_packages)s) AND w.subject_id = p.id
                  WHERE p.fulfillment_order_id = f.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.fulfillment_order_id = f.id AND d.closed_at IS NULL)
ORDER BY s.id LIMIT %(limit)s;

-- name: stopping_is_stopping
SELECT f.order_id, format('fulfillment order %%s is held as stopping without an open stop', f.id)
FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE h.code = 'stopping' AND h.released_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM stop AS s WHERE s.fulfillment_order_id = f.id AND s.status = 'asked')
ORDER BY f.id LIMIT %(limit)s;

-- name: nothing_leaves_after_stopped
-- What was told as stopped has no living waybill of ours, and no document in the hands of its warehouse.
SELECT s.order_id, format('stop %%s of fulfillment order %%s', s.id, s.fulfillment_order_id)
FROM stop AS s
JOIN fulfillment_order AS f ON f.id = s.fulfillment_order_id AND f.state = 'closed'
WHERE s.status = 'stopped'
  AND (EXISTS (SELECT 1 FROM placement AS l
               WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'))
       OR EXISTS (SELECT 1 FROM package AS p JOIN shipment AS t ON t.package_id = p.id AND t.status = 'booked'
                  WHERE p.fulfillment_order_id = f.id AND p.account NOT LIKE 'warehouse/%%'))
ORDER BY s.id LIMIT %(limit)s;

-- name: shipped_has_waybill
SELECT f.order_id, format('fulfillment order %%s in %%s', f.id, f.state)
FROM fulfillment_order AS f
WHERE f.state IN ('in_transit', 'delivered', 'completed')
  AND (NOT EXISTS (SELECT 1 FROM package AS p WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL)
       OR EXISTS (SELECT 1 FROM package AS p
                  WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL AND NOT EXISTS (
                      SELECT 1 FROM shipment AS s WHERE s.package_id = p.id AND s.status = 'booked')))
ORDER BY f.id LIMIT %(limit)s;

-- name: pool_counts
SELECT NULL::bigint, format('SKU %%s counts %%s reserved, %%s allocated; promises say %%s, %%s',
                            s.sku, s.reserved, s.allocated, coalesce(r.reserved, 0), coalesce(r.allocated, 0))
FROM stock_pool AS s
LEFT JOIN (SELECT sku, sum(quantity) FILTER (WHERE status = 'reserved') AS reserved,
                  sum(quantity) FILTER (WHERE status = 'allocated') AS allocated
           FROM reservation WHERE status IN ('reserved', 'allocated') GROUP BY sku) AS r ON r.sku = s.sku
WHERE s.reserved <> coalesce(r.reserved, 0) OR s.allocated <> coalesce(r.allocated, 0)
ORDER BY s.sku LIMIT %(limit)s;

-- name: location_counts
SELECT NULL::bigint, format('SKU %%s at %%s counts %%s allocated; promises say %%s',
                            s.sku, s.location, s.allocated, coalesce(r.allocated, 0))
FROM stock_location AS s
LEFT JOIN (SELECT sku, location, sum(quantity) AS allocated
           FROM reservation WHERE status = 'allocated' GROUP BY sku, location) AS r
       ON r.sku = s.sku AND r.location = s.location
WHERE s.allocated <> coalesce(r.allocated, 0)
ORDER BY s.sku, s.location LIMIT %(limit)s;

-- name: never_oversold
SELECT NULL::bigint, format('SKU %%s', s.sku)
FROM stock_pool AS s
WHERE s.reserved + s.frozen + s.allocated > s.on_hand
   OR EXISTS (SELECT 1 FROM stock_location AS l WHERE l.sku = s.sku AND l.allocated > l.on_hand)
ORDER BY s.sku LIMIT %(limit)s;

-- name: closed_frees_stock
SELECT f.order_id, format('fulfillment order %%s keeps %%s of SKU %%s %%s', f.id, r.quantity, r.sku, r.status)
FROM fulfillment_order AS f JOIN reservation AS r ON r.fulfillment_order_id = f.id
WHERE f.state = 'closed' AND r.status IN ('reserved', 'allocated')
ORDER BY f.id, r.sku LIMIT %(limit)s;

-- name: planned_counts
SELECT l.order_id, format('line %%s counts %%s planned; fulfillment orders say %%s', l.line_id, l.planned,
                          coalesce(s.planned, 0))
FROM order_line AS l
LEFT JOIN (SELECT k.order_id, k.line_id, sum(k.quantity) AS planned
           FROM fulfillment_line AS k
           JOIN fulfillment_order AS f ON f.id = k.fulfillment_order_id AND f.state <> 'closed'
           GROUP BY k.order_id, k.line_id) AS s ON s.order_id = l.order_id AND s.line_id = l.line_id
WHERE l.planned <> coalesce(s.planned, 0)
ORDER BY l.order_id, l.line_id LIMIT %(limit)s;

-- name: packed_counts
SELECT l.order_id, format('line %%s of fulfillment order %%s counts %%s packed; packages say %%s', l.line_id,
                          l.fulfillment_order_id, l.packed, coalesce(s.packed, 0))
FROM fulfillment_line AS l
LEFT JOIN (SELECT k.fulfillment_order_id, k.order_id, k.line_id, sum(k.quantity) AS packed
           FROM package_line AS k
           JOIN package AS p ON p.id = k.package_id AND p.cancelled_at IS NULL
           GROUP BY k.fulfillment_order_id, k.order_id, k.line_id) AS s
  ON s.fulfillment_order_id = l.fulfillment_order_id AND s.order_id = l.order_id AND s.line_id = l.line_id
WHERE l.packed <> coalesce(s.packed, 0)
ORDER BY l.fulfillment_order_id, l.line_id LIMIT %(limit)s;

-- name: never_beyond_sold
SELECT l.order_id, format('line %%s: %%s planned, %%s cancelled, %%s elsewhere of %%s', l.line_id, l.planned,
                          l.cancelled, l.elsewhere, l.quantity)
FROM order_line AS l
WHERE l.planned + l.cancelled + l.elsewhere > l.quantity
   OR EXISTS (SELECT 1 FROM fulfillment_line AS f
              WHERE f.order_id = l.order_id AND f.line_id = l.line_id AND f.packed > f.quantity)
ORDER BY l.order_id, l.line_id LIMIT %(limit)s;

-- name: nothing_is_forgotten
-- While something of an order is under way. What others fulfil is theirs.
SELECT l.order_id, format('line %%s: %%s planned, %%s cancelled, %%s elsewhere of %%s', l.line_id, l.planned,
                          l.cancelled, l.elsewhere, l.quantity)
FROM order_line AS l
WHERE l.fulfilled_by IN ('merchant', 'unknown')
  AND l.planned + l.cancelled + l.elsewhere < l.quantity
  AND EXISTS (SELECT 1 FROM fulfillment_order AS f
              WHERE f.order_id = l.order_id AND f.finished_at IS NULL AND f.state <> ALL(%(final_states)s))
ORDER BY l.order_id, l.line_id LIMIT %(limit)s;

-- name: confirmed_is_booked
SELECT w.order_id, format('package %%s', w.package_id)
FROM writeback AS w
WHERE w.status = 'confirmed'
  AND NOT EXISTS (SELECT 1 FROM shipment AS s WHERE s.package_id = w.package_id AND s.status = 'booked')
ORDER BY w.package_id LIMIT %(limit)s;

-- name: platform_will_hear
-- A dead letter, open or closed, says that a person looked or will look. What is held is told after its release.
SELECT f.order_id, format('package %%s, write-back %%s', p.id, coalesce(w.status, 'never wanted'))
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
LEFT JOIN writeback AS w ON w.package_id = p.id
WHERE (w.package_id IS NULL AND p.handed_over_at IS NOT NULL
       OR w.status IN ('pending', 'sending')
          AND NOT EXISTS (SELECT 1 FROM work AS k WHERE k.step = 'writeback' AND k.subject_id = p.id)
          AND NOT (f.state IN ('on_hold', 'closed') AND p.handed_over_at IS NULL))
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.step = 'writeback' AND d.subject_id = p.id)
ORDER BY p.id LIMIT %(limit)s;

-- name: buyer_will_hear
SELECT f.order_id, format('notice %%s is %%s', n.id, n.status)
FROM notice AS n
JOIN package AS p ON p.id = n.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE n.status IN ('pending', 'sending')
  AND NOT EXISTS (SELECT 1 FROM work AS k WHERE k.step = 'notify' AND k.subject_id = n.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.step = 'notify' AND d.subject_id = n.id)
ORDER BY n.id LIMIT %(limit)s;

-- name: payload_is_read
-- The newest payloads only: older ones were looked at in their time. A closed letter was a person's decision.
SELECT NULL::bigint, format('payload %%s of %%s/%%s/%%s', r.id, r.platform, r.shop, r.platform_order_id)
FROM raw_payload AS r
WHERE r.id > (SELECT coalesce(max(id), 0) FROM raw_payload) - %(newest)s
  AND NOT EXISTS (SELECT 1 FROM orders AS o
                  WHERE o.shop = r.shop AND o.platform_order_id = r.platform_order_id AND o.platform = r.platform)
  AND NOT EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'normalize' AND w.subject_id = r.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d WHERE d.step = 'normalize' AND d.subject_id = r.id)
  AND NOT EXISTS (SELECT 1 FROM tombstone AS t
                  WHERE t.shop = r.shop AND t.platform_order_id = r.platform_order_id AND t.platform = r.platform)
ORDER BY r.id LIMIT %(limit)s;

-- name: work_has_subject
SELECT NULL::bigint, format('%%s of %%s', w.step, w.subject_id)
FROM work AS w
WHERE NOT CASE
    WHEN w.step = ANY(%(of_shops)s) THEN EXISTS (SELECT 1 FROM shop AS x WHERE x.id = w.subject_id)
    WHEN w.step = ANY(%(of_locations)s) THEN EXISTS (SELECT 1 FROM location AS x WHERE x.id = w.subject_id)
    WHEN w.step = ANY(%(of_payloads)s) THEN EXISTS (SELECT 1 FROM raw_payload AS x WHERE x.id = w.subject_id)
    -- A package may be there before its platform wants to hear of it.
    WHEN w.step = 'writeback' THEN EXISTS (SELECT 1 FROM writeback AS x WHERE x.package_id = w.subject_id)
    WHEN w.step = ANY(%(of_packages)s) THEN EXISTS (SELECT 1 FROM package AS x WHERE x.id = w.subject_id)
    WHEN w.step = ANY(%(of_notices)s) THEN EXISTS (SELECT 1 FROM notice AS x WHERE x.id = w.subject_id)
    ELSE EXISTS (SELECT 1 FROM fulfillment_order AS x WHERE x.id = w.subject_id)
END
ORDER BY w.step, w.subject_id LIMIT %(limit)s;
