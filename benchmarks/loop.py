"""The engine's own runners in one thread of this process: claims, leases and due rows, but no queue and no gates."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from adapters import registry
from adapters.http_client import HttpClient
from infra.config.settings import Settings
from infra.engine.event_loop import EventLoopThread
from infra.engine.local import LocalRunner
from infra.engine.remote import RemoteRunner
from infra.engine.worker_lock import Presence
from infra.process.clock import SystemClock
from infra.queue.keys import BellKey
from infra.sweeper.stuck_work import Sweeper
from infra.tables.pool import Database
from workers.wiring import connect, make_runners

# Shops and feeds are read for ever, so reading them is no sign of progress.
_ENDLESS = frozenset({"pull", "warehouse"})
_POLL_S = 0.25


@dataclass(slots=True)
class Rung:
    """Bells that are only remembered."""

    keys: set[BellKey] = field(default_factory=set)

    def ring(self, keys: Iterable[BellKey]) -> None:
        self.keys.update(keys)

    def take(self) -> list[BellKey]:
        keys, self.keys = sorted(self.keys), set()
        return keys


@dataclass(frozen=True, slots=True)
class Loop:
    """Runs what is due, batch after batch."""

    runners: dict[str, LocalRunner | RemoteRunner]
    rung: Rung
    sweeper: Sweeper

    def run_step(self, step: str, at_most: int | None = None) -> int:
        """Run one step until nothing of it is due, or so many subjects have been through; return how many."""
        done = 0
        while at_most is None or done < at_most:
            keys = [key for key in self.sweeper.due() if key.step == step]
            ran = 0
            for key in keys:
                if at_most is None or done + ran < at_most:
                    ran += self.runners[step].run(key)
            if not ran:
                break
            done += ran
        return done

    def run_all(self, quiet_s: float) -> None:
        """Run every step until nothing but polling has happened for `quiet_s`."""
        moved_at = time.monotonic()
        while time.monotonic() - moved_at < quiet_s:
            keys = self.rung.take() or self.sweeper.due()
            for key in keys:
                ran = self.runners[key.step].run(key)
                if self.rung.keys or (ran and key.step not in _ENDLESS):
                    moved_at = time.monotonic()
            if not keys:
                time.sleep(_POLL_S)


@contextmanager
def engine_loop(settings: Settings, db: Database, watching: Database) -> Iterator[Loop]:
    """`db` is what the steps use; `watching` is asked for what is due."""
    with ExitStack() as stack:
        presence = Presence(watching)
        stack.callback(presence.close)
        event_loop = stack.enter_context(EventLoopThread())
        clock = SystemClock()
        http = HttpClient(settings.door, registry.hosts(settings), clock)
        event_loop.run(http.open())
        stack.callback(lambda: event_loop.run(http.close()))
        rung = Rung()
        tools = connect(settings, db, rung, http)
        sweeper = Sweeper(watching, rung, clock, settings.engine.crashes_max)
        yield Loop(make_runners(tools, event_loop, presence.worker), rung, sweeper)
