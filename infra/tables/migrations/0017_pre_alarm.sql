-- An alarm is a row that is open as long as its reason lasts.

CREATE TABLE alarm (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL,
    key       text NOT NULL,
    severity  text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    owner     text NOT NULL,
    facts     jsonb NOT NULL DEFAULT '{}',
    count     bigint NOT NULL DEFAULT 1,
    first_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    told_at   timestamptz
);
COMMENT ON COLUMN alarm.count IS 'of a condition: how many things it is about now; of an event: how often it happened';
COMMENT ON COLUMN alarm.told_at IS 'the log has said what changed up to here: first_at once it has said that the alarm opened, closed_at that it closed';
CREATE UNIQUE INDEX alarm_open ON alarm (kind, key) WHERE closed_at IS NULL;
CREATE INDEX alarm_untold ON alarm (id) WHERE told_at IS NULL OR told_at < closed_at;
CREATE INDEX alarm_closed ON alarm (closed_at) WHERE closed_at IS NOT NULL;

-- What holds now is counted without reading orders that have left. Orders that are late now are counted from the start;
-- a mark of 50 or 80 percent that was raised before counts for nothing any more.
ALTER TABLE clock_alarm ADD COLUMN over_at timestamptz DEFAULT now();
ALTER TABLE clock_alarm ALTER COLUMN over_at DROP DEFAULT;
UPDATE clock_alarm SET over_at = NULL WHERE next_at IS NOT NULL;
COMMENT ON COLUMN clock_alarm.over_at IS 'the order has left, or has reached the next mark';
CREATE INDEX clock_alarm_running ON clock_alarm (percent) WHERE over_at IS NULL;

ALTER TABLE location ADD COLUMN stock_fault text;
COMMENT ON COLUMN location.stock_fault IS 'code of the error that kept the last count from being had; NULL after a count';
