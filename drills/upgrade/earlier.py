"""The earlier version: its own code from a folder of its own, in processes of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Misconfigured
from infra.config.settings import Settings
from workers.demo.run import RunningDemo
from workers.supervisor import Supervisor, roles

_BREACHES = """
import sys
import psycopg
from infra.monitoring.invariants import find_breaches
with psycopg.connect(sys.argv[1], autocommit=True) as session:
    for breach in find_breaches(session):
        print(breach)
"""
_ENDS_S = 600.0


@dataclass(frozen=True, slots=True)
class Earlier:
    """A folder with the whole tree of an earlier version."""

    folder: Path

    def __post_init__(self) -> None:
        if not (self.folder / "workers" / "worker.py").is_file():
            raise Misconfigured("earlier_missing", f"{self.folder} holds no version of this program")

    @property
    def environment(self) -> dict[str, str]:
        """Lets a child import from the folder, and not from where it is started."""
        return {"PYTHONPATH": str(self.folder.resolve()), "PYTHONSAFEPATH": "1"}

    def release(self, settings: Settings, settings_file: Path) -> None:
        """Bring an empty database to this version's schema."""
        environment = {
            "ORDERLANE_SETTINGS": str(settings_file),
            "ORDERLANE_DATABASE_URL": settings.stores.database_url.reveal(),
            "ORDERLANE_REDIS_URL": settings.stores.redis_url.reveal(),
        }
        self._run(["-m", "workers.release"], environment)

    def supervisor(self, demo: RunningDemo) -> Supervisor:
        """Its workers and its sweeper, beside those of `demo`; they run once it is started."""
        ours = demo.supervisor
        environment = {**ours.environment, **self.environment}
        return Supervisor(roles(demo.settings), environment, None, ours.log_file, drain_s=ours.drain_s)

    def breaches(self, settings: Settings) -> list[str]:
        """What its own invariants say of the database."""
        return self._run(["-c", _BREACHES, settings.stores.database_url.reveal()], {}).splitlines()

    def _run(self, arguments: Sequence[str], environment: dict[str, str]) -> str:
        done = subprocess.run(  # noqa: S603 - our own modules
            [sys.executable, *arguments],
            env={**os.environ, **environment, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_ENDS_S,
        )
        if done.returncode:
            raise Misconfigured("earlier_failed", done.stderr[-2000:])
        return done.stdout
