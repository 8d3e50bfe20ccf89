"""Watches a run with faults: makes the faults at named shares of progress, and waits while the stores are
unreachable.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.error import URLError

import psycopg
import redis

from drills.drill import Plan, Trial
from drills.harms import Harm
from workers.demo.run import Progress, RunningDemo
from workers.demo.stage import CLEAN, Script

T = TypeVar("T")
LOOK_EVERY_S = 0.1
# Longer than a lease of the demo and the wait behind it.
STALL_S = 45.0

Moment = tuple[float, str, Harm]
"""At which share of written-back orders what is done; the name is what the report counts."""


def script(plan: Plan, orders: int, *, shops: int = 3, processes: int = 2) -> Script:
    return Script(
        orders=orders,
        csv=None,
        seed=plan.seed,
        per_second=0.0,
        processes=processes,
        threads=4,
        shops=shops,
        dirt=CLEAN,
    )


def hurt(demo: RunningDemo, moments: Sequence[Moment], trial: Trial) -> bool:
    """Watch to the end and do harm at its moments; whether everything ended before the run stood still."""
    waiting = list(moments)
    last, moved_at = look(demo), time.monotonic()
    while True:
        now = look(demo)
        if replace(now, seconds=last.seconds) != last:
            moved_at = time.monotonic()
        last = now
        while waiting and now.written_back >= waiting[0][0] * now.total:
            _, name, harm = waiting.pop(0)
            do(demo, name, harm, trial)
            moved_at = time.monotonic()
        if last.is_over and not waiting:
            return True
        if time.monotonic() - moved_at > STALL_S or last.is_over:
            return False
        time.sleep(LOOK_EVERY_S)


def do(demo: RunningDemo, name: str, harm: Harm, trial: Trial) -> None:
    """Do one harm; a store that is away already has to be back first."""
    patiently(demo, lambda: harm(demo))
    trial.injected[name] += 1


def look(demo: RunningDemo) -> Progress:
    return patiently(demo, demo.look)


def until(demo: RunningDemo, holds: Callable[[], bool]) -> bool:
    """Look again and again until it holds, for as long as a run may stand still; whether it did."""
    deadline = time.monotonic() + STALL_S
    while not patiently(demo, holds):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
        demo.supervisor.tend()
    return True


def patiently(demo: RunningDemo, ask: Callable[[], T]) -> T:
    """Ask again while a store is unreachable; the supervisor starts the store again meanwhile."""
    deadline = time.monotonic() + STALL_S
    while True:
        try:
            return ask()
        except (psycopg.OperationalError, redis.ConnectionError, URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_EVERY_S)
            demo.supervisor.tend()


def stands_still(demo: RunningDemo, seconds: float) -> bool:
    """Whether at last nothing moves for so long, although the run is not over."""
    last, still_since = look(demo), time.monotonic()
    deadline = still_since + STALL_S
    while time.monotonic() < min(deadline, still_since + seconds):
        time.sleep(LOOK_EVERY_S)
        now = look(demo)
        if replace(now, seconds=last.seconds) != last:
            last, still_since = now, time.monotonic()
    return time.monotonic() < deadline and not last.is_over
