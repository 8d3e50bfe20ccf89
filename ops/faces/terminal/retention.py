"""Retention as a person on call reads it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from domain.retention import Kind
from ops.faces.terminal.words import WORDS
from ops.views.retention import PolicyView, RetentionState

_UNITS = ("B", "kB", "MB", "GB", "TB")
_TABLES_SHOWN = 12
_STEP = 1000.0


def print_retention(found: RetentionState, console: Console) -> None:
    policies = Table(box=None, pad_edge=False)
    for title in ("kind", "kept", "purged", "what"):
        policies.add_column(title, justify="right" if title == "purged" else "left")
    for one in found.policies:
        policies.add_row(one.kind, WORDS.kept(one.days), f"{one.purged:,}", meaning(one))
    console.print(policies)
    console.print()
    sizes = Table(box=None, pad_edge=False)
    for title in ("table", "size", "rows (about)", "oldest"):
        sizes.add_column(title, justify="right" if title in {"size", "rows (about)"} else "left")
    for size in found.sizes[:_TABLES_SHOWN]:
        sizes.add_row(
            size.table, in_bytes(size.bytes), f"{size.rows:,}", f"{size.oldest:%Y-%m-%d}" if size.oldest else ""
        )
    console.print(sizes)
    console.print()
    console.print(f"forgotten orders: {sum(found.tombstones.values())} {_by_cause(found)}".rstrip())
    console.print(f"changes of them that were refused: {found.refused_changes}")
    for refused in found.refused_inputs:
        console.print(
            f"beyond a limit: {refused.kind} of {refused.name}: {refused.count}, last {refused.last_at:%Y-%m-%d %H:%M}"
        )
    if found.late_days:
        console.print(f"the purge is {found.late_days:.0f} days behind")
    if found.erasures_open:
        console.print(f"erasures that wait for their orders' end: {found.erasures_open} ({found.erasures_late} late)")


def meaning(policy: PolicyView) -> str:
    """What a kind holds."""
    return WORDS.say(f"retention.{policy.kind}")


def retention_tree(found: RetentionState) -> dict[str, Any]:
    """The report of retention as plain dicts for JSON, each policy with its `meaning` in English."""
    policies = [{**msgspec.to_builtins(one), "meaning": meaning(one)} for one in found.policies]
    return {**msgspec.to_builtins(found), "policies": policies}


def kinds_in_words(rows: Mapping[str, int]) -> str:
    """Rows by kind, in the order of the kinds."""
    return ", ".join(f"{kind} {rows[kind]}" for kind in map(str, Kind) if rows.get(kind)) or WORDS.say("phrase.nothing")


def _by_cause(found: RetentionState) -> str:
    shown = ", ".join(f"{cause} {count}" for cause, count in found.tombstones.items())
    return f"({shown})" if shown else ""


def in_bytes(count: float) -> str:
    """``1234567`` as ``1.2 MB``."""
    unit = 0
    while count >= _STEP and unit < len(_UNITS) - 1:
        count, unit = count / _STEP, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"
