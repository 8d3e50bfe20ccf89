-- One verb on many: an object with fixed items, each with its result. A sweeper of an earlier version leaves these tables
-- alone. The numbers are those of bulk replays, so that one number means one bulk.

CREATE TABLE bulk_act (
    id           bigint PRIMARY KEY DEFAULT nextval('bulk_id_seq'),
    verb         text NOT NULL,
    params       jsonb NOT NULL DEFAULT '{}',
    chosen       jsonb NOT NULL DEFAULT '{}',
    who          text NOT NULL,
    role         text NOT NULL,
    source       text NOT NULL,
    request_id   uuid NOT NULL,
    reason       text NOT NULL,
    token        text NOT NULL DEFAULT '',
    state        text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'running', 'paused', 'done', 'cancelled')),
    note         text NOT NULL DEFAULT '',
    confirmed_by text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,
    CONSTRAINT ended_has_its_time CHECK ((state IN ('done', 'cancelled')) = (ended_at IS NOT NULL)),
    CONSTRAINT nothing_runs_unconfirmed CHECK (state NOT IN ('running', 'paused', 'done') OR confirmed_by IS NOT NULL)
);
COMMENT ON COLUMN bulk_act.chosen IS 'how its items were chosen: a filter, or how many names stood in a file';
COMMENT ON COLUMN bulk_act.token IS 'stands for what the preview has shown of each item; who confirms must name it';
COMMENT ON COLUMN bulk_act.note IS 'a code: why the sweeper has paused it';
CREATE INDEX bulk_act_running ON bulk_act (id) WHERE state = 'running';

CREATE TABLE bulk_item (
    bulk_id    bigint NOT NULL REFERENCES bulk_act,
    position   integer NOT NULL,
    subject_id bigint,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused', 'failed', 'cancelled')),
    foreseen   text NOT NULL,
    code       text NOT NULL DEFAULT '',
    facts      jsonb NOT NULL DEFAULT '{}',
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bulk_id, position)
) WITH (fillfactor = 70);
COMMENT ON COLUMN bulk_item.position IS 'in the file, from 1; what stood there without meaning one thing is not kept';
COMMENT ON COLUMN bulk_item.foreseen IS 'the code that the preview has shown';
CREATE INDEX bulk_item_waiting ON bulk_item (bulk_id, position) WHERE state = 'waiting';
