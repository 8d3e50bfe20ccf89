-- One document at a warehouse: the intent is durable before the warehouse is called. A worker of an earlier version places
-- none; what it labels at a location that takes orders is found by the sweeper.
CREATE TABLE placement (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fulfillment_order_id bigint NOT NULL REFERENCES fulfillment_order,
    location             text NOT NULL,
    generation           smallint NOT NULL CHECK (generation > 0),
    reference            text UNIQUE,
    status               text NOT NULL CHECK (status IN ('intended', 'placed', 'refused', 'stopped', 'final')),
    courier              text NOT NULL DEFAULT '',
    service              text NOT NULL DEFAULT '',
    their_id             text NOT NULL DEFAULT '',
    open_parts           text[] NOT NULL DEFAULT '{}',
    code                 text NOT NULL DEFAULT '',
    checked_at           timestamptz,
    call_deadline        timestamptz,
    intended_at          timestamptz NOT NULL DEFAULT now(),
    placed_at            timestamptz,
    ended_at             timestamptz,
    heard_at             timestamptz,
    asked_at             timestamptz,
    UNIQUE (fulfillment_order_id, generation),
    CONSTRAINT called_has_its_reference CHECK (status = 'intended' AND call_deadline IS NULL OR reference IS NOT NULL),
    CONSTRAINT placed_has_its_time CHECK ((status IN ('placed', 'final')) <= (placed_at IS NOT NULL)),
    CONSTRAINT ended_has_its_time CHECK ((status IN ('refused', 'stopped', 'final')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN placement.reference IS 'ours; NULL until a call is about to be made';
COMMENT ON COLUMN placement.courier IS 'wanted, where the warehouse books; empty: its own choice';
COMMENT ON COLUMN placement.open_parts IS 'the warehouse has cut the document: its ids of the parts that have no final event yet';
COMMENT ON COLUMN placement.code IS 'why it was refused';
COMMENT ON COLUMN placement.checked_at IS 'when the platform last allowed to ship, asked for this document';
COMMENT ON COLUMN placement.call_deadline IS
    'a call may be under way, or may have happened, until then: ask by reference, not earlier';
COMMENT ON COLUMN placement.heard_at IS 'the last event of the warehouse about it';
COMMENT ON COLUMN placement.asked_at IS 'when the warehouse was last asked about it, because no event came';
CREATE UNIQUE INDEX placement_one_live ON placement (fulfillment_order_id)
    WHERE status IN ('intended', 'placed', 'final');
CREATE INDEX placement_open ON placement (location, placed_at) WHERE status = 'placed';
CREATE INDEX placement_heard ON placement (location, heard_at);

ALTER TABLE fulfillment_order ADD COLUMN excluded jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN fulfillment_order.excluded IS 'locations that have refused it, each with the code';
ALTER TABLE shipment ADD COLUMN checked_at timestamptz;
COMMENT ON COLUMN shipment.checked_at IS 'when the platform allowed to ship, before it was booked; NULL: was not asked then';
ALTER TABLE location ADD COLUMN takes_orders_since timestamptz;
COMMENT ON COLUMN location.takes_orders_since IS 'since when its warehouse is told of orders; NULL: it is not told';
ALTER TABLE early_scan ADD COLUMN told jsonb;
COMMENT ON COLUMN early_scan.told IS 'of an event about a document: packages, lines and codes; NULL for a scan of a package';

-- A worker of an earlier version packs all that is left into each package that it makes. A package that a warehouse tells of
-- holds what the warehouse says: its account is the location's.
CREATE OR REPLACE FUNCTION pack_lines_of_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH contents AS (
        INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
        SELECT p.id, f.fulfillment_order_id, f.order_id, f.line_id, f.quantity - f.packed
        FROM added AS p JOIN fulfillment_line AS f ON f.fulfillment_order_id = p.fulfillment_order_id
        WHERE f.packed < f.quantity AND p.account NOT LIKE 'warehouse/%'
        RETURNING fulfillment_order_id, order_id, line_id, quantity
    )
    UPDATE fulfillment_line AS f SET packed = f.packed + c.quantity
    FROM contents AS c
    WHERE f.fulfillment_order_id = c.fulfillment_order_id AND f.order_id = c.order_id AND f.line_id = c.line_id;
    RETURN NULL;
END $$;
