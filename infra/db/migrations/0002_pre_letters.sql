-- What people do about dead letters and holds: every act is written down, bulk acts are objects.

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    who    text NOT NULL,
    verb   text NOT NULL,
    object text NOT NULL,
    reason text NOT NULL,
    facts  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_of_object ON audit (object, id);
