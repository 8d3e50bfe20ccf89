"""Drills with a whole instance of real processes: faults of its stores, workers and messages during the run."""

import os
import signal
import time
from collections.abc import Callable

from drills.checkers import check_all, letters_of, number, rejected_messages
from drills.course import LOOK_EVERY_S, Moment, hurt, look, script, stands_still
from drills.drill import Plan, Trial
from drills.harms import (
    WILD,
    cut_power,
    empty_redis,
    end_backends,
    end_postgres,
    fill_redis,
    kill_redis,
    lock_tables,
    restart_workers,
    ring_wildly,
    slow_courier,
)
from drills.queries import DRILLS
from infra.process.failpoints import ENVIRONMENT_KEY
from workers.demo.run import RunningDemo, running

ORDERS, ORDERS_QUICK = 400, 120
POISONED, POISONED_QUICK = 500, 60
_STILL_S = 4.0
_AWAY_S = 10.0
_LOCKED_S = 8.0
# An order somewhere in the first batches.
_VICTIM = 37


def redis_emptied(plan: Plan) -> Trial:
    """FLUSHALL twice; the second time no sweeper is awake for a while, and nothing moves: the control."""
    trial = Trial(control="sweeper asleep: orders stand still")

    def empty_unwatched(demo: RunningDemo) -> None:
        sweepers = demo.supervisor.pids("sweeper")
        for pid in sweepers:
            os.kill(pid, signal.SIGSTOP)
        empty_redis(demo)
        trial.harm_shown = stands_still(demo, _STILL_S)
        for pid in sweepers:
            os.kill(pid, signal.SIGCONT)

    moments: list[Moment] = [(0.0, "FLUSHALL", empty_redis), (0.05, "FLUSHALL without sweeper", empty_unwatched)]
    return _play(plan, trial, moments)


def redis_replaced(plan: Plan) -> Trial:
    """Redis dies and is away for ten seconds; what comes back is another one, empty."""

    def lose(demo: RunningDemo) -> None:
        kill_redis(demo)
        # Redis is away for so long, because only this thread lets the supervisor start it again.
        time.sleep(_AWAY_S)

    return _play(plan, Trial(), [(0.05, "Redis away for 10 s", lose)])


def redis_full(plan: Plan) -> Trial:
    """Redis takes no new message for ten seconds, because its memory is full."""
    return _play(plan, Trial(), [(0.05, "Redis full for 10 s", fill_redis(_AWAY_S))])


def long_transaction(plan: Plan) -> Trial:
    """A person's forgotten transaction locks the due work for longer than our lock time-out."""
    return _play(plan, Trial(), [(0.05, "work locked for 8 s", lock_tables(_LOCKED_S))])


def postgres_restarts(plan: Plan) -> Trial:
    """Postgres ends fast, immediately and by a crash, and every backend is ended again and again."""
    restarts: list[Moment] = [
        (0.02, "fast restart", end_postgres(signal.SIGINT)),
        (0.2, "immediate restart", end_postgres(signal.SIGQUIT)),
        (0.4, "crash", end_postgres(signal.SIGKILL)),
    ]
    backends: list[Moment] = [(share, "all backends ended", end_backends) for share in (0.1, 0.3, 0.5, 0.55, 0.6)]
    return _play(plan, Trial(), sorted(restarts + backends, key=lambda moment: moment[0]))


def rolling_restart(plan: Plan) -> Trial:
    """SIGTERM to one worker after the other, three rounds: drained in time, no attempt spent, nothing doubled."""
    drained_s: list[float] = []
    attempts: list[int] = []

    def restart(demo: RunningDemo) -> None:
        drained_s.extend(restart_workers(demo))
        attempts.append(number(demo, DRILLS["attempts"]))

    def judge(demo: RunningDemo, trial: Trial) -> None:
        trial.check("drained in time", max(drained_s) <= demo.settings.workers.drain_s, f"{drained_s} s")
        trial.check("no attempt spent", not any(attempts), attempts)

    rounds: list[Moment] = [(share, "workers restarted", restart) for share in (0.02, 0.2, 0.4)]
    return _play(plan, Trial(), rounds, judge)


def power_cut(plan: Plan) -> Trial:
    """Every process and both stores die at one moment."""
    return _play(plan, Trial(), [(0.1, "power cut", cut_power), (0.4, "power cut", cut_power)])


def wild_bells(plan: Plan) -> Trial:
    """Messages several times, forged, foreign, malformed, torn and ten megabytes long: told, and in nobody's way."""

    def look_for_letters(demo: RunningDemo, trial: Trial) -> None:
        expected = {code: 2 * count for code, count in WILD.items()}
        deadline = time.monotonic() + _AWAY_S
        while (letters := rejected_messages(demo)) != expected and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        trial.check("what cannot be answered is told", letters == expected, letters)

    return _play(plan, Trial(), [(share, "wild bells", ring_wildly) for share in (0.0, 0.2)], look_for_letters)


def poison_in_batch(plan: Plan) -> Trial:
    """One order among many kills every real worker that touches it; all the others arrive."""
    trial = Trial()
    armed = f'[{{"at": "review.work", "do": "kill", "subjects": [{_VICTIM}]}}]'
    os.environ[ENVIRONMENT_KEY] = armed
    try:
        with running(plan.base, script(plan, POISONED_QUICK if plan.is_quick else POISONED)) as demo:
            trial.check("all ended", hurt(demo, (), trial))
            trial.injected["worker killed"] += demo.supervisor.restarts
            letters = letters_of(demo)
            trial.check("its dead letter", letters == [("review", _VICTIM, "worker_killed", 3)], letters)
            check_all(demo, trial, dead=1)
    finally:
        del os.environ[ENVIRONMENT_KEY]
    return trial


def _play(
    plan: Plan,
    trial: Trial,
    moments: list[Moment],
    also: Callable[[RunningDemo, Trial], None] = lambda _demo, _trial: None,
) -> Trial:
    orders = ORDERS_QUICK if plan.is_quick else ORDERS
    with running(plan.base, script(plan, orders)) as demo:
        # So that the harm meets calls under way.
        slow_courier(demo)
        trial.check("all ended", hurt(demo, moments, trial), dict(look(demo).states))
        also(demo, trial)
        check_all(demo, trial)
    return trial
