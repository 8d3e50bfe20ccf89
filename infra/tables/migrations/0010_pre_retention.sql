-- Retention: what was purged or erased stays known by its order id, so that nothing brings the person back.

-- An order whose person was forgotten. The rows of `orders`, its payloads without their bodies (each with the version
-- of its content), its shipments and its notices (each with its event id) stay, and say what was seen before.
CREATE TABLE tombstone (
    platform          text NOT NULL,
    shop              text NOT NULL,
    platform_order_id text NOT NULL,
    order_id          bigint UNIQUE REFERENCES orders,
    cause             text NOT NULL CHECK (cause IN ('purged', 'erased')),
    end_state         text NOT NULL,
    known_change      timestamptz,
    at                timestamptz NOT NULL DEFAULT now(),
    refused           bigint NOT NULL DEFAULT 0,
    refused_at        timestamptz,
    PRIMARY KEY (shop, platform_order_id, platform)
);
COMMENT ON COLUMN tombstone.order_id IS 'NULL where a payload never became an order';
COMMENT ON COLUMN tombstone.known_change IS 'changes up to here are old news; a later one is told to a person';
COMMENT ON COLUMN tombstone.refused_at IS 'a later change was refused then, and nobody was told yet';
CREATE INDEX tombstone_refused ON tombstone (refused_at) WHERE refused_at IS NOT NULL;

-- How far each kind was purged, and how many rows that were.
CREATE TABLE retention_mark (
    kind text PRIMARY KEY,
    upto bigint NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT 0,
    at   timestamptz NOT NULL DEFAULT now()
);

-- A person's erasure, without anything of the person: the proof that it was done.
CREATE TABLE erasure (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    who      text NOT NULL,
    reason   text NOT NULL,
    owner    text NOT NULL,
    subject  bytea NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    due_at   timestamptz NOT NULL,
    done_at  timestamptz
);
COMMENT ON COLUMN erasure.subject IS 'SHA-256 of the names of its orders, one a line, sorted';

CREATE TABLE erasure_order (
    erasure_id        bigint NOT NULL REFERENCES erasure,
    platform          text NOT NULL,
    shop              text NOT NULL,
    platform_order_id text NOT NULL,
    rows              jsonb NOT NULL DEFAULT '{}',
    done_at           timestamptz,
    PRIMARY KEY (erasure_id, shop, platform_order_id, platform)
);
COMMENT ON COLUMN erasure_order.rows IS 'rows that were changed or deleted, by table';
CREATE INDEX erasure_order_open ON erasure_order (erasure_id) WHERE done_at IS NULL;

-- Input beyond a limit, by what it was and whose: counted, never dropped in silence.
CREATE TABLE refused_input (
    kind     text NOT NULL,
    name     text NOT NULL,
    count    bigint NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now(),
    said_at  timestamptz,
    PRIMARY KEY (kind, name)
);
