-- A shop that is taken over from another system, or only watched: which of its orders are begun here.

ALTER TABLE shop
    ADD COLUMN mode           text NOT NULL DEFAULT 'live' CHECK (mode IN ('live', 'watch')),
    ADD COLUMN take_over_from timestamptz,
    ADD COLUMN watched_since  timestamptz,
    ADD COLUMN live_since     timestamptz,
    ADD CONSTRAINT watch_has_its_beginning CHECK ((mode = 'watch') <= (watched_since IS NOT NULL));
-- An instant from before the watch does not tell when the other system stopped: then it stopped when the watch ended.
ALTER TABLE shop
    ADD COLUMN kept_before timestamptz GENERATED ALWAYS AS (
        CASE WHEN watched_since IS NULL OR take_over_from >= watched_since THEN take_over_from
             ELSE greatest(take_over_from, live_since) END) STORED;
COMMENT ON COLUMN shop.mode IS 'as the settings said at the last start; watch: orders are decided, and nothing is done';
COMMENT ON COLUMN shop.take_over_from IS 'as the settings said at the last start';
COMMENT ON COLUMN shop.watched_since IS 'when the last watch began, also after it has ended';
COMMENT ON COLUMN shop.live_since IS 'when the last watch ended; NULL: it has not, or there was none';
COMMENT ON COLUMN shop.kept_before IS 'orders that were paid before are another system''s; NULL: there is no such instant';

-- What would have been done with an order of a watched shop, as decided when its newest content came.
CREATE TABLE watch_decision (
    order_id   bigint PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    decided_at timestamptz NOT NULL DEFAULT now(),
    outcome    text  NOT NULL CHECK (outcome IN ('ship', 'hold', 'wait', 'nothing')),
    lane       text  NOT NULL,
    rules      text  NOT NULL,
    holds      jsonb NOT NULL,
    packages   jsonb NOT NULL
);
COMMENT ON COLUMN watch_decision.outcome IS 'ship: in `packages`; hold: for `holds`; wait: for its payment; nothing: another system has shipped it, or it has ended';
COMMENT ON COLUMN watch_decision.holds IS 'code and facts of each hold that would have been opened';
COMMENT ON COLUMN watch_decision.packages IS 'location, courier, service and reasons of each package that would have been booked';

-- Pieces that a watched order would have reserved: they count against other watched orders, never against a real one.
CREATE TABLE watch_piece (
    order_id bigint  NOT NULL REFERENCES watch_decision ON DELETE CASCADE,
    location text    NOT NULL,
    sku      text    NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, location, sku)
);
CREATE INDEX watch_piece_sku ON watch_piece (sku);
