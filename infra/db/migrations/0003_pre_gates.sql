-- Gates: an account, lane or step whose work rests, with who shut it and why. A shut gate is not rung for.

CREATE TABLE gate (
    kind    text NOT NULL CHECK (kind IN ('account', 'lane', 'step')),
    name    text NOT NULL,
    reason  text NOT NULL,
    shut_by text NOT NULL,
    shut_at timestamptz NOT NULL DEFAULT now(),
    until   timestamptz,
    PRIMARY KEY (kind, name)
);
