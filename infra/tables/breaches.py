"""Invariants that did not hold at the last check."""

from collections.abc import Mapping

from infra.tables.pool import Connection
from infra.tables.sql import load

BREACHES = load("breaches")


def save_breaches(connection: Connection, examples: Mapping[str, int]) -> None:
    """Replace what the last check found by how many examples of each breached invariant, by name."""
    named = {"names": list(examples), "examples": list(examples.values())}
    connection.execute(BREACHES["save_breaches"], named)


def load_breaches(connection: Connection) -> dict[str, int]:
    """How many examples of each breached invariant, by name."""
    return dict(connection.execute(BREACHES["breaches"]).fetchall())
