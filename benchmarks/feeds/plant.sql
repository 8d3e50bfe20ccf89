-- Orders that one warehouse was told of and that wait for its events: labelled, placed, each of one line. References have
-- the form of ours.

-- name: payloads
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, changed_at, body)
SELECT 'taobao', 's1', 'o-' || n, decode(md5(n::text), 'hex'), 'pull', 'p1', now(), ''
FROM generate_series(1, %(orders)s) AS n;

-- name: orders
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
    member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
    balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo, seller_flag,
    received_at)
SELECT platform, shop, platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 100, 0, 0, 0, 100, 100,
       false, false, changed_at, changed_at, changed_at, changed_at + interval '1 day', '', '', '', 0, received_at
FROM raw_payload;

-- name: receivers
INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
SELECT id, '*', '*', '浙江省', '杭州市', '西湖区', '', '*', '', 'masked', md5(id::text) FROM orders;

-- name: lines
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor, paid_minor,
    is_gift, refund_open, refunded)
SELECT id, 'l' || id, '1', '1', 'SKU-' || id %% 50, 'x', 1, 100, 100, false, false, false FROM orders;

-- name: parts
INSERT INTO fulfillment_order (order_id, state, lane, reservation, location)
SELECT id, 'allocated', 'p1', 'allocated', 'east' FROM orders;

-- name: part_lines
INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
SELECT id, order_id, 'l' || order_id, 1 FROM fulfillment_order
ON CONFLICT DO NOTHING;

-- name: planned
UPDATE order_line SET planned = 1 WHERE planned = 0;

-- name: shelves
INSERT INTO stock_pool (sku, on_hand, allocated)
SELECT sku, count(*), count(*) FROM order_line GROUP BY sku;

-- name: places
INSERT INTO stock_location (sku, location, on_hand, allocated) SELECT sku, 'east', on_hand, allocated FROM stock_pool;

-- name: reservations
INSERT INTO reservation (fulfillment_order_id, sku, quantity, status, location)
SELECT f.id, l.sku, 1, 'allocated', 'east' FROM fulfillment_order AS f JOIN order_line AS l ON l.order_id = f.order_id;

-- name: packages
INSERT INTO package (fulfillment_order_id, number, courier, account, location)
SELECT id, 1, 'sf', 'sf/main', 'east' FROM fulfillment_order;

-- name: package_lines
INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
SELECT p.id, f.id, f.order_id, 'l' || f.order_id, 1
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
ON CONFLICT DO NOTHING;

-- name: packed
UPDATE fulfillment_line SET packed = 1 WHERE packed = 0;

-- name: shipments
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
SELECT p.id, 1, translate(upper(left(md5(o.platform_order_id), 20)), '0189', 'WXYZ') || '-1-1', 'sf', 'booked',
       'SF' || lpad(substr(o.platform_order_id, 3), 13, '0'), now()
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id JOIN orders AS o ON o.id = f.order_id;

-- name: documents
INSERT INTO placement (fulfillment_order_id, location, generation, reference, status, placed_at)
SELECT f.id, 'east', 1, translate(upper(left(md5(o.platform_order_id), 20)), '0189', 'WXYZ') || '-W1-1', 'placed', now()
FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id;

-- name: feed
INSERT INTO location (name, takes_orders_since) VALUES ('east', now())
ON CONFLICT (name) DO UPDATE SET takes_orders_since = now();

-- name: work
INSERT INTO work (step, subject_id, lane, account)
SELECT 'warehouse', id, 'p1', 'warehouse/east' FROM location
ON CONFLICT DO NOTHING;
