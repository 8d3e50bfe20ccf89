-- Who acted in which role and by which way, and what was before and is after. Rows of earlier versions do not say.

ALTER TABLE audit
    ADD COLUMN role       text,
    ADD COLUMN source     text,
    ADD COLUMN request_id uuid,
    ADD COLUMN before     jsonb,
    ADD COLUMN after      jsonb;
COMMENT ON COLUMN audit.role IS 'machine, operator or admin; null: written by an earlier version';
COMMENT ON COLUMN audit.source IS 'cli, console, rule, engine or sweeper; null: written by an earlier version';
COMMENT ON COLUMN audit.request_id IS 'the same in all rows of one request';
COMMENT ON COLUMN audit.before IS 'codes and numbers; null: there was nothing, or the row is of an earlier version';
COMMENT ON COLUMN audit.after IS 'codes and numbers; null: nothing is there any more, or the row is of an earlier version';

ALTER TABLE hold ADD COLUMN released_role text;
COMMENT ON COLUMN hold.released_role IS 'the role of released_by; null: released by an earlier version';

ALTER TABLE bulk
    ADD COLUMN role       text,
    ADD COLUMN source     text,
    ADD COLUMN request_id uuid;
COMMENT ON COLUMN bulk.request_id IS 'of the request that started the bulk; audit rows of its members carry the same';
