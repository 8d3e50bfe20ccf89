"""Holds on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.tables.holds import OpenHold
from ops.faces.terminal.layout import china_minute, plain_table
from ops.faces.terminal.order_list import WIDE, on_two_lines, span
from ops.faces.terminal.words import WORDS
from ops.verbs.hold_orders import AssignedHold, SnoozedHold

_DUE = "due (UTC+8)"


def print_holds(holds: Sequence[OpenHold], more_after: int | None, console: Console) -> None:
    """One line a hold, the first due first."""
    if not holds:
        console.print("no open hold passes")
        return
    console.print(_wide(holds) if console.width >= WIDE else _narrow(holds))
    if more_after is not None:
        console.print(f"more with --after {more_after}", soft_wrap=True)


def _wide(holds: Sequence[OpenHold]) -> Table:
    names = ("id", "order", "hold", "owner", _DUE, "age", "money", "why")
    table = plain_table(*names, right=("id", "age", "money"), whole=("id", "order", "hold", _DUE, "age", "money"))
    for one in holds:
        facts = (str(one.id), _name(one), one.code, one.owner)
        table.add_row(*facts, _due(one), span(_age_s(one)), str(one.worth), _why(one))
    return table


def _narrow(holds: Sequence[OpenHold]) -> Table:
    names = ("id", "order", "hold\nowner", f"{_DUE}\nage", "why")
    table = plain_table(*names, right=("id",), whole=("id", "order", f"{_DUE}\nage"))
    for one in holds:
        due = Text.assemble(_due(one), f"\n{span(_age_s(one))}")
        table.add_row(str(one.id), on_two_lines(_name(one)), f"{one.code}\n{one.owner}", due, _why(one))
    return table


def _name(one: OpenHold) -> str:
    return one.order_name if one.part == 1 else f"{one.order_name} part {one.part}"


def _age_s(one: OpenHold) -> int:
    return int((one.seen_at - one.opened_at).total_seconds())


def assigned_in_words(one: AssignedHold) -> str:
    """What has become of a hold."""
    facts = {"hold": one.hold_id, "code": one.code, "order": one.order_id, "was": one.was_owner, "owner": one.owner}
    return WORDS.say("phrase.assigned", {**facts, "due": china_minute(one.due_at)})


def snoozed_in_words(one: SnoozedHold) -> str:
    """What has become of a hold."""
    facts = {"hold": one.hold_id, "code": one.code, "order": one.order_id}
    if one.snoozed_until is None:
        return WORDS.say("phrase.awake", facts)
    return WORDS.say("phrase.snoozed", {**facts, "until": china_minute(one.snoozed_until)})


def _due(one: OpenHold) -> Text:
    if one.is_snoozed and one.snoozed_until is not None:
        return Text(f"snoozed {china_minute(one.snoozed_until)}", "dim")
    return Text(china_minute(one.due_at), "bold red" if one.due_at <= one.seen_at else "")


def _why(one: OpenHold) -> str:
    """A person's own words, or the few facts of a rule."""
    if one.facts.get("by"):
        return f"{one.facts['by']}: {one.facts.get('reason', '')}"
    rest = {name: value for name, value in one.facts.items() if name not in {"rule", "rules", "step", "found_by"}}
    return "  ".join(f"{name} {value}" for name, value in rest.items() if value not in (None, "", []))
