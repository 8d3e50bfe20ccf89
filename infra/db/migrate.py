"""Schema migrations: plain SQL files, applied in order, once, by whichever process comes first.

A file is named ``NNNN_pre_name.sql`` or ``NNNN_post_name.sql``: to be applied before or after the code
that needs it. Each runs in a transaction of its own. An applied file never changes again.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Misconfigured
from infra.db.pool import Connection

FOLDER = Path(__file__).with_name("migrations")
_FILE = re.compile(r"(?P<version>\d{4})_(?P<name>(?:pre|post)_[a-z0-9_]+)")
_ADVISORY_LOCK = 0x6F72_6465_726C  # "orderl": no other lock of this database has this number
_DDL_LOCK_TIMEOUT = "10s"

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


def migrate(connection: Connection, folder: Path = FOLDER) -> list[str]:
    """Apply what is pending and return the files applied by this call. `connection` is in autocommit mode.

    Safe to call from many processes at once: they take turns, and each file is applied once.
    Raises Misconfigured for what `pending` refuses; a failing file raises psycopg's error and leaves
    nothing of itself behind.
    """
    migrations = _read(folder)
    applied: list[str] = []
    while True:
        with connection.transaction():
            _wait_for_turn(connection)
            connection.execute(_TABLE)
            waiting = _waiting(connection, migrations)
            if not waiting:
                return applied
            _apply(connection, waiting[0])
        applied.append(waiting[0].file)


def pending(connection: Connection, folder: Path = FOLDER) -> list[str]:
    """The files that `migrate` would apply.

    Raises Misconfigured: ``migration_changed`` for an applied file with another content,
    ``schema_newer`` for a database that has seen newer files, and for a folder that is not in order.
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
        if version > len(migrations):
            raise Misconfigured("schema_newer", f"the database has migration {version:04d}_{name}, this code does not")
    for migration in migrations:
        if migration.version in applied and applied[migration.version][1] != migration.checksum:
            raise Misconfigured("migration_changed", f"{migration.file} was changed after it had been applied")
    return [migration for migration in migrations if migration.version not in applied]


def _wait_for_turn(connection: Connection) -> None:
    """A long migration may hold others up for long; only waiting for a table in use is bounded."""
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute("SET LOCAL lock_timeout = 0")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
    connection.execute(f"SET LOCAL lock_timeout = '{_DDL_LOCK_TIMEOUT}'")


def _apply(connection: Connection, migration: Migration) -> None:
    connection.execute(migration.statements)
    connection.execute(
        "INSERT INTO schema_migration (version, name, checksum) VALUES (%s, %s, %s)",
        [migration.version, migration.name, migration.checksum],
    )
