-- Holds in the hands of people: who has one, until when nobody is reminded of it, and lists of them.

ALTER TABLE hold ADD COLUMN snoozed_until timestamptz;
COMMENT ON COLUMN hold.owner IS 'the team that the code names, or the person or team that it was assigned to';
COMMENT ON COLUMN hold.step IS 'the step that opened it; ''person'' for a person';
COMMENT ON COLUMN hold.snoozed_until IS 'nobody is reminded of it before; the order stays held, and its clock runs';
CREATE INDEX hold_open ON hold (due_at, id) WHERE released_at IS NULL;
