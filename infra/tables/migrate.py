"""Schema migrations: plain SQL files, applied in order, once, by whichever process comes first.

A file is named ``NNNN_pre_name.sql`` or ``NNNN_post_name.sql``: to be applied before or after the code
that needs it. Code that does not know a ``pre`` file works beside it; a ``post`` file ends that. An applied file never
changes again.

Each file runs in a transaction of its own, which waits only a moment for a table in use, because all writers wait
behind the transaction. It is tried again until it gets its locks. A file whose first line is ``-- commits by itself``
is one statement that commits piece by piece, for rows that workers write meanwhile; stopped half way it is run again
from its beginning.
"""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from domain.errors import Misconfigured
from infra.tables.pool import Connection
from infra.telemetry.log import get_logger

FOLDER = Path(__file__).with_name("migrations")
_FILE = re.compile(r"(?P<version>\d{4})_(?P<name>(?:pre|post)_[a-z0-9_]+)")
_ADVISORY_LOCK = 0x6F72_6465_726C  # "orderl": no other lock of this database has this number
# Writers wait behind a migration that waits for a table.
_DDL_LOCK_TIMEOUT = "2s"
_TRIES_MAX = 60
_PAUSE_S = 1.0
_COMMITS_BY_ITSELF = b"-- commits by itself\n"

log = get_logger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `checksum` is the SHA-256 of its content."""

    version: int
    name: str
    statements: bytes
    checksum: bytes

    @property
    def file(self) -> str:
        return f"{self.version:04d}_{self.name}.sql"

    @property
    def commits_by_itself(self) -> bool:
        return self.statements.startswith(_COMMITS_BY_ITSELF)


def migrate(connection: Connection, folder: Path = FOLDER, sleep: Callable[[float], object] = time.sleep) -> list[str]:
    """Apply what is pending and return the files applied by this call. `connection` is in autocommit mode.

    Safe to call from many processes at once: they take turns, and each file is applied once.
    Raises Misconfigured for what `pending` refuses. A failing file raises psycopg's error and leaves nothing of itself
    behind, unless it commits by itself. psycopg.errors.LockNotAvailable: a table stayed in use for minutes.
    """
    migrations = _read(folder)
    applied: list[str] = []
    tries = 0
    while True:
        try:
            file = _next(connection, migrations)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            tries += 1
            if tries >= _TRIES_MAX:
                raise
            log.info("migration_waits", error=type(error).__name__, tries=tries)
            sleep(_PAUSE_S)
            continue
        if file is None:
            return applied
        if file:
            applied.append(file)
        tries = 0


def pending(connection: Connection, folder: Path = FOLDER) -> list[str]:
    """The files that `migrate` would apply.

    Raises Misconfigured: ``migration_changed`` for an applied file with another content, ``schema_newer`` for a
    database that has seen newer files which this code cannot work beside, and for a folder that is not in order.
    """
    migrations = _read(folder)
    row = connection.execute("SELECT to_regclass('schema_migration')").fetchone()
    if row is None or row[0] is None:
        return [migration.file for migration in migrations]
    return [migration.file for migration in _waiting(connection, migrations)]


def _read(folder: Path) -> list[Migration]:
    migrations = [_parse(file) for file in sorted(folder.glob("*.sql"))]
    for expected, migration in enumerate(migrations, start=1):
        if migration.version < expected:
            raise Misconfigured("migration_repeated", f"{migration.file}: its number is taken")
        if migration.version > expected:
            raise Misconfigured("migration_gap", f"{migration.file}: number {expected:04d} is missing before it")
    return migrations


def _parse(file: Path) -> Migration:
    named = _FILE.fullmatch(file.stem)
    if named is None:
        raise Misconfigured("migration_misnamed", f"{file.name}: expected NNNN_pre_name.sql or NNNN_post_name.sql")
    content = file.read_bytes()
    return Migration(int(named["version"]), named["name"], content, hashlib.sha256(content).digest())


def _waiting(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    rows = connection.execute("SELECT version, name, checksum FROM schema_migration ORDER BY version").fetchall()
    applied = {version: (name, checksum) for version, name, checksum in rows}
    for version, (name, _) in applied.items():
        if version > len(migrations) and not name.startswith("pre_"):
            raise Misconfigured("schema_newer", f"the database has migration {version:04d}_{name}, this code does not")
    for migration in migrations:
        if migration.version in applied and applied[migration.version][1] != migration.checksum:
            raise Misconfigured("migration_changed", f"{migration.file} was changed after it had been applied")
    return [migration for migration in migrations if migration.version not in applied]


def _next(connection: Connection, migrations: list[Migration]) -> str | None:
    """Apply the first file that waits; its name, empty if somebody else has applied it. None: nothing waits."""
    with connection.transaction():
        _wait_for_turn(connection)
        connection.execute(_TABLE)
        waiting = _waiting(connection, migrations)
        if not waiting:
            return None
        if not waiting[0].commits_by_itself:
            _apply(connection, waiting[0])
            return waiting[0].file
    return waiting[0].file if _apply_by_itself(connection, waiting[0], migrations) else ""


def _wait_for_turn(connection: Connection) -> None:
    """A migration may run for a long time; only the wait for a table in use is limited."""
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute("SET LOCAL lock_timeout = 0")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
    connection.execute(f"SET LOCAL lock_timeout = '{_DDL_LOCK_TIMEOUT}'")


def _apply(connection: Connection, migration: Migration) -> None:
    connection.execute(migration.statements)
    _record(connection, migration)


def _apply_by_itself(connection: Connection, migration: Migration, migrations: list[Migration]) -> bool:
    """Whether this call has applied it. The turn is the session's here, as no transaction lasts that long."""
    row = connection.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')").fetchone()
    assert row is not None
    _set_timeouts(connection, "0", "0")
    connection.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
    try:
        if migration not in _waiting(connection, migrations):
            return False
        _set_timeouts(connection, "0", _DDL_LOCK_TIMEOUT)
        connection.execute(migration.statements)
        _record(connection, migration)
        return True
    finally:
        # A lost session has released its lock.
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_LOCK])
            _set_timeouts(connection, *row)


def _set_timeouts(connection: Connection, statement: str, lock: str) -> None:
    connection.execute(
        "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false)", [statement, lock]
    )


def _record(connection: Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (%s, %s, %s)",
        [migration.version, migration.name, migration.checksum],
    )
