-- name: load_pauses
-- All gates that are shut now; an end that has passed opens a gate by itself.
SELECT kind, name, reason, shut_by, shut_at, until, coalesce(probe_at <= now(), false)
FROM gate
WHERE until IS NULL OR until > now()
ORDER BY kind, name;

-- name: load_standings
-- The same for the guards of a process, in one statement with the accounts that somebody accuses: kind 'accused'.
SELECT kind, name, reason, shut_by, shut_at, until, coalesce(probe_at <= now(), false)
FROM gate
WHERE until IS NULL OR until > now()
UNION ALL
SELECT DISTINCT 'accused', account, '', '', now(), NULL::timestamptz, false
FROM accusation WHERE NOT is_acquitted
ORDER BY 1, 2;

-- name: accuse
-- One subject accuses its account; the answer tells whether this subject's fault is known to be its own, and how many
-- others accuse the account now. A subject that was acquitted once stays so for a day.
INSERT INTO accusation AS a (account, charge, subject, code) VALUES (%(account)s, %(charge)s, %(subject)s, %(code)s)
ON CONFLICT (account, charge, subject) DO UPDATE
SET code = excluded.code, made_at = now(), is_acquitted = a.is_acquitted AND a.made_at > now() - interval '1 day'
RETURNING is_acquitted,
    (SELECT count(*) FROM accusation AS o
     WHERE o.account = a.account AND o.charge = a.charge AND o.subject <> a.subject
       AND NOT o.is_acquitted AND o.made_at > now() - make_interval(secs => %(within_s)s));

-- name: acquit
-- A call of the account succeeded: what its subjects suffer from is their own, and their attempts stay spent. Whoever
-- is just noting an attempt is not waited for: it may wait for us.
WITH kept AS (
    DELETE FROM spent_attempt WHERE (account, charge, step, subject_id) IN (
        SELECT account, charge, step, subject_id FROM spent_attempt
        WHERE account = %(account)s FOR UPDATE SKIP LOCKED)
)
UPDATE accusation SET is_acquitted = true WHERE account = %(account)s AND NOT is_acquitted;

-- name: forget_accusations
-- A few of those older than a day, at the price of each new one. Indexes accusation_age, spent_attempt_age.
WITH spent AS (
    DELETE FROM spent_attempt WHERE (account, charge, step, subject_id) IN (
        SELECT account, charge, step, subject_id FROM spent_attempt
        WHERE spent_at < now() - interval '1 day' ORDER BY spent_at LIMIT 20 FOR UPDATE SKIP LOCKED)
)
DELETE FROM accusation WHERE (account, charge, subject) IN (
    SELECT account, charge, subject FROM accusation
    WHERE made_at < now() - interval '1 day' ORDER BY made_at LIMIT 20 FOR UPDATE SKIP LOCKED);

-- name: is_proven
-- Whether the account itself is known to be the cause by now.
SELECT EXISTS (SELECT 1 FROM gate WHERE kind = 'account' AND name = %(account)s AND shut_by = 'engine'
               AND %(charge)s = 'credentials')
    OR (SELECT count(*) FROM accusation
        WHERE account = %(account)s AND charge = %(charge)s AND NOT is_acquitted
          AND made_at > now() - make_interval(secs => %(within_s)s)) >= %(subjects_min)s;

-- name: note_spent
INSERT INTO spent_attempt AS s (account, charge, step, subject_id, attempts)
VALUES (%(account)s, %(charge)s, %(step)s, %(subject_id)s, 1)
ON CONFLICT (account, charge, step, subject_id) DO UPDATE SET attempts = s.attempts + 1, spent_at = now();

-- name: lock_spenders
-- The work rows come first, as in every transaction that notes an attempt.
SELECT FROM work AS w JOIN spent_attempt AS s ON s.step = w.step AND s.subject_id = w.subject_id
WHERE s.account = %(account)s AND s.charge = %(charge)s
ORDER BY w.step, w.subject_id
FOR UPDATE OF w;

-- name: give_back
-- The account was the cause: the attempts that its subjects spent on it are theirs again. A subject whose work has ended
-- meanwhile, in a hold or a dead letter, is noted for the sweeper.
WITH spent AS (
    DELETE FROM spent_attempt WHERE account = %(account)s AND charge = %(charge)s RETURNING step, subject_id, attempts
), returned AS (
    UPDATE work AS w SET attempts = greatest(0, w.attempts - s.attempts)
    FROM spent AS s WHERE w.step = s.step AND w.subject_id = s.subject_id RETURNING w.step, w.subject_id
)
INSERT INTO ended_accuser (account, step, subject_id)
SELECT %(account)s, s.step, s.subject_id FROM spent AS s
WHERE NOT EXISTS (SELECT FROM returned AS r WHERE r.step = s.step AND r.subject_id = s.subject_id)
ON CONFLICT DO NOTHING;

-- name: take_ended_accusers
DELETE FROM ended_accuser WHERE (account, step, subject_id) IN (
    SELECT account, step, subject_id FROM ended_accuser ORDER BY proven_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING account, step, subject_id;

-- name: letters_of_accusers
-- Open dead letters of these subjects. Index dead_letter_of_subject.
SELECT d.id
FROM unnest(%(steps)s::text[], %(subject_ids)s::bigint[]) AS a(step, subject_id)
JOIN dead_letter AS d ON d.step = a.step AND d.subject_id = a.subject_id
WHERE d.closed_at IS NULL
ORDER BY d.id;

-- name: holds_of_accusers
-- Fulfillment orders that a step holds for an error that these packages blame on their account.
SELECT DISTINCT h.fulfillment_order_id
FROM unnest(%(accounts)s::text[], %(package_ids)s::bigint[]) AS a(account, package_id)
JOIN package AS p ON p.id = a.package_id
JOIN hold AS h ON h.fulfillment_order_id = p.fulfillment_order_id
WHERE h.code = %(code)s AND h.step = %(step)s AND h.released_at IS NULL
  AND EXISTS (SELECT FROM accusation AS c WHERE c.account = a.account AND c.code = h.facts ->> 'code')
ORDER BY h.fulfillment_order_id;

-- name: lock_gate
-- A gate as it is before a person changes it.
SELECT shut_by, until FROM gate
WHERE kind = %(kind)s AND name = %(name)s AND (until IS NULL OR until > now())
FOR UPDATE;

-- name: shut_by_person
-- A person's pause replaces the engine's, and an older one of a person.
INSERT INTO gate (kind, name, reason, shut_by, until)
VALUES (%(kind)s, %(name)s, %(reason)s, %(by)s, %(until)s)
ON CONFLICT (kind, name) DO UPDATE
SET reason = excluded.reason, shut_by = excluded.shut_by, until = excluded.until, shut_at = now(), probe_at = NULL;

-- name: shut_by_engine
-- Once for each account, however many calls find out at the same time; a person's pause in force stays.
INSERT INTO gate (kind, name, reason, shut_by, probe_at)
VALUES ('account', %(account)s, %(reason)s, 'engine', now() + make_interval(secs => %(probe_s)s))
ON CONFLICT (kind, name) DO UPDATE
SET reason = excluded.reason, shut_by = excluded.shut_by, until = NULL, shut_at = now(), probe_at = excluded.probe_at
WHERE gate.until <= now()
RETURNING name;

-- name: win_probe
-- One prober over all processes: whoever moves the time on is it.
UPDATE gate SET probe_at = now() + make_interval(secs => %(probe_s)s)
WHERE kind = 'account' AND name = %(account)s AND probe_at <= now()
RETURNING name;

-- name: return_probe
-- Whoever won the probe has called nobody: another may try at once.
UPDATE gate SET probe_at = now() WHERE kind = 'account' AND name = %(account)s AND shut_by = 'engine';

-- name: reopen
DELETE FROM gate WHERE kind = 'account' AND name = %(account)s AND shut_by = 'engine' RETURNING name;

-- name: resume
DELETE FROM gate WHERE kind = %(kind)s AND name = %(name)s RETURNING shut_by, reason;

-- name: rest
-- Work behind a gate is due never; only the gate's opening makes it due. It was not called, so nothing is spent.
UPDATE work AS w
SET due_at = '9999-01-01 00:00+00', gate = r.gate, gated_at = coalesce(w.gated_at, now()),
    causes = CASE WHEN r.cause IS NULL OR jsonb_array_length(w.causes) >= 20 THEN w.causes
                  ELSE w.causes || r.cause END,
    lease_token = NULL, lease_until = NULL
FROM json_to_recordset(%(rows)s::json) AS r(subject_id bigint, gate text, cause jsonb)
WHERE w.step = %(step)s AND w.subject_id = r.subject_id;

-- name: gates_with_work
-- Every account that work rests behind, by skipping over the index.
WITH RECURSIVE waiting AS (
    (SELECT gate FROM work WHERE gate IS NOT NULL ORDER BY gate LIMIT 1)
    UNION ALL
    SELECT (SELECT w.gate FROM work AS w WHERE w.gate > waiting.gate ORDER BY w.gate LIMIT 1)
    FROM waiting WHERE waiting.gate IS NOT NULL
)
SELECT gate FROM waiting WHERE gate IS NOT NULL;

-- name: let_through
-- Some of the work behind an open gate becomes due: first what has never failed, then the higher lane, then what waits
-- longest. Index work_gate_turn, whose expressions these are.
UPDATE work SET due_at = now(), gate = NULL, gated_at = NULL
WHERE (step, subject_id) IN (
    SELECT step, subject_id FROM work WHERE gate = %(account)s
    ORDER BY (causes <> '[]'::jsonb), (CASE lane WHEN 'p0' THEN 0 WHEN 'p1' THEN 1 ELSE 2 END), gated_at
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING step, lane, account;

-- name: overdue_behind_gates
-- Work that has waited too long behind shut accounts, for the orders' clocks or for longer than anybody should.
-- Its hold names the step, and the work goes on once the gate opens. A notice has no clock, and no hold of its own
-- while something else of its order has one.
WITH waiting AS (
    SELECT p.id AS package_id, p.fulfillment_order_id, w.step, coalesce(w.gate, w.account) AS account,
           coalesce(w.gated_at, w.due_at) AS since, true AS has_clock
    FROM work AS w JOIN package AS p ON p.id = w.subject_id
    WHERE w.step = ANY(%(of_packages)s)
      AND (w.gate = ANY(%(accounts)s) OR (w.account = ANY(%(accounts)s) AND w.due_at <= now()))
    UNION ALL
    SELECT p.id, p.fulfillment_order_id, w.step, coalesce(w.gate, w.account), coalesce(w.gated_at, w.due_at), false
    FROM work AS w JOIN notice AS n ON n.id = w.subject_id JOIN package AS p ON p.id = n.package_id
    WHERE w.step = ANY(%(of_notices)s)
      AND (w.gate = ANY(%(accounts)s) OR (w.account = ANY(%(accounts)s) AND w.due_at <= now()))
)
SELECT DISTINCT ON (f.id) f.id, f.order_id, w.package_id, f.lane, f.state, w.step, w.account
FROM waiting AS w
JOIN fulfillment_order AS f ON f.id = w.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE (w.has_clock AND o.ship_by < now() + make_interval(secs => %(margin_s)s)
       OR w.since < now() - make_interval(secs => %(patience_s)s))
  AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id
                  AND h.code = 'waiting_on_account' AND h.released_at IS NULL)
ORDER BY f.id, w.has_clock DESC
LIMIT %(limit)s;

-- name: release_waiting
-- The wait is over for everything whose account is free again. Index hold_for_a_gate.
UPDATE hold AS h SET released_at = now(), released_by = 'engine', released_role = 'machine'
FROM fulfillment_order AS f
WHERE h.code = 'waiting_on_account' AND h.released_at IS NULL AND h.facts ->> 'pause' IS NULL
  AND NOT (h.facts ->> 'account' = ANY(%(accounts)s))
  AND f.id = h.fulfillment_order_id
RETURNING f.id, f.order_id, f.lane, f.state, h.step;

-- name: overdue_behind_pauses
-- The same for what is due while its lane or step is paused. What was due before the pause waits for it since the pause.
WITH paused AS (
    SELECT w.step, w.subject_id, g.kind || '/' || g.name AS pause, g.reason, greatest(w.due_at, g.shut_at) AS since
    FROM gate AS g JOIN work AS w ON g.name = CASE g.kind WHEN 'lane' THEN w.lane ELSE w.step END
    WHERE g.kind IN ('lane', 'step') AND (g.until IS NULL OR g.until > now()) AND w.due_at <= now()
), waiting AS (
    SELECT q.*, q.subject_id AS fulfillment_order_id, NULL::bigint AS package_id, true AS has_clock
    FROM paused AS q WHERE q.step IN ('reserve', 'review', 'route')
    UNION ALL
    SELECT q.*, p.fulfillment_order_id, p.id, true
    FROM paused AS q JOIN package AS p ON p.id = q.subject_id WHERE q.step IN ('label', 'writeback')
    UNION ALL
    SELECT q.*, p.fulfillment_order_id, p.id, false
    FROM paused AS q JOIN notice AS n ON n.id = q.subject_id JOIN package AS p ON p.id = n.package_id
    WHERE q.step = 'notify'
)
SELECT DISTINCT ON (f.id) f.id, f.order_id, w.subject_id, w.package_id, f.lane, f.state, w.step, w.pause, w.reason
FROM waiting AS w
JOIN fulfillment_order AS f ON f.id = w.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id
WHERE (w.has_clock AND o.ship_by < now() + make_interval(secs => %(margin_s)s)
       OR w.since < now() - make_interval(secs => %(patience_s)s))
  AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.fulfillment_order_id = f.id
                  AND h.code = 'waiting_on_account' AND h.released_at IS NULL)
ORDER BY f.id, w.has_clock DESC
LIMIT %(limit)s;

-- name: release_resumed
-- The pause that these holds name is over.
UPDATE hold AS h SET released_at = now(), released_by = 'engine'
FROM fulfillment_order AS f
WHERE h.code = 'waiting_on_account' AND h.released_at IS NULL AND h.facts ->> 'pause' IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM gate AS g WHERE g.kind || '/' || g.name = h.facts ->> 'pause'
                  AND (g.until IS NULL OR g.until > now()))
  AND f.id = h.fulfillment_order_id
RETURNING f.id, f.order_id, f.lane, f.state, h.step;

-- name: resting
-- How much work rests behind each gate: what met an account's gate and what is due for it, and what is due in a
-- lane or for a step that is paused.
SELECT 'account', account, sum(rows)::bigint FROM (
    SELECT gate AS account, count(*) AS rows FROM work WHERE gate IS NOT NULL GROUP BY gate
    UNION ALL
    SELECT account, count(*) FROM work
    WHERE account = ANY(%(accounts)s) AND gate IS NULL AND due_at <= now() GROUP BY account) AS parts
GROUP BY account
UNION ALL
SELECT g.kind, g.name, (SELECT count(*) FROM work AS w
                        WHERE w.due_at <= now() AND g.name = CASE g.kind WHEN 'lane' THEN w.lane ELSE w.step END)
FROM gate AS g WHERE g.kind IN ('lane', 'step');
