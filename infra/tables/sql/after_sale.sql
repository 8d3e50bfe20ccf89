-- After-sale cases as their platforms show them, what was answered, and how far the cases of shops were read.

-- name: store_platform_cases
-- Cases as their platform shows them. An older view never replaces a newer one. A time until which the platform waits
-- stays known when a later view leaves it out. A case that is over at its platform is closed; one that was closed here
-- and has another stage now is open again. Returned are the cases of which something is news.
INSERT INTO order_case AS c
    (shop, case_id, kind, order_id, owner, due_at, facts, platform_order_id, stage, needs, lines, currency, amount_minor,
     freight_minor, platform_share_minor, quantity, version, changed_at, decide_by, return_waybill, resend_waybill,
     source_state, source_kind, closed_at, closed_by, reason)
SELECT r.shop, r.case_id, r.kind,
       (SELECT o.id FROM orders AS o
        WHERE o.shop = split_part(r.shop, '/', 2) AND o.platform_order_id = r.platform_order_id
          AND o.platform = split_part(r.shop, '/', 1)),
       r.owner, least(now() + make_interval(hours => r.due_h), r.decide_by), r.facts, r.platform_order_id, r.stage,
       r.needs, r.lines, r.currency, r.amount_minor, r.freight_minor, r.platform_share_minor, r.quantity, r.version,
       r.changed_at, r.decide_by, r.return_waybill, r.resend_waybill, r.source_state, r.source_kind,
       CASE WHEN r.is_final THEN now() END, CASE WHEN r.is_final THEN %(author)s END, ''
FROM json_to_recordset(%(rows)s::json)
     AS r(shop text, case_id text, kind text, owner text, due_h int, facts jsonb, platform_order_id text, stage text,
          needs text, lines text[], currency text, amount_minor bigint, freight_minor bigint,
          platform_share_minor bigint, quantity integer, version text, changed_at timestamptz, decide_by timestamptz,
          return_waybill text, resend_waybill text, source_state text, source_kind text, is_final boolean)
ORDER BY r.shop, r.case_id
ON CONFLICT (shop, case_id) DO UPDATE SET
    kind = excluded.kind,
    order_id = coalesce(c.order_id, excluded.order_id),
    facts = excluded.facts,
    platform_order_id = excluded.platform_order_id,
    stage = excluded.stage,
    needs = excluded.needs,
    lines = excluded.lines,
    currency = excluded.currency,
    amount_minor = excluded.amount_minor,
    freight_minor = excluded.freight_minor,
    platform_share_minor = excluded.platform_share_minor,
    quantity = excluded.quantity,
    version = excluded.version,
    changed_at = excluded.changed_at,
    decide_by = CASE WHEN excluded.stage = c.stage THEN coalesce(excluded.decide_by, c.decide_by)
                     ELSE excluded.decide_by END,
    return_waybill = excluded.return_waybill,
    resend_waybill = excluded.resend_waybill,
    source_state = excluded.source_state,
    source_kind = excluded.source_kind,
    owner = CASE WHEN excluded.kind = c.kind THEN c.owner ELSE excluded.owner END,
    due_at = CASE WHEN c.closed_at IS NOT NULL AND excluded.closed_at IS NULL AND excluded.stage <> c.stage
                  THEN excluded.due_at ELSE least(c.due_at, excluded.decide_by) END,
    closed_at = CASE WHEN excluded.closed_at IS NOT NULL THEN coalesce(c.closed_at, excluded.closed_at)
                     WHEN excluded.stage = c.stage THEN c.closed_at END,
    closed_by = CASE WHEN excluded.closed_at IS NOT NULL THEN coalesce(c.closed_by, excluded.closed_by)
                     WHEN excluded.stage = c.stage THEN c.closed_by END,
    reason = CASE WHEN excluded.closed_at IS NOT NULL OR excluded.stage = c.stage THEN c.reason ELSE '' END
WHERE (c.changed_at IS NULL OR excluded.changed_at >= c.changed_at)
  AND (c.kind, c.stage, c.needs, c.lines, c.amount_minor, c.version, c.platform_order_id, c.source_state,
       c.source_kind, c.return_waybill, c.facts, coalesce(excluded.decide_by, c.decide_by))
      IS DISTINCT FROM
      (excluded.kind, excluded.stage, excluded.needs, excluded.lines, excluded.amount_minor, excluded.version,
       excluded.platform_order_id, excluded.source_state, excluded.source_kind, excluded.return_waybill, excluded.facts, c.decide_by)
RETURNING c.id;

-- name: known_platform_cases
-- Those of the listed cases that are stored as they are listed.
SELECT c.case_id FROM json_to_recordset(%(rows)s::json)
     AS r(case_id text, changed_at timestamptz, version text, source_state text, source_kind text)
JOIN order_case AS c ON c.shop = %(shop)s AND c.case_id = r.case_id
WHERE c.changed_at >= r.changed_at AND c.version = r.version AND c.source_state = r.source_state
  AND c.source_kind = r.source_kind AND c.facts ->> 'fault' IS DISTINCT FROM %(unread)s;

-- name: link_platform_cases
-- Cases that came before their order. Index order_case_unlinked.
UPDATE order_case AS c SET order_id = o.id
FROM orders AS o
WHERE c.shop = %(account)s AND c.order_id IS NULL AND c.platform_order_id <> ''
  AND o.shop = %(shop)s AND o.platform_order_id = c.platform_order_id AND o.platform = %(platform)s
RETURNING c.id;

-- name: load_platform_cases
SELECT c.id, c.shop, c.case_id, c.kind, c.stage, c.order_id, c.lines, c.decide_by
FROM order_case AS c WHERE c.id = ANY(%(ids)s) AND c.stage <> ''
ORDER BY c.id;

-- name: platform_cases_of_orders
-- Cases of platforms about some orders. Index order_case_of_order.
SELECT c.id, c.shop, c.case_id, c.kind, c.stage, c.order_id, c.lines, c.decide_by
FROM order_case AS c WHERE c.order_id = ANY(%(order_ids)s) AND c.stage <> ''
ORDER BY c.id;

-- name: load_answers
-- Cases to answer, locked. `left_s`: until the platform decides by itself.
SELECT c.id, c.shop, c.case_id, c.kind, c.stage, c.order_id, c.platform_order_id, c.lines, c.currency, c.amount_minor,
       c.answer, c.answer_status, c.answer_deadline IS NOT NULL AS is_asked_about,
       coalesce(greatest(0, extract(epoch FROM c.answer_deadline - now())), 0)::float8 AS busy_s,
       extract(epoch FROM c.decide_by - now())::float8 AS left_s,
       extract(epoch FROM now() - c.answered_at)::float8 AS unclear_s
FROM order_case AS c WHERE c.id = ANY(%(ids)s) AND c.stage <> ''
ORDER BY c.id
FOR UPDATE;

-- name: lock_platform_cases
-- Index order_case_of_order.
SELECT c.id FROM order_case AS c WHERE c.order_id = %(order_id)s AND c.stage <> '' ORDER BY c.id FOR UPDATE;

-- name: parts_of_cases
-- The fulfillment orders with pieces of a case, by case: what is there of them outside, and the newest stop. What lies in
-- packages counts too. Pieces that somebody else has shipped have left, and so has what left after its stop was confirmed,
-- of which a case tells. A waybill that a warehouse has booked ends with the document that it has stopped. What was divided
-- from a stopped fulfillment order has its stop.
SELECT c.id AS case_id, f.id AS fulfillment_order_id, f.state, f.resume_state,
       EXISTS (SELECT FROM package AS p WHERE p.fulfillment_order_id = f.id AND p.cancelled_at IS NULL
               AND (p.handed_over_at IS NOT NULL OR p.collected_at IS NOT NULL))
           OR EXISTS (SELECT FROM order_line AS l
                      WHERE l.order_id = f.order_id AND (c.lines = '{}' OR l.line_id = ANY(c.lines)) AND l.elsewhere > 0)
           OR EXISTS (SELECT FROM order_case AS m LEFT JOIN package AS p ON p.id = m.package_id
                      WHERE m.order_id = f.order_id AND m.kind = 'moved_though_stopped'
                        AND coalesce(p.fulfillment_order_id, f.id) = f.id)
           AS has_left,
       EXISTS (SELECT FROM package AS p JOIN shipment AS s ON s.package_id = p.id
               WHERE p.fulfillment_order_id = f.id
                 AND (s.status = 'booked' OR s.status = 'intended' AND s.call_deadline IS NOT NULL)
                 AND NOT (p.account LIKE 'warehouse/%%' AND p.cancelled_at IS NOT NULL)) AS has_waybill,
       EXISTS (SELECT FROM placement AS d WHERE d.fulfillment_order_id = f.id
               AND (d.status IN ('placed', 'final') OR d.status = 'intended' AND d.call_deadline IS NOT NULL))
           AS has_document,
       EXISTS (SELECT FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.code = 'refund_requested'
               AND h.released_at IS NULL) AS waits,
       s.status AS stop, s.goal, s.code
FROM order_case AS c
JOIN fulfillment_order AS f ON f.order_id = c.order_id
LEFT JOIN LATERAL (
    SELECT * FROM stop AS s
    WHERE s.order_id = f.order_id
      AND (s.fulfillment_order_id = f.id
           OR s.status = 'stopped' AND s.code IN ('refund_asked', 'refund_paid')
              AND (s.lines = '{}' OR c.lines = '{}' OR s.lines && c.lines))
    ORDER BY s.fulfillment_order_id = f.id DESC, s.id DESC LIMIT 1) AS s ON true
WHERE c.id = ANY(%(ids)s)
  AND EXISTS (SELECT FROM fulfillment_line AS l
              WHERE l.fulfillment_order_id = f.id AND (c.lines = '{}' OR l.line_id = ANY(c.lines))
                AND (l.quantity > 0 OR f.state = 'closed'
                     OR EXISTS (SELECT FROM package_line AS k JOIN package AS p ON p.id = k.package_id
                                WHERE k.fulfillment_order_id = f.id AND k.line_id = l.line_id AND k.quantity > 0
                                  AND p.cancelled_at IS NULL)))
ORDER BY c.id, f.id;

-- name: begin_answers
UPDATE order_case AS c
SET answer = r.answer, answer_status = 'asked', answer_deadline = now() + make_interval(secs => %(call_s)s),
    answered_at = coalesce(c.answered_at, now())
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, answer text)
WHERE c.id = r.id;

-- name: end_answers
-- `is_clear`: the call surely had no effect, or its effect is known. Otherwise it is over, and the case is read next.
UPDATE order_case AS c
SET answer_status = r.status,
    answer_deadline = CASE WHEN NOT r.is_clear THEN least(c.answer_deadline, now()) END,
    answered_at = CASE WHEN r.status <> '' THEN c.answered_at END
FROM json_to_recordset(%(rows)s::json) AS r(id bigint, status text, is_clear boolean)
WHERE c.id = r.id;

-- name: want_answers
-- The answers of cases about some orders are due now. Index order_case_of_order.
INSERT INTO work (step, subject_id, lane, account)
SELECT 'answer', c.id, 'p1', c.shop FROM order_case AS c
WHERE c.order_id = ANY(%(order_ids)s) AND c.stage <> '' AND c.closed_at IS NULL AND c.answer_status IN ('', 'asked')
ORDER BY c.id
ON CONFLICT (step, subject_id) DO UPDATE SET due_at = least(work.due_at, now()) WHERE work.lease_token IS NULL
RETURNING lane, account;

-- name: load_case_cursors
SELECT s.id, s.account, c.cursor_at, c.open_from, c.open_to, c.window_s, now()
FROM shop AS s LEFT JOIN case_cursor AS c ON c.shop_id = s.id WHERE s.id = ANY(%(ids)s);

-- name: move_case_cursor
INSERT INTO case_cursor (shop_id, cursor_at, open_from, open_to, window_s)
VALUES (%(id)s, %(cursor_at)s, %(open_from)s, %(open_to)s, %(window_s)s)
ON CONFLICT (shop_id) DO UPDATE SET
    cursor_at = excluded.cursor_at, open_from = excluded.open_from, open_to = excluded.open_to,
    window_s = excluded.window_s, read_at = now();
