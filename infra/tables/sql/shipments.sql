-- Shipments: a waybill of a courier, intended, booked or voided.

-- name: intend_shipments
-- The intent is durable before the courier hears of it. Until the deadline a call may be under way, or what it
-- booked may be hidden from a look-up.
INSERT INTO shipment (package_id, generation, reference, courier, status, call_deadline)
SELECT r.package_id, r.generation, r.reference, r.courier, 'intended', now() + make_interval(secs => r.unclear_s)
FROM json_to_recordset(%(rows)s::json)
     AS r(package_id bigint, generation smallint, reference text, courier text, unclear_s float8)
ORDER BY r.package_id
ON CONFLICT (package_id) WHERE status <> 'voided'
DO UPDATE SET call_deadline = excluded.call_deadline;

-- name: book_shipments
UPDATE shipment AS s
SET status = 'booked', waybill = r.waybill, sort_code = r.sort_code, booked_at = now(), call_deadline = NULL,
    checked_at = s.call_deadline - make_interval(secs => r.checked_before_s)
FROM json_to_recordset(%(rows)s::json) AS r(reference text, waybill text, sort_code text, checked_before_s float8)
WHERE s.reference = r.reference AND s.status = 'intended';

-- name: note_checked
-- The platform allowed to ship a package so many seconds ago, asked after its waybill was booked.
UPDATE shipment SET checked_at = now() - make_interval(secs => %(age_s)s)
WHERE package_id = %(package_id)s AND status = 'booked';

-- name: book_of_warehouse
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
SELECT r.package_id, 1, r.reference, r.courier, 'booked', r.waybill, now()
FROM json_to_recordset(%(rows)s::json) AS r(package_id bigint, reference text, courier text, waybill text)
ORDER BY r.package_id;

-- name: clear_calls
-- The call surely had no effect: the next try need not ask first.
UPDATE shipment SET call_deadline = NULL WHERE reference = ANY(%(references)s) AND status = 'intended';

-- name: end_calls
-- The call is over, whatever its effect: the next try asks first, as soon as a look-up shows what was booked.
UPDATE shipment SET call_deadline = now() + make_interval(secs => %(lag_s)s) WHERE reference = ANY(%(references)s) AND status = 'intended';

-- name: void_shipments
UPDATE shipment SET status = 'voided', voided_at = now(), call_deadline = NULL
WHERE reference = ANY(%(references)s) AND status <> 'voided';

-- name: want_voids
-- Also of a call that may have happened: what it booked is found first. What a warehouse has booked by a contract of its own
-- is the warehouse's to cancel.
UPDATE shipment AS s SET void_wanted_at = coalesce(s.void_wanted_at, now())
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE s.package_id = ANY(%(ids)s) AND s.status <> 'voided' AND p.id = s.package_id AND p.account NOT LIKE 'warehouse/%%'
RETURNING p.id, f.id, p.account, f.lane, o.platform || '/' || o.shop;

-- name: load_unwanted
-- Packages whose waybill nobody wants, after the lock of their fulfillment orders.
SELECT p.id AS package_id, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id,
       o.platform || '/' || o.shop AS shop, p.account, s.courier, s.reference,
       s.status, coalesce(s.waybill, '') AS waybill,
       p.handed_over_at IS NOT NULL OR p.collected_at IS NOT NULL
           OR EXISTS (SELECT FROM early_scan AS e WHERE e.reference = s.reference AND e.kind = 'handed_over') AS has_left,
       s.void_status AS void,
       p.cancelled_at IS NOT NULL AS is_cancelled,
       coalesce(greatest(0, extract(epoch FROM s.void_deadline - now())), 0)::float8 AS busy_s
FROM package AS p
JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided' AND s.void_wanted_at IS NOT NULL
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.id = ANY(%(ids)s)
ORDER BY p.id;

-- name: intend_voids
-- A cancel is about to be asked for. Until the deadline the call may be under way.
UPDATE shipment AS s
SET void_status = CASE WHEN s.void_status = '' THEN 'asked' ELSE s.void_status END,
    void_deadline = now() + make_interval(secs => %(call_s)s)
WHERE s.reference = ANY(%(references)s) AND s.status = 'booked';

-- name: note_voids
-- What the courier said of a cancel that has not been confirmed.
UPDATE shipment AS s SET void_status = r.status, void_deadline = NULL
FROM json_to_recordset(%(rows)s::json) AS r(reference text, status text)
WHERE s.reference = r.reference AND s.status = 'booked';

-- name: still_unwanted
-- Of some fulfillment orders, those with a waybill of ours that lives and that nobody wants.
SELECT DISTINCT p.fulfillment_order_id
FROM package AS p
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked' AND s.void_wanted_at IS NOT NULL
WHERE p.fulfillment_order_id = ANY(%(ids)s);

-- name: want_again
-- Waybills of fulfillment orders are wanted after all, as long as no courier may still cancel them.
UPDATE shipment AS s SET void_wanted_at = NULL, void_status = ''
FROM package AS p
WHERE p.id = s.package_id AND p.fulfillment_order_id = ANY(%(ids)s) AND p.cancelled_at IS NULL AND s.status <> 'voided'
  AND s.void_status IN ('', 'refused');

-- name: settle_voids
-- A person has settled with the couriers what they refused to cancel.
UPDATE shipment AS s SET status = 'voided', voided_at = now(), call_deadline = NULL
FROM package AS p
WHERE p.id = s.package_id AND p.fulfillment_order_id = %(id)s AND s.status = 'booked' AND s.void_status = 'refused';

-- name: being_labelled
-- Orders of which a worker is about to call a courier or to hand a document to a warehouse, or talks to one right now.
SELECT DISTINCT f.order_id
FROM fulfillment_order AS f
JOIN package AS p ON p.fulfillment_order_id = f.id
JOIN work AS w ON w.step = 'label' AND w.subject_id = p.id AND w.lease_until > now()
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'intended' AND s.call_deadline IS NOT NULL
WHERE f.order_id = ANY(%(order_ids)s)
UNION
SELECT f.order_id
FROM fulfillment_order AS f
JOIN work AS w ON w.step = 'dispatch' AND w.subject_id = f.id AND w.lease_until > now()
JOIN placement AS l ON l.fulfillment_order_id = f.id AND l.status = 'intended' AND l.call_deadline IS NOT NULL
WHERE f.order_id = ANY(%(order_ids)s);

-- name: ask_about
-- Label is due for every call of fulfillment orders that may have happened and that nobody asks about: it asks, and
-- books only what is still wanted. What is due already stays as it is, and an open letter has its owner.
INSERT INTO work (step, subject_id, lane, account, shop, is_suspect)
SELECT 'label', p.id, f.lane, p.account, o.platform || '/' || o.shop, %(is_suspect)s
FROM package AS p
JOIN shipment AS s ON s.package_id = p.id AND s.status = 'intended' AND s.call_deadline IS NOT NULL
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.fulfillment_order_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'label' AND d.subject_id = p.id AND d.closed_at IS NULL)
ORDER BY p.id
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane, account;

-- name: give_up_intents
-- A person has settled with the courier what nobody can ask it. The order is closed, so nothing is booked again.
UPDATE shipment AS s SET status = 'voided', voided_at = now(), call_deadline = NULL
FROM package AS p WHERE p.id = s.package_id AND p.fulfillment_order_id = %(id)s AND s.status = 'intended';

-- name: waybill_owner
-- Index shipment_waybill: a number belongs to one shipment of its courier.
SELECT o.platform || '/' || o.shop || '/' || o.platform_order_id
FROM shipment AS ours
JOIN shipment AS s ON s.courier = ours.courier AND s.waybill = %(waybill)s AND s.id <> ours.id
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE ours.reference = %(reference)s;

-- name: packages_since
-- A page of packages with their live shipment, and the highest generation we know of. Not those that a warehouse booked:
-- no courier knows our references of them.
SELECT p.id, p.number, p.courier, p.account, f.id AS fulfillment_order_id, f.state, f.lane, o.id AS order_id,
       o.platform, o.shop, o.platform_order_id, s.generation, s.waybill,
       (SELECT coalesce(max(v.generation), 0) FROM shipment AS v WHERE v.package_id = p.id) AS known_generation,
       EXISTS (SELECT 1 FROM work AS w WHERE w.step = 'label' AND w.subject_id = p.id AND w.lease_token IS NOT NULL)
           AS is_calling
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
WHERE p.created_at >= %(since)s AND p.id > %(after)s AND p.account NOT LIKE 'warehouse/%%'
ORDER BY p.id
LIMIT %(limit)s;

-- name: lock_label
-- The worker that labels this package holds its work row; a second transaction waits here.
SELECT lease_token IS NOT NULL FROM work WHERE step = 'label' AND subject_id = %(package_id)s FOR UPDATE;

-- name: void_others
-- Generations that are not the living one.
UPDATE shipment SET status = 'voided', voided_at = now(), call_deadline = NULL
WHERE package_id = %(package_id)s AND generation <> %(generation)s AND status <> 'voided';

-- name: intend_found
-- What lives at the courier becomes our intent; the call is over, so label asks at once.
INSERT INTO shipment (package_id, generation, reference, courier, status, call_deadline)
VALUES (%(package_id)s, %(generation)s, %(reference)s, %(courier)s, 'intended', now())
ON CONFLICT (package_id, generation)
DO UPDATE SET status = 'intended', waybill = NULL, booked_at = NULL, voided_at = NULL, call_deadline = now();

-- name: label_found
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'label', p.id, %(lane)s, %(account)s, o.platform || '/' || o.shop
FROM package AS p
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE p.id = %(package_id)s
ON CONFLICT (step, subject_id) DO UPDATE SET due_at = least(work.due_at, now())
RETURNING lane, account;

-- name: note_voided
-- A waybill that we had cancelled, whether we knew its generation or not.
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, voided_at)
VALUES (%(package_id)s, %(generation)s, %(reference)s, %(courier)s, 'voided', %(waybill)s, now())
ON CONFLICT (package_id, generation)
DO UPDATE SET status = 'voided', waybill = coalesce(shipment.waybill, excluded.waybill),
              voided_at = coalesce(shipment.voided_at, now()), call_deadline = NULL;

-- name: booked_waybill
SELECT waybill FROM shipment WHERE package_id = %(package_id)s AND status = 'booked';

-- name: label_letters
SELECT id FROM dead_letter WHERE step = 'label' AND subject_id = %(package_id)s AND closed_at IS NULL;
