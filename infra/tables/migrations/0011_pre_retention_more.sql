-- What a feed may fill: an order's contents of a day, a location's bytes of a day. Counted where a row is written anyway.

ALTER TABLE refused_input
    ADD COLUMN account           text,
    ADD COLUMN platform_order_id text,
    ADD COLUMN asked_at          timestamptz;
COMMENT ON COLUMN refused_input.asked_at IS 'of an order with too many contents: when the platform was asked for the newest';

ALTER TABLE location
    ADD COLUMN bytes_day   date,
    ADD COLUMN bytes_today bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN location.bytes_today IS 'bytes of the pages that came on bytes_day';
