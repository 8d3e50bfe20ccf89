-- name: told
-- Whether everything that was told is recorded: orders that have left with their stock, packages handed over, documents
-- that are final, events that wait, and events that could not be read or applied.
SELECT (SELECT count(*) FROM fulfillment_order WHERE state = 'packed' AND reservation = 'consumed'),
       (SELECT count(*) FROM package WHERE handed_over_at IS NOT NULL),
       (SELECT count(*) FROM placement WHERE status = 'final'),
       (SELECT count(*) FROM early_scan),
       (SELECT count(*) FROM unreadable_entry);

-- name: wal
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint;
