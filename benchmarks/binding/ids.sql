-- name: add_column
-- Rows have to know which message carries them.
ALTER TABLE work ADD COLUMN message_id text;

-- name: name_first
-- The messages of the first step: a batch of an earlier step, divided by account.
UPDATE work SET message_id = concat('first-', (subject_id - 1) / %(batch_max)s, account);

-- name: claim
-- The rows that a message names and still carries. Index work_pkey.
SELECT subject_id
FROM work
WHERE step = %(step)s AND subject_id = ANY(%(subject_ids)s) AND message_id = %(message_id)s
  AND due_at <= now() AND lease_token IS NULL
FOR UPDATE SKIP LOCKED;

-- name: add
-- New due work, together with the id of the message that will ring for it.
INSERT INTO work (step, subject_id, lane, account, message_id)
SELECT r.step, r.subject_id, r.lane, r.account, r.message_id
FROM json_to_recordset(%(rows)s::json)
     AS r(step text, subject_id bigint, lane text, account text, message_id text)
ORDER BY r.step, r.subject_id
ON CONFLICT (step, subject_id) DO NOTHING;

-- name: waiting
-- Every message that due rows wait for; the broker is asked which it knows. What was just committed
-- gets a moment, because its message is sent after the commit.
SELECT message_id, step, array_agg(subject_id)
FROM work
WHERE lease_token IS NULL AND due_at <= now() - interval '0.5 seconds'
GROUP BY message_id, step;

-- name: claim_due_from
-- Late binding with a lower bound, which starts behind entries that are known to be dead. Index work_due.
SELECT subject_id, attempts
FROM work
WHERE step = %(step)s AND lane = %(lane)s AND account = %(account)s
  AND due_at >= %(floor)s AND due_at <= now() AND lease_token IS NULL AND NOT is_suspect
ORDER BY due_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;
