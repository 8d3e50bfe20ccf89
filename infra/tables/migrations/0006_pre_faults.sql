-- Whose fault an error is: the subject's own, or its account's. Rows come from failed calls only, and live for a day.

CREATE TABLE accusation (
    account      text NOT NULL,
    charge       text NOT NULL CHECK (charge IN ('credentials', 'content')),
    subject      text NOT NULL,
    code         text NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now(),
    is_acquitted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account, charge, subject)
);
COMMENT ON COLUMN accusation.is_acquitted IS
    'a call of the account succeeded since: the fault is the subject''s, which proves nothing against the account any more';
CREATE INDEX accusation_open ON accusation (account) WHERE NOT is_acquitted;
CREATE INDEX accusation_age ON accusation (made_at);

-- Attempts that subjects spent on their accusations, given back if the account turns out to be the cause.
CREATE TABLE spent_attempt (
    account    text NOT NULL,
    charge     text NOT NULL CHECK (charge IN ('credentials', 'content')),
    step       text NOT NULL,
    subject_id bigint NOT NULL,
    attempts   smallint NOT NULL,
    spent_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, charge, step, subject_id)
);
CREATE INDEX spent_attempt_age ON spent_attempt (spent_at);

-- Subjects that had spent all their attempts on such accusations when the account turned out to be the cause: the
-- sweeper puts them back to work.
CREATE TABLE ended_accuser (
    account    text NOT NULL,
    step       text NOT NULL,
    subject_id bigint NOT NULL,
    proven_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, step, subject_id)
);

-- Work comes back from behind a gate in this order: what has never failed, the higher lane, the longest wait.
CREATE INDEX work_gate_turn ON work
    (gate, (causes <> '[]'::jsonb), (CASE lane WHEN 'p0' THEN 0 WHEN 'p1' THEN 1 ELSE 2 END), gated_at)
    WHERE gate IS NOT NULL;
DROP INDEX work_gate;
