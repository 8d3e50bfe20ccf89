-- Orders of two lines; the second has no SKU in the first `waiting` of them, which are held for it.
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    SELECT 'taobao', 's1', g::text, '1', 'pull', 'bulk', '' FROM generate_series(1, %(orders)s) AS g
    RETURNING id, platform_order_id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 5, 0, 0, 0, 5, 5,
        false, false, now(), now(), '', '', '', 0, now() FROM raw
    RETURNING id, platform_order_id::integer <= %(waiting)s AS waits
), lined AS (
    INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
        paid_minor, is_gift, refund_open, refunded, planned)
    SELECT id, line, CASE WHEN line = '1' THEN 'tee' ELSE 'cup' END, '',
           CASE WHEN line = '1' THEN 'TEE-1' WHEN waits THEN '' ELSE 'CUP-1' END, 'x', 1, 5, 5, false, false, false, 1
    FROM made CROSS JOIN unnest(ARRAY['1', '2']) AS line
), placed AS (
    INSERT INTO fulfillment_order (order_id, state, resume_state, lane, reservation)
    SELECT id, CASE WHEN waits THEN 'on_hold' ELSE 'approved' END, CASE WHEN waits THEN 'paid' END,
           CASE WHEN id %% 2 = 0 THEN 'p0' ELSE 'bulk' END, CASE WHEN waits THEN 'unmapped' ELSE 'reserved' END
    FROM made
    RETURNING id, order_id, state = 'on_hold' AS waits
), planned AS (
    INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
    SELECT id, order_id, line, 1 FROM placed CROSS JOIN unnest(ARRAY['1', '2']) AS line
)
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
SELECT id, CASE WHEN waits THEN 'sku_unmapped' ELSE 'address_vague' END, 'review', 'x', now() FROM placed
