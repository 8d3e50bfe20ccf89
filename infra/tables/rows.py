"""Rows as one parameter of a statement."""

from collections.abc import Iterable
from typing import Any

import msgspec

Row = dict[str, Any]


def rows_json(rows: Iterable[Row]) -> str:
    """Rows as the one parameter of a ``json_to_recordset`` statement."""
    return msgspec.json.encode(list(rows)).decode()
