-- Six approved orders of two shops, for 1.00 to 6.00, each of one line.
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
SELECT 'taobao', CASE WHEN i <= 3 THEN 'main' ELSE 'side' END, (1000 + i)::text, 'v', 'pull', 'p1', ''
FROM generate_series(1, 6) AS i;
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source, member_level,
    currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor, balance_open,
    platform_hold, placed_at, changed_at, ship_by, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
SELECT 'taobao', shop, platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 100 * id, 0, false,
    false, now(), now(), now() + interval '1 day', '', '', '', 0, now() FROM raw_payload ORDER BY id;
INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
SELECT id, '林小满', '1380000' || lpad((7000 + id)::text, 4, '0'), '', '', '', '', '', '', 'plain', '' FROM orders;
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor, paid_minor,
    is_gift, refund_open, refunded, planned)
SELECT id, 'l1', '', '', CASE WHEN id % 2 = 0 THEN 'CUP' ELSE 'TEE' END, '', 1, 0, 0, false, false, false, 1 FROM orders;
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'approved', 'bulk' FROM orders ORDER BY id;
