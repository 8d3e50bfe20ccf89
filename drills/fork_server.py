"""Forks a worker for each order it is given: ``python -m drills.fork_server``, JSON lines in and out.

A worker that is to be killed at a failpoint must be a process. Forked from one that has everything
imported and no thread of its own, it costs a tenth of a fresh interpreter.
"""

import os
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import msgspec
import psycopg

from adapters.channels.tencent_sms import TencentSms
from adapters.couriers.sf.send import Sf
from drills.queries import DRILLS
from drills.unguarded import Guard, switch_off
from infra.config.settings import read_settings
from infra.process import failpoints
from infra.process.clock import SystemClock
from infra.sweeper.stuck_work import Sweeper
from infra.tables.pool import Database
from infra.telemetry.log import configure, get_logger
from workers.wiring import Runtime, wired_worker

log = get_logger(__name__)
ROUNDS_MAX = 15
STUCK = 3


class Armed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One armed failpoint, as `infra.process.failpoints` reads it."""

    at: str
    do: str
    subjects: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work until `orders` orders have ended. `resume` wakes a stopped worker instead.

    `environ` is what the worker's settings are read with. `can_find`, `find_lag_s` and `is_idempotent`: what
    the courier's adapter believes of its courier. `texts_again`: text messages are believed to be dropped by
    their provider when they come twice. `without` names guards that are off. `threads` share
    at most `connections` to Postgres; 0 for the usual number. `clock_off_s`: by how much the clock is wrong, after
    it was read `clock_right_for` times.
    """

    orders: int = 0
    armed: tuple[Armed, ...] = ()
    environ: dict[str, str] = {}
    can_find: bool = True
    find_lag_s: float = 0.0
    is_idempotent: bool = True
    texts_again: bool = False
    without: tuple[Guard, ...] = ()
    threads: int = 1
    connections: int = 0
    clock_off_s: float = 0.0
    clock_right_for: int = 0
    resume: int = 0


class WrongClock(SystemClock):
    """A machine whose wall clock is off by so many seconds, once it was read `right_for` times; durations are right."""

    def __init__(self, off_s: float, right_for: int = 0) -> None:
        self._off = timedelta(seconds=off_s)
        self._right_for = right_for

    def utcnow(self) -> datetime:
        self._right_for -= 1
        return super().utcnow() + (self._off if self._right_for < 0 else timedelta())


class Ended(msgspec.Struct, frozen=True):
    """How a worker ended; a stopped one is still there."""

    pid: int
    how: Literal["done", "stuck", "killed", "stopped", "failed"]


def main() -> None:
    """Serve requests until the end of the input."""
    answers = os.dup(sys.stdout.fileno())
    # What a worker prints by mistake must not end up between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        os.write(answers, msgspec.json.encode(_serve(request)) + b"\n")


def _serve(request: Request) -> Ended:
    pid = request.resume
    if pid:
        os.kill(pid, signal.SIGCONT)
    else:
        pid = os.fork()
        if pid == 0:
            _be_worker(request)
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return Ended(pid, "stopped")
    if os.WIFSIGNALED(status):
        return Ended(pid, "killed")
    code = os.WEXITSTATUS(status)
    return Ended(pid, "done" if code == 0 else "stuck" if code == STUCK else "failed")


def _be_worker(request: Request) -> NoReturn:
    code = 1
    try:
        configure("json", "info")
        Sf.can_find, Sf.find_lag_s, Sf.is_idempotent = request.can_find, request.find_lag_s, request.is_idempotent
        TencentSms.is_idempotent = request.texts_again
        switch_off(request.without)
        settings = read_settings(environ=request.environ)
        clock = WrongClock(request.clock_off_s, request.clock_right_for)
        with wired_worker(settings, connections=request.connections, clock=clock) as runtime:
            sweeper = Sweeper(runtime.db, runtime.bells, SystemClock(), settings.engine.crashes_max)
            failpoints.arm(msgspec.json.encode(request.armed).decode())
            is_finished = _finish(runtime, sweeper, request.orders, request.threads)
            failpoints.arm("")
            log.info("worker_done", pool_waits=runtime.db.waits, peak_kb=_peak_kb())
            if not is_finished:
                # It dies at once and hands nothing back, so that recovery has to find its work.
                os._exit(STUCK)
        code = 0
    except Exception:  # noqa: BLE001 - the parent sees the exit code, a person reads the log
        traceback.print_exc()
    finally:
        os._exit(code)


def _peak_kb() -> int:
    """The most memory that this process has had at once, with all that it shares."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


class Outstanding(NamedTuple):
    """What keeps a run from being over."""

    missing: int
    due: int
    in_house: int

    def wants(self, step: str) -> bool:
        """Polls run only while a result is expected of them, because time is set by the drill."""
        if step == "pull":
            return self.missing > 0
        return step != "warehouse" or self.in_house > 0


def _finish(runtime: Runtime, sweeper: Sweeper, orders: int, threads: int) -> bool:
    """Do whatever is due, round by round, with the waiting left out; whether all orders ended."""
    for _ in range(ROUNDS_MAX):
        try:
            outstanding = _look(runtime.db, orders)
            if not any(outstanding):
                return True
            _round(runtime, sweeper, outstanding, threads)
        except psycopg.OperationalError:
            # A worker goes on when its database went away for a moment.
            traceback.print_exc()
    return not any(_look(runtime.db, orders))


def _round(runtime: Runtime, sweeper: Sweeper, outstanding: Outstanding, threads: int) -> None:
    sweeper.free_crashed()
    sweeper.free_expired()
    with runtime.db.connection() as connection:
        connection.execute(DRILLS["pass_time"])
    keys = [key for key in sweeper.due() if outstanding.wants(key.step)]
    with ThreadPoolExecutor(threads) as crowd:
        for ended in [crowd.submit(runtime.runners[key.step].run, key) for key in keys * threads]:
            ended.result()


def _look(db: Database, orders: int) -> Outstanding:
    with db.connection() as connection:
        row = connection.execute(DRILLS["outstanding"], {"orders": orders}).fetchone()
    assert row is not None
    return Outstanding(*row)


if __name__ == "__main__":
    main()
