-- Raw answers behind failures: personal data, kept in Postgres only.

-- name: keep
-- The newest few of each subject stay.
WITH given AS (
    SELECT r.order_id, r.step, r.subject_id, r.account, r.code, decode(r.body, 'base64') AS body
    FROM json_to_recordset(%(rows)s::json)
         AS r(order_id bigint, step text, subject_id bigint, account text, code text, body text)
), surplus AS (
    DELETE FROM foreign_answer AS a USING given AS g
    WHERE a.order_id = g.order_id AND a.step = g.step AND a.subject_id = g.subject_id
      AND a.id <= (SELECT k.id FROM foreign_answer AS k
                   WHERE k.order_id = g.order_id AND k.step = g.step AND k.subject_id = g.subject_id
                   ORDER BY k.id DESC OFFSET %(others)s LIMIT 1)
)
INSERT INTO foreign_answer (order_id, step, subject_id, account, code, body)
SELECT order_id, step, subject_id, account, code, body FROM given;

-- name: of_order
SELECT step, subject_id, account, code, at, body FROM foreign_answer
WHERE order_id = %(id)s ORDER BY id;
