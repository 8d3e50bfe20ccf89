-- Which content of an order the day from which it ships was read from. A worker of an earlier version stores a content and
-- reads no day of it: the two differ then, and the content is read again.
ALTER TABLE orders ADD COLUMN ship_from_of bigint;
COMMENT ON COLUMN orders.ship_from_of IS 'the payload that ship_from was read from; another than raw_payload_id: read it again';

COMMENT ON COLUMN shipment.checked_at IS
    'when the platform last allowed to ship the package: before its label was booked, or before a person packed it or handed it over; NULL: it was not asked';
