"""The status on a terminal."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from infra.monitoring.signals import DEPTH_MAX, Signal
from infra.tables.take_over import KeptOutCount
from ops.faces.terminal.alarms import alarms_table
from ops.faces.terminal.gates import gate_tree
from ops.faces.terminal.layout import plain_table, span
from ops.views.status import Status

_NUMBERS = ("due", "oldest", "in a minute", "out a minute")


def status_view(now: Status) -> RenderableType:
    """The first questions of a person: is the sweeper measuring, what waits, which workers run, and what needs a
    person.
    """
    return Group(_headline(now), "", _lanes(now), "", *_sums(now), *_alarms(now))


def status_tree(now: Status) -> dict[str, Any]:
    """For scripts: with the reasons of gates in English."""
    gates = None if now.gates is None else [gate_tree(gate) for gate in now.gates]
    return {**msgspec.to_builtins(now), "gates": gates}


def _headline(now: Status) -> Text:
    age_s = now.signals.age_s
    if age_s is None:
        return Text("never measured: is a sweeper running?", "bold red")
    if not now.is_measured:
        return Text(f"last measured {span(age_s)} ago: is a sweeper running?", "bold red")
    if now.breaches:
        return Text(f"invariants breached: {', '.join(now.breaches)}", "bold red")
    return Text(f"measured {span(age_s)} ago; oldest due work waits {span(now.oldest_s)}", "dim")


def _lanes(now: Status) -> RenderableType:
    table = plain_table("group", "lane", *_NUMBERS)
    for column in table.columns[2:]:
        column.justify = "right"
    for one in now.signals.lanes:
        table.add_row(one.group, one.lane, _depth(one), span(one.oldest_s) if one.depth else "–", *_flow(one))
    return table


def _depth(one: Signal) -> str:
    """From the limit of one step on, a step of the group may have more work than was counted."""
    return f"≥ {one.depth:,}" if one.depth >= DEPTH_MAX else f"{one.depth:,}" if one.depth else "–"


def _flow(one: Signal) -> tuple[str, str]:
    return (f"{one.inflow_per_min:,.0f}", f"{one.drain_per_min:,.0f}")


def _sums(now: Status) -> list[RenderableType]:
    pools = {
        pool.name: f"{pool.processes}" + (f" of {pool.least} to {pool.most}" if pool.most > pool.least else "")
        for pool in now.pools
    }
    letters = {f"{one.step} {one.adapter} {one.code}": one.letters for one in now.letters}
    shut = {f"{gate.kind} {gate.name}": gate.why for gate in now.gates or ()}
    return [
        _line("workers", pools),
        _line("under way", now.under_way),
        _line("open holds", now.holds),
        _line("dead letters", letters),
        _line("listed but not fetched", now.gaps),
        _line("found late", now.late),
        _line("behind", {one.account: span(one.age_s) for one in now.cursors if one.is_behind}),
        _line("kept out", {f"{one.account} {one.reason}": _kept_out(one) for one in now.kept_out}),
        _line("gates shut", shut) if now.gates is not None else Text("gates shut: unknown while Redis is away", "red"),
    ]


def _alarms(now: Status) -> list[RenderableType]:
    if not now.alarms:
        return [_line("open alarms", {})]
    total = sum(one.alarms for one in now.alarm_counts)
    title = Text.assemble(("open alarms: ", "dim"), f"{total}")
    hidden = total - len(now.alarms)
    more = [Text(f"and {hidden} more: orderlane alarm list", "dim")] if hidden > 0 else []
    return [title, "", alarms_table(now.alarms), *more]


def _kept_out(one: KeptOutCount) -> str:
    would = f" (would ship {one.would_ship}, hold {one.would_hold})" if one.would_ship or one.would_hold else ""
    return f"{one.in_words}{would}"


def _line(title: str, counts: Mapping[str, object]) -> Text:
    shown = ", ".join(f"{name} {count}" for name, count in counts.items())
    return Text.assemble((f"{title}: ", "dim"), shown or "none")
