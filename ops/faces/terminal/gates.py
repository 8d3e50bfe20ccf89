"""Gates on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console

from ops.faces.terminal.layout import china_minute, plain_table
from ops.faces.terminal.words import WORDS
from ops.views.gates import Gate


def print_gates(gates: Sequence[Gate], console: Console) -> None:
    """A line for each gate that is not free."""
    if not gates:
        console.print("all gates are open")
        return
    whole = ("is", "since", "until (UTC+8)", "resting")
    table = plain_table("gate", "is", "because", "by", *whole[1:], right=("resting",), whole=whole)
    for one in gates:
        table.add_row(
            f"{one.kind} {one.name}",
            one.why,
            gate_in_words(one),
            one.shut_by,
            _time(one.since),
            _time(one.until),
            str(one.resting or "–"),
        )
    console.print(table)


def gate_in_words(gate: Gate) -> str:
    """Why it is not free: what its author said, or what its breaker saw."""
    return WORDS.say(f"gate.{gate.why}", {"reason": gate.reason})


def gate_tree(gate: Gate) -> dict[str, Any]:
    """The gate as `--json` prints it, with `reason` as an English sentence."""
    return {**msgspec.to_builtins(gate), "reason": gate_in_words(gate)}


def _time(moment: datetime | None) -> str:
    return china_minute(moment) if moment else "–"
