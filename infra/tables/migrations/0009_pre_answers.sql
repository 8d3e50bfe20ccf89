-- What the other side answered when a step failed, as it came. It may quote the buyer: shown only to a person who asks
-- for it, and gone with the order. Written when a step fails, never for a healthy order; few and short for each subject.
CREATE TABLE foreign_answer (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    step       text NOT NULL,
    subject_id bigint NOT NULL,
    account    text NOT NULL,
    code       text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    body       bytea NOT NULL CHECK (octet_length(body) <= 8192)
);
CREATE INDEX foreign_answer_of_order ON foreign_answer (order_id, step, subject_id, id);
COMMENT ON COLUMN foreign_answer.code IS 'our code of the error that the answer led to';

-- What each worker process runs, said once at its start. Who lives is told by the session lock of its number; rows of
-- others are dropped by the next worker that starts.
CREATE TABLE worker_report (
    worker        integer PRIMARY KEY,
    pool          text NOT NULL,
    code_version  text NOT NULL,
    rules_version text NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT now()
);

-- Counted stock is read again on a schedule.
ALTER TABLE location ADD COLUMN stock_asked_at timestamptz;
COMMENT ON COLUMN location.stock_asked_at IS 'when its warehouse was last asked to count again, whatever it answered';

-- Counts that were not taken over: more is promised than the warehouse says it has.
CREATE TABLE stock_refusal (
    location text NOT NULL,
    sku      text NOT NULL,
    on_hand  integer NOT NULL,
    counted  integer NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (location, sku)
);
