-- name: admit
-- New orders with receiver, lines and one fulfillment order without a location, in one statement.
-- An order that another transaction admitted first is not returned.
WITH incoming AS (
    SELECT * FROM json_to_recordset(%(orders)s::json) AS r(
        platform text, shop text, platform_order_id text, raw_payload_id bigint, platform_state text,
        order_type text, source text, member_level text, currency text, goods_minor bigint,
        discount_minor bigint, freight_minor bigint, tax_minor bigint, payable_minor bigint, paid_minor bigint,
        services_minor bigint, fees_minor bigint, fulfilled_by text, balance_open boolean, platform_hold boolean, placed_at timestamptz, changed_at timestamptz,
        paid_at timestamptz, ship_by timestamptz, ship_from timestamptz, buyer_id text, buyer_memo text, seller_memo text,
        seller_flag smallint, received_at timestamptz, name text, phone text, province text, city text,
        district text, town text, detail text, zip_code text, pii text, merge_token text,
        state text, resume_state text, lane text, lane_by text, closed_reason text)
), admitted AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        services_minor, fees_minor, fulfilled_by, balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by,
        ship_from, ship_from_of, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        services_minor, fees_minor, fulfilled_by, balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by,
        ship_from, raw_payload_id, buyer_id, buyer_memo, seller_memo, seller_flag, received_at
    FROM incoming AS i
    WHERE NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.shop = i.shop
                      AND t.platform_order_id = i.platform_order_id AND t.platform = i.platform)
    ORDER BY shop, platform_order_id, platform
    ON CONFLICT (shop, platform_order_id, platform) DO NOTHING
    RETURNING id, raw_payload_id
), received AS (
    INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
    SELECT a.id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token
    FROM admitted AS a JOIN incoming USING (raw_payload_id)
), incoming_line AS (
    SELECT a.id AS order_id, i.state, l.*
    FROM admitted AS a
    JOIN incoming AS i USING (raw_payload_id)
    JOIN json_to_recordset(%(lines)s::json) AS l(
        raw_payload_id bigint, line_id text, product_id text, platform_sku text, sku text, title text,
        quantity integer, unit_price_minor bigint, paid_minor bigint, is_gift boolean, refund_open boolean,
        refunded boolean, refund_unknown boolean, fulfilled_by text, shipped integer, waybill text, replaced_sku text,
        planned integer, cancelled integer, elsewhere integer) USING (raw_payload_id)
), lined AS (
    INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
        paid_minor, is_gift, refund_open, refunded, refund_unknown, fulfilled_by, shipped, waybill, replaced_sku, planned,
        cancelled, elsewhere)
    SELECT order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor, paid_minor, is_gift,
        refund_open, refunded, refund_unknown, fulfilled_by, shipped, waybill, replaced_sku,
        CASE WHEN state = 'closed' THEN 0 ELSE planned END,
        CASE WHEN state = 'closed' THEN cancelled + planned ELSE cancelled END, elsewhere
    FROM incoming_line
), made AS (
    INSERT INTO fulfillment_order (order_id, state, resume_state, lane, lane_by, closed_reason, finished_at)
    SELECT a.id, i.state, i.resume_state, i.lane, i.lane_by, i.closed_reason,
           CASE WHEN i.state = 'closed' THEN now() END
    FROM admitted AS a JOIN incoming AS i USING (raw_payload_id)
    RETURNING order_id, id
), planned AS (
    INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
    SELECT m.id, m.order_id, l.line_id, l.planned
    FROM made AS m JOIN incoming_line AS l USING (order_id)
    WHERE l.planned > 0 AND l.state <> 'closed'
)
SELECT m.order_id, m.id, a.raw_payload_id FROM made AS m JOIN admitted AS a ON a.id = m.order_id;

-- name: find_existing
-- Orders that are there already, locked against other updates of the same order. Not against new rows that name it:
-- a transaction that splits a fulfillment order has it locked, and adds one to the order.
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.changed_at
FROM orders AS o
JOIN unnest(%(platforms)s::text[], %(shops)s::text[], %(platform_order_ids)s::text[])
     AS k(platform, shop, platform_order_id)
  ON o.shop = k.shop AND o.platform_order_id = k.platform_order_id AND o.platform = k.platform
ORDER BY o.id
FOR NO KEY UPDATE OF o;

-- name: amend
-- A newer content of an order: everything the platform may change.
UPDATE orders AS o
SET raw_payload_id = r.raw_payload_id, platform_state = r.platform_state, goods_minor = r.goods_minor,
    discount_minor = r.discount_minor, freight_minor = r.freight_minor, tax_minor = r.tax_minor,
    payable_minor = r.payable_minor, paid_minor = r.paid_minor, services_minor = r.services_minor,
    fees_minor = r.fees_minor, fulfilled_by = r.fulfilled_by, balance_open = r.balance_open,
    platform_hold = r.platform_hold, changed_at = r.changed_at, paid_at = r.paid_at, ship_by = r.ship_by,
    ship_from = r.ship_from, ship_from_of = r.raw_payload_id, buyer_memo = r.buyer_memo, seller_memo = r.seller_memo, seller_flag = r.seller_flag
FROM json_to_recordset(%(orders)s::json) AS r(
    id bigint, raw_payload_id bigint, platform_state text, goods_minor bigint, discount_minor bigint,
    freight_minor bigint, tax_minor bigint, payable_minor bigint, paid_minor bigint, services_minor bigint,
    fees_minor bigint, fulfilled_by text, balance_open boolean, platform_hold boolean, changed_at timestamptz, paid_at timestamptz,
    ship_by timestamptz, ship_from timestamptz, buyer_memo text, seller_memo text, seller_flag smallint)
WHERE o.id = r.id AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = o.id);

-- name: amend_receiver
UPDATE receiver AS c
SET name = r.name, phone = r.phone, province = r.province, city = r.city, district = r.district, town = r.town,
    detail = r.detail, zip_code = r.zip_code, pii = r.pii, merge_token = r.merge_token,
    corrected_from = r.corrected_from
FROM json_to_recordset(%(orders)s::json) AS r(
    id bigint, name text, phone text, province text, city text, district text, town text, detail text,
    zip_code text, pii text, merge_token text, corrected_from text)
WHERE c.order_id = r.id AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = c.order_id);

-- name: amend_lines
-- The lines of a newer content, with their sums. A line that it leaves out stays, marked as missing; a smaller quantity
-- than what is planned, cancelled or shipped elsewhere is not taken over: the hold says so. What is planned of a known
-- line is counted by the statements that take and add its pieces.
WITH incoming AS (
    SELECT * FROM json_to_recordset(%(lines)s::json) AS l(
        id bigint, line_id text, product_id text, platform_sku text, sku text, title text, quantity integer,
        unit_price_minor bigint, paid_minor bigint, is_gift boolean, refund_open boolean, refunded boolean,
        refund_unknown boolean, fulfilled_by text, shipped integer, waybill text, is_missing boolean, replaced_sku text,
        planned integer, cancelled integer, elsewhere integer)
), updated AS (
    UPDATE order_line AS o
    SET product_id = l.product_id, platform_sku = l.platform_sku, sku = l.sku, title = l.title,
        quantity = greatest(l.quantity, l.planned + l.cancelled + l.elsewhere), unit_price_minor = l.unit_price_minor,
        paid_minor = l.paid_minor, is_gift = l.is_gift, refund_open = l.refund_open, refunded = l.refunded,
        refund_unknown = l.refund_unknown, fulfilled_by = l.fulfilled_by, shipped = l.shipped, waybill = l.waybill,
        is_missing = l.is_missing, replaced_sku = l.replaced_sku, cancelled = l.cancelled, elsewhere = l.elsewhere
    FROM incoming AS l
    WHERE o.order_id = l.id AND o.line_id = l.line_id
    RETURNING o.order_id, o.line_id
)
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
    paid_minor, is_gift, refund_open, refunded, refund_unknown, fulfilled_by, shipped, waybill, is_missing, replaced_sku,
    planned, cancelled, elsewhere)
SELECT l.id, l.line_id, l.product_id, l.platform_sku, l.sku, l.title, l.quantity, l.unit_price_minor,
    l.paid_minor, l.is_gift, l.refund_open, l.refunded, l.refund_unknown, l.fulfilled_by, l.shipped, l.waybill,
    l.is_missing, l.replaced_sku, l.planned, l.cancelled, l.elsewhere
FROM incoming AS l
WHERE NOT EXISTS (SELECT FROM updated AS u WHERE u.order_id = l.id AND u.line_id = l.line_id);

-- name: load_orders
SELECT o.id, o.platform, o.shop, o.platform_order_id, o.platform_state, o.order_type, o.source, o.member_level,
       o.currency, o.goods_minor, o.discount_minor, o.freight_minor, o.tax_minor, o.payable_minor, o.paid_minor,
       o.balance_open, o.platform_hold, o.placed_at, o.changed_at, o.paid_at, o.ship_by, o.buyer_id, o.buyer_memo,
       o.seller_memo, o.seller_flag,
       c.name, c.phone, c.province, c.city, c.district, c.town, c.detail, c.zip_code, c.pii, c.merge_token,
       o.services_minor, o.fees_minor, o.ship_from, c.corrected_from
FROM orders AS o JOIN receiver AS c ON c.order_id = o.id
WHERE o.id = ANY(%(ids)s);

-- name: load_lines
SELECT order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor, paid_minor, is_gift,
       refund_open, refunded, refund_unknown, fulfilled_by, shipped, waybill, is_missing, replaced_sku
FROM order_line WHERE order_id = ANY(%(ids)s)
ORDER BY order_id, line_id;

-- name: lock_fulfillment
-- Fulfillment orders that a step may move, locked in id order; every step locks them before stock.
SELECT id, order_id, state, lane, reservation, resume_state, lane_by IS NOT NULL, excluded
FROM fulfillment_order WHERE id = ANY(%(ids)s)
ORDER BY id
FOR UPDATE;

-- name: lines_of_fulfillment
-- After the lock, in a statement of its own: one that waits for a lock reads everything else as it was before.
SELECT fulfillment_order_id, line_id, quantity, packed
FROM fulfillment_line WHERE fulfillment_order_id = ANY(%(ids)s)
ORDER BY fulfillment_order_id, line_id;

-- name: lock_fulfillment_of_orders
SELECT id, order_id, state, lane, reservation, resume_state, lane_by IS NOT NULL, excluded
FROM fulfillment_order WHERE order_id = ANY(%(ids)s)
ORDER BY id
FOR UPDATE;

-- name: orders_of
SELECT DISTINCT order_id FROM fulfillment_order WHERE id = ANY(%(ids)s);

-- name: lines_of_orders
-- As above.
SELECT l.fulfillment_order_id, l.line_id, l.quantity, l.packed
FROM fulfillment_order AS f JOIN fulfillment_line AS l ON l.fulfillment_order_id = f.id
WHERE f.order_id = ANY(%(ids)s)
ORDER BY l.fulfillment_order_id, l.line_id;

-- name: shop_of
-- The shop's account, by a fulfillment order.
SELECT o.platform || '/' || o.shop FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id WHERE f.id = %(id)s;

-- name: read_days_again
-- Normalize is due for the contents of open orders of these shops of which nobody has read the day from which they ship: a
-- worker of an earlier version has stored them. The newest orders only, `limit` of them.
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'normalize', o.raw_payload_id, f.lane, '', o.platform || '/' || o.shop
FROM orders AS o
JOIN LATERAL (SELECT g.lane FROM fulfillment_order AS g
              WHERE g.order_id = o.id AND g.state IN ('pending_payment', 'paid', 'on_hold', 'approved', 'allocated')
              ORDER BY g.number LIMIT 1) AS f ON true
WHERE o.id > (SELECT coalesce(max(id), 0) FROM orders) - %(newest)s
  AND o.platform || '/' || o.shop = ANY(%(shops)s)
  AND o.ship_from_of IS DISTINCT FROM o.raw_payload_id
  AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.order_id = o.id)
  AND NOT EXISTS (SELECT 1 FROM dead_letter AS d
                  WHERE d.step = 'normalize' AND d.subject_id = o.raw_payload_id AND d.closed_at IS NULL)
ORDER BY o.id
LIMIT %(limit)s
ON CONFLICT (step, subject_id) DO NOTHING
RETURNING lane;
