"""Signals of each lane and group of steps: how much is due, how long it waits, what comes in and what goes out.

Queues hold bells only, so depth and age are read from the due work itself. Flow is counted from payloads and timeline
rows that were added since the last count. Nothing of this is on the hot path. The leading sweeper measures every few
seconds; other processes read the stored measurements.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.gates import Pause, pause_before
from domain.groups import Groups, drain_of, group_by_step, inflow_of
from domain.order import Lane
from domain.steps import Milestone
from infra.config.worker_settings import KEPT_S
from infra.process.steps import STEPS
from infra.tables.claims import due_keys
from infra.tables.gates import load_pauses
from infra.tables.pool import Connection, Database
from infra.tables.signals import (
    MilestoneCount,
    MilestoneRow,
    SignalRow,
    count_between,
    due_suspects,
    due_work,
    keep_to_indexes,
    leased_work,
    load_milestones,
    load_signals,
    newest_ids,
    save_milestones,
    save_signals,
)

# Due rows of a step and lane are counted up to this number: more rows give the same reason to grow.
DEPTH_MAX = 10_000
# A longer time without a count is left out, because old orders are no inflow.
STRETCH_MAX = 200_000

# Queries that count milestones, with those they count, in the order of `newest`.
_SOURCES = {
    MilestoneCount.PAYLOADS: (Milestone.STORED,),
    MilestoneCount.EVENTS: tuple(name for name in Milestone if name is not Milestone.STORED),
}

# Given accounts, returns the accounts that are limited now, each with how much work it takes.
Rooms = Callable[[Sequence[str]], Mapping[str, int]]
_Key = tuple[str, str]
_NOTHING: Mapping[str, Any] = {"depth": 0, "under_way": 0, "oldest_s": 0.0, "ship_by": None}


def all_open(_accounts: Sequence[str]) -> Mapping[str, int]:
    """Every account takes all its work."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """How a lane of a group stands. Rates are orders a minute over the window; `inflow` and `drain` count for ever.

    `under_way` counts what workers hold a lease of.

    `ship_by_s`: seconds until the earliest ship-by among the first in line of each account, negative when it is over.
    """

    group: str
    lane: str
    depth: int
    oldest_s: float
    ship_by_s: float | None
    inflow_per_min: float
    drain_per_min: float
    inflow: int
    drain: int
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class Signals:
    """All lanes and groups as they were `age_s` seconds ago; None and empty when nothing was ever measured."""

    age_s: float | None
    lanes: tuple[Signal, ...]


UNKNOWN = Signals(None, ())


def read_signals(connection: Connection, window_s: float) -> Signals:
    """The newest signals, with rates over the last `window_s` seconds, or as much of that as is known."""
    rows = load_signals(connection, window_s)
    return Signals(rows[0].age_s if rows else None, tuple(map(_signal, sorted(rows, key=_place))))


def _place(row: SignalRow) -> tuple[str, int]:
    """Group beside group, the highest lane first."""
    return row.step_group, list(Lane).index(Lane(row.lane))


def _signal(row: SignalRow) -> Signal:
    per_min = 60 / row.span_s if row.span_s else 0.0
    return Signal(
        group=row.step_group,
        lane=row.lane,
        depth=row.depth,
        oldest_s=row.oldest_s,
        ship_by_s=row.ship_by_s,
        inflow_per_min=row.came * per_min,
        drain_per_min=row.went * per_min,
        inflow=row.inflow,
        drain=row.drain,
        under_way=row.under_way,
    )


def measure_signals(db: Database, groups: Groups, rooms: Rooms = all_open) -> None:
    """Measure all lanes and groups and write that down. Safe to run twice, and side by side."""
    with db.transaction() as tx:
        passed = _count_milestones(tx)
        keep_to_indexes(tx)
        waiting = _waiting(tx, group_by_step(groups), rooms)
        rows = [_row(group, lane, steps, waiting, passed) for group, steps in groups.items() for lane in Lane]
        save_signals(tx, rows, KEPT_S)


def _row(
    group: str, lane: Lane, steps: Sequence[str], waiting: Mapping[_Key, dict[str, Any]], passed: Mapping[_Key, int]
) -> dict[str, Any]:
    members = [STEPS[name] for name in steps]
    enters, leaves = inflow_of(members), drain_of(members)
    return {
        "step_group": group,
        "lane": lane,
        **waiting.get((group, lane), _NOTHING),
        "inflow": passed.get((enters, lane), 0) if enters else 0,
        "drain": passed.get((leaves, lane), 0) if leaves else 0,
    }


def _waiting(tx: Connection, group_of: Mapping[str, str], rooms: Rooms) -> dict[_Key, dict[str, Any]]:
    """Due work by group and lane, that of crashed batches too, and how much is under way.

    Work behind a shut gate waits for the gate, not for a worker. Behind a gate that allows a probe, one piece counts: a
    pool without a process then starts one, and the age of the piece is not used.
    """
    pauses = load_pauses(tx)
    suspects = due_suspects(tx, DEPTH_MAX)
    accounts = sorted({*(key.account for key in due_keys(tx)), *(row.account for row in suspects)} - {""})
    narrow = {**rooms(accounts), **_paused(pauses, accounts)}
    due = due_work(tx, DEPTH_MAX, list(narrow))
    found: dict[_Key, dict[str, Any]] = {}
    for step, lane, account, depth, oldest_s, ship_by in [*due, *suspects]:
        pause = pause_before(pauses, step=step, lane=lane)
        room = int(pause.is_probe_due) if pause else narrow.get(account, depth)
        # The sweeper of the other version measures a step that only that version knows.
        if room == 0 or step not in group_of:
            continue
        row = found.setdefault((group_of[step], lane), dict(_NOTHING))
        row["depth"] += min(depth, room)
        if account not in narrow:
            row["oldest_s"] = max(row["oldest_s"], oldest_s)
            row["ship_by"] = min(filter(None, (row["ship_by"], ship_by)), default=None)
    for step, lane, count in leased_work(tx):
        if step in group_of:
            found.setdefault((group_of[step], lane), dict(_NOTHING))["under_way"] += count
    return found


def _paused(pauses: Sequence[Pause], accounts: Iterable[str]) -> dict[str, int]:
    """Paused accounts. For an account that the engine has paused, one piece of work may be tried when it is time."""
    found = {account: pause_before(pauses, account=account) for account in accounts}
    return {account: int(pause.is_probe_due) for account, pause in found.items() if pause}


def _count_milestones(tx: Connection) -> dict[_Key, int]:
    """Orders that ever passed each milestone, by lane, with those of the rows added since the last count.

    A row that commits after one with a higher number was counted is missed: a few in a thousand, which a rate
    does not need.
    """
    known = load_milestones(tx)
    counts: dict[_Key, int] = {(name, lane): orders for name, lane, orders, _ in known}
    rows = []
    for (counted, names), upto in zip(_SOURCES.items(), newest_ids(tx), strict=True):
        last = max((last_id for name, _, _, last_id in known if name in names), default=upto)
        for name, lane, orders in count_between(tx, counted, max(last, upto - STRETCH_MAX), upto):
            counts[name, lane] = counts.get((name, lane), 0) + orders
        rows += [MilestoneRow(name, lane, counts.get((name, lane), 0), upto) for name in names for lane in Lane]
    save_milestones(tx, rows)
    return counts
