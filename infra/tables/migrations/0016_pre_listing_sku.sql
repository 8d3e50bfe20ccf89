-- Which SKU of ours a listing of a platform is, where the platform does not say it or says one that stock does not know.

CREATE TABLE listing_sku (
    platform     text NOT NULL,
    shop         text NOT NULL,
    product_id   text NOT NULL CHECK (product_id <> ''),
    platform_sku text NOT NULL DEFAULT '',
    sku          text NOT NULL,
    author       text NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (platform, shop, product_id, platform_sku)
);
COMMENT ON COLUMN listing_sku.platform_sku IS 'the variant; empty: every variant of the product that has no row of its own';
COMMENT ON COLUMN listing_sku.sku IS 'empty: nothing to pick, the line is nobody''s to ship';

ALTER TABLE order_line ADD COLUMN replaced_sku text;
COMMENT ON COLUMN order_line.replaced_sku IS
    'the SKU that the platform gave, empty for none, where the listing map or a person decided otherwise';

-- Orders that wait for a SKU.
CREATE INDEX hold_sku_unmapped ON hold (fulfillment_order_id) WHERE code = 'sku_unmapped' AND released_at IS NULL;
