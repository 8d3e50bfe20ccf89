"""Signals of each lane and group of steps: how much is due, how long it waits, what comes in and what goes out.

Queues hold bells only, so depth and age are asked of the due work itself. Flow is counted where orders pass
anyway: payloads and timeline rows that were added since the last count. Nothing of this touches the hot path. The
leading sweeper measures every few seconds; whoever needs signals reads what it wrote.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.gates import Pause, pause_before
from domain.groups import Groups, drain_of, group_by_step, inflow_of
from domain.order import Lane
from domain.steps import Milestone
from infra.config.worker_settings import KEPT_S
from infra.process.steps import STEPS, steps_by_subject
from infra.tables.gates import load_pauses
from infra.tables.orders import rows_json
from infra.tables.pool import Connection, Database
from infra.tables.sql import load

SIGNALS = load("signals")
WORK = load("work")

# Due rows of a step and lane are counted up to here: more is as much a reason to grow as this many.
DEPTH_MAX = 10_000
# A longer stretch that nobody counted is left out: an old flood is no inflow.
STRETCH_MAX = 200_000

# Queries that count milestones, with those they count, in the order of `newest`.
_SOURCES = {
    "stored_between": (Milestone.STORED,),
    "passed_between": tuple(name for name in Milestone if name is not Milestone.STORED),
}

# Of some accounts, those that do not take all their work now, with how much they take.
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
    rows = connection.execute(SIGNALS["read"], {"window_s": window_s}).fetchall()
    return Signals(rows[0][8] if rows else None, tuple(map(_signal, sorted(rows, key=_place))))


def _place(row: tuple[Any, ...]) -> tuple[str, int]:
    """Group beside group, the highest lane first."""
    return row[0], list(Lane).index(Lane(row[1]))


def _signal(row: tuple[Any, ...]) -> Signal:
    group, lane, depth, oldest_s, ship_by_s, came, went, span_s, _, inflow, drain, under_way = row
    per_min = 60 / span_s if span_s else 0.0
    return Signal(
        group=group,
        lane=lane,
        depth=depth,
        oldest_s=oldest_s,
        ship_by_s=ship_by_s,
        inflow_per_min=came * per_min,
        drain_per_min=went * per_min,
        inflow=inflow,
        drain=drain,
        under_way=under_way,
    )


def measure_signals(db: Database, groups: Groups, rooms: Rooms = all_open) -> None:
    """Measure all lanes and groups and write that down. Safe to run twice, and side by side."""
    with db.transaction() as tx:
        passed = _count_milestones(tx)
        tx.execute(SIGNALS["keep_to_indexes"])
        waiting = _waiting(tx, group_by_step(groups), rooms)
        rows = [_row(group, lane, steps, waiting, passed) for group, steps in groups.items() for lane in Lane]
        tx.execute(SIGNALS["forget"], {"kept_s": KEPT_S})
        tx.execute(SIGNALS["save"], {"rows": rows_json(rows)})


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

    What rests behind a shut gate waits for the gate, not for a worker. Where one is ajar, a single piece counts: it
    gets a pool without a process to try, and its age says nothing of workers.
    """
    pauses = load_pauses(tx)
    suspects = tx.execute(SIGNALS["due_suspects"], {"cap": DEPTH_MAX}).fetchall()
    keys = [*tx.execute(WORK["due_keys"]).fetchall(), *(row[:3] for row in suspects)]
    accounts = sorted({account for _, _, account in keys if account})
    narrow = {**rooms(accounts), **_paused(pauses, accounts)}
    due = tx.execute(SIGNALS["due"], {"cap": DEPTH_MAX, "narrow": list(narrow), **steps_by_subject()}).fetchall()
    found: dict[_Key, dict[str, Any]] = {}
    for step, lane, account, depth, oldest_s, ship_by in [*due, *suspects]:
        pause = pause_before(pauses, step=step, lane=lane)
        room = int(pause.is_probe_due) if pause else narrow.get(account, depth)
        # Of a step that only another version knows, that version's sweeper measures.
        if room == 0 or step not in group_of:
            continue
        row = found.setdefault((group_of[step], lane), dict(_NOTHING))
        row["depth"] += min(depth, room)
        if account not in narrow:
            row["oldest_s"] = max(row["oldest_s"], oldest_s)
            row["ship_by"] = min(filter(None, (row["ship_by"], ship_by)), default=None)
    for step, lane, count in tx.execute(SIGNALS["leased"]).fetchall():
        if step in group_of:
            found.setdefault((group_of[step], lane), dict(_NOTHING))["under_way"] += count
    return found


def _paused(pauses: Sequence[Pause], accounts: Iterable[str]) -> dict[str, int]:
    """Paused accounts: one piece of work may try those that the engine has paused, when it is time."""
    found = {account: pause_before(pauses, account=account) for account in accounts}
    return {account: int(pause.is_probe_due) for account, pause in found.items() if pause}


def _count_milestones(tx: Connection) -> dict[_Key, int]:
    """Orders that ever passed each milestone, by lane, with those of the rows added since the last count.

    A row that commits after one with a higher number was counted is missed: a few in a thousand, which a rate
    does not need.
    """
    known = tx.execute(SIGNALS["milestones"]).fetchall()
    newest = tx.execute(SIGNALS["newest"]).fetchone()
    assert newest is not None
    counts: dict[_Key, int] = {(name, lane): orders for name, lane, orders, _ in known}
    rows = []
    for (query, names), upto in zip(_SOURCES.items(), newest, strict=True):
        last = max((last_id for name, _, _, last_id in known if name in names), default=upto)
        named = {"after": max(last, upto - STRETCH_MAX), "upto": upto}
        for name, lane, orders in tx.execute(SIGNALS[query], named).fetchall():
            counts[name, lane] = counts.get((name, lane), 0) + orders
        rows += [
            {"name": name, "lane": lane, "orders": counts.get((name, lane), 0), "last_id": upto}
            for name in names
            for lane in Lane
        ]
    tx.execute(SIGNALS["save_milestones"], {"rows": rows_json(rows)})
    return counts
