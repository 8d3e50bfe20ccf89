-- Gaps are tried again after a pause of their own; each window of changes is read a second time once it has settled.

ALTER TABLE pull_gap ADD COLUMN due_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN pull_gap.due_at IS 'when the platform is asked for this order again';
COMMENT ON COLUMN pull_gap.platform_order_id IS 'empty: a row of the listing that does not tell its order id';

ALTER TABLE shop
    ADD COLUMN settled_at      timestamptz,
    ADD COLUMN settle_window_s double precision,
    ADD COLUMN found_late      bigint NOT NULL DEFAULT 0,
    ADD COLUMN found_late_at   timestamptz;
COMMENT ON COLUMN shop.settled_at IS 'changes up to here were read a second time';
COMMENT ON COLUMN shop.settle_window_s IS 'a shorter second reading for a shop whose last one did not fit into a lease';
COMMENT ON COLUMN shop.found_late IS 'changes that only the second reading found';
