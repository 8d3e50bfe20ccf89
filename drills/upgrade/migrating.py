"""A migration while orders move: how long each file takes, and how long it keeps others waiting."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drills.upgrade.stored import LOOKS
from infra.tables.migrate import FOLDER, migrate, pending
from infra.tables.pool import Connection, Database

_LOOK_EVERY_S = 0.02


@dataclass(slots=True)
class Waits:
    """The longest that a session waited for a lock; `behind`: for one that the migrating session held or wanted."""

    longest_s: float = 0.0
    behind_s: float = 0.0
    what: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """One file. `written_mb`: all that went into the log meanwhile, with what the workers wrote."""

    file: str
    seconds: float
    written_mb: float
    waits: Waits = field(default_factory=Waits)

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.seconds:.1f} s, {self.written_mb:.0f} MB written, longest wait behind it "
            f"{self.waits.behind_s:.2f} s {self.waits.what}, of all {self.waits.longest_s:.2f} s"
        )


def migrate_measured(db: Database) -> list[Applied]:
    """Apply what waits, one file after the other."""
    applied = []
    with db.direct() as session, tempfile.TemporaryDirectory() as scratch:
        waiting = pending(session)
        for file in sorted(FOLDER.glob("*.sql")):
            shutil.copy(file, scratch)
            if file.name not in waiting:
                continue
            since = _position(session)
            began = time.monotonic()
            with _watched(db, session.info.backend_pid) as waits:
                migrate(session, Path(scratch))
            seconds = time.monotonic() - began
            row = session.execute(LOOKS["written"], {"since": since}).fetchone()
            assert row is not None
            applied.append(Applied(file.name, seconds, row[0] / 1e6, waits))
    return applied


def _position(session: Connection) -> str:
    row = session.execute(LOOKS["position"]).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def _watched(db: Database, migrating: int) -> Iterator[Waits]:
    waits, over = Waits(), threading.Event()

    def look() -> None:
        with db.direct() as session:
            while not over.wait(_LOOK_EVERY_S):
                for seconds, kind, relation, mode, is_behind in session.execute(
                    LOOKS["waits"], {"migrating": migrating}
                ).fetchall():
                    waits.longest_s = max(waits.longest_s, seconds)
                    if is_behind and seconds > waits.behind_s:
                        waits.behind_s, waits.what = seconds, f"({kind} {relation} {mode})"

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield waits
    finally:
        over.set()
        watcher.join()
