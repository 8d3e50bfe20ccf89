-- The moment before which an order must not be shipped. Earlier code neither writes nor reads it.
ALTER TABLE orders ADD COLUMN ship_from timestamptz;
COMMENT ON COLUMN orders.ship_from IS 'no label before this; NULL: as soon as it can be';
CREATE INDEX orders_ship_from ON orders (ship_from) WHERE ship_from IS NOT NULL;
