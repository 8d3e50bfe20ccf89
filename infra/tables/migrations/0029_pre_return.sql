-- The intercept of a parcel that has left, and parcels that are expected back. Earlier code neither writes nor reads any of
-- it. Tables are locked in the order in which workers lock them.

-- One row for each package that is expected back, or that came back.
CREATE TABLE parcel_return (
    order_id    bigint NOT NULL REFERENCES orders,
    package_id  bigint PRIMARY KEY REFERENCES package,
    why         text NOT NULL,
    expected_at timestamptz NOT NULL DEFAULT now(),
    received_at timestamptz,
    received_by text,
    location    text,
    CONSTRAINT received_names_its_author CHECK ((received_at IS NULL) = (received_by IS NULL)),
    CONSTRAINT received_names_its_location CHECK ((received_at IS NULL) = (location IS NULL))
);
COMMENT ON COLUMN parcel_return.why IS 'see domain/returns.py';
COMMENT ON COLUMN parcel_return.received_by IS 'the person who counted it, or the account of the warehouse that did';
COMMENT ON COLUMN parcel_return.location IS 'where its pieces are now';
CREATE INDEX parcel_return_expected ON parcel_return (expected_at) WHERE received_at IS NULL;
CREATE INDEX parcel_return_of_order ON parcel_return (order_id);

-- What came back, by line of the order. Pieces that are in no row here did not come back.
CREATE TABLE parcel_return_line (
    package_id bigint  NOT NULL REFERENCES parcel_return,
    line_id    text    NOT NULL,
    sku        text    NOT NULL,
    sent       integer NOT NULL CHECK (sent >= 0),
    sellable   integer NOT NULL CHECK (sellable >= 0),
    damaged    integer NOT NULL CHECK (damaged >= 0),
    PRIMARY KEY (package_id, line_id)
);
COMMENT ON COLUMN parcel_return_line.sent IS 'pieces that the package held when it left';
COMMENT ON COLUMN parcel_return_line.sellable IS 'back on the shelf: stock of the location grew by them';

ALTER TABLE shipment
    ADD COLUMN intercept_wanted_at timestamptz,
    ADD COLUMN intercept_status    text NOT NULL DEFAULT ''
        CHECK (intercept_status IN ('', 'asked', 'taken', 'confirmed', 'failed', 'received')),
    ADD COLUMN intercept_deadline  timestamptz,
    ADD COLUMN intercept_asked_at  timestamptz,
    ADD COLUMN intercept_code      text NOT NULL DEFAULT '';
COMMENT ON COLUMN shipment.intercept_wanted_at IS 'since when its courier is to be asked to bring the parcel back';
COMMENT ON COLUMN shipment.intercept_status IS 'see domain/stops.py; taken says only that the courier tries';
COMMENT ON COLUMN shipment.intercept_deadline IS
    'a call may be under way until then, or the courier may have taken it: only what is told of the parcel settles that';
COMMENT ON COLUMN shipment.intercept_asked_at IS 'when its courier was last asked to intercept it';
COMMENT ON COLUMN shipment.intercept_code IS 'why it stands as it does: the last refusal, or what ended it';
CREATE INDEX shipment_intercepted ON shipment (intercept_wanted_at)
    WHERE intercept_wanted_at IS NOT NULL AND intercept_status IN ('', 'asked', 'taken');
