-- name: outstanding
-- What keeps a run from being over: orders that have not come, due work, and packages that were not handed over.
SELECT greatest(0, %(orders)s - (SELECT count(*) FROM orders)),
       (SELECT count(*) FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track')),
       (SELECT count(*) FROM fulfillment_order
        WHERE state IN ('paid', 'approved', 'allocated', 'in_warehouse', 'packed') AND reservation <> 'consumed');

-- name: pass_time
-- Lets the time pass that retries and polls wait for.
WITH gaps AS (UPDATE pull_gap SET due_at = now() - interval '1 second' WHERE due_at > now())
UPDATE work SET due_at = now() - interval '1 second' WHERE due_at > now() - interval '1 second' AND lease_token IS NULL;

-- name: end_calls
-- Lets the time pass in which an earlier call may still run. Only for a caller that is dead or frozen.
WITH labels AS (
    UPDATE shipment
    SET call_deadline = CASE WHEN call_deadline IS NOT NULL THEN least(call_deadline, now() - interval '1 second') END,
        void_deadline = CASE WHEN void_deadline IS NOT NULL THEN least(void_deadline, now() - interval '1 second') END
    WHERE call_deadline > now() OR void_deadline > now()
), documents AS (
    UPDATE placement
    SET call_deadline = CASE WHEN call_deadline IS NOT NULL THEN least(call_deadline, now() - interval '1 second') END,
        stop_deadline = CASE WHEN stop_deadline IS NOT NULL THEN least(stop_deadline, now() - interval '1 second') END
    WHERE call_deadline > now() OR stop_deadline > now())
UPDATE writeback SET call_deadline = now() - interval '1 second' WHERE call_deadline > now();

-- name: settle_shops
-- Lets the time pass in which the changes of two hours settle.
UPDATE shop SET settled_at = now() - interval '2 hours';

-- name: found_late
SELECT coalesce(sum(found_late), 0) FROM shop;

-- name: end_leases
-- Lets the time pass that a lease lasts.
UPDATE work SET lease_until = now() - interval '1 second' WHERE lease_token IS NOT NULL;

-- name: forget_calls
-- Harm for a control: nobody knows any more that a courier or a warehouse may have been called.
WITH documents AS (
    UPDATE placement SET call_deadline = NULL WHERE status = 'intended')
UPDATE shipment SET call_deadline = NULL WHERE status = 'intended';

-- name: repeated_moves
-- A move that was recorded twice of one fulfillment order. Holds may come and go, each refusal of a warehouse leads back
-- to the routing, and once more on, and what a stop has taken back is made anew.
WITH repeated AS MATERIALIZED (
    SELECT e.fulfillment_order_id, e.from_state, e.to_state, count(*) AS times FROM event AS e
    WHERE e.from_state IS NOT NULL AND e.kind <> 'move_refused' AND 'on_hold' NOT IN (e.from_state, e.to_state)
    GROUP BY e.fulfillment_order_id, e.from_state, e.to_state
    HAVING count(*) > 1)
SELECT r.fulfillment_order_id, r.from_state, r.to_state FROM repeated AS r
WHERE r.times > 1 + (SELECT count(*) FROM placement AS l
                     WHERE l.fulfillment_order_id = r.fulfillment_order_id AND l.status = 'refused')
                  + (SELECT count(*) FROM stop AS t
                     WHERE t.fulfillment_order_id = r.fulfillment_order_id AND t.goal = 'rebuild'
                       AND t.status IN ('stopped', 'withdrawn'));

-- name: texts
-- Notices by text message, with what we believe became of each.
SELECT event_id::text, status FROM notice WHERE starts_with(channel, 'tencent-sms/') ORDER BY id;

-- name: unclaimed_text
SELECT n.id FROM notice AS n JOIN work AS w ON w.step = 'notify' AND w.subject_id = n.id
WHERE starts_with(n.channel, 'tencent-sms/') ORDER BY n.id DESC LIMIT 1;

-- name: unknown_texts
SELECT count(*) FROM notice WHERE starts_with(channel, 'tencent-sms/') AND status = 'unknown';

-- name: letters
-- Letters of orders; rejected messages belong to no order.
SELECT step, subject_id, code, crashes FROM dead_letter WHERE closed_at IS NULL AND step <> 'queue' ORDER BY id;

-- name: rejected_messages
SELECT code, count(*) FROM dead_letter WHERE step = 'queue' GROUP BY code ORDER BY code;

-- name: backends
-- Ends every session of the application but this one.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();

-- name: postmaster
SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int;

-- name: newest
SELECT max(id) FROM fulfillment_order;

-- name: held
SELECT count(*) FROM hold WHERE facts ->> 'code' = 'outcome_unknown' AND released_at IS NULL;

-- name: lock_work
LOCK TABLE work IN ACCESS EXCLUSIVE MODE;

-- name: pause
SELECT pg_sleep(%(seconds)s);

-- name: drop_guard
-- Harm for a control: nothing keeps two packages from one waybill.
DROP INDEX shipment_waybill;

-- name: known_waybills
SELECT waybill FROM shipment WHERE waybill IS NOT NULL;

-- name: shared_waybills
SELECT count(*) FROM (SELECT FROM shipment WHERE waybill IS NOT NULL GROUP BY courier, waybill HAVING count(*) > 1) AS s;

-- name: attempts
SELECT coalesce(max(attempts), 0) FROM work;

-- name: engine_gates
SELECT count(*) FROM gate WHERE shut_by = 'engine';

-- name: resting_labels
SELECT count(*) FROM work WHERE step = 'label' AND gate IS NOT NULL;

-- name: open_holds
SELECT o.platform_order_id, array_agg(h.code ORDER BY h.code)
FROM hold AS h
JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE h.released_at IS NULL
GROUP BY o.platform_order_id;

-- name: count_gaps
SELECT count(*) FROM pull_gap;

-- name: open_gaps
SELECT platform_order_id FROM pull_gap;

-- name: deadlocks
SELECT deadlocks FROM pg_stat_database WHERE datname = current_database();

-- name: waiting_for_locks
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock';

-- name: touch_stock
UPDATE stock_pool SET on_hand = on_hand WHERE sku = %(sku)s;

-- name: references
SELECT reference FROM shipment;

-- name: make_tablespace
CREATE TABLESPACE scarce LOCATION %(folder)s;

-- name: move_shipments
ALTER TABLE shipment SET TABLESPACE scarce;

-- name: say_disk_is_full
-- The code of a full disk, where no disk can be filled.
CREATE FUNCTION say_disk_is_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;

-- name: refuse_intents
CREATE TRIGGER full_disk BEFORE INSERT ON shipment EXECUTE FUNCTION say_disk_is_full();

-- name: accept_intents
DROP TRIGGER full_disk ON shipment;

-- name: lease_left
-- Seconds until the last lease ends, by the database's clock; 0 without one.
SELECT coalesce(ceil(extract(epoch FROM max(lease_until) - now())), 0)::int FROM work;

-- name: paused_accounts
SELECT name, reason FROM gate WHERE shut_by = 'engine' ORDER BY kind, name;

-- name: most_crashes
SELECT coalesce(max(crashes), 0) FROM (SELECT crashes FROM work UNION ALL SELECT crashes FROM dead_letter) AS c;

-- name: spoil_one
-- Harm: what is stored of one order cannot be read any more.
UPDATE orders SET source = 'unreadable' WHERE id = (SELECT max(order_id) FROM dead_letter WHERE closed_at IS NULL);

-- name: mend_all
UPDATE orders SET source = 'shelf' WHERE source = 'unreadable';

-- name: sent_back
-- What a bulk's audit says: letters closed, different ones of them, and the seconds from first to last.
SELECT count(*), count(DISTINCT object), coalesce(extract(epoch FROM max(at) - min(at)), 0)::float8
FROM audit WHERE verb = 'letter_closed' AND reason LIKE 'bulk ' || %(id)s || ':%%';

-- name: back_up
-- Nobody may be connected. Everything as it is now, under another name.
CREATE DATABASE backup TEMPLATE orderlane STRATEGY file_copy;

-- name: lose
ALTER DATABASE orderlane RENAME TO lost;

-- name: restore
ALTER DATABASE backup RENAME TO orderlane;

-- name: forget_lost
DROP DATABASE lost;

-- name: sessions
-- Ends every session with the application's database.
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = 'orderlane';

-- name: held_as_shipped
SELECT f.order_id FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id
WHERE h.code = 'shipped_elsewhere' AND h.released_at IS NULL ORDER BY h.id;

-- name: open_letters
SELECT id FROM dead_letter WHERE closed_at IS NULL ORDER BY id;

-- name: waiting_labels
SELECT account, count(*) FROM work WHERE step = 'label' GROUP BY account;

-- name: share_labels
-- Every second package goes to another account.
UPDATE work SET account = %(account)s WHERE step = 'label' AND subject_id %% 2 = 0 RETURNING subject_id;

-- name: share_packages
UPDATE package SET account = %(account)s WHERE id %% 2 = 0;

-- name: spent_on_labels
SELECT coalesce(sum(attempts), 0) FROM work WHERE step = 'label';

-- name: newest_is_booked
SELECT (status = 'booked')::int FROM shipment ORDER BY id DESC LIMIT 1;

-- name: stored
SELECT count(*) FROM raw_payload;

-- name: due
SELECT count(*) FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track');

-- name: grow_old
-- A year passes for all that is stored, but for the timeline.
WITH aged_orders AS (
    UPDATE orders SET created_at = created_at - interval '1 year'
), aged_payloads AS (
    UPDATE raw_payload SET received_at = received_at - interval '1 year'
), aged_pages AS (
    UPDATE warehouse_page SET received_at = received_at - interval '1 year'
), aged_ends AS (
    UPDATE fulfillment_order SET finished_at = finished_at - interval '1 year'
)
UPDATE package SET packed_at = packed_at - interval '1 year', handed_over_at = handed_over_at - interval '1 year';

-- name: persons
SELECT (SELECT count(*) FROM receiver WHERE name || phone || detail <> '')
     + (SELECT count(*) FROM raw_payload WHERE octet_length(body) > 0);

-- name: old_persons
-- The same, of orders that have grown old.
SELECT (SELECT count(*) FROM receiver AS c JOIN orders AS o ON o.id = c.order_id
        WHERE c.name || c.phone || c.detail <> '' AND o.created_at < now() - interval '90 days')
     + (SELECT count(*) FROM raw_payload AS r
        JOIN orders AS o ON o.shop = r.shop AND o.platform_order_id = r.platform_order_id AND o.platform = r.platform
        WHERE octet_length(r.body) > 0 AND o.created_at < now() - interval '90 days');

-- name: half_forgotten
-- Orders with a tombstone and something of their person, or without one and nothing.
SELECT count(*) FROM orders AS o JOIN receiver AS c ON c.order_id = o.id JOIN raw_payload AS r ON r.id = o.raw_payload_id
WHERE EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = o.id)
   <> (c.pii = 'absent' AND c.name = '' AND octet_length(r.body) = 0);

-- name: begin_anew
-- Every shop and location is read again from where its memory begins.
WITH shops AS (
    UPDATE shop SET cursor_at = cursor_at - interval '1 day'
), feeds AS (
    UPDATE location SET feed_cursor = ''
)
UPDATE work SET due_at = now() WHERE step IN ('pull', 'warehouse');

-- name: remove_tombstones
DELETE FROM tombstone;

-- name: dead_payloads
-- Orders whose payload became a dead letter, by the platform's own id.
SELECT r.platform_order_id, d.code, d.causes -> -1 ->> 'message' FROM dead_letter AS d
JOIN raw_payload AS r ON r.id = d.subject_id
WHERE d.step = 'normalize' AND d.closed_at IS NULL ORDER BY r.platform_order_id;

-- name: handed_over
SELECT o.platform_order_id FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id WHERE f.reservation = 'consumed';

-- name: came_in
SELECT platform_order_id FROM orders;

-- name: take_any_early_scan
-- Harm for a control: the table takes times that nobody can read back.
ALTER TABLE early_scan DROP CONSTRAINT scan_is_an_instant;

-- name: plant_early_scans
-- One at each location, of a label that is recorded by now.
INSERT INTO early_scan (event_id, location, reference, waybill, kind, at)
SELECT DISTINCT ON (p.location) 'planted', p.location, s.reference, '', 'packed', '0001-01-01 00:00:00+08'::timestamptz
FROM shipment AS s JOIN package AS p ON p.id = s.package_id
WHERE s.status = 'booked' ORDER BY p.location, s.id;

-- name: handed_over_at
-- Waybills of packages that have left locations.
SELECT s.waybill FROM shipment AS s JOIN package AS p ON p.id = s.package_id
WHERE s.status = 'booked' AND p.handed_over_at IS NOT NULL AND p.location = ANY(%(locations)s);

-- name: an_hour_passes
-- All that is stored about orders, documents, feeds and gates grows an hour older.
WITH feeds AS (
    UPDATE location SET read_at = read_at - interval '1 hour', created_at = created_at - interval '1 hour'
), documents AS (
    UPDATE placement SET intended_at = intended_at - interval '1 hour', placed_at = placed_at - interval '1 hour',
        heard_at = heard_at - interval '1 hour', asked_at = asked_at - interval '1 hour',
        ended_at = ended_at - interval '1 hour', checked_at = checked_at - interval '1 hour',
        call_deadline = call_deadline - interval '1 hour'
), waybills AS (
    UPDATE shipment SET booked_at = booked_at - interval '1 hour', checked_at = checked_at - interval '1 hour',
        call_deadline = call_deadline - interval '1 hour'
), shut AS (
    UPDATE gate SET shut_at = shut_at - interval '1 hour', probe_at = probe_at - interval '1 hour',
        until = until - interval '1 hour'
), promised AS (
    UPDATE orders SET placed_at = placed_at - interval '1 hour', paid_at = paid_at - interval '1 hour',
        ship_by = ship_by - interval '1 hour'
)
UPDATE work SET due_at = due_at - interval '1 hour', gated_at = gated_at - interval '1 hour' WHERE lease_token IS NULL;

-- name: undispatched
-- Orders that wait for the warehouse that is away.
SELECT count(*) FROM fulfillment_order AS f
WHERE f.state = 'allocated' AND f.location = 'shanghai'
  AND NOT EXISTS (SELECT 1 FROM placement AS l
                  WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'));

-- name: undispatched_elsewhere
SELECT count(*) FROM fulfillment_order AS f
WHERE f.state = 'allocated' AND f.location <> 'shanghai'
  AND NOT EXISTS (SELECT 1 FROM placement AS l
                  WHERE l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final'));

-- name: silent_feed
SELECT 1 FROM alarm WHERE kind = 'feed_silent' AND key = %(account)s AND closed_at IS NULL;

-- name: ways
-- How far orders have come: the farthest of their parts, as `drills.wishes.Place` counts.
SELECT o.platform_order_id, o.id, max(CASE
    WHEN f.state IN ('delivered', 'completed') THEN 9
    WHEN p.collected_at IS NOT NULL THEN 8
    WHEN p.handed_over_at IS NOT NULL THEN 7
    WHEN p.packed_at IS NOT NULL THEN 6
    WHEN l.status IN ('placed', 'final') OR f.state = 'in_warehouse' THEN 5
    WHEN s.status = 'booked' THEN 4
    WHEN s.status = 'intended' THEN 3
    WHEN f.state = 'allocated' OR f.resume_state = 'allocated' THEN 2
    WHEN f.state = 'approved' OR f.resume_state = 'approved' THEN 1
    ELSE 0 END)
FROM orders AS o
JOIN fulfillment_order AS f ON f.order_id = o.id
LEFT JOIN package AS p ON p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status <> 'voided'
LEFT JOIN placement AS l ON l.fulfillment_order_id = f.id AND l.status IN ('placed', 'final')
WHERE o.platform_order_id = ANY(%(tids)s)
GROUP BY o.id;

-- name: stops_to_confirm
-- Orders whose stops wait for a person who finds the goods.
SELECT DISTINCT order_id FROM stop WHERE status = 'asked' AND rung = 'confirm' AND confirmed_at IS NULL;

-- name: stopped_by_persons
-- Stops of persons that have ended as such, with the order and the lines that do not go.
SELECT t.id, o.platform_order_id,
       ARRAY(SELECT k.line_id FROM fulfillment_line AS k
             WHERE k.fulfillment_order_id = t.fulfillment_order_id AND k.quantity > 0 ORDER BY k.line_id)
FROM stop AS t JOIN orders AS o ON o.id = t.order_id
WHERE t.status = 'stopped' AND t.goal = 'close' AND t.asked_by = 'person' ORDER BY t.id;

-- name: last_left
-- When (unix seconds) the last parcel of an order left.
SELECT o.platform_order_id, extract(epoch FROM max(p.handed_over_at))::float8
FROM orders AS o JOIN fulfillment_order AS f ON f.order_id = o.id JOIN package AS p ON p.fulfillment_order_id = f.id
WHERE o.platform_order_id = ANY(%(tids)s) AND p.handed_over_at IS NOT NULL GROUP BY o.id;

-- name: unrest
-- Open stops, due work, and up to when (unix seconds) the changes and the cases of every shop were read. Not due is an answer
-- that may have been told, whose case is looked at until the platform decides, and that of a case which is over.
SELECT (SELECT count(*) FROM stop WHERE status = 'asked'),
       (SELECT count(*) FROM work AS w WHERE w.step <> ALL(%(endless)s)
           AND NOT (w.step = 'answer' AND EXISTS (
               SELECT 1 FROM order_case AS c WHERE c.id = w.subject_id AND (c.answer_status = 'asked' OR c.closed_at IS NOT NULL)))),
       (SELECT coalesce(min(extract(epoch FROM coalesce(cursor_at, to_timestamp(0)))), 0)::float8 FROM shop),
       (SELECT coalesce(min(extract(epoch FROM coalesce(c.cursor_at, to_timestamp(0)))), 0)::float8
        FROM shop AS s LEFT JOIN case_cursor AS c ON c.shop_id = s.id);

-- name: ended_stops
-- Every stop: how it ended, why it was asked for, and seconds from the request to the end.
SELECT status, code, extract(epoch FROM ended_at - asked_at)::float8 FROM stop ORDER BY id;

-- name: wanted_waybills
-- Booked waybills that somebody wants, or that a person was told of.
SELECT s.waybill FROM shipment AS s
JOIN package AS p ON p.id = s.package_id
JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
WHERE s.status = 'booked'
  AND (p.handed_over_at IS NOT NULL OR (p.cancelled_at IS NULL AND f.state <> 'closed')
       OR EXISTS (SELECT 1 FROM hold AS h
                  WHERE h.fulfillment_order_id = f.id AND h.code = 'unwanted_waybill' AND h.released_at IS NULL));

-- name: stopped_waybills
-- Waybills of which a confirmed stop said that they stay, but for those that came back and were counted.
SELECT s.waybill FROM stop AS t
JOIN package AS p ON p.fulfillment_order_id = t.fulfillment_order_id
JOIN shipment AS s ON s.package_id = p.id AND s.waybill IS NOT NULL
WHERE t.status = 'stopped' AND s.booked_at <= t.ended_at
  AND NOT EXISTS (SELECT 1 FROM parcel_return AS r WHERE r.package_id = p.id AND r.received_at IS NOT NULL);

-- name: cases_of_kind
SELECT coalesce(o.platform_order_id, c.case_id) FROM order_case AS c LEFT JOIN orders AS o ON o.id = c.order_id
WHERE c.kind = %(kind)s ORDER BY c.id;

-- name: open_rungs
SELECT rung, count(*) FROM stop WHERE status = 'asked' GROUP BY rung;

-- name: due_steps
SELECT step, count(*) FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track') GROUP BY step;

-- name: newest_order
SELECT max(id) FROM orders;
