"""Drills with faults of the machine: clock, memory, interpreter, file descriptors."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from domain.gates import GateKind
from drills.checkers import check_all
from drills.course import hurt, look, script, until
from drills.drill import Plan, Trial
from drills.fork_server import Armed, WrongClock
from drills.harms import end_backends, slow_courier
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.engine.author import Author
from infra.process.failpoints import ENVIRONMENT_KEY
from ops.doctor.check import Level
from ops.doctor.stores import server
from ops.verbs.gates import resume
from workers.demo.run import RunningDemo, running

ORDERS, ORDERS_QUICK = 300, 120
MANY, MANY_QUICK = 3_000, 600
# Signatures are good for five minutes at warehouses and receivers, for ten at the platform.
_TOLERABLE_S = (240.0, -240.0)
_WRONG_S = (660.0, -660.0, -3600.0)
_JUMPS_S = (-3600.0, 3600.0)
# Readings before the clock jumps: enough to bring orders in, too few to end them.
_IN_HAND, _RIGHT_FOR = 3, 10
_WITHOUT_S = 8.0
# Of memory: what a worker may have, and how much more in the last third of a run than in the middle one.
# Samples are taken evenly until so many of the orders are written back; some never are.
SAMPLES, _SAMPLED_UNTIL = 30, 0.85
_PSS_MAX_KB = 120 * 1024
_GROWTH_MAX_KB = 4 * 1024


def wrong_clock(plan: Plan) -> Trial:
    """A worker's clock is wrong: leases and due times are the database's; calls that are signed with the wrong time are
    refused, and their work waits.
    """
    trial = Trial()
    with small_world(plan) as world:
        lease_s = world.demo.settings.engine.lease_s
        for off_s in _TOLERABLE_S:
            world.order(f"{off_s:+.0f} s")
            world.work(Armed("label.after_call", "kill"), clock_off_s=off_s)
            left_s = world.number(DRILLS["lease_left"])
            trial.check(f"{off_s:+.0f} s: the lease is as long as ever", 0 < left_s <= lease_s, left_s)
            trial.check(f"{off_s:+.0f} s: the order ends", world.work(clock_off_s=off_s).how == "done")
            trial.injected["clock a little wrong"] += 1
        for off_s in _WRONG_S:
            _refused(world, off_s, trial)
        for off_s in _JUMPS_S:
            _jumped(world, off_s, trial)
        check_all(world.demo, trial)
    return trial


def _refused(world: SmallWorld, off_s: float, trial: Trial) -> None:
    """One order waits for its label and one for being read while a worker with the wrong time is at work."""
    name = f"{off_s:+.0f} s"
    world.order(f"{name}, label")
    world.work(Armed("label.before_claim", "kill"))
    before = world.shipments().total()
    world.order(f"{name}, pull")
    ended = world.work(clock_off_s=off_s)
    trial.injected["clock wrong"] += 1
    with world.demo.db.connection() as session:
        reasons = {row[1] for row in session.execute(DRILLS["paused_accounts"]).fetchall()}
        told = [check.level for check in server(session, WrongClock(off_s), is_private=True) if check.name == "clock"]
    trial.check(f"{name}: nothing booked", ended.how == "stuck" and world.shipments().total() == before, ended.how)
    trial.check(f"{name}: no attempt spent", world.number(DRILLS["attempts"]) == 0)
    trial.check(f"{name}: accounts rest for it", "timestamp_invalid" in reasons, sorted(reasons))
    trial.check(f"{name}: doctor names the clock", told == [Level.FAIL], told)
    _resume_all(world)
    trial.check(f"{name}: set right, all ends", world.work().how == "done")


def _jumped(world: SmallWorld, off_s: float, trial: Trial) -> None:
    """The clock jumps while a worker has orders in its hands."""
    name = f"jump by {off_s:+.0f} s"
    for _ in range(_IN_HAND):
        world.order(name)
    world.work(clock_off_s=off_s, clock_right_for=_RIGHT_FOR)
    trial.injected["clock jumped"] += len(_paused(world)) > 0
    trial.check(f"{name}: no attempt spent", world.number(DRILLS["attempts"]) == 0)
    _resume_all(world)
    trial.check(f"{name}: set right, all ends", world.work().how == "done")


def _resume_all(world: SmallWorld) -> None:
    """What a person does once the clock is right."""
    settings = world.demo.settings
    with closing(connect_gates(settings.stores.redis_url.reveal())) as client:
        for account in _paused(world):
            resume(
                world.demo.db,
                SharedGates(client),
                GateKind.ACCOUNT,
                account,
                Author("drill", "clock set right"),
                settings=settings,
            )


def _paused(world: SmallWorld) -> list[str]:
    with world.demo.db.connection() as session:
        return [row[0] for row in session.execute(DRILLS["paused_accounts"]).fetchall()]


def blocked_interpreter(plan: Plan) -> Trial:
    """A worker's step keeps the interpreter past its lease: others end its orders, and it saves nothing."""
    trial = Trial()
    armed = {ENVIRONMENT_KEY: '[{"at": "label.after_call", "do": "block"}]'}
    with running(plan.base, script(plan, ORDERS_QUICK if plan.is_quick else ORDERS)) as demo:
        slow_courier(demo)
        with _worker(demo, armed) as log:
            trial.check("all ended", hurt(demo, (), trial), dict(look(demo).states))
            is_refused = until(demo, lambda: _events(log, "late_save_refused") > 0)
        trial.check("its late save was refused", is_refused)
        trial.injected["interpreter kept past the lease"] += is_refused
        died = _events(demo.stage.folder / "workers.log", "worker_died")
        trial.check("not taken for a crash", died == 0 and _most_crashes(demo) == 0, died)
        check_all(demo, trial)
    return trial


def _most_crashes(demo: RunningDemo) -> int:
    with demo.db.connection() as session:
        row = session.execute(DRILLS["most_crashes"]).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _worker(demo: RunningDemo, environ: dict[str, str]) -> Iterator[Path]:
    """One more worker process, with an environment of its own; ended by force. Its log."""
    log = demo.stage.folder / "own-worker.log"
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.worker"],
            env={**os.environ, **demo.supervisor.environment, **environ},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
        )
        try:
            yield log
        finally:
            process.kill()
            process.wait()


def _events(log: Path, name: str) -> int:
    return log.read_bytes().count(f'"{name}"'.encode())


def no_descriptors(plan: Plan) -> Trial:
    """Every worker may open no further descriptor for a while, and all database sessions end meanwhile."""
    trial = Trial()

    def exhaust(demo: RunningDemo) -> None:
        pids = demo.supervisor.pids("worker")
        limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
        for pid in pids:
            opened = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened, limits[pid][1]))
        end_backends(demo)
        # How long the workers can open nothing is the harm itself.
        time.sleep(_WITHOUT_S)
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits[pid])

    with running(plan.base, script(plan, ORDERS_QUICK if plan.is_quick else ORDERS)) as demo:
        slow_courier(demo)
        moments = [(0.05, "no descriptors for 8 s", exhaust), (0.4, "no descriptors for 8 s", exhaust)]
        trial.check("all ended", hurt(demo, moments, trial), dict(look(demo).states))
        trial.check("no worker died of it", demo.supervisor.restarts == 0, demo.supervisor.restarts)
        check_all(demo, trial)
    return trial


def memory(plan: Plan) -> Trial:
    """Thousands of orders run through two workers: the memory that is theirs alone stays where it was."""
    trial = Trial()
    orders = MANY_QUICK if plan.is_quick else MANY
    samples: list[dict[int, int]] = []

    def sample(demo: RunningDemo) -> None:
        samples.append({pid: pss_kb(pid) for pid in demo.supervisor.pids("worker")})

    with running(plan.base, script(plan, orders, shops=5)) as demo:
        moments = [(share * _SAMPLED_UNTIL / SAMPLES, "sample", sample) for share in range(SAMPLES)]
        trial.check("all ended", hurt(demo, moments, trial), dict(look(demo).states))
        del trial.injected["sample"]
        trial.injected["orders"] += orders
        most_kb = max(max(one.values()) for one in samples)
        trial.check("at most 120 MB a worker", most_kb <= _PSS_MAX_KB, f"{most_kb // 1024} MB")
        growth = growth_kb(samples)
        trial.check("no growth", growth <= _GROWTH_MAX_KB, f"{growth} kB")
        check_all(demo, trial)
    return trial


def growth_kb(samples: Sequence[Mapping[int, int]]) -> int:
    """How much larger the workers are in the last third than in the second; in the first they warm up."""
    third = len(samples) // 3
    return _level_kb(samples[-third:]) - _level_kb(samples[third:-third])


def _level_kb(samples: Sequence[Mapping[int, int]]) -> int:
    return int(statistics.median(statistics.mean(one.values()) for one in samples))


def pss_kb(pid: int) -> int:
    """Memory of a process, its share of what it shares with others counted as a share."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
