-- Stored orders of an earlier version, in every state and with every kind of work, as its schema has them. They belong
-- to a shop that nobody is connected to and rest: what would call outside is due in a month. Those whose next step is
-- inside are woken by and by. One script; `stored.orders` says how many.

CREATE TABLE stored_kind (
    kind text PRIMARY KEY, share integer NOT NULL, state text NOT NULL, resume_state text, reservation text NOT NULL,
    shipment text, is_packed boolean NOT NULL DEFAULT false, has_left boolean NOT NULL DEFAULT false, writeback text,
    notice text, hold text, hold_step text, letter text, work text
);
INSERT INTO stored_kind VALUES
    ('unpaid',             40, 'pending_payment', NULL,           'reserved',  NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('unpaid, short',      10, 'pending_payment', NULL,           'short',     NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('to reserve',         60, 'paid',            NULL,           'none',      NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        'reserve'),
    ('to review',          60, 'paid',            NULL,           'reserved',  NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        'review'),
    ('review died',        10, 'paid',            NULL,           'reserved',  NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        'review',    NULL),
    ('refund asked',       40, 'on_hold',         'paid',         'reserved',  NULL,       false, false, NULL,        NULL,          'refund_requested',   'review',    NULL,        NULL),
    ('unmapped',           20, 'on_hold',         'paid',         'unmapped',  NULL,       false, false, NULL,        NULL,          'sku_unmapped',       'reserve',   NULL,        NULL),
    ('short',              30, 'on_hold',         'paid',         'short',     NULL,       false, false, NULL,        NULL,          'stock_short_paid',   'reserve',   NULL,        NULL),
    ('approved',           60, 'approved',        NULL,           'reserved',  NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        'route'),
    ('approved, held',     10, 'on_hold',         'approved',     'reserved',  NULL,       false, false, NULL,        NULL,          'buyer_changed',      'normalize', NULL,        NULL),
    ('to label',           50, 'allocated',       NULL,           'allocated', 'none',     false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        'label'),
    ('asked about',        20, 'allocated',       NULL,           'allocated', 'intended', false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        'label'),
    ('label died',         15, 'allocated',       NULL,           'allocated', 'intended', false, false, NULL,        NULL,          NULL,                 NULL,        'label',     NULL),
    ('allocated, held',    20, 'on_hold',         'allocated',    'allocated', 'none',     false, false, NULL,        NULL,          'refund_requested',   'label',     NULL,        NULL),
    ('labelled, held',     20, 'on_hold',         'allocated',    'allocated', 'booked',   false, false, 'pending',   NULL,          'buyer_changed',      'normalize', NULL,        NULL),
    ('labelled',           40, 'allocated',       NULL,           'allocated', 'booked',   false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('in the warehouse',   40, 'in_warehouse',    NULL,           'allocated', 'booked',   false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('packed',             30, 'packed',          NULL,           'allocated', 'booked',   true,  false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('labelled again',     10, 'packed',          NULL,           'allocated', 'rebooked', true,  false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('to tell',            40, 'in_transit',      NULL,           'consumed',  'booked',   true,  true,  'pending',   'pending',     NULL,                 NULL,        NULL,        'writeback'),
    ('being told',         20, 'in_transit',      NULL,           'consumed',  'booked',   true,  true,  'sending',   'told',        NULL,                 NULL,        NULL,        'writeback'),
    ('telling died',       10, 'in_transit',      NULL,           'consumed',  'booked',   true,  true,  'pending',   'told',        NULL,                 NULL,        'writeback', NULL),
    ('refused',            10, 'in_transit',      NULL,           'consumed',  'booked',   true,  true,  'refused',   'unreachable', NULL,                 NULL,        NULL,        NULL),
    ('told',               55, 'in_transit',      NULL,           'consumed',  'booked',   true,  true,  'confirmed', 'told',        NULL,                 NULL,        NULL,        NULL),
    ('delivered',          40, 'delivered',       NULL,           'consumed',  'booked',   true,  true,  'confirmed', 'told',        NULL,                 NULL,        NULL,        NULL),
    ('completed',         145, 'completed',       NULL,           'consumed',  'booked',   true,  true,  'confirmed', 'told',        NULL,                 NULL,        NULL,        NULL),
    ('after sale',         20, 'after_sale',      NULL,           'consumed',  'booked',   true,  true,  'confirmed', 'unknown',     NULL,                 NULL,        NULL,        NULL),
    ('closed',             55, 'closed',          NULL,           'released',  NULL,       false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL),
    ('closed, labelled',   10, 'closed',          NULL,           'released',  'booked',   false, false, NULL,        NULL,          'unwanted_waybill',   'label',     NULL,        NULL),
    ('closed, asked about', 5, 'closed',          NULL,           'released',  'intended', false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        'label'),
    ('closed, unlabelled',  5, 'closed',          NULL,           'released',  'none',     false, false, NULL,        NULL,          NULL,                 NULL,        NULL,        NULL);

CREATE TABLE stored AS
SELECT n, 'stored-' || n AS name, k.*,
       CASE WHEN n % 50 = 0 THEN 'p0' WHEN n % 9 = 0 THEN 'p1' ELSE 'bulk' END AS lane
FROM generate_series(1, current_setting('stored.orders')::bigint) AS n
JOIN (SELECT k.*, sum(share) OVER (ORDER BY kind) AS upto FROM stored_kind AS k) AS k
  ON (n * 7919) % 1000 >= k.upto - k.share AND (n * 7919) % 1000 < k.upto;
CREATE UNIQUE INDEX ON stored (n);

-- One to three lines; of every seventh order the second one was refunded; of every eleventh two have the same SKU.
CREATE TABLE stored_line AS
SELECT s.n, l AS place, s.name || '-' || l AS line_id,
       CASE WHEN s.reservation = 'unmapped' AND l = 1 THEN ''
            ELSE 'STORED-' || lpad(((s.n * 7 + CASE WHEN s.n % 11 = 0 THEN 13 ELSE l * 13 END) % 500)::text, 3, '0')
       END AS sku,
       (1 + (s.n + l) % 3)::integer AS quantity, 1000 + l * 10 AS price,
       l = 2 AND s.n % 7 = 0 AS refunded, l = 1 AND s.hold IS NOT DISTINCT FROM 'refund_requested' AS refund_open
FROM stored AS s CROSS JOIN LATERAL generate_series(1, 1 + s.n % 3) AS l;
CREATE INDEX ON stored_line (n);

INSERT INTO stock_pool (sku, on_hand) SELECT DISTINCT sku, 0 FROM stored_line WHERE sku <> '';
INSERT INTO stock_location (sku, location, on_hand)
SELECT p.sku, l.name, 1000000 FROM stock_pool AS p CROSS JOIN location AS l WHERE p.sku LIKE 'STORED-%';
UPDATE stock_pool AS p SET on_hand = (SELECT sum(on_hand) FROM stock_location AS l WHERE l.sku = p.sku)
WHERE p.sku LIKE 'STORED-%';

INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, changed_at, received_at, body)
SELECT 'taobao', 'stored', name, decode(md5(name), 'hex'), 'pull', lane, now() - interval '1 day',
       now() - interval '1 day', decode(repeat(md5(name), 12), 'hex')
FROM stored ORDER BY n;

INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
    member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
    balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
    seller_flag, received_at)
SELECT r.platform, r.shop, r.platform_order_id, r.id,
       CASE WHEN s.state = 'pending_payment' THEN 'unpaid' WHEN s.state = 'closed' THEN 'closed'
            WHEN s.state = 'completed' THEN 'done' WHEN s.writeback = 'confirmed' THEN 'shipped' ELSE 'to_ship' END,
       'normal', 'shelf', 'none', 'CNY', t.sum, 0, 0, 0, t.sum,
       CASE WHEN s.state = 'pending_payment' THEN 0 ELSE t.sum END, false, false, r.changed_at, r.changed_at,
       CASE WHEN s.state <> 'pending_payment' THEN r.changed_at END, now() + interval '10 days', 'buyer-' || s.n, '', '',
       0, r.received_at
FROM stored AS s
JOIN raw_payload AS r ON r.shop = 'stored' AND r.platform_order_id = s.name
CROSS JOIN LATERAL (SELECT sum(l.quantity * l.price) AS sum FROM stored_line AS l WHERE l.n = s.n) AS t
ORDER BY s.n;
ALTER TABLE stored ADD COLUMN order_id bigint;
UPDATE stored AS s SET order_id = o.id FROM orders AS o WHERE o.shop = 'stored' AND o.platform_order_id = s.name;

INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
SELECT order_id, '周远', '138' || lpad(n::text, 8, '0'), '浙江省', '杭州市', '西湖区', '', '文三路' || n || '号2幢301室', '',
       'plain', ''
FROM stored ORDER BY n;

INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
    paid_minor, is_gift, refund_open, refunded)
SELECT s.order_id, l.line_id, l.sku, l.sku, l.sku, 'a thing that was bought', l.quantity, l.price, l.quantity * l.price,
       false, l.refund_open, l.refunded
FROM stored AS s JOIN stored_line AS l ON l.n = s.n ORDER BY s.n, l.place;

INSERT INTO fulfillment_order (order_id, state, resume_state, lane, version, reservation, location, closed_reason,
    finished_at)
SELECT order_id, state, resume_state, lane, 3, reservation,
       CASE WHEN reservation IN ('allocated', 'consumed') THEN (SELECT min(name) FROM location) END,
       CASE WHEN state = 'closed' THEN 'closed_by_platform' END,
       CASE WHEN state IN ('closed', 'completed') THEN now() - interval '1 hour' END
FROM stored ORDER BY n;
ALTER TABLE stored ADD COLUMN fulfillment_order_id bigint;
UPDATE stored AS s SET fulfillment_order_id = f.id FROM fulfillment_order AS f WHERE f.order_id = s.order_id;
CREATE INDEX ON stored (fulfillment_order_id);

-- A line that was refunded before the order was reserved is not in it; of every second order it was refunded later,
-- once the pieces were allocated.
INSERT INTO reservation (fulfillment_order_id, sku, quantity, status, location)
SELECT s.fulfillment_order_id, l.sku, sum(l.quantity), s.reservation,
       CASE WHEN s.reservation IN ('allocated', 'consumed') THEN (SELECT min(name) FROM location) END
FROM stored AS s JOIN stored_line AS l ON l.n = s.n
WHERE s.reservation IN ('reserved', 'allocated', 'consumed', 'released')
  AND (NOT l.refunded OR s.n % 2 = 0 AND s.reservation IN ('allocated', 'consumed'))
GROUP BY s.fulfillment_order_id, s.reservation, l.sku
ORDER BY s.fulfillment_order_id, l.sku;
UPDATE stock_pool AS p SET reserved = r.reserved, allocated = r.allocated
FROM (SELECT sku, coalesce(sum(quantity) FILTER (WHERE status = 'reserved'), 0) AS reserved,
             coalesce(sum(quantity) FILTER (WHERE status = 'allocated'), 0) AS allocated
      FROM reservation GROUP BY sku) AS r
WHERE p.sku = r.sku AND p.sku LIKE 'STORED-%';
UPDATE stock_location AS p SET allocated = r.allocated
FROM (SELECT sku, location, sum(quantity) AS allocated FROM reservation WHERE status = 'allocated'
      GROUP BY sku, location) AS r
WHERE p.sku = r.sku AND p.location = r.location AND p.sku LIKE 'STORED-%';

INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
SELECT fulfillment_order_id, hold, hold_step, 'service', now() + interval '2 hours' FROM stored WHERE hold IS NOT NULL
ORDER BY n;
-- One order in twenty was once on hold.
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, released_at, released_by)
SELECT fulfillment_order_id, 'address_vague', 'review', 'service', now(), now(), 'review' FROM stored WHERE n % 20 = 0;

INSERT INTO package (fulfillment_order_id, number, courier, account, location, packed_at, handed_over_at)
SELECT fulfillment_order_id, 1, 'sf', 'sf/main', (SELECT min(name) FROM location),
       CASE WHEN is_packed THEN now() - interval '2 hours' END, CASE WHEN has_left THEN now() - interval '1 hour' END
FROM stored WHERE shipment IS NOT NULL ORDER BY n;
ALTER TABLE stored ADD COLUMN package_id bigint;
UPDATE stored AS s SET package_id = p.id FROM package AS p WHERE p.fulfillment_order_id = s.fulfillment_order_id;

INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at, voided_at)
SELECT package_id, 1, 'ST' || n || '-1-1', 'sf', 'voided', 'STV' || n, now(), now() FROM stored WHERE shipment = 'rebooked';
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at, call_deadline)
SELECT package_id, g, 'ST' || n || '-1-' || g, 'sf', CASE WHEN shipment = 'intended' THEN 'intended' ELSE 'booked' END,
       CASE WHEN shipment <> 'intended' THEN 'STW' || n END, CASE WHEN shipment <> 'intended' THEN now() END,
       CASE WHEN shipment = 'intended' THEN now() END
FROM stored CROSS JOIN LATERAL (SELECT CASE WHEN shipment = 'rebooked' THEN 2 ELSE 1 END AS g) AS g
WHERE shipment IN ('intended', 'booked', 'rebooked') ORDER BY n;

INSERT INTO writeback (package_id, order_id, status, shipped_at, call_deadline, confirmed_at, platform_changed_at)
SELECT package_id, order_id, writeback, now() - interval '1 hour', CASE WHEN writeback = 'sending' THEN now() END,
       CASE WHEN writeback = 'confirmed' THEN now() END, CASE WHEN writeback = 'confirmed' THEN now() END
FROM stored WHERE writeback IS NOT NULL ORDER BY n;

INSERT INTO notice (package_id, event, channel, status, reason, occurred_at, told_at)
SELECT package_id, 'package.shipped', 'webhook/buyers', notice,
       CASE WHEN notice IN ('unknown', 'unreachable') THEN 'number_hidden' END, now() - interval '1 hour',
       CASE WHEN notice = 'told' THEN now() END
FROM stored WHERE notice IS NOT NULL ORDER BY n;

INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint, causes,
                         attempts, crashes, owner, due_at)
SELECT letter, CASE WHEN letter = 'review' THEN fulfillment_order_id ELSE package_id END, lane, 'taobao/stored', order_id,
       fulfillment_order_id, 'bug', 'stored', '[{"code": "bug", "message": "stored"}]', 5, 0, 'engineering', now()
FROM stored WHERE letter IS NOT NULL ORDER BY n;

INSERT INTO work (step, subject_id, lane, account, shop, due_at)
SELECT work, CASE WHEN work IN ('label', 'writeback') THEN package_id ELSE fulfillment_order_id END, lane,
       CASE work WHEN 'label' THEN 'sf/main' WHEN 'writeback' THEN 'taobao/stored' ELSE '' END, 'taobao/stored',
       now() + interval '30 days'
FROM stored WHERE work IS NOT NULL ORDER BY n;
INSERT INTO work (step, subject_id, lane, account, shop, due_at)
SELECT 'notify', t.id, s.lane, t.channel, 'taobao/stored', now() + interval '30 days'
FROM stored AS s JOIN notice AS t ON t.package_id = s.package_id WHERE s.notice = 'pending' ORDER BY s.n;

INSERT INTO event (order_id, fulfillment_order_id, kind, step, cause, facts)
SELECT order_id, fulfillment_order_id, 'normalize_done', 'normalize', 'platform', '{"lane": "bulk"}' FROM stored
ORDER BY n;

-- Nobody is connected to their shop, so what route makes due of them rests as well.
CREATE FUNCTION let_stored_rest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.due_at := now() + interval '30 days';
    RETURN NEW;
END $$;
CREATE TRIGGER stored_rest BEFORE INSERT ON work
    FOR EACH ROW WHEN (NEW.step = 'label' AND NEW.shop = 'taobao/stored') EXECUTE FUNCTION let_stored_rest();
