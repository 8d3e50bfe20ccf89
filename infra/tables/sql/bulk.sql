-- Replays of many letters: objects with fixed members, worked off by the sweeper.

-- name: create
INSERT INTO bulk (who, role, source, request_id, reason, filter, per_second, again)
VALUES (%(who)s, %(role)s, %(source)s, %(request_id)s::uuid, %(reason)s, %(filter)s::jsonb, %(per_second)s, %(again)s)
RETURNING id;

-- name: freeze
-- The members are the open letters of this moment.
INSERT INTO bulk_member (bulk_id, letter_id)
SELECT %(id)s, d.id FROM dead_letter AS d
WHERE d.closed_at IS NULL
  AND (%(step)s::text IS NULL OR d.step = %(step)s)
  AND (%(account)s::text IS NULL OR d.account = %(account)s)
  AND (%(code)s::text IS NULL OR d.code = %(code)s)
  AND (%(cause)s::text IS NULL OR d.fingerprint BETWEEN %(cause)s AND %(cause)s || 'z')
  AND (%(since)s::timestamptz IS NULL OR d.opened_at >= %(since)s);

-- name: freeze_named
-- Those of the letters that are open.
INSERT INTO bulk_member (bulk_id, letter_id)
SELECT %(id)s, d.id FROM dead_letter AS d WHERE d.id = ANY(%(ids)s) AND d.closed_at IS NULL;

-- name: doubtful
-- Members that may have to stay out.
SELECT m.letter_id, d.code, d.replays FROM bulk_member AS m JOIN dead_letter AS d ON d.id = m.letter_id
WHERE m.bulk_id = %(id)s AND (d.code = %(killed)s OR d.replays >= %(replays_max)s);

-- name: open
-- What goes on, and what stands still or is cancelled while some of its members are still under way.
SELECT b.id FROM bulk AS b
WHERE b.ended_at IS NULL AND b.state <> 'paused'
   OR EXISTS (SELECT 1 FROM bulk_member AS m WHERE m.bulk_id = b.id AND m.state = 'replayed')
ORDER BY b.id;

-- name: take
-- One bulk for one round; another sweeper passes by. `elapsed_s`: since its next member was due, below zero if not yet.
SELECT id, who, role, source, request_id::text, reason, per_second, again, state, extract(epoch FROM now() - next_at)::float8 AS elapsed_s
FROM bulk WHERE id = %(id)s
FOR UPDATE SKIP LOCKED;

-- name: note_ended_members
-- Replayed letters whose step is over. A newer letter of the subject says that it died again; so does a hold that the
-- step opened since, for what made it hold one order may hold them all. No work and neither of these: it is done. The
-- work of shops and locations never ends: it is done when they were read since.
WITH over AS (
    SELECT m.letter_id, CASE
           WHEN n.id IS NULL THEN 'hold ' || h.code
           ELSE concat(CASE WHEN n.fingerprint = d.fingerprint THEN 'the same cause, ' END, n.code, ', letter ', n.id)
           END AS died_of
    FROM bulk_member AS m
    JOIN dead_letter AS d ON d.id = m.letter_id
    LEFT JOIN LATERAL (
        SELECT id, code, fingerprint FROM dead_letter
        WHERE step = d.step AND subject_id = d.subject_id AND id > d.id ORDER BY id LIMIT 1) AS n ON true
    LEFT JOIN LATERAL (
        SELECT code FROM hold
        WHERE fulfillment_order_id = d.fulfillment_order_id AND step = d.step
          AND code NOT IN ('dead_letter', 'unwanted_waybill')
          AND released_at IS NULL AND opened_at > m.at ORDER BY id LIMIT 1) AS h ON true
    WHERE m.bulk_id = %(id)s AND m.state = 'replayed'
      AND (n.id IS NOT NULL
           OR NOT CASE
               WHEN d.step = ANY(%(of_shops)s) AND d.subject_id < 0 THEN
                   EXISTS (SELECT 1 FROM pull_gap AS g WHERE g.id = -d.subject_id)
               ELSE EXISTS (
                   SELECT 1 FROM work AS w
                   LEFT JOIN shop AS s ON w.step = ANY(%(of_shops)s) AND s.id = w.subject_id
                   LEFT JOIN location AS l ON w.step = ANY(%(of_locations)s) AND l.id = w.subject_id
                   WHERE w.step = d.step AND w.subject_id = d.subject_id
                     AND (coalesce(s.read_at, l.read_at) > m.at) IS NOT TRUE) END)
)
UPDATE bulk_member AS m
SET state = CASE WHEN o.died_of IS NULL THEN 'done' ELSE 'died' END, at = now(), why = coalesce(o.died_of, '')
FROM over AS o WHERE m.bulk_id = %(id)s AND m.letter_id = o.letter_id
RETURNING m.state, m.why;

-- name: latest_ends
-- Whether the latest members died since the bulk came into its state, the newest first. Index bulk_member_ended.
SELECT m.state = 'died' FROM bulk_member AS m JOIN bulk AS b ON b.id = m.bulk_id
WHERE m.bulk_id = %(id)s AND m.state IN ('done', 'died') AND m.at >= b.turned_at
ORDER BY m.at DESC, m.letter_id DESC LIMIT %(limit)s;

-- name: pick
SELECT letter_id FROM bulk_member
WHERE bulk_id = %(id)s AND state = 'waiting' ORDER BY letter_id LIMIT %(limit)s;

-- name: count_open
SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'replayed')
FROM bulk_member WHERE bulk_id = %(id)s AND state IN ('waiting', 'replayed');

-- name: mark_members
UPDATE bulk_member AS m SET state = r.state, why = r.why, at = now()
FROM json_to_recordset(%(rows)s::json) AS r(letter_id bigint, state text, why text)
WHERE m.bulk_id = %(id)s AND m.letter_id = r.letter_id;

-- name: spend
-- `taken` members have gone: the next is due when their time at the given rate is over. Time in which nothing
-- could go is not made up for, beyond one second.
UPDATE bulk SET next_at = greatest(next_at, now() - interval '1 second') + make_interval(secs => %(taken)s / per_second)
WHERE id = %(id)s;

-- name: set_state
-- What has ended stays as it ended.
UPDATE bulk SET state = %(state)s, note = %(note)s, turned_at = now(),
       ended_at = CASE WHEN %(state)s IN ('done', 'cancelled') THEN now() END
WHERE id = %(id)s AND ended_at IS NULL;

-- name: lock
SELECT state FROM bulk WHERE id = %(id)s FOR UPDATE;

-- name: cancel_waiting
UPDATE bulk_member SET state = 'cancelled', at = now() WHERE bulk_id = %(id)s AND state = 'waiting';

-- name: list
SELECT b.id, b.who, b.reason, b.filter, b.per_second, b.again, b.state, b.note, b.created_at, b.ended_at,
       (SELECT coalesce(json_object_agg(c.state, c.members), '{}')
        FROM (SELECT state, count(*) AS members FROM bulk_member WHERE bulk_id = b.id GROUP BY state) AS c) AS members
FROM bulk AS b
WHERE %(id)s::bigint IS NULL OR b.id = %(id)s
ORDER BY b.id DESC LIMIT 50;

-- name: members
SELECT m.letter_id, m.state, m.why, m.at FROM bulk_member AS m
WHERE m.bulk_id = %(id)s AND (%(state)s::text IS NULL OR m.state = %(state)s) AND m.letter_id > %(after)s
ORDER BY m.letter_id LIMIT %(limit)s;
