"""Cases on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.tables.cases import CaseRow
from ops.faces.terminal.layout import china_minute, china_time, plain_grid, plain_table
from ops.faces.terminal.order_list import WIDE, on_two_lines, span
from ops.faces.terminal.words import WORDS
from ops.verbs.cases import CaseAssigned, CaseClosed

_DUE = "due (UTC+8)"


def print_cases(cases: Sequence[CaseRow], more_after: int | None, console: Console) -> None:
    """One line a case, in the order given."""
    if not cases:
        console.print("no case passes")
        return
    console.print(_wide(cases) if console.width >= WIDE else _narrow(cases))
    if more_after is not None:
        console.print(f"more with --after {more_after}", soft_wrap=True)


def print_case(one: CaseRow, console: Console) -> None:
    """One case with its order and package."""
    console.print(f"case {one.id}  {one.kind}: {WORDS.case(one.kind)}", soft_wrap=True, highlight=False)
    grid = plain_grid()
    grid.add_row("owner", one.owner)
    grid.add_row("due", _due(one))
    grid.add_row("opened", china_time(one.opened_at))
    if one.closed_at is not None:
        grid.add_row("closed", f"{china_time(one.closed_at)} by {one.closed_by}: {one.reason}")
    here = "not here yet" if one.order_id is None else f"order {one.order_id}   {', '.join(one.states)}"
    grid.add_row("order", f"{one.order_name}   {here}")
    if one.stage:
        amount = "amount unknown" if one.amount is None else str(one.amount)
        grid.add_row("platform", f"{one.stage}, needs {one.needs}   {amount}")
        grid.add_row("decides", "unknown" if one.decide_by is None else china_time(one.decide_by))
        told = f"{one.answer or 'nothing'} {one.answer_status}".strip()
        grid.add_row("told of the goods", told)
    if one.package_id is not None:
        left = f"left {china_time(one.handed_over_at)}" if one.handed_over_at else "has not left"
        grid.add_row(
            "package",
            f"{one.package_number} from {one.location} by {one.courier}   {one.waybill or 'no number'}   {left}",
        )
    grid.add_row("facts", WORDS.facts(one.facts) or "–")
    grid.add_row("id", f"{one.case_id} of {one.shop}")
    console.print(grid)


def _wide(cases: Sequence[CaseRow]) -> Table:
    names = ("id", "order", "kind", "owner", _DUE, "age", "waybill", "facts")
    table = plain_table(*names, right=("id", "age"), whole=("id", "order", "kind", _DUE, "age"))
    for one in cases:
        facts = (one.waybill or "–", WORDS.facts(one.facts))
        table.add_row(str(one.id), one.order_name, one.kind, one.owner, _due(one), span(_age_s(one)), *facts)
    return table


def _narrow(cases: Sequence[CaseRow]) -> Table:
    names = ("id", "order", "kind\nowner", f"{_DUE}\nage", "waybill")
    table = plain_table(*names, right=("id",), whole=("id", "order", f"{_DUE}\nage"))
    for one in cases:
        due = Text.assemble(_due(one), f"\n{span(_age_s(one))}")
        name = on_two_lines(one.order_name)
        table.add_row(str(one.id), name, f"{one.kind}\n{one.owner}", due, one.waybill or "–")
    return table


def _age_s(one: CaseRow) -> int:
    return int(((one.closed_at or one.seen_at) - one.opened_at).total_seconds())


def _due(one: CaseRow) -> Text:
    if one.closed_at is not None:
        return Text(f"closed {china_minute(one.closed_at)}", "dim")
    return Text(china_minute(one.due_at), "bold red" if one.is_late else "")


def case_assigned_in_words(one: CaseAssigned) -> str:
    """What has become of a case."""
    facts = {"case": one.case, "kind": one.kind, "order": one.order_id, "was": one.was_owner, "owner": one.owner}
    return WORDS.say("phrase.case_assigned", {**facts, "due": china_minute(one.due_at)})


def case_closed_in_words(one: CaseClosed) -> str:
    """What has become of a case."""
    return WORDS.say("phrase.case_closed", {"case": one.case, "kind": one.kind, "order": one.order_id})
