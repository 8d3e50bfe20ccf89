"""Who did what, and why."""

from collections.abc import Iterable, Mapping
from typing import Any

from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

AUDIT = load("audit")


def record_acts(
    tx: Connection, who: str, verb: str, reason: str, objects: Iterable[tuple[str, Mapping[str, Any]]]
) -> None:
    """Write audit rows, one for each (object, facts); they commit with what was done."""
    rows = [{"verb": verb, "object": name, "facts": dict(facts)} for name, facts in objects]
    if rows:
        tx.execute(AUDIT["record_acts"], {"who": who, "reason": reason, "rows": rows_json(rows)})
