"""A drill with a warehouse that answers nothing for an hour, while orders for it come and go on being worked on."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from drills.checkers import check_all, number
from drills.course import Moment, hurt, look, patiently, script, stands_still, until
from drills.drill import Plan, Trial
from drills.harms import kill
from drills.queries import DRILLS
from drills.small_world import SPOTLESS, TOLD
from infra.sweeper.schedule import ALARMS_EVERY_S
from workers.demo.run import RunningDemo, running

ORDERS, ORDERS_QUICK = 600, 80
_AWAY = "shanghai"
_STILL_S = 4.0
_AFTER_S = 15.0
_AFTER_QUICK_S = 2.0
# Before the first order: those of the warehouse then wait for it, however fast the machine is.
_MIN_BEFORE = 0.0
# Of a worker at its peak, with all that it shares with others.
_PEAK_MAX_KB = 160 * 1024


@dataclass
class _Return:
    """When the warehouse came back, and what was handed to it by then."""

    at: float = 0.0
    documents: int = 0
    waiting: int = 0


def warehouse_away(plan: Plan) -> Trial:
    """One of two warehouses is away for an hour: 503 to every call, events too. The other one's orders go on.

    The hour is played: once all else has ended, everything that is stored grows an hour older at one moment.
    """
    trial, back = Trial(), _Return()
    after_s = _AFTER_QUICK_S if plan.is_quick else _AFTER_S

    def be_away(demo: RunningDemo) -> None:
        demo.stage.pull("set_warehouse", location=_AWAY, floor={"is_away": True})
        trial.check("the rest goes on until nothing is left to do", stands_still(demo, _STILL_S), _by_location(demo))
        patiently(demo, lambda: _let_an_hour_pass(demo))
        _have_alarms_looked_at(demo, plan)
        trial.check("somebody hears of it", _patiently_until(demo, lambda: _is_alarmed(demo)), _AWAY)
        time.sleep(after_s)
        here = _by_location(demo)
        back.documents, back.waiting = here[_AWAY], number(demo, DRILLS["undispatched"])
        trial.check(
            "the other warehouse had its orders", number(demo, DRILLS["undispatched_elsewhere"]) == 0, dict(here)
        )
        trial.check("orders wait for it", back.waiting > 0, back.waiting)
        demo.stage.pull("set_warehouse", location=_AWAY, floor={"is_away": False, "is_idempotent": False})
        back.at = time.monotonic()

    played = replace(script(plan, ORDERS_QUICK if plan.is_quick else ORDERS), floors=TOLD, dirt=SPOTLESS)
    moments: list[Moment] = [(_MIN_BEFORE, "warehouse away for an hour", be_away)]
    with running(plan.base, played) as demo:
        trial.check("all ended", hurt(demo, moments, trial), dict(look(demo).states))
        seconds = time.monotonic() - back.at
        caught_up = _by_location(demo)[_AWAY] - back.documents
        rate = f"{caught_up} documents in {seconds:.1f} s, {caught_up / seconds:.0f} a second"
        trial.check("caught up", caught_up >= back.waiting, rate)
        peak_kb = max(_peak_kb(pid) for pid in demo.supervisor.pids("worker"))
        trial.check("memory of a worker at its peak", peak_kb <= _PEAK_MAX_KB, f"{peak_kb // 1024} MB")
        held = _holds(demo)
        trial.check("nothing is held", not held, held)
        _have_alarms_looked_at(demo, plan)
        trial.check("the alarm is over", _patiently_until(demo, lambda: not _is_alarmed(demo)))
        check_all(demo, trial)
    return trial


def _patiently_until(demo: RunningDemo, holds: Callable[[], bool]) -> bool:
    """The sweeper looks at alarms less often than a run may stand still."""
    ends_at = time.monotonic() + 2 * ALARMS_EVERY_S
    while not until(demo, holds):
        if time.monotonic() > ends_at:
            return False
    return True


def _have_alarms_looked_at(demo: RunningDemo, plan: Plan) -> None:
    """In the short form a new sweeper takes over, and looks at alarms at once; the long form waits for that minute."""
    if plan.is_quick:
        kill("sweeper")(demo)


def _let_an_hour_pass(demo: RunningDemo) -> None:
    with demo.db.connection() as session:
        session.execute(DRILLS["an_hour_passes"])


def _by_location(demo: RunningDemo) -> Counter[str]:
    return Counter(row["location"] for row in demo.stage.read("_ledger")["documents"])


def _is_alarmed(demo: RunningDemo) -> bool:
    with demo.db.connection() as session:
        return session.execute(DRILLS["silent_feed"], {"account": f"warehouse/{_AWAY}"}).fetchone() is not None


def _holds(demo: RunningDemo) -> list[str]:
    with demo.db.connection() as session:
        return [f"{order}: {codes}" for order, codes in session.execute(DRILLS["open_holds"])]


def _peak_kb(pid: int) -> int:
    """The most memory that a process has had at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
