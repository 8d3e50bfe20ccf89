-- One order in a thousand is held, one in ten thousand has a dead letter, and one in ten thousand is approved.
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
SELECT 'taobao', 's' || i % 3, 't' || i, 'v', 'pull', 'p1', '' FROM generate_series(1, 30000) AS i;
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source, member_level,
    currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor, balance_open,
    platform_hold, placed_at, changed_at, ship_by, buyer_id, buyer_memo, seller_memo, seller_flag, received_at,
    created_at)
SELECT 'taobao', shop, platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none',
    CASE WHEN id % 5 = 0 THEN 'USD' ELSE 'CNY' END, 0, 0, 0, 0, id, id, false, false, now(), now(),
    now() + make_interval(mins => id::int), '', '', '', 0, now(), now() - make_interval(mins => (30000 - id)::int)
FROM raw_payload;
INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
SELECT id, 'n', '138' || lpad(id::text, 8, '0'), '', '', '', '', '', '', 'plain', '' FROM orders;
INSERT INTO fulfillment_order (order_id, state, resume_state, lane, location)
SELECT id, CASE WHEN id % 1000 = 0 THEN 'on_hold' WHEN id % 10000 = 1 THEN 'approved' ELSE 'in_transit' END,
       CASE WHEN id % 1000 = 0 THEN 'paid' END, CASE WHEN id % 7 = 0 THEN 'p0' ELSE 'bulk' END,
       CASE WHEN id % 2 = 0 THEN 'east' ELSE 'west' END
FROM orders ORDER BY id;
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor, paid_minor,
    is_gift, refund_open, refunded, planned)
SELECT id, 'l1', '', '', 'SKU-' || id % 500, '', 1, 0, 0, false, false, false, 1 FROM orders;
INSERT INTO package (fulfillment_order_id, number, courier, account, location)
SELECT id, 1, CASE WHEN id % 4 = 0 THEN 'zto' ELSE 'sf' END, 'sf/main', location FROM fulfillment_order ORDER BY id;
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
SELECT id, 1, 'ref-' || id, courier, 'booked', 'W' || id, now() FROM package ORDER BY id;
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
SELECT id, CASE WHEN id % 2000 = 0 THEN 'seller_flag' ELSE 'address_vague' END, 'review',
       CASE WHEN id % 3000 = 0 THEN 'li' ELSE 'service' END, now()
FROM fulfillment_order WHERE state = 'on_hold' ORDER BY id;
INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint, causes,
    attempts, crashes, owner, due_at)
SELECT 'label', id, 'bulk', 'sf/main', order_id, id, 'timeout', 'f', '[]', 8, 0, 'engineering', now()
FROM fulfillment_order WHERE id % 10000 = 500 ORDER BY id;
ANALYZE;
