"""Bulk replays on a terminal. Times are China's (UTC+8)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console

from domain.reasons import read_reason
from infra.tables.bulk import Bulk, Member
from ops.faces.terminal.layout import china_time, plain_grid, plain_table
from ops.faces.terminal.words import WORDS


def print_bulk(bulk: Bulk, members: Sequence[Member], console: Console) -> None:
    """How far a bulk replay is; then members, where some were asked for."""
    console.print(f"bulk {bulk.id} is {bulk.state}: {counts_in_words(bulk.members)}", soft_wrap=True)
    grid = plain_grid()
    if bulk.note:
        grid.add_row("note", WORDS.stored(bulk.note))
    grid.add_row("members", "   ".join(f"{name} {value}" for name, value in bulk.filter.items()))
    grid.add_row("rate", f"{bulk.per_second:g} a second at most")
    grid.add_row("started", f"{china_time(bulk.created_at)} by {bulk.who}: {bulk.reason}")
    if bulk.ended_at:
        grid.add_row("ended", china_time(bulk.ended_at))
    console.print(grid)
    if members:
        table = plain_table("letter", "result", "when", "why")
        for member in members:
            table.add_row(str(member.letter_id), member.state, china_time(member.at), WORDS.stored(member.why))
        console.print(table)


def print_bulks(bulks: Sequence[Bulk], console: Console) -> None:
    if not bulks:
        console.print("no bulk replays yet")
        return
    table = plain_table("bulk", "state", "members", "started", "by", "reason")
    for bulk in bulks:
        started = china_time(bulk.created_at)
        table.add_row(str(bulk.id), bulk.state, counts_in_words(bulk.members), started, bulk.who, bulk.reason)
    console.print(table)


def bulk_tree(bulk: Bulk) -> dict[str, Any]:
    """For scripts: `note` in English, and its code where it has one."""
    return {**msgspec.to_builtins(bulk), **_stored("note", bulk.note)}


def member_tree(member: Member) -> dict[str, Any]:
    """For scripts: `why` in English, and its code where it has one."""
    return {**msgspec.to_builtins(member), **_stored("why", member.why)}


def _stored(name: str, text: str) -> dict[str, str]:
    found = read_reason(text)
    return {name: WORDS.stored(text), f"{name}_code": found.code if found and WORDS.has(f"why.{found.code}") else ""}


def counts_in_words(members: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(members.items()))
