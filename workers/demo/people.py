"""The people of locations without a system of their own, played: they pick, pack and hand over by the same commands."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from infra.engine.author import Author
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from ops.verbs.stock_by_hand import set_stock
from ops.views.picks import picks
from workers.demo.stage import Stage

_LOOK_EVERY_S = 1.0
_AT_ONCE = 200
_TAKEN = frozenset({"done", "unchanged"})

log = get_logger(__name__)


class CommandFailedError(Exception):
    """A command of the played people printed no result."""


def count_shelves(stage: Stage, db: Database) -> None:
    """Say what lies at the locations that no system counts, before the run."""
    for location, pieces in stage.shelves.items():
        set_stock(db, location, pieces, Author("li", "first count"))


@dataclass
class Packers:
    """The people of all such locations. `packed`: waybills whose boxes are closed and wait for the courier.

    `is_busy`: what a command has recorded may not have happened yet, as a parcel that is being given to the courier.
    """

    stage: Stage
    db: Database
    environment: Mapping[str, str]
    packed: list[str] = field(default_factory=list)
    is_busy: bool = False

    def work(self) -> None:
        """Pick and pack what is to be picked, then give the courier what is packed.

        A package that a command refuses stays in the house, and is tried again the next time.
        """
        self.is_busy = True
        try:
            self._work()
        finally:
            self.is_busy = False

    def _work(self) -> None:
        if picks(self.db, list(self.stage.shelves), 1).packages:
            listed = [one["waybill"] for one in self._say("picks", "--limit", str(_AT_ONCE))["packages"]]
            self._scan("accept", listed)
            self.packed += [waybill for waybill in self._scan("pack", listed) if waybill not in self.packed]
        left = self._scan("hand-over", self.packed)
        if left:
            self.stage.pull("collect", numbers=left)
        self.packed = [waybill for waybill in self.packed if waybill not in left]

    def _scan(self, act: str, waybills: Sequence[str]) -> list[str]:
        """Those of which the command has taken the scan."""
        if not waybills:
            return []
        told = self._say("package", act, "--from", "-", stdin="\n".join(waybills))
        return [one["waybill"] for one in told["scans"] if one["became"] in _TAKEN]

    def _say(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """The result of a command. Raises CommandFailedError."""
        ended = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "workers.main", *arguments, "--json"],
            input=stdin.encode(),
            capture_output=True,
            env={**os.environ, **self.environment},
            check=False,
        )
        lines = ended.stdout.splitlines()
        if not lines:
            raise CommandFailedError(f"{' '.join(arguments)}: {ended.stderr.decode(errors='replace')[-500:]}")
        return dict(msgspec.json.decode(lines[-1]))


@contextmanager
def packers_at_work(stage: Stage, db: Database, environment: Mapping[str, str]) -> Iterator[Packers]:
    """Let people work beside the run; they have nothing to do where every location has a system."""
    packers, stopped = Packers(stage, db, environment), threading.Event()
    if not stage.shelves:
        yield packers
        return

    def work() -> None:
        while not stopped.wait(_LOOK_EVERY_S):
            try:
                packers.work()
            except (CommandFailedError, psycopg.OperationalError, OSError) as error:
                # A store may be away for a moment: people try again.
                log.info("packers_kept_from_work", error=str(error))

    thread = threading.Thread(target=work, name="packers")
    thread.start()
    try:
        yield packers
    finally:
        stopped.set()
        thread.join()
