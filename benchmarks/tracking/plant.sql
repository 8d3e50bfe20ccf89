-- Parcels that have left and that nobody has asked about yet: all are due. One shop has nineteen of twenty.

-- name: payloads
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, changed_at, body)
SELECT 'taobao', CASE WHEN n %% 20 = 0 THEN 'small' ELSE 'large' END, 'p-' || n, decode(md5(n::text), 'hex'), 'pull', 'p1',
       now(), ''
FROM generate_series(1, %(parcels)s) AS n;

-- name: orders
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
    member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
    balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo, seller_flag,
    received_at)
SELECT platform, shop, platform_order_id, id, 'shipped', 'normal', 'shop', 'none', 'CNY', 100, 0, 0, 0, 100, 100,
       false, false, changed_at, changed_at, changed_at, changed_at, '', '', '', 0, received_at
FROM raw_payload;

-- name: receivers
INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
SELECT id, '*', '*', '浙江省', '杭州市', '西湖区', '', '*', '', 'masked', md5(id::text) FROM orders;

-- name: parts
INSERT INTO fulfillment_order (order_id, state, lane, reservation, location)
SELECT id, 'packed', 'p1', 'consumed', 'east' FROM orders;

-- name: packages
INSERT INTO package (fulfillment_order_id, number, courier, account, location, packed_at, handed_over_at)
SELECT id, 1, 'sf', 'sf/main', 'east', now() - interval '1 day', now() - interval '1 day' FROM fulfillment_order;

-- name: shipments
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
SELECT id, 1, 'R-' || id, 'sf', 'booked', 'SF' || id, now() FROM package;

-- name: work
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'track', p.id, 'bulk', 'sf/main/tracking', o.platform || '/' || o.shop
FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id JOIN orders AS o ON o.id = f.order_id;
