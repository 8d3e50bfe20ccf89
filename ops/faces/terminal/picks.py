"""Pick lists on a terminal or on paper, and what became of scans. Times are China's (UTC+8)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console

from domain.reasons import Reason
from ops.faces.terminal.layout import china_minute, plain_table
from ops.faces.terminal.words import WORDS
from ops.verbs.packing import Became, PackageAct, ScanResult
from ops.views.picks import Pick, Wave

# To be ticked with a pencil.
_BOX = "[ ]"


def print_waves(waves: Sequence[Wave], console: Console) -> None:
    """For each wave what to take from the shelves, then the packages to make of it."""
    for place, wave in enumerate(waves):
        if place:
            console.print()
        pieces = sum(wave.pieces.values())
        console.print(
            f"{wave.location}, {wave.courier}, lane {wave.lane}: {_counted(len(wave.packages), 'package')},"
            f" {_counted(pieces, 'piece')}, ship by {_time(wave.ship_by)} (UTC+8)",
            style="bold",
        )
        shelf = plain_table("", "pick", "SKU", right=("pick",))
        for sku, count in wave.pieces.items():
            shelf.add_row(_BOX, str(count), sku)
        console.print(shelf)
        console.print()
        table = plain_table("waybill to print", "ship by", "order", "pieces", whole=("waybill to print", "ship by"))
        for one in wave.packages:
            table.add_row(one.waybill, _time(one.ship_by), one.order, _on_lines(one.pieces))
        console.print(table)


def print_by_order(packages: Sequence[Pick], console: Console) -> None:
    """For each package its order, its waybill and its pieces."""
    for place, one in enumerate(packages):
        if place:
            console.print()
        console.print(f"{one.order}  ship by {_time(one.ship_by)} (UTC+8)", style="bold", soft_wrap=True)
        console.print(f"    {one.location}, lane {one.lane}; print {one.courier} {one.waybill}", soft_wrap=True)
        for sku, count in one.pieces.items():
            console.print(f"    {_BOX} {count:>3} x {sku}", soft_wrap=True)


def picks_tree(packages: Sequence[Pick], *, is_cut: bool) -> dict[str, Any]:
    """For scripts."""
    return {"packages": msgspec.to_builtins(packages), "is_cut": is_cut}


def scan_in_words(act: PackageAct, one: ScanResult) -> str:
    """One line of the result."""
    key = act if one.became is Became.DONE else one.became
    why = f" ({_why(one.why)})" if one.why else ""
    what = f"{one.waybill or one.name} {one.order}".strip()
    return f"{what}: {WORDS.say(f'scanned.{key}')}{why}"


def scan_tree(act: PackageAct, results: Sequence[ScanResult]) -> dict[str, Any]:
    """For scripts: each result with its words in English and their code, and how often each came."""
    counts = Counter(str(one.became) for one in results)
    return {
        "act": act,
        "counts": {str(became): counts[became] for became in Became},
        "scans": [
            {
                **{name: value for name, value in msgspec.to_builtins(one).items() if name != "why"},
                "words": _why(one.why),
                "why_code": one.why.code if one.why else "",
            }
            for one in results
        ],
    }


def _why(why: Reason | None) -> str:
    keys = [f"{kind}.{why.code}" for kind in ("why_not", "received")] if why else []
    key = next((one for one in keys if WORDS.has(one)), "")
    return WORDS.say(key, why.facts) if why and key else WORDS.reason(why)


def _on_lines(pieces: Mapping[str, int]) -> str:
    return "\n".join(f"{count} x {sku}" for sku, count in pieces.items())


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _time(moment: datetime | None) -> str:
    return china_minute(moment) if moment else "–"
