-- Orders that another system ships, for the lists of them. Few or none in a shop that was taken over long ago. Apart from
-- 0018, whose lock on the shops must not last as long as this index takes.
CREATE INDEX fulfillment_order_kept_out ON fulfillment_order (order_id)
    WHERE closed_reason IN ('not_taken_over', 'watched');
