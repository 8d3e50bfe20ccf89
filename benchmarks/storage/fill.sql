-- Orders that are long through: of the shops and SKUs that are there, with everything the chain leaves behind.
-- Their payloads are shorter than real ones (about 3 kB), which costs no buffer: a payload is read by its key.

-- name: payloads
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, changed_at, received_at, body)
SELECT split_part(s.account, '/', 1), split_part(s.account, '/', 2), 'old-' || n, decode(md5(n::text), 'hex'), 'pull',
       'bulk', now() - interval '3 days' - make_interval(secs => n %% 500000),
       now() - interval '3 days' - make_interval(secs => n %% 500000), decode(repeat(md5(n::text), 12), 'hex')
FROM generate_series(1, %(orders)s) AS n
JOIN (SELECT account, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS shops FROM shop) AS s
  ON s.place = n %% s.shops;

-- name: orders
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
    member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
    balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
    seller_flag, received_at)
SELECT platform, shop, platform_order_id, id, 'shipped', 'normal', 'shop', 'none', 'CNY', 9900, 0, 0, 0, 9900, 9900,
       false, false, changed_at, changed_at, changed_at, changed_at + interval '2 days', 'buyer-' || id %% 300000, '',
       '', 0, received_at
FROM raw_payload WHERE platform_order_id LIKE 'old-%%';

-- name: receivers
INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
SELECT id, '*', '*', '浙江省', '杭州市', '西湖区', '', '*', '', 'masked', md5(id::text)
FROM orders WHERE platform_order_id LIKE 'old-%%';

-- name: lines
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
    paid_minor, is_gift, refund_open, refunded)
SELECT o.id, o.id || '-' || l, s.sku, s.sku, s.sku, 'a thing that was bought', 1, 4950, 4950, false, false, false
FROM orders AS o CROSS JOIN generate_series(1, 2) AS l
JOIN (SELECT sku, row_number() OVER (ORDER BY sku) - 1 AS place, count(*) OVER () AS skus FROM stock_pool) AS s
  ON s.place = (o.id * 2 + l) %% s.skus
WHERE o.platform_order_id LIKE 'old-%%';

-- name: fulfillment_orders
INSERT INTO fulfillment_order (order_id, state, lane, version, reservation, location, finished_at)
SELECT id, 'completed', 'bulk', 7, 'consumed', (SELECT min(name) FROM location), changed_at + interval '1 day'
FROM orders WHERE platform_order_id LIKE 'old-%%';

-- name: reservations
INSERT INTO reservation (fulfillment_order_id, sku, quantity, status, location)
SELECT f.id, l.sku, count(*), 'consumed', f.location
FROM fulfillment_order AS f JOIN order_line AS l ON l.order_id = f.order_id
WHERE f.state = 'completed' GROUP BY f.id, l.sku;

-- name: holds
-- One order in twenty was once on hold.
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, opened_at, released_at, released_by)
SELECT id, 'address_incomplete', 'review', 'service', finished_at, finished_at, finished_at, 'review'
FROM fulfillment_order WHERE state = 'completed' AND id %% 20 = 0;

-- name: packages
INSERT INTO package (fulfillment_order_id, number, courier, account, location, packed_at, handed_over_at)
SELECT id, 1, 'sf', 'sf/main', location, finished_at, finished_at FROM fulfillment_order WHERE state = 'completed';

-- name: shipments
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
SELECT id, 1, 'old-' || id || '-1-1', courier, 'booked', 'OLD' || id, handed_over_at FROM package
WHERE handed_over_at IS NOT NULL;

-- name: writebacks
INSERT INTO writeback (package_id, order_id, status, shipped_at, confirmed_at, platform_changed_at)
SELECT p.id, f.order_id, 'confirmed', p.handed_over_at, p.handed_over_at, p.handed_over_at
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id;

-- name: notices
INSERT INTO notice (package_id, event, channel, status, occurred_at, told_at)
SELECT id, 'package.shipped', 'webhook/buyers', 'told', handed_over_at, handed_over_at FROM package;

-- name: events
INSERT INTO event (order_id, fulfillment_order_id, kind, step, cause, facts, at)
SELECT f.order_id, f.id, s.step || '_done', s.step, 'rules', '{"rules": "2024-01", "reasons": ["old"]}', f.finished_at
FROM fulfillment_order AS f
CROSS JOIN unnest(ARRAY['normalize', 'reserve', 'review', 'route', 'label', 'warehouse', 'warehouse', 'writeback',
                        'notify']) AS s(step)
WHERE f.state = 'completed';
