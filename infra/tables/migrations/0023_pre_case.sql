-- A case: trouble with a parcel that has left, or what a buyer asks for afterwards. Keyed by shop and case id, which is the
-- platform's where it gives one.
CREATE TABLE order_case (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop        text NOT NULL,
    case_id     text NOT NULL,
    kind        text NOT NULL,
    order_id    bigint NOT NULL REFERENCES orders,
    package_id  bigint REFERENCES package,
    owner       text NOT NULL,
    due_at      timestamptz NOT NULL,
    facts       jsonb NOT NULL DEFAULT '{}',
    opened_at   timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz,
    closed_by   text,
    reason      text NOT NULL DEFAULT '',
    UNIQUE (shop, case_id),
    CONSTRAINT closed_names_its_author CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
COMMENT ON COLUMN order_case.shop IS 'account of the shop, platform/name';
COMMENT ON COLUMN order_case.facts IS 'codes, ids and numbers; never personal data';
COMMENT ON COLUMN order_case.reason IS 'why it was closed, in the words of whoever closed it';
CREATE INDEX order_case_open ON order_case (due_at, id) WHERE closed_at IS NULL;
CREATE INDEX order_case_of_order ON order_case (order_id);
CREATE INDEX order_case_closed ON order_case (closed_at) WHERE closed_at IS NOT NULL;
