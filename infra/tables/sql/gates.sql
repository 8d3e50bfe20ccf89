-- name: load_pauses
-- All gates that are shut now; an end that has passed opens a gate by itself.
SELECT kind, name, reason, shut_by, shut_at, until, coalesce(probe_at <= now(), false)
FROM gate
WHERE until IS NULL OR until > now()
ORDER BY kind, name;

-- name: load_shut_and_faulty
-- The same for the guards of a process, in one statement with the accounts that have faults: kind 'accused'.
SELECT kind, name, reason, shut_by, shut_at, until, coalesce(probe_at <= now(), false)
FROM gate
WHERE until IS NULL OR until > now()
UNION ALL
SELECT DISTINCT 'accused', account, '', '', now(), NULL::timestamptz, false
FROM accusation WHERE NOT is_acquitted
ORDER BY 1, 2;

-- name: record_fault
-- Records a fault of an account, met by one subject; the answer says whether this subject's fault is known to be its own, and how many
-- others have faults of the account now. A subject whose faults were cleared stays cleared for a day.
INSERT INTO accusation AS a (account, charge, subject, code) VALUES (%(account)s, %(charge)s, %(subject)s, %(code)s)
ON CONFLICT (account, charge, subject) DO UPDATE
SET code = excluded.code, made_at = now(), is_acquitted = a.is_acquitted AND a.made_at > now() - interval '1 day'
RETURNING is_acquitted,
    (SELECT count(*) FROM accusation AS o
     WHERE o.account = a.account AND o.charge = a.charge AND o.subject <> a.subject
       AND NOT o.is_acquitted AND o.made_at > now() - make_interval(secs => %(within_s)s));

-- name: clear_faults
-- A call of the account succeeded: what its subjects suffer from is their own, and their attempts stay spent. Whoever
-- is just noting an attempt is not waited for: it may wait for us.
WITH kept AS (
    DELETE FROM spent_attempt WHERE (account, charge, step, subject_id) IN (
        SELECT account, charge, step, subject_id FROM spent_attempt
        WHERE account = %(account)s FOR UPDATE SKIP LOCKED)
)
UPDATE accusation SET is_acquitted = true WHERE account = %(account)s AND NOT is_acquitted;

-- name: forget_faults
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

-- name: take_ended_subjects
DELETE FROM ended_accuser WHERE (account, step, subject_id) IN (
    SELECT account, step, subject_id FROM ended_accuser ORDER BY proven_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING account, step, subject_id;

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
-- One prober over all processes: the transaction that moves the time on.
UPDATE gate SET probe_at = now() + make_interval(secs => %(probe_s)s)
WHERE kind = 'account' AND name = %(account)s AND probe_at <= now()
RETURNING name;

-- name: return_probe
-- The winner of the probe made no call: another caller may try at once.
UPDATE gate SET probe_at = now() WHERE kind = 'account' AND name = %(account)s AND shut_by = 'engine';

-- name: reopen
DELETE FROM gate WHERE kind = 'account' AND name = %(account)s AND shut_by = 'engine' RETURNING name;

-- name: resume
DELETE FROM gate WHERE kind = %(kind)s AND name = %(name)s RETURNING shut_by, reason;
