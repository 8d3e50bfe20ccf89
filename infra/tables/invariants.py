"""invariants"""

from infra.tables.sql import load

INVARIANT = load("invariants")
