-- Gates: an account, lane or step whose work rests, with who shut it and why. A shut gate is not rung for.

CREATE TABLE gate (
    kind     text NOT NULL CHECK (kind IN ('account', 'lane', 'step')),
    name     text NOT NULL,
    reason   text NOT NULL,
    shut_by  text NOT NULL,
    shut_at  timestamptz NOT NULL DEFAULT now(),
    until    timestamptz,
    probe_at timestamptz,
    PRIMARY KEY (kind, name),
    CONSTRAINT only_the_engine_probes CHECK ((shut_by = 'engine') = (probe_at IS NOT NULL))
);
COMMENT ON COLUMN gate.probe_at IS 'from then on one subject may try whether the account works again';

-- Work that met a shut gate in the middle of its step rests here: due never, until the gate opens.
ALTER TABLE work ADD COLUMN gate text, ADD COLUMN gated_at timestamptz,
    ADD CONSTRAINT gated_since CHECK ((gate IS NULL) = (gated_at IS NULL));
CREATE INDEX work_gate ON work (gate) WHERE gate IS NOT NULL;

CREATE INDEX hold_for_a_gate ON hold (id) WHERE code = 'waiting_on_account' AND released_at IS NULL;
