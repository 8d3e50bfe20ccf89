-- The order as it is: pieces of a line in the work of a location and in a package, and who fulfils each line.

-- Steps begin with their work, then take the fulfillment orders: whoever has begun ends before anything is locked here,
-- instead of meeting this transaction crosswise.
LOCK TABLE work, fulfillment_order, orders, order_line, package, worker_report IN ACCESS EXCLUSIVE MODE;

ALTER TABLE orders
    ADD COLUMN fulfilled_by text NOT NULL DEFAULT 'merchant' CHECK (fulfilled_by IN (
        'merchant', 'platform', 'pickup', 'nobody', 'courier', 'unknown')),
    ADD COLUMN services_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN fees_minor     bigint NOT NULL DEFAULT 0;

ALTER TABLE order_line
    ADD COLUMN fulfilled_by text NOT NULL DEFAULT 'merchant' CHECK (fulfilled_by IN (
        'merchant', 'platform', 'pickup', 'nobody', 'courier', 'unknown')),
    ADD COLUMN shipped    integer NOT NULL DEFAULT 0 CHECK (shipped >= 0),
    ADD COLUMN waybill    text    NOT NULL DEFAULT '',
    ADD COLUMN is_missing boolean NOT NULL DEFAULT false,
    ADD COLUMN planned    integer NOT NULL DEFAULT 0 CHECK (planned >= 0),
    ADD COLUMN cancelled  integer NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    ADD COLUMN elsewhere  integer NOT NULL DEFAULT 0 CHECK (elsewhere >= 0),
    ADD CONSTRAINT never_more_than_sold CHECK (planned + cancelled + elsewhere <= quantity);
COMMENT ON COLUMN order_line.shipped IS 'pieces that the platform shows as shipped, by whomever; with the number it shows';
COMMENT ON COLUMN order_line.is_missing IS 'the newest content of the order leaves the line out';
COMMENT ON COLUMN order_line.planned IS 'pieces in fulfillment lines of fulfillment orders that are not closed';
COMMENT ON COLUMN order_line.cancelled IS 'pieces that nobody ships any more: refunded or closed before they left';
COMMENT ON COLUMN order_line.elsewhere IS 'pieces that somebody else has shipped';

-- What of an order's line one location works on. The line names its order: one fulfillment order may serve several.
CREATE TABLE fulfillment_line (
    fulfillment_order_id bigint  NOT NULL REFERENCES fulfillment_order,
    order_id             bigint  NOT NULL,
    line_id              text    NOT NULL,
    quantity             integer NOT NULL CHECK (quantity >= 0),
    packed               integer NOT NULL DEFAULT 0 CHECK (packed >= 0),
    PRIMARY KEY (fulfillment_order_id, order_id, line_id),
    FOREIGN KEY (order_id, line_id) REFERENCES order_line,
    CONSTRAINT never_more_packed_than_planned CHECK (packed <= quantity)
) WITH (fillfactor = 80);
COMMENT ON COLUMN fulfillment_line.packed IS 'pieces in package lines of packages that were not cancelled';

ALTER TABLE package ADD COLUMN cancelled_at timestamptz;
COMMENT ON COLUMN package.cancelled_at IS 'it will never leave: its pieces are free for another package';

-- What is in the box. Label, write-back, notice and scan read it.
CREATE TABLE package_line (
    package_id           bigint  NOT NULL REFERENCES package,
    fulfillment_order_id bigint  NOT NULL,
    order_id             bigint  NOT NULL,
    line_id              text    NOT NULL,
    quantity             integer NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (package_id, fulfillment_order_id, order_id, line_id),
    FOREIGN KEY (fulfillment_order_id, order_id, line_id) REFERENCES fulfillment_line
);

ALTER TABLE worker_report ADD COLUMN knows_lines boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN worker_report.knows_lines IS 'false for workers of versions that carry every order whole';

-- Work that waits until no worker lives that carries every order whole: due in a hundred years, so that no such worker
-- takes it.
CREATE INDEX work_waiting ON work (step, subject_id) WHERE due_at > '2100-01-01 00:00:00+00' AND gate IS NULL;

-- Whatever closes a fulfillment order frees the pieces that it planned, and its package if nobody may know of it.
CREATE FUNCTION cancel_lines_of_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH cancelled AS (
        UPDATE package AS p SET cancelled_at = now()
        WHERE p.fulfillment_order_id = NEW.id AND p.cancelled_at IS NULL AND p.handed_over_at IS NULL
          AND NOT EXISTS (SELECT FROM shipment AS s
                          WHERE s.package_id = p.id
                            AND (s.status = 'booked' OR s.status = 'intended' AND s.call_deadline IS NOT NULL))
        RETURNING p.id
    ), unpacked AS (
        SELECT k.fulfillment_order_id, k.order_id, k.line_id, sum(k.quantity) AS quantity
        FROM cancelled AS c JOIN package_line AS k ON k.package_id = c.id
        GROUP BY k.fulfillment_order_id, k.order_id, k.line_id
    )
    UPDATE fulfillment_line AS f SET packed = f.packed - u.quantity
    FROM unpacked AS u
    WHERE f.fulfillment_order_id = u.fulfillment_order_id AND f.order_id = u.order_id AND f.line_id = u.line_id;
    UPDATE order_line AS l SET planned = l.planned - f.quantity, cancelled = l.cancelled + f.quantity
    FROM fulfillment_line AS f
    WHERE f.fulfillment_order_id = NEW.id AND f.quantity > 0 AND l.order_id = f.order_id AND l.line_id = f.line_id;
    RETURN NULL;
END $$;
CREATE TRIGGER closed_cancels_lines AFTER UPDATE OF state ON fulfillment_order
    FOR EACH ROW WHEN (NEW.state = 'closed' AND OLD.state <> 'closed') EXECUTE FUNCTION cancel_lines_of_closed();

-- Until every worker knows of lines: what workers of earlier versions write is completed here. A line of a new order
-- is planned, or cancelled where nobody wants it. One that is added after the review is neither: its order is held.
CREATE FUNCTION plan_lines_of_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH fresh AS (
        SELECT f.id, l.order_id, l.line_id, l.quantity, l.refunded OR f.state = 'closed' AS is_gone
        FROM added AS l JOIN fulfillment_order AS f ON f.order_id = l.order_id AND f.number = 1
        WHERE l.planned = 0 AND l.cancelled = 0 AND l.elsewhere = 0 AND l.shipped = 0 AND l.fulfilled_by = 'merchant'
          AND (l.refunded OR f.state IN ('pending_payment', 'paid', 'closed') OR f.resume_state = 'paid')
    ), planned AS (
        INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
        SELECT id, order_id, line_id, quantity FROM fresh WHERE NOT is_gone
        ON CONFLICT DO NOTHING
    )
    UPDATE order_line AS l
    SET planned = CASE WHEN f.is_gone THEN 0 ELSE f.quantity END,
        cancelled = CASE WHEN f.is_gone THEN f.quantity ELSE 0 END
    FROM fresh AS f WHERE l.order_id = f.order_id AND l.line_id = f.line_id;
    RETURN NULL;
END $$;
CREATE TRIGGER earlier_version_plans AFTER INSERT ON order_line
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION plan_lines_of_earlier_version();

-- An earlier version takes a newer content over by deleting all lines and inserting them again. It has locked the
-- fulfillment orders before.
CREATE FUNCTION keep_line_of_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE order_line SET is_missing = true WHERE order_id = OLD.order_id AND line_id = OLD.line_id;
    RETURN NULL;
END $$;
CREATE TRIGGER earlier_version_deletes BEFORE DELETE ON order_line
    FOR EACH ROW EXECUTE FUNCTION keep_line_of_earlier_version();

-- The plan follows while nothing is reviewed and packed; an order that is over plans nothing. Between, it stays.
CREATE FUNCTION update_line_of_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line    order_line%ROWTYPE;
    alone   bigint;
    was     integer := 0;
    is_over boolean;
    is_ours boolean;
BEGIN
    SELECT * INTO line FROM order_line WHERE order_id = NEW.order_id AND line_id = NEW.line_id;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
    is_ours := line.fulfilled_by IN ('merchant', 'unknown');
    SELECT bool_and(state = 'closed') INTO is_over FROM fulfillment_order WHERE order_id = NEW.order_id;
    SELECT f.id, coalesce(p.quantity, 0) INTO alone, was
    FROM fulfillment_order AS f
    LEFT JOIN fulfillment_line AS p
      ON p.fulfillment_order_id = f.id AND p.order_id = f.order_id AND p.line_id = NEW.line_id
    WHERE f.order_id = NEW.order_id AND (f.state IN ('pending_payment', 'paid') OR f.resume_state = 'paid')
      AND coalesce(p.packed, 0) = 0
      AND NOT EXISTS (SELECT FROM fulfillment_order AS g WHERE g.order_id = f.order_id AND g.id <> f.id);
    IF alone IS NOT NULL THEN
        line.planned := CASE WHEN NEW.refunded OR NOT is_ours THEN 0
                             ELSE greatest(0, NEW.quantity - line.elsewhere) END;
        line.cancelled := 0;
    END IF;
    line.quantity := greatest(NEW.quantity, line.planned + line.cancelled + line.elsewhere);
    IF is_ours AND (alone IS NOT NULL OR is_over) THEN
        line.cancelled := line.quantity - line.planned - line.elsewhere;
    END IF;
    UPDATE order_line AS l
    SET product_id = NEW.product_id, platform_sku = NEW.platform_sku, sku = NEW.sku, title = NEW.title,
        quantity = line.quantity, planned = line.planned, cancelled = line.cancelled,
        unit_price_minor = NEW.unit_price_minor, paid_minor = NEW.paid_minor, is_gift = NEW.is_gift,
        refund_open = NEW.refund_open, refunded = NEW.refunded, refund_unknown = NEW.refund_unknown, is_missing = false
    WHERE l.order_id = NEW.order_id AND l.line_id = NEW.line_id;
    IF alone IS NOT NULL AND line.planned <> was THEN
        INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
        VALUES (alone, NEW.order_id, NEW.line_id, line.planned)
        ON CONFLICT (fulfillment_order_id, order_id, line_id) DO UPDATE SET quantity = excluded.quantity;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER earlier_version_updates BEFORE INSERT ON order_line
    FOR EACH ROW EXECUTE FUNCTION update_line_of_earlier_version();

CREATE FUNCTION pack_lines_of_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH contents AS (
        INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
        SELECT p.id, f.fulfillment_order_id, f.order_id, f.line_id, f.quantity - f.packed
        FROM added AS p JOIN fulfillment_line AS f ON f.fulfillment_order_id = p.fulfillment_order_id
        WHERE f.packed < f.quantity
        RETURNING fulfillment_order_id, order_id, line_id, quantity
    )
    UPDATE fulfillment_line AS f SET packed = f.packed + c.quantity
    FROM contents AS c
    WHERE f.fulfillment_order_id = c.fulfillment_order_id AND f.order_id = c.order_id AND f.line_id = c.line_id;
    RETURN NULL;
END $$;
CREATE TRIGGER earlier_version_packs AFTER INSERT ON package
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION pack_lines_of_earlier_version();

-- A worker of an earlier version would tell every line of an order with each of its parts. It does not start while such
-- an order is under way. The lock: whoever makes parts holds it shared, and has looked for such workers under it.
CREATE FUNCTION refuse_earlier_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7305, 0);
    IF EXISTS (
        SELECT FROM fulfillment_order AS n JOIN fulfillment_order AS f ON f.order_id = n.order_id
        WHERE n.number > 1
          AND (f.state IN ('pending_payment', 'paid', 'on_hold', 'approved', 'allocated', 'in_warehouse', 'packed')
               OR EXISTS (SELECT FROM package AS p JOIN writeback AS w ON w.package_id = p.id
                          WHERE p.fulfillment_order_id = f.id AND w.status IN ('pending', 'sending')))
    ) THEN
        RAISE EXCEPTION 'orders in parts are under way, which this earlier version does not know'
            USING HINT = 'Start workers of the version that made them, and go back once those orders have left.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER earlier_version_starts BEFORE INSERT ON worker_report
    FOR EACH ROW WHEN (NOT NEW.knows_lines) EXECUTE FUNCTION refuse_earlier_version();
