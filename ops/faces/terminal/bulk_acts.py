"""Bulk acts on a terminal. Times are China's (UTC+8)."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from domain.bulk_acts import ActState
from infra.tables.bulk_acts import BulkAct, BulkItem
from ops.faces.terminal.bulk import counts_in_words
from ops.faces.terminal.layout import china_time, plain_grid, plain_table
from ops.faces.terminal.words import WORDS


def print_act(act: BulkAct, items: Sequence[BulkItem], console: Console) -> None:
    """What is to be done, or was; then items, where some were asked for."""
    console.print(f"bulk {act.id}, {act.verb}, is {_state(act)}: {counts_in_words(act.items)}", soft_wrap=True)
    grid = plain_grid()
    if act.params:
        grid.add_row("with", _pairs(act.params))
    if act.chosen:
        grid.add_row("chosen by", _pairs(act.chosen))
    if act.state == ActState.DRAFT:
        grid.add_row("would be", counts_in_words(act.foreseen))
    if act.results:
        grid.add_row("results", counts_in_words(act.results))
    if act.note:
        key = f"phrase.act_{act.note}"
        grid.add_row("note", WORDS.say(key) if WORDS.has(key) else act.note)
    grid.add_row("made", f"{china_time(act.created_at)} by {act.who}: {act.reason}")
    if act.confirmed_by:
        grid.add_row("confirmed by", act.confirmed_by)
    if act.ended_at:
        grid.add_row("ended", china_time(act.ended_at))
    console.print(grid)
    if act.state == ActState.DRAFT:
        console.print(
            f"nothing is done yet; do it with: orderlane bulk confirm {act.id} --token {act.token}", soft_wrap=True
        )
    if items:
        print_items(items, console)


def print_items(items: Sequence[BulkItem], console: Console) -> None:
    """One line an item. The number is its line in the file, or its place."""
    table = plain_table(
        "no.", "id", "state", "result", "when", "facts", right=("no.", "id"), whole=("no.", "id", "state")
    )
    for one in items:
        table.add_row(
            str(one.position),
            "–" if one.subject_id is None else str(one.subject_id),
            one.state,
            one.code or f"({one.foreseen})",
            china_time(one.at) if one.code else "–",
            _pairs(one.facts),
        )
    console.print(table)


def print_acts(acts: Sequence[BulkAct], console: Console) -> None:
    """The last ones, one line each."""
    table = plain_table("bulk", "verb", "state", "items", "made", "by", "reason")
    for act in acts:
        made = china_time(act.created_at)
        table.add_row(str(act.id), act.verb, act.state, counts_in_words(act.items), made, act.who, act.reason)
    console.print(table)


def _state(act: BulkAct) -> str:
    return "a draft" if act.state == ActState.DRAFT else act.state


def _pairs(values: Mapping[str, object]) -> str:
    return "   ".join(f"{name} {_plain(value)}" for name, value in values.items() if value not in (None, [], ""))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
