-- The way of parcels as their couriers tell it. Earlier code writes none of it and reads none of it.

ALTER TABLE package
    ADD COLUMN collected_at timestamptz,
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN tracked_at   timestamptz;
COMMENT ON COLUMN package.collected_at IS 'when its courier first had it, by the courier''s events';
COMMENT ON COLUMN package.delivered_at IS 'when its receiver signed for it, by the courier''s events';
COMMENT ON COLUMN package.tracked_at IS 'when its courier was last asked and answered';

-- One row for each event, however often it is told. No text of a courier: it names people and their numbers.
CREATE TABLE parcel_event (
    package_id bigint      NOT NULL REFERENCES package,
    at         timestamptz NOT NULL,
    code       text        NOT NULL,
    kind       text        NOT NULL,
    detail     text        NOT NULL DEFAULT '',
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package_id, at, code)
);
COMMENT ON COLUMN parcel_event.at IS 'when it happened, as the courier says';
COMMENT ON COLUMN parcel_event.code IS 'the courier''s own, with its reason behind a plus sign';
COMMENT ON COLUMN parcel_event.kind IS 'in our words, see domain/tracking.py; what the code meant when it came';
COMMENT ON COLUMN parcel_event.detail IS 'codes of the courier beside the first one';
