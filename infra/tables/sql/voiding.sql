-- Packages whose waybills persons have cancelled. Reads only.

-- name: packages
-- With the live shipment, else the last one.
SELECT p.id AS package_id, f.order_id, f.id AS fulfillment_order_id, f.state, f.lane, o.platform || '/' || o.shop AS shop,
       p.account, p.courier, coalesce(s.reference, '') AS reference, coalesce(s.waybill, '') AS waybill,
       coalesce(s.status, '') AS status, coalesce(s.void_status, '') AS void,
       p.handed_over_at IS NOT NULL OR p.collected_at IS NOT NULL
           OR EXISTS (SELECT FROM early_scan AS e WHERE e.reference = s.reference AND e.kind = 'handed_over') AS has_left,
       p.cancelled_at IS NOT NULL AS is_cancelled,
       coalesce(s.void_wanted_at IS NOT NULL, false) AS is_unwanted,
       t.id IS NOT NULL AS is_stopping,
       EXISTS (SELECT FROM placement AS l WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'))
           OR coalesce(f.resume_state, f.state) IN ('in_warehouse', 'packed') AND t.confirmed_at IS NULL AS is_at_warehouse
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN stop AS t ON t.fulfillment_order_id = f.id AND t.status = 'asked'
LEFT JOIN LATERAL (SELECT * FROM shipment AS s WHERE s.package_id = p.id
                   ORDER BY s.status <> 'voided' DESC, s.generation DESC LIMIT 1) AS s ON true
WHERE p.id = ANY(%(ids)s)
ORDER BY p.id;

-- name: named
-- By reference, or by a waybill of any courier: skips from courier to courier over the index shipment_waybill.
WITH RECURSIVE known(courier) AS (
    SELECT min(courier) FROM shipment WHERE waybill IS NOT NULL
    UNION ALL
    SELECT (SELECT min(s.courier) FROM shipment AS s WHERE s.waybill IS NOT NULL AND s.courier > known.courier)
    FROM known WHERE known.courier IS NOT NULL
)
SELECT s.reference AS name, s.package_id FROM shipment AS s WHERE s.reference = ANY(%(names)s)
UNION
SELECT s.waybill, s.package_id FROM known JOIN shipment AS s ON s.courier = known.courier AND s.waybill = ANY(%(names)s)
ORDER BY name, package_id;
