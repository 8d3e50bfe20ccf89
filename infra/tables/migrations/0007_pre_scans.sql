-- Entries of warehouses that could not be read, each with an owner; and scan times that no one can read back.

CREATE TABLE unreadable_entry (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source     text NOT NULL CHECK (source IN ('scan', 'stock', 'listing')),
    account    text NOT NULL,
    page_id    bigint,
    position   integer NOT NULL,
    code       text NOT NULL,
    field      text NOT NULL,
    reference  text,
    sku        text,
    owner      text NOT NULL,
    due_at     timestamptz NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    closed_at  timestamptz,
    closed_by  text,
    CONSTRAINT closing_names_its_author CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
COMMENT ON COLUMN unreadable_entry.page_id IS 'the stored page of a scan: the raw entry stands there at its position';
COMMENT ON COLUMN unreadable_entry.reference IS 'of the package the entry speaks of, if that could be read and is one of ours';
CREATE INDEX unreadable_entry_open ON unreadable_entry (source, account) WHERE closed_at IS NULL;
CREATE INDEX unreadable_entry_of_package ON unreadable_entry (reference) WHERE reference IS NOT NULL;
-- A count is read again and again: one bad row is one record.
CREATE UNIQUE INDEX unreadable_entry_one_of_a_row ON unreadable_entry (account, position, code, field)
    WHERE source = 'stock' AND closed_at IS NULL;

-- Earlier versions stored scans of the year 1, which stopped every later reader. The moment cannot be known: what a
-- package was stamped with becomes the moment at which the package was made.
INSERT INTO unreadable_entry (source, account, position, code, field, reference, owner, due_at)
SELECT 'scan', 'warehouse/' || e.location, 0, 'field_invalid', 'at', s.reference, 'warehouse', now()
FROM early_scan AS e LEFT JOIN shipment AS s ON s.reference = e.reference
WHERE e.at NOT BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00';

DELETE FROM early_scan WHERE at NOT BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00';
UPDATE package SET packed_at = created_at WHERE packed_at NOT BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00';
UPDATE package SET handed_over_at = created_at WHERE handed_over_at NOT BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00';
UPDATE writeback SET shipped_at = p.created_at FROM package AS p
WHERE p.id = writeback.package_id AND shipped_at NOT BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00';
UPDATE notice SET occurred_at = p.created_at FROM package AS p
WHERE p.id = notice.package_id AND occurred_at NOT BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00';

ALTER TABLE early_scan ADD CONSTRAINT scan_is_an_instant
    CHECK (at BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00') NOT VALID;
ALTER TABLE package ADD CONSTRAINT scans_are_instants
    CHECK (packed_at BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00' AND handed_over_at BETWEEN '2000-01-01 00:00:00+00' AND '2100-01-01 00:00:00+00')
    NOT VALID;
