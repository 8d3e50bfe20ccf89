-- Alarms on the ship-by clock: each mark of an order is raised once.

CREATE TABLE clock_alarm (
    order_id  bigint NOT NULL REFERENCES orders,
    percent   smallint NOT NULL CHECK (percent IN (50, 80, 100)),
    raised_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, percent)
);
CREATE INDEX orders_ship_by ON orders (ship_by) WHERE ship_by IS NOT NULL;
