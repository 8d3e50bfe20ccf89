"""The private Postgres."""

import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.errors import Misconfigured
from infra.config.secret import Secret
from infra.servers.os_account import OsAccount
from infra.servers.process import ServerProcess, end_leftovers
from infra.servers.programs import POSTGRES_MAJOR

DATABASE = "orderlane"
_SUPERUSER = "orderlane"

# For two cores and short statements.
_CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Compiling a statement, or running it in parallel, costs more than our statements take.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # Hot rows are rewritten at every step: dead versions must go within seconds, not a minute.
    "autovacuum_naptime": "5s",
    "autovacuum_vacuum_cost_delay": "0",
    "track_io_timing": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failing statement and its detail can quote personal data; the application reports its own errors.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """A server over the cluster in `folder`, reached by a socket in `sockets`. `fsync` off is for tests only."""

    name = "postgres"

    def __init__(
        self, folder: Path, sockets: Path, log: Path, account: OsAccount, programs: Path, *, fsync: bool
    ) -> None:
        self._cluster = folder / "cluster"
        self._sockets = sockets
        self._account = account
        self._programs = programs
        self._fsync = fsync
        self._process = ServerProcess(self.name, self._cluster, log, account)

    @property
    def url(self) -> Secret:
        return Secret(self._conninfo(DATABASE))

    def start(self) -> None:
        """Create the database cluster if there is none, end leftovers, start, wait until it answers.

        Raises Misconfigured with the end of the server's own words.
        """
        self._initialize()
        if end_leftovers(self._cluster, {"postgres"}, signal.SIGINT):
            # Else Postgres may take any process that inherited the recorded pid for its predecessor.
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        configuration = _CONFIGURATION | ({} if self._fsync else _UNSAFE_BUT_FAST)
        configuration["unix_socket_directories"] = str(self._sockets)
        options = [word for key, value in configuration.items() for word in ("-c", f"{key}={value}")]
        self._process.start(
            [str(self._programs / "postgres"), "-D", str(self._cluster), *options],
            end_signal=signal.SIGINT,
            is_ready=lambda: self._answers("postgres"),
        )
        self._create_database()

    def stop(self) -> None:
        """Fast shutdown: roll back what is open, write a checkpoint; if that hangs, leave it to recovery."""
        self._process.stop(signal.SIGINT, signal.SIGQUIT)

    def is_up(self) -> bool:
        return self._process.is_running and self._answers(DATABASE)

    def _initialize(self) -> None:
        version = self._cluster / "PG_VERSION"
        if version.exists():
            major = version.read_text().strip()
            if major != str(POSTGRES_MAJOR):
                advice = "dump it with that version and restore it into an empty data folder"
                raise Misconfigured("postgres_version", f"{self._cluster} was written by PostgreSQL {major}: {advice}")
            return
        unfinished = self._cluster.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [
            *(str(self._programs / "initdb"), "-D", str(unfinished), "-U", _SUPERUSER, "--no-instructions"),
            # The socket's folder lets in nobody but the owner, and root must come in beside the service user.
            *("--auth=trust", "--encoding=UTF8", "--locale=C"),
            *(() if self._fsync else ("--no-sync",)),
        ]
        done = self._account.run(command)
        if done.returncode != 0:
            raise Misconfigured("postgres_not_initialized", f"initdb failed:\n{done.stdout.strip()}")
        unfinished.rename(self._cluster)

    def _create_database(self) -> None:
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _answers(self, database: str) -> bool:
        try:
            psycopg.connect(self._conninfo(database), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _conninfo(self, database: str) -> str:
        return make_conninfo(host=str(self._sockets), dbname=database, user=_SUPERUSER)
