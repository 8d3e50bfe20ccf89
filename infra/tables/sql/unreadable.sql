-- name: note_entries
-- Of the entry's own words only those are kept that name something of ours. A waybill leads to its reference. An account
-- has so many open records; those beyond are counted.
WITH given AS (
    SELECT r.*, row_number() OVER (ORDER BY r.position) > %(most)s - (
        SELECT count(*) FROM (
            SELECT 1 FROM unreadable_entry AS u
            WHERE u.source = %(source)s AND u.account = %(account)s AND u.closed_at IS NULL LIMIT %(most)s) AS kept)
        AS is_beyond
    FROM json_to_recordset(%(rows)s::json)
         AS r(position integer, code text, field text, reference text, waybill text, sku text)
), counted AS (
    INSERT INTO refused_input AS i (kind, name, count)
    SELECT 'unreadable entries', %(account)s, count(*) FROM given WHERE is_beyond HAVING count(*) > 0
    ON CONFLICT (kind, name) DO UPDATE SET count = i.count + excluded.count, last_at = now()
)
INSERT INTO unreadable_entry (source, account, page_id, position, code, field, reference, sku, owner, due_at)
SELECT %(source)s, %(account)s, %(page_id)s, r.position, r.code, r.field,
       coalesce(r.reference, (SELECT s.reference FROM shipment AS s
                              WHERE s.courier = ANY(%(couriers)s) AND s.waybill = r.waybill LIMIT 1)),
       (SELECT p.sku FROM stock_pool AS p WHERE p.sku = r.sku),
       %(owner)s, now() + make_interval(hours => %(due_h)s)
FROM given AS r WHERE NOT r.is_beyond
ORDER BY r.position
ON CONFLICT DO NOTHING;

-- name: close_rows_read
-- The rows of a count that a later count no longer has at fault.
UPDATE unreadable_entry AS u SET closed_at = now(), closed_by = %(by)s
WHERE u.source = 'stock' AND u.account = %(account)s AND u.closed_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM json_to_recordset(%(rows)s::json) AS r(position integer, code text, field text)
                  WHERE r.position = u.position AND r.code = u.code AND r.field = u.field);

-- name: accounts_with_bad_rows
-- Those of the accounts whose last count had rows that could not be read.
SELECT DISTINCT account FROM unreadable_entry
WHERE source = 'stock' AND account = ANY(%(accounts)s) AND closed_at IS NULL;

-- name: open_entries
-- With the order that an entry speaks of, if that is known; the oldest first.
SELECT u.id, u.source, u.account, u.page_id, u.position, u.code, u.field, u.sku, u.owner, u.due_at, u.noticed_at,
       o.id AS order_id, o.platform || '/' || o.shop || '/' || o.platform_order_id AS order_name
FROM unreadable_entry AS u
LEFT JOIN shipment AS s ON s.reference = u.reference
LEFT JOIN package AS p ON p.id = s.package_id
LEFT JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
LEFT JOIN orders AS o ON o.id = f.order_id
WHERE u.closed_at IS NULL
ORDER BY u.id
LIMIT %(limit)s;

-- name: open_by_account
SELECT account, source, count(*) FROM unreadable_entry WHERE closed_at IS NULL GROUP BY account, source ORDER BY account, source;

-- name: close_entry
UPDATE unreadable_entry SET closed_at = now(), closed_by = %(by)s
WHERE id = %(id)s AND closed_at IS NULL RETURNING id;
