-- Stops: a request to keep a fulfillment order from leaving, and how far its steps are. Earlier code neither writes nor
-- reads any of it; an order that is stopped is on hold, which earlier code leaves alone.
CREATE TABLE stop (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fulfillment_order_id bigint NOT NULL REFERENCES fulfillment_order,
    order_id             bigint NOT NULL REFERENCES orders,
    asked_by             text NOT NULL CHECK (asked_by IN ('platform', 'rule', 'person')),
    author               text NOT NULL,
    code                 text NOT NULL,
    goal                 text NOT NULL CHECK (goal IN ('close', 'rebuild')),
    lines                text[] NOT NULL DEFAULT '{}',
    is_outdated          boolean NOT NULL DEFAULT false,
    case_id              text,
    status               text NOT NULL DEFAULT 'asked'
                         CHECK (status IN ('asked', 'withdrawn', 'stopped', 'coming_back', 'too_late')),
    rung                 text NOT NULL DEFAULT '',
    confirmed_by         text,
    confirmed_at         timestamptz,
    asked_at             timestamptz NOT NULL DEFAULT now(),
    until_at             timestamptz,
    ended_at             timestamptz,
    CONSTRAINT ended_has_its_time CHECK ((status = 'asked') = (ended_at IS NULL)),
    CONSTRAINT confirmed_names_its_author CHECK ((confirmed_at IS NULL) = (confirmed_by IS NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN stop.author IS 'who asked: a person''s name, a platform, or a step';
COMMENT ON COLUMN stop.code IS 'why, see domain/stops.py';
COMMENT ON COLUMN stop.goal IS 'close: the pieces are not wanted any more; rebuild: they are shipped anew, to another address or another way';
COMMENT ON COLUMN stop.lines IS 'ids of the lines that are asked for; empty: all';
COMMENT ON COLUMN stop.is_outdated IS 'the address has changed since the label: it is never sent, even when the stop is taken back';
COMMENT ON COLUMN stop.case_id IS 'order_case.case_id of the case that asks, where one does';
COMMENT ON COLUMN stop.rung IS 'what it waits for, in words of domain/stops.py';
COMMENT ON COLUMN stop.confirmed_by IS 'the person who said that the goods are still in the house';
COMMENT ON COLUMN stop.until_at IS 'when whoever asked must have an answer; NULL: no such time is known';
CREATE UNIQUE INDEX stop_one_open ON stop (fulfillment_order_id) WHERE status = 'asked';
CREATE INDEX stop_of_order ON stop (order_id);

ALTER TABLE placement
    ADD COLUMN stop_wanted_at timestamptz,
    ADD COLUMN stop_deadline  timestamptz,
    ADD COLUMN stop_status    text NOT NULL DEFAULT ''
        CHECK (stop_status IN ('', 'asked', 'pending', 'refused', 'too_late', 'unknown'));
COMMENT ON COLUMN placement.stop_wanted_at IS 'since when the warehouse is to be asked not to ship it';
COMMENT ON COLUMN placement.stop_deadline IS 'a stop call may be under way, or may have had its effect, until then';
COMMENT ON COLUMN placement.stop_status IS 'what the warehouse last said of the stop; the document''s own status says when it is stopped';

ALTER TABLE shipment
    ADD COLUMN void_wanted_at timestamptz,
    ADD COLUMN void_deadline  timestamptz,
    ADD COLUMN void_status    text NOT NULL DEFAULT ''
        CHECK (void_status IN ('', 'asked', 'refused', 'collected', 'unknown'));
COMMENT ON COLUMN shipment.void_wanted_at IS 'since when nobody wants it any more';
COMMENT ON COLUMN shipment.void_deadline IS 'a cancel call may be under way, or may have had its effect, until then';
COMMENT ON COLUMN shipment.void_status IS 'what the courier last said of the cancel; the shipment''s own status says when it is voided';
-- A hand-over that was scanned during a hold is looked for before anything of it is cancelled.
CREATE INDEX early_scan_of_reference ON early_scan (reference) WHERE kind = 'handed_over';
CREATE INDEX shipment_unwanted ON shipment (package_id) WHERE void_wanted_at IS NOT NULL AND status <> 'voided';
