-- Alarms: on the ship-by clock, each mark of an order once and its lateness once a day; on causes of dead letters;
-- and on feeds that fall silent.

CREATE TABLE clock_alarm (
    order_id  bigint NOT NULL REFERENCES orders,
    percent   smallint NOT NULL CHECK (percent IN (50, 80, 100)),
    raised_at timestamptz NOT NULL DEFAULT now(),
    repeats   smallint NOT NULL DEFAULT 0,
    next_at   timestamptz,
    PRIMARY KEY (order_id, percent)
);
COMMENT ON COLUMN clock_alarm.next_at IS 'of the last mark: when it is raised again, unless the order has left by then';
CREATE INDEX clock_alarm_again ON clock_alarm (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX orders_ship_by ON orders (ship_by) WHERE ship_by IS NOT NULL;

-- What was last said of a cause with open letters; gone with its last open letter.
CREATE TABLE letter_alarm (
    fingerprint text PRIMARY KEY,
    letters     bigint NOT NULL,
    raised_at   timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE shop ADD COLUMN read_at timestamptz;
ALTER TABLE location ADD COLUMN read_at timestamptz;
COMMENT ON COLUMN shop.read_at IS 'when its changes were last read, whole or in part';
COMMENT ON COLUMN location.read_at IS 'when its feed was last read';
