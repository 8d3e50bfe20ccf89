"""Keeps a process tree alive: private stores, workers, sweeper. Whoever dies is started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.log import get_logger
from infra.settings import Settings
from infra.stores import Stores

DRAIN_S = 35.0
# A child that dies at once is not started again in a tight loop.
RESTART_PAUSE_S = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Role:
    """One process to keep alive."""

    name: str
    command: Sequence[str]


def roles(settings: Settings) -> list[Role]:
    """The processes of ``orderlane run``; the Procfile starts the same ones one by one."""
    workers = [Role(f"worker-{n}", ("-m", "workers.worker")) for n in range(1, settings.workers.processes + 1)]
    reserved = [
        Role(f"p0-{n}", ("-m", "workers.worker", "--lanes", "p0")) for n in range(1, settings.workers.p0_processes + 1)
    ]
    return [*workers, *reserved, Role("sweeper", ("-m", "workers.sweeper"))]


@dataclass(slots=True)
class Child:
    role: Role
    process: subprocess.Popen[bytes]
    started_at: float


@dataclass(slots=True)
class Supervisor:
    """Starts roles, restarts the dead, stops all. `environment` is what the children see."""

    roles: Sequence[Role]
    environment: Mapping[str, str]
    stores: Stores | None = None
    log_file: int | None = None
    restarts: int = 0
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        for role in self.roles:
            self._children.append(self._spawn(role))

    def tend(self) -> None:
        """One round: bring back stores that are down and children that died."""
        if self.stores is not None:
            for name in self.stores.check():
                log.error("store_down", store=name)
                self.stores.restart(name)
        now = time.monotonic()
        for index, child in enumerate(self._children):
            if child.process.poll() is None or now - child.started_at < RESTART_PAUSE_S:
                continue
            log.error("child_died", role=child.role.name, code=child.process.returncode)
            self.restarts += 1
            self._children[index] = self._spawn(child.role)

    def pids(self, prefix: str = "") -> list[int]:
        """Process ids of the living children whose role begins with `prefix`."""
        return [
            child.process.pid
            for child in self._children
            if child.role.name.startswith(prefix) and child.process.poll() is None
        ]

    def stop(self) -> None:
        """Ask all to finish, wait, and end by force whoever has not after `DRAIN_S` seconds."""
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DRAIN_S
        for child in self._children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("child_killed", role=child.role.name)
                child.process.kill()
                child.process.wait()
        self._children.clear()

    def _spawn(self, role: Role) -> Child:
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
