"""Drills with one mistake of another system among sixty good orders: only its own order fails, and the mistake is
reported.
"""

import subprocess
import sys
import time
from collections.abc import Sequence

from drills.checkers import check_all
from drills.drill import Plan, Trial
from drills.fork_server import Request
from drills.queries import DRILLS
from drills.small_world import Placed, SmallWorld, small_world
from drills.unguarded import Guard
from infra.process.clock import SystemClock
from ops.verbs.stock import stock_up
from ops.views.unreadable import unreadable

_GOOD, _GOOD_QUICK, _CONTROL = 60, 12, 6
# A run with mistakes may take so many times as long as one without, and this on top on a busy machine.
_SLOWER_MOST, _SLACK_S = 2.0, 10.0
_ODD = "1e99999999999999999999999999"
_YEAR_ONE = "0001-01-01 00:00:00"
_YEAR_ONE_ISO = "0001-01-01T00:00:00+08:00"
_ROW = '{{"sku":"{}","quantity":{}}}'
_BAD_ROWS = (_ROW.format("长" * 8192, 1), _ROW.format("DRILL-ODD", _ODD))
_RELEASE_S = 120


def unreadable_numbers(plan: Plan) -> Trial:
    """Numbers and dates that nothing can hold, in a listing and in details, among the good orders of a shop."""
    trial = Trial(control="numbers without a limit: no order of the listing comes in")
    good = _GOOD_QUICK if plan.is_quick else _GOOD
    with small_world(plan) as world:
        usual_s, _ = _timed(world, good)
        harmless = world.order("an odd number that nobody reads")
        poisons = {
            world.order("an odd amount").tid: {"payment": _ODD},
            world.order("no date").tid: {"created": f'"{_YEAR_ONE}"'},
        }
        for tid, fields in {harmless.tid: {"point_fee": _ODD}, **poisons}.items():
            _spoil(world, trial, tid, fields)
        took_s, placed = _timed(world, good, more=1)
        _check_through(world, trial, [*placed, harmless])
        trial.check(
            "in their usual time", took_s <= _SLOWER_MOST * usual_s + _SLACK_S, f"{took_s:.1f} s, {usual_s:.1f} s"
        )
        with world.demo.db.connection() as connection:
            letters = {row[0]: row[1:] for row in connection.execute(DRILLS["dead_payloads"]).fetchall()}
        trial.check("each mistake is a letter of its order", letters.keys() == poisons.keys(), letters)
        check_all(world.demo, trial, dead=len(poisons))
        late = [world.order("control") for _ in range(_CONTROL)]
        _spoil(world, trial, late[0].tid, {"point_fee": _ODD})
        _work(world, good, without=(Guard.LIMITS,))
        trial.harm_shown = not _came_in(world) & {one.tid for one in late}
    return trial


def poisoned_feed(plan: Plan) -> Trial:
    """Scans of the year 1 among those of the good orders, and rows that nothing can hold in a count at the start."""
    trial = Trial(control="times that the table takes and cannot give back: the feeds stand still")
    good = _GOOD_QUICK if plan.is_quick else _GOOD
    with small_world(plan) as world:
        _start_with_bad_stock(world, trial)
        victim = world.order("scanned in the year 1")
        world.demo.stage.pull("spoil_scans", reference=_reference(victim), at=_YEAR_ONE_ISO)
        _, placed = _timed(world, good)
        _check_through(world, trial, placed)
        named = [one for one in unreadable(world.demo.db) if one.source == "scan"]
        trial.injected["scan of the year 1"] += len(named)
        trial.check("every such scan is a record", len(named) >= 1, len(named))
        names = {one.order_name for one in named}
        trial.check("that names its order", {(name or "").rpartition("/")[2] for name in names} == {victim.tid}, names)
        world.demo.stage.pull("spoil_scans", reference=_reference(victim))
        world.work()
        check_all(world.demo, trial)
        trial.harm_shown = _feed_stands_still(world)
    return trial


def _timed(world: SmallWorld, good: int, more: int = 0) -> tuple[float, list[Placed]]:
    """Place good orders and work until they and `more` are done; seconds, and the orders."""
    placed = [world.order("good") for _ in range(good)]
    began = time.monotonic()
    _work(world, _done(world) + good + more)
    return time.monotonic() - began, placed


def _work(world: SmallWorld, orders: int, without: tuple[Guard, ...] = ()) -> None:
    """Work until so many orders came in and ended, or nothing goes on."""
    world.let_calls_end()
    world.fork_server.send(Request(orders=orders, without=without))


def _done(world: SmallWorld) -> int:
    return len(_came_in(world))


def _came_in(world: SmallWorld) -> set[str]:
    return _tids(world, DRILLS["came_in"])


def _tids(world: SmallWorld, query: bytes) -> set[str]:
    with world.demo.db.connection() as connection:
        return {row[0] for row in connection.execute(query).fetchall()}


def _spoil(world: SmallWorld, trial: Trial, tid: str, fields: dict[str, str]) -> None:
    world.demo.stage.pull("spoil_trade", tid=tid, fields=fields)
    trial.injected[f"odd {', '.join(fields)}"] += 1


def _check_through(world: SmallWorld, trial: Trial, placed: Sequence[Placed]) -> None:
    left = _tids(world, DRILLS["handed_over"]) & {one.tid for one in placed}
    trial.check("all good ones are through", len(left) == len(placed), f"{len(left)} of {len(placed)}")


def _reference(placed: Placed) -> str:
    return f"{placed.base}-1-1"


def _start_with_bad_stock(world: SmallWorld, trial: Trial) -> None:
    """The program starts, counts what can be read, and names what cannot."""
    first, *others = world.demo.settings.locations
    world.demo.stage.pull("spoil_stock", location=first.name, rows=[*_BAD_ROWS, _ROW.format("DRILL-1", 3)])
    for other in others:
        world.demo.stage.pull("spoil_stock", location=other.name, rows=[_ROW.format("DRILL-2", 3)])
    trial.injected["row of stock"] += len(_BAD_ROWS)
    command = [sys.executable, "-m", "workers.release"]
    ended = subprocess.run(  # noqa: S603 - our own module
        command, env=dict(world.fork_server.environ), capture_output=True, timeout=_RELEASE_S, check=False
    )
    trial.check("it starts", ended.returncode == 0, ended.returncode)
    loaded = stock_up(world.demo.settings, world.demo.db, SystemClock(), world.demo.settings.locations)
    trial.check("every location is counted", all(hasattr(one, "skus") for one in loaded.values()), len(loaded))
    bad = [one.field for one in unreadable(world.demo.db) if one.source == "stock"]
    trial.check("each bad row is one record", len(bad) == len(_BAD_ROWS), bad)


def _feed_stands_still(world: SmallWorld) -> bool:
    """Whether a scan that nobody can read back stops everything behind it."""
    world.execute(DRILLS["take_any_early_scan"])
    world.execute(DRILLS["plant_early_scans"])
    late = [world.order("control") for _ in range(_CONTROL)]
    _work(world, _done(world) + len(late))
    return not _tids(world, DRILLS["handed_over"]) & {one.tid for one in late}
