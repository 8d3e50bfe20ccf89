"""Keeps a process tree running: private stores, workers, sweeper. A process that dies is started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.config.settings import Settings
from infra.servers import EmbeddedStores
from infra.telemetry.log import get_logger

# Seconds beyond the time in which a worker drains by itself.
FORCE_AFTER_S = 5.0
# A child that dies at once is not started again in a tight loop.
RESTART_PAUSE_S = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessRole:
    """One process to keep alive. `pool`: the worker pool that it is a part of."""

    name: str
    command: Sequence[str]
    pool: str = ""


def roles(settings: Settings) -> list[ProcessRole]:
    """The processes of ``orderlane run`` at its start; the Procfile starts the same ones one by one."""
    workers = [
        worker_role(pool.name, number)
        for pool in settings.workers.all_pools()
        for number in range(1, pool.processes + 1)
    ]
    return [*workers, ProcessRole("sweeper", ("-m", "workers.sweeper"))]


def worker_role(pool: str, number: int) -> ProcessRole:
    return ProcessRole(f"{pool}-{number}", ("-m", "workers.worker", "--pool", pool), pool)


@dataclass(slots=True)
class Child:
    """A process of ours. One that is leaving was asked to finish by a moment, and is not started again."""

    role: ProcessRole
    process: subprocess.Popen[bytes]
    started_at: float
    leaves_by: float | None = None

    @property
    def is_leaving(self) -> bool:
        return self.leaves_by is not None


@dataclass(slots=True)
class Supervisor:
    """Starts roles, restarts processes that died, stops all. `environment`: of the children."""

    roles: Sequence[ProcessRole]
    environment: Mapping[str, str]
    stores: EmbeddedStores | None = None
    log_file: int | None = None
    drain_s: float = 30.0
    restarts: int = 0
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        for role in self.roles:
            self._children.append(self._spawn(role))

    def tend(self) -> None:
        """One round: restart stores that are down and children that died, and forget children that have stopped."""
        if self.stores is not None:
            for name in self.stores.check():
                log.error("store_down", store=name)
                self.stores.restart(name)
        now = time.monotonic()
        for child in [child for child in self._children if child.process.poll() is not None]:
            if child.is_leaving:
                log.info("child_left", role=child.role.name, code=child.process.returncode)
                self._children.remove(child)
            elif now - child.started_at >= RESTART_PAUSE_S:
                log.error("child_died", role=child.role.name, code=child.process.returncode)
                self.restarts += 1
                self._children[self._children.index(child)] = self._spawn(child.role)
        for child in self._children:
            if child.leaves_by is not None and now >= child.leaves_by:
                log.warning("child_killed", role=child.role.name)
                child.process.kill()

    def size(self, pool: str) -> int:
        """How many processes a pool has, without processes that are stopping."""
        return len(self._staying(pool))

    def resize(self, pool: str, processes: int) -> None:
        """Start processes of a pool, or ask its newest ones to finish; only who hangs after its drain is forced."""
        staying = self._staying(pool)
        taken = {child.role.name for child in self._children}
        number = 0
        for _ in range(len(staying), processes):
            role = worker_role(pool, number := number + 1)
            while role.name in taken:
                role = worker_role(pool, number := number + 1)
            self._children.append(self._spawn(role))
        for child in staying[processes:]:
            child.leaves_by = time.monotonic() + self.drain_s + FORCE_AFTER_S
            child.process.send_signal(signal.SIGTERM)

    def pids(self, prefix: str = "") -> list[int]:
        """Process ids of the living children whose role begins with `prefix`."""
        return [
            child.process.pid
            for child in self._children
            if child.role.name.startswith(prefix) and child.process.poll() is None
        ]

    def stop(self) -> None:
        """Ask all processes to finish, wait, and kill processes that take longer than a drain may."""
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self.drain_s + FORCE_AFTER_S
        for child in self._children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("child_killed", role=child.role.name)
                child.process.kill()
                child.process.wait()
        self._children.clear()

    def _staying(self, pool: str) -> list[Child]:
        """The oldest first."""
        return [child for child in self._children if child.role.pool == pool and not child.is_leaving]

    def _spawn(self, role: ProcessRole) -> Child:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, *role.command],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self.log_file,
            stderr=self.log_file,
        )
        return Child(role, process, time.monotonic())


@contextmanager
def supervised(supervisor: Supervisor) -> Iterator[Supervisor]:
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
