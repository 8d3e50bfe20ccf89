-- What a platform did not say of a line. Stored lines keep what was read of them.

ALTER TABLE order_line ADD COLUMN refund_unknown boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN order_line.refund_unknown IS
    'the platform did not say whether a refund is open, or whether the line still stands';
