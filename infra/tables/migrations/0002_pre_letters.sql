-- What people do about dead letters and holds: every act is written down, bulk acts are objects.

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    who    text NOT NULL,
    verb   text NOT NULL,
    object text NOT NULL,
    reason text NOT NULL,
    facts  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_of_object ON audit (object, id);

ALTER TABLE dead_letter
    ADD COLUMN worker integer NOT NULL DEFAULT 0,
    ADD COLUMN code_version text NOT NULL DEFAULT '',
    ADD COLUMN rules_version text NOT NULL DEFAULT '',
    ADD COLUMN replays smallint NOT NULL DEFAULT 0,
    ADD COLUMN at_risk_minor bigint,
    ADD COLUMN currency text,
    ADD COLUMN closed_as text CHECK (closed_as IN ('replayed', 'discarded', 'superseded')),
    ADD COLUMN closed_by text,
    ADD COLUMN closed_reason text,
    ADD CONSTRAINT end_of_letter_is_whole CHECK (
        num_nulls(closed_as, closed_by, closed_reason) IN (0, 3) AND (closed_as IS NULL OR closed_at IS NOT NULL));
COMMENT ON COLUMN dead_letter.replays IS 'how often people have sent this subject back to this step before';
COMMENT ON COLUMN dead_letter.at_risk_minor IS 'what the order was worth when it stopped; NULL before there is an order';
CREATE INDEX dead_letter_of_cause ON dead_letter (fingerprint, id) WHERE closed_at IS NULL;
CREATE INDEX dead_letter_open ON dead_letter (id) WHERE closed_at IS NULL;
CREATE INDEX dead_letter_blocking ON dead_letter (fulfillment_order_id) WHERE closed_at IS NULL;
CREATE INDEX dead_letter_of_subject ON dead_letter (step, subject_id);

-- Open letters by cause, as changes to be summed up: writers only add rows, so no cause is a hot row.
-- The sweeper folds them. A letter counts for its order, so an order with two of one cause counts twice.
CREATE TABLE letter_tally (
    fingerprint   text NOT NULL,
    currency      text NOT NULL,
    letters       bigint NOT NULL,
    orders        bigint NOT NULL,
    at_risk_minor bigint NOT NULL
);

-- A gap that stays becomes a dead letter of `pull`; its subject is the gap, as its id below zero: above
-- zero stand the shops, whose own work may die too.
ALTER TABLE pull_gap
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN causes jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN is_given_up boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pull_gap.is_given_up IS 'not tried again, unless a person replays its letter or the platform lists it anew';

ALTER TABLE hold
    ADD COLUMN released_reason text,
    ADD COLUMN waived_payload bigint REFERENCES raw_payload;
COMMENT ON COLUMN hold.waived_payload IS
    'released by a person who had seen this content: nobody asks the same again while the fact stays';

-- A replay of many letters: its members are fixed when it is made, the sweeper works it off.
CREATE TABLE bulk (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    who        text NOT NULL,
    reason     text NOT NULL,
    filter     jsonb NOT NULL,
    per_second real NOT NULL CHECK (per_second > 0),
    state      text NOT NULL DEFAULT 'canary' CHECK (state IN ('canary', 'running', 'paused', 'done', 'cancelled')),
    note       text NOT NULL DEFAULT '',
    again      boolean NOT NULL DEFAULT false,
    next_at    timestamptz NOT NULL DEFAULT now(),
    turned_at  timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    CONSTRAINT ended_has_its_time CHECK ((state IN ('done', 'cancelled')) = (ended_at IS NOT NULL))
);
COMMENT ON COLUMN bulk.state IS 'canary: one member at a time, until one came through';
COMMENT ON COLUMN bulk.again IS 'also members that replays did not help before';
COMMENT ON COLUMN bulk.turned_at IS 'when it came into its state; what ended before does not speak against going on';
CREATE INDEX bulk_open ON bulk (id) WHERE ended_at IS NULL;

CREATE TABLE bulk_member (
    bulk_id   bigint NOT NULL REFERENCES bulk,
    letter_id bigint NOT NULL REFERENCES dead_letter,
    state     text NOT NULL DEFAULT 'waiting' CHECK (state IN (
        'waiting', 'replayed', 'done', 'died', 'superseded', 'refused', 'cancelled')),
    why       text NOT NULL DEFAULT '',
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bulk_id, letter_id)
) WITH (fillfactor = 70);
CREATE INDEX bulk_member_ended ON bulk_member (bulk_id, at) WHERE state IN ('done', 'died');
CREATE INDEX bulk_member_open ON bulk_member (bulk_id, state, letter_id) WHERE state IN ('waiting', 'replayed');
