-- The core: payloads, orders, stock, fulfillment, packages, their side dimensions, and due work.
-- Constraints carry the invariants, so that no code path can break them. Written for PostgreSQL 15.
-- Tables that are updated at every step keep room on the page (fillfactor) and are vacuumed early.

CREATE TABLE shop (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     text NOT NULL UNIQUE,
    cursor_at   timestamptz,
    window_s    double precision,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN shop.window_s IS 'a shorter window for a shop whose last one could not be read within a lease';
COMMENT ON COLUMN shop.cursor_at IS 'changes up to here are stored; the next window starts earlier by the overlap';

-- Orders that a listing showed and a fetch could not bring: the cursor goes on, these are tried at every pull.
CREATE TABLE pull_gap (
    shop_id           bigint NOT NULL REFERENCES shop,
    platform_order_id text NOT NULL,
    changed_at        timestamptz NOT NULL,
    error             text NOT NULL,
    tries             integer NOT NULL DEFAULT 1,
    noticed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shop_id, platform_order_id)
);

CREATE TABLE location (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    feed_cursor text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- What came in, byte for byte, before anything interprets it.
CREATE TABLE raw_payload (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform          text NOT NULL,
    shop              text NOT NULL,
    platform_order_id text NOT NULL,
    version           bytea NOT NULL,
    source            text NOT NULL CHECK (source IN ('pull', 'webhook', 'file')),
    lane              text NOT NULL CHECK (lane IN ('p0', 'p1', 'bulk')),
    lane_by           text,
    changed_at        timestamptz,
    received_at       timestamptz NOT NULL DEFAULT now(),
    body              bytea NOT NULL,
    UNIQUE (shop, platform_order_id, platform, version)
);

COMMENT ON COLUMN raw_payload.lane_by IS 'the person who chose the lane before the payload was read; the order takes it over';

CREATE TABLE warehouse_page (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    location    text NOT NULL,
    after       text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    body        bytea NOT NULL
);

-- Scans that came before the label they speak of was recorded, or while their order was on hold; looked
-- at again at every poll.
CREATE TABLE early_scan (
    event_id   text NOT NULL,
    location   text NOT NULL,
    reference  text NOT NULL,
    waybill    text NOT NULL,
    kind       text NOT NULL,
    at         timestamptz NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (location, event_id)
);

CREATE TABLE orders (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform          text NOT NULL,
    shop              text NOT NULL,
    platform_order_id text NOT NULL,
    raw_payload_id    bigint NOT NULL REFERENCES raw_payload,
    platform_state    text NOT NULL,
    order_type        text NOT NULL,
    source            text NOT NULL,
    member_level      text NOT NULL,
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    goods_minor       bigint NOT NULL,
    discount_minor    bigint NOT NULL,
    freight_minor     bigint NOT NULL,
    tax_minor         bigint NOT NULL,
    payable_minor     bigint NOT NULL,
    paid_minor        bigint NOT NULL,
    balance_open      boolean NOT NULL,
    platform_hold     boolean NOT NULL,
    placed_at         timestamptz NOT NULL,
    changed_at        timestamptz NOT NULL,
    paid_at           timestamptz,
    ship_by           timestamptz,
    buyer_id          text NOT NULL,
    buyer_memo        text NOT NULL,
    seller_memo       text NOT NULL,
    seller_flag       smallint NOT NULL,
    received_at       timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (shop, platform_order_id, platform)
);

CREATE INDEX orders_raw_payload ON orders (raw_payload_id);

-- Personal data of the receiver stands here and nowhere else.
CREATE TABLE receiver (
    order_id    bigint PRIMARY KEY REFERENCES orders,
    name        text NOT NULL,
    phone       text NOT NULL,
    province    text NOT NULL,
    city        text NOT NULL,
    district    text NOT NULL,
    town        text NOT NULL,
    detail      text NOT NULL,
    zip_code    text NOT NULL,
    pii         text NOT NULL CHECK (pii IN ('plain', 'masked', 'cipher', 'absent')),
    merge_token text NOT NULL
);

CREATE TABLE order_line (
    order_id         bigint NOT NULL REFERENCES orders,
    line_id          text NOT NULL,
    product_id       text NOT NULL,
    platform_sku     text NOT NULL,
    sku              text NOT NULL,
    title            text NOT NULL,
    quantity         integer NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL,
    paid_minor       bigint NOT NULL,
    is_gift          boolean NOT NULL,
    refund_open      boolean NOT NULL,
    refunded         boolean NOT NULL,
    PRIMARY KEY (order_id, line_id)
);

-- The state lives here, one row a location's share of an order.
CREATE TABLE fulfillment_order (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id      bigint NOT NULL REFERENCES orders,
    number        smallint NOT NULL DEFAULT 1,
    state         text NOT NULL CHECK (state IN (
        'pending_payment', 'paid', 'on_hold', 'approved', 'allocated', 'in_warehouse', 'packed',
        'in_transit', 'delivered', 'completed', 'after_sale', 'closed')),
    resume_state  text CHECK (resume_state IN ('paid', 'approved', 'allocated', 'in_warehouse', 'packed')),
    lane          text NOT NULL CHECK (lane IN ('p0', 'p1', 'bulk')),
    lane_by       text,
    version       integer NOT NULL DEFAULT 0,
    reservation   text NOT NULL DEFAULT 'none' CHECK (reservation IN (
        'none', 'unmapped', 'short', 'reserved', 'allocated', 'consumed', 'released')),
    location      text,
    closed_reason text,
    finished_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, number),
    CONSTRAINT final_state_has_its_time CHECK ((state IN ('completed', 'closed')) = (finished_at IS NOT NULL)),
    CONSTRAINT hold_knows_where_to_resume CHECK ((state = 'on_hold') = (resume_state IS NOT NULL)),
    CONSTRAINT closed_has_its_reason CHECK ((state = 'closed') = (closed_reason IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON COLUMN fulfillment_order.lane_by IS 'the person who chose the lane; the rules leave it alone then';

CREATE TABLE hold (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fulfillment_order_id bigint NOT NULL REFERENCES fulfillment_order,
    code                 text NOT NULL,
    step                 text NOT NULL,
    owner                text NOT NULL,
    due_at               timestamptz NOT NULL,
    blocking             boolean NOT NULL DEFAULT true,
    facts                jsonb NOT NULL DEFAULT '{}',
    opened_at            timestamptz NOT NULL DEFAULT now(),
    released_at          timestamptz,
    released_by          text,
    CONSTRAINT release_names_its_author CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE UNIQUE INDEX hold_one_open_of_a_code ON hold (fulfillment_order_id, code) WHERE released_at IS NULL;

CREATE INDEX hold_of_fulfillment_order ON hold (fulfillment_order_id);

-- Stock, pool level: what may be promised. Location level: what may be picked.
CREATE TABLE stock_pool (
    sku       text PRIMARY KEY,
    on_hand   integer NOT NULL CHECK (on_hand >= 0),
    reserved  integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    frozen    integer NOT NULL DEFAULT 0 CHECK (frozen >= 0),
    allocated integer NOT NULL DEFAULT 0 CHECK (allocated >= 0),
    CONSTRAINT pool_never_oversold CHECK (reserved + frozen + allocated <= on_hand)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE stock_location (
    sku       text NOT NULL REFERENCES stock_pool,
    location  text NOT NULL,
    on_hand   integer NOT NULL CHECK (on_hand >= 0),
    allocated integer NOT NULL DEFAULT 0 CHECK (allocated >= 0),
    PRIMARY KEY (sku, location),
    CONSTRAINT location_never_oversold CHECK (allocated <= on_hand)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE reservation (
    fulfillment_order_id bigint NOT NULL REFERENCES fulfillment_order,
    sku                  text NOT NULL REFERENCES stock_pool,
    quantity             integer NOT NULL CHECK (quantity > 0),
    status               text NOT NULL CHECK (status IN ('reserved', 'allocated', 'consumed', 'released')),
    location             text,
    PRIMARY KEY (fulfillment_order_id, sku),
    CONSTRAINT allocation_names_its_location CHECK ((status IN ('allocated', 'consumed')) <= (location IS NOT NULL))
) WITH (fillfactor = 70);

CREATE TABLE package (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fulfillment_order_id bigint NOT NULL REFERENCES fulfillment_order,
    number               smallint NOT NULL,
    courier              text NOT NULL,
    account              text NOT NULL,
    location             text NOT NULL,
    service              text NOT NULL DEFAULT '',
    weight_g             integer NOT NULL DEFAULT 0,
    packed_at            timestamptz,
    handed_over_at       timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    UNIQUE (fulfillment_order_id, number)
) WITH (fillfactor = 80);

-- One attempt to get a package carried: the intent is durable before the courier is called.
CREATE TABLE shipment (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    package_id    bigint NOT NULL REFERENCES package,
    generation    smallint NOT NULL CHECK (generation > 0),
    reference     text NOT NULL UNIQUE,
    courier       text NOT NULL,
    status        text NOT NULL CHECK (status IN ('intended', 'booked', 'voided')),
    waybill       text,
    sort_code     text NOT NULL DEFAULT '',
    call_deadline timestamptz,
    intended_at   timestamptz NOT NULL DEFAULT now(),
    booked_at     timestamptz,
    voided_at     timestamptz,
    UNIQUE (package_id, generation),
    CONSTRAINT booked_has_its_waybill CHECK ((status = 'booked') <= (waybill IS NOT NULL AND booked_at IS NOT NULL)),
    CONSTRAINT voided_has_its_time CHECK ((status = 'voided') = (voided_at IS NOT NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN shipment.call_deadline IS
    'a call may be under way, or may have happened, until then: ask by reference, not earlier';
CREATE UNIQUE INDEX shipment_one_live_a_package ON shipment (package_id) WHERE status <> 'voided';
CREATE UNIQUE INDEX shipment_waybill ON shipment (courier, waybill) WHERE waybill IS NOT NULL;

CREATE TABLE writeback (
    package_id    bigint PRIMARY KEY REFERENCES package,
    order_id      bigint NOT NULL REFERENCES orders,
    status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sending', 'confirmed', 'refused')),
    shipped_at    timestamptz NOT NULL,
    call_deadline timestamptz,
    confirmed_at  timestamptz,
    platform_changed_at timestamptz,
    CONSTRAINT confirmed_has_its_time CHECK ((status = 'confirmed') = (confirmed_at IS NOT NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN writeback.platform_changed_at IS
    'change time that the platform showed when the write-back was read back: up to here a change is our own echo';
CREATE INDEX writeback_of_order ON writeback (order_id);
CREATE UNIQUE INDEX writeback_one_at_a_time_for_each_order ON writeback (order_id) WHERE status = 'sending';

CREATE TABLE notice (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    package_id    bigint NOT NULL REFERENCES package,
    event         text NOT NULL,
    channel       text NOT NULL,
    event_id      uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    status        text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'sending', 'told', 'unknown', 'unreachable', 'refused')),
    reason        text,
    occurred_at   timestamptz NOT NULL,
    told_at       timestamptz,
    UNIQUE (package_id, event, channel),
    CONSTRAINT told_has_its_time CHECK ((status = 'told') = (told_at IS NOT NULL)),
    CONSTRAINT silence_has_its_reason CHECK ((status IN ('unknown', 'unreachable')) = (reason IS NOT NULL))
) WITH (fillfactor = 70);

-- Due work: what must happen next, to what, in which lane. At most one row for each subject and step.
CREATE TABLE work (
    step        text NOT NULL,
    subject_id  bigint NOT NULL,
    lane        text NOT NULL CHECK (lane IN ('p0', 'p1', 'bulk')),
    account     text NOT NULL DEFAULT '',
    shop        text NOT NULL DEFAULT '',
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempts    smallint NOT NULL DEFAULT 0,
    crashes     smallint NOT NULL DEFAULT 0,
    is_suspect  boolean NOT NULL DEFAULT false,
    lease_token uuid,
    lease_until timestamptz,
    causes      jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (step, subject_id),
    CONSTRAINT lease_has_its_end CHECK ((lease_token IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON COLUMN work.shop IS
    'whose turn it takes in a crowded line; empty where the account says it';
COMMENT ON COLUMN work.is_suspect IS 'was in a batch whose process died: runs alone until it is done';
CREATE INDEX work_due ON work (step, lane, account, due_at) WHERE lease_token IS NULL AND NOT is_suspect;
CREATE INDEX work_turns ON work (step, lane, account, shop, due_at) WHERE lease_token IS NULL AND NOT is_suspect;
CREATE INDEX work_suspect ON work (due_at) WHERE is_suspect;
CREATE INDEX work_leased ON work (lease_until) WHERE lease_token IS NOT NULL;

-- Who is working on what right now. Unlogged: after a crash of Postgres nobody is.
CREATE UNLOGGED TABLE flight (
    token       uuid NOT NULL,
    worker      integer NOT NULL,
    step        text NOT NULL,
    subject_ids bigint[] NOT NULL,
    is_alone    boolean NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX flight_token ON flight (token);
CREATE SEQUENCE worker_number AS integer CYCLE;

-- How each lane and group of steps stood, every few seconds of the last minutes. Unlogged, as what a crash of
-- Postgres takes is measured anew.
CREATE UNLOGGED TABLE signal (
    at         timestamptz NOT NULL,
    step_group text NOT NULL,
    lane       text NOT NULL,
    depth      bigint NOT NULL,
    under_way  bigint NOT NULL DEFAULT 0,
    oldest_s   double precision NOT NULL,
    ship_by    timestamptz,
    inflow     bigint NOT NULL,
    drain      bigint NOT NULL,
    PRIMARY KEY (at, step_group, lane)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
COMMENT ON COLUMN signal.inflow IS 'orders that ever came into the group: a difference of two is a rate';

-- Orders that ever passed a milestone, counted up to the last row seen.
CREATE UNLOGGED TABLE milestone (
    name    text NOT NULL,
    lane    text NOT NULL,
    orders  bigint NOT NULL,
    last_id bigint NOT NULL,
    PRIMARY KEY (name, lane)
) WITH (fillfactor = 50);

-- Invariants that the last check found breached.
CREATE UNLOGGED TABLE breach (
    name     text PRIMARY KEY,
    examples integer NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dead_letter (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step                 text NOT NULL,
    subject_id           bigint NOT NULL,
    lane                 text NOT NULL,
    account              text NOT NULL,
    order_id             bigint REFERENCES orders,
    fulfillment_order_id bigint REFERENCES fulfillment_order,
    code                 text NOT NULL,
    fingerprint          text NOT NULL,
    causes               jsonb NOT NULL,
    attempts             smallint NOT NULL,
    crashes              smallint NOT NULL,
    owner                text NOT NULL,
    due_at               timestamptz NOT NULL,
    opened_at            timestamptz NOT NULL DEFAULT now(),
    closed_at            timestamptz
);
CREATE INDEX dead_letter_of_order ON dead_letter (order_id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX dead_letter_one_open ON dead_letter (step, subject_id) WHERE closed_at IS NULL;

-- The timeline: every accepted and refused move, every decision with its reasons. Never updated.
CREATE TABLE event (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id             bigint,
    fulfillment_order_id bigint,
    package_id           bigint,
    kind                 text NOT NULL,
    step                 text NOT NULL,
    cause                text NOT NULL,
    from_state           text,
    to_state             text,
    facts                jsonb NOT NULL DEFAULT '{}',
    at                   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_of_order ON event (order_id, id);
