"""Everything at once: numbered orders, real processes, faults drawn from a seed."""

import random
import signal
import time
from collections.abc import Callable

from drills.checkers import check_all
from drills.course import Moment, hurt, look, script
from drills.drill import Plan, Trial
from drills.harms import (
    Harm,
    empty_redis,
    end_backends,
    end_postgres,
    freeze,
    kill,
    kill_redis,
    quick_courier,
    slow_courier,
)
from drills.lines import Lines, lined
from drills.proxy import Fault, harmless
from workers.demo.run import RunningDemo

ORDERS, ORDERS_QUICK = 10_000, 300
FAULTS, FAULTS_QUICK = 30, 6
LYING_ORDERS, LYING_ORDERS_QUICK = 200, 100
# Past the demo's lease of 12 s.
_FROZEN_S = 14.0
_A_WHILE_S = 4.0
_AWAY_S = 10.0
_SLOW = Fault("late reply", late_s=0.3)


def nemesis(plan: Plan) -> Trial:
    """Random faults on all sides at once, spread over the run; three ledgers agree at its end."""
    trial = Trial()
    orders, faults = (ORDERS_QUICK, FAULTS_QUICK) if plan.is_quick else (ORDERS, FAULTS)
    with lined(plan, script(plan, orders, shops=5)) as lines:
        moments = fault_plan(plan.seed, faults, harms(lines, plan.seed))
        trial.check("all ended", hurt(lines.demo, moments, trial), dict(look(lines.demo).states))
        trial.check("faults", trial.injected.total() == faults, trial.injected.total())
        trial.injected.update(lines.courier.struck)
        check_all(lines.demo, trial)
    return trial


def courier_lies(plan: Plan) -> Trial:
    """One booking in five is made, and answered with silence, with nonsense, or too late."""
    trial = Trial()
    with lined(plan, script(plan, LYING_ORDERS_QUICK if plan.is_quick else LYING_ORDERS)) as lines:
        lines.lie(f"{plan.seed}/lies", share=0.2)
        trial.check("all ended", hurt(lines.demo, (), trial), dict(look(lines.demo).states))
        trial.injected.update(lines.courier.struck)
        trial.check("lies were told", trial.injected.total() > 0, trial.injected.total())
        check_all(lines.demo, trial)
    return trial


def redis_line(plan: Plan) -> Trial:
    """The line to Redis is cut for ten seconds; from then on each of its answers is 0.3 s late."""
    trial = Trial()

    def cut(_demo: RunningDemo) -> None:
        lines.queue.cut()
        # How long the line is cut is the harm itself.
        time.sleep(_AWAY_S)
        lines.queue.judge = lambda _request: _SLOW
        lines.queue.mend()

    with lined(plan, script(plan, LYING_ORDERS_QUICK)) as lines:
        trial.check("all ended", hurt(lines.demo, [(0.05, "line cut for 10 s", cut)], trial))
        trial.injected["late reply"] += lines.queue.struck[_SLOW.name]
        check_all(lines.demo, trial)
    return trial


def harms(lines: Lines, seed: int) -> dict[str, Harm]:
    """All faults by name."""

    def for_a_while(begin: Callable[[], object], end: Callable[[], object]) -> Harm:
        def harm(_demo: RunningDemo) -> None:
            begin()
            # How long the fault lasts is the harm itself.
            time.sleep(_A_WHILE_S)
            end()

        return harm

    def tell_truth() -> None:
        lines.courier.judge = harmless

    return {
        "worker killed": kill("worker"),
        "sweeper killed": kill("sweeper"),
        "worker frozen past its lease": freeze("worker", _FROZEN_S),
        "FLUSHALL": empty_redis,
        "Redis restarted": kill_redis,
        "Postgres restarted": end_postgres(signal.SIGINT),
        "Postgres crashed": end_postgres(signal.SIGQUIT),
        "backends ended": end_backends,
        "line to Redis cut": for_a_while(lines.queue.cut, lines.queue.mend),
        "line to the courier cut": for_a_while(lines.courier.cut, lines.courier.mend),
        "slow courier": for_a_while(lambda: slow_courier(lines.demo), lambda: quick_courier(lines.demo)),
        "lying courier": for_a_while(lambda: lines.lie(f"{seed}/lies", share=0.3), tell_truth),
    }


def fault_plan(seed: int, count: int, faults: dict[str, Harm]) -> list[Moment]:
    """Which fault comes at which share of the run; each kind once before any comes again."""
    draw = random.Random(f"{seed}/faults")  # noqa: S311 - repeatable, not secret
    names: list[str] = []
    while len(names) < count:
        names += draw.sample(sorted(faults), len(faults))
    shares = sorted(draw.uniform(0.0, 0.85) for _ in range(count))
    return [(share, name, faults[name]) for share, name in zip(shares, names[:count], strict=True)]
