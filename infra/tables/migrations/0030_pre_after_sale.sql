-- After-sale cases of platforms join the cases: stored as the platform shows them, also before their order is here. Earlier
-- code neither writes nor reads the new columns, and shows no case without an order.
ALTER TABLE order_case
    ALTER COLUMN order_id DROP NOT NULL,
    ADD COLUMN platform_order_id    text NOT NULL DEFAULT '',
    ADD COLUMN stage                text NOT NULL DEFAULT '',
    ADD COLUMN needs                text NOT NULL DEFAULT '',
    ADD COLUMN lines                text[] NOT NULL DEFAULT '{}',
    ADD COLUMN currency             text NOT NULL DEFAULT '',
    ADD COLUMN amount_minor         bigint,
    ADD COLUMN freight_minor        bigint,
    ADD COLUMN platform_share_minor bigint,
    ADD COLUMN quantity             integer,
    ADD COLUMN version              text NOT NULL DEFAULT '',
    ADD COLUMN changed_at           timestamptz,
    ADD COLUMN decide_by            timestamptz,
    ADD COLUMN return_waybill       text NOT NULL DEFAULT '',
    ADD COLUMN resend_waybill       text NOT NULL DEFAULT '',
    ADD COLUMN source_state         text NOT NULL DEFAULT '',
    ADD COLUMN source_kind          text NOT NULL DEFAULT '',
    ADD COLUMN answer               text NOT NULL DEFAULT '' CHECK (answer IN ('', 'stopped', 'not_stopped')),
    ADD COLUMN answer_status        text NOT NULL DEFAULT ''
        CHECK (answer_status IN ('', 'asked', 'told', 'already', 'refused', 'unknown')),
    ADD COLUMN answer_deadline      timestamptz,
    ADD COLUMN answered_at          timestamptz;
COMMENT ON COLUMN order_case.order_id IS 'NULL: the order of a platform''s case is not stored yet';
COMMENT ON COLUMN order_case.platform_order_id IS 'of a platform''s case; empty: it could not be read';
COMMENT ON COLUMN order_case.stage IS 'of a platform''s case, in words of domain/after_sale.py; empty for a case of our own';
COMMENT ON COLUMN order_case.lines IS 'ids of the lines that a platform''s case is about; empty: all';
COMMENT ON COLUMN order_case.version IS 'what an answer to the platform must echo';
COMMENT ON COLUMN order_case.changed_at IS 'when it last changed at its platform';
COMMENT ON COLUMN order_case.decide_by IS 'when the platform decides without the seller; NULL: unknown';
COMMENT ON COLUMN order_case.answer IS 'what the platform is told of the goods';
COMMENT ON COLUMN order_case.answer_status IS 'asked: a call may have told it; already: the platform had decided before; unknown: nobody knows whether it was told';
COMMENT ON COLUMN order_case.answered_at IS 'when it was told, or may have been told first';
COMMENT ON COLUMN order_case.answer_deadline IS 'a call may be under way, or may have had its effect, until then';
CREATE INDEX order_case_decided ON order_case (decide_by, id)
    WHERE closed_at IS NULL AND decide_by IS NOT NULL AND needs = 'seller';
CREATE INDEX order_case_unlinked ON order_case (shop, platform_order_id) WHERE order_id IS NULL AND platform_order_id <> '';

-- How far the cases of a shop were read; as of its orders in shop.
CREATE TABLE case_cursor (
    shop_id   bigint PRIMARY KEY REFERENCES shop,
    cursor_at timestamptz NOT NULL,
    open_from timestamptz NOT NULL,
    open_to   timestamptz NOT NULL,
    window_s  double precision,
    read_at   timestamptz NOT NULL DEFAULT now()
);
