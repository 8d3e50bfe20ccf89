"""A small disk under the shipments that can be filled, where we may mount one; else Postgres says that it is full."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import Protocol

import psycopg

from drills.queries import DRILLS
from infra.config.settings import Settings
from infra.servers.os_account import OsAccount, service_account
from infra.tables.pool import Database

_SIZE = "2m"
_CHUNK = b"\0" * 4096


class Disk(Protocol):
    """`carry` puts the shipments on it, `fill` leaves no room, `free` makes room again."""

    @property
    def how(self) -> str: ...

    def carry(self, db: Database) -> None: ...

    def fill(self, db: Database) -> None: ...

    def free(self, db: Database) -> None: ...


@dataclass(frozen=True, slots=True)
class MountedDisk:
    """A file system in memory, with a tablespace on it."""

    folder: Path
    how: str = "no space left on a real disk"

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def carry(self, db: Database) -> None:
        with db.direct() as session:
            # The place of a tablespace is no parameter that a server takes.
            psycopg.ClientCursor(session).execute(DRILLS["make_tablespace"], {"folder": str(self.folder)})
            session.execute(DRILLS["move_shipments"])

    def fill(self, db: Database) -> None:  # noqa: ARG002 - the disk itself is filled
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(_CHUNK)
            except OSError as error:
                if error.errno != ENOSPC:
                    raise

    def free(self, db: Database) -> None:  # noqa: ARG002 - as above
        self._ballast.unlink()


@dataclass(frozen=True, slots=True)
class SaidDisk:
    """Where nothing may be mounted: every new intent is refused with the code of a full disk."""

    how: str = "disk said to be full"

    def carry(self, db: Database) -> None:
        """Nothing to move."""

    def fill(self, db: Database) -> None:
        with db.direct() as session:
            session.execute(DRILLS["say_disk_is_full"])
            session.execute(DRILLS["refuse_intents"])

    def free(self, db: Database) -> None:
        with db.direct() as session:
            session.execute(DRILLS["accept_intents"])


@contextmanager
def small_disk(settings: Settings) -> Iterator[Disk]:
    """A disk for the private Postgres. It must outlive the server."""
    folder = Path(tempfile.mkdtemp(prefix="orderlane-disk-"))
    is_mounted = _mount(folder, service_account(settings.stores.service_user))
    try:
        yield MountedDisk(folder) if is_mounted else SaidDisk()
    finally:
        if is_mounted:
            _run("umount", str(folder))
        folder.rmdir()


def _mount(folder: Path, account: OsAccount) -> bool:
    if os.geteuid() != 0:
        return False
    options = f"size={_SIZE},mode=0700,uid={account.uid},gid={account.gid}"
    return _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))


def _run(program: str, *arguments: str) -> bool:
    place = shutil.which(program)
    if place is None:
        return False
    return subprocess.run([place, *arguments], capture_output=True, check=False).returncode == 0  # noqa: S603 - ours
