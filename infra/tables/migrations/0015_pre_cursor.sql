-- A shop's changes are read in parts, each of which moves the cursor; somebody hears of a cursor that grows old.

ALTER TABLE shop
    ADD COLUMN open_from      timestamptz,
    ADD COLUMN open_to        timestamptz,
    ADD COLUMN behind_told_at timestamptz;
COMMENT ON COLUMN shop.cursor_at IS 'changes up to here are stored';
COMMENT ON COLUMN shop.open_from IS 'changes from here to open_to were read while others could still appear among them, and are read again; NULL: those of the overlap before the cursor';
COMMENT ON COLUMN shop.window_s IS 'changes are read in parts of this length; NULL: in parts as long as the platform allows';
COMMENT ON COLUMN shop.behind_told_at IS 'when somebody was last told that the cursor is too old; NULL once it is not';
