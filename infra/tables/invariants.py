"""What must hold at every commit, as queries that find what breaks it."""

from collections.abc import Mapping

from infra.tables.pool import Connection
from infra.tables.sql import load

INVARIANT = load("invariants")


def find_broken(session: Connection, invariant: str, named: Mapping[str, object]) -> list[tuple[int | None, str]]:
    """(order, what) of the rows that break an invariant, given by its query's name; empty when it holds."""
    return session.execute(INVARIANT[invariant], named).fetchall()
