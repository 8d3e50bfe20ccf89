"""Real stores for every test: one private instance for the whole run, a fresh database for each test that asks."""

import fcntl
import ipaddress
import logging
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import structlog
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

import actors  # noqa: F401 - says where the map of steps comes from
from infra.config.secret import Secret
from infra.config.settings import Settings, Stores
from infra.servers import Connection, open_stores
from infra.tables.migrate import migrate
from infra.tables.pool import Database

TEMPLATE = "template_migrated"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
REDIS_DATABASES = 16
MEMORY_NEEDED_BYTES = 4 * 1024**3


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ORDERLANE_SKIPS_FAIL set, a skipped test has failed."""
    report = yield
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    if is_skip and os.environ.get("ORDERLANE_SKIPS_FAIL"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True, scope="session")
def _only_this_machine() -> Iterator[None]:
    """A test that reaches out fails: everything outside has a stand-in on the loopback."""
    plain = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}

    def guarded(name: str):
        def connect(self: socket.socket, address):
            if self.family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(address[0]):
                raise AssertionError(f"a test reached out to {address[0]}")
            return plain[name](self, address)

        return connect

    with pytest.MonkeyPatch.context() as patch:
        for name in plain:
            patch.setattr(socket.socket, name, guarded(name))
        yield


@pytest.fixture(autouse=True)
def _fresh_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command under test configures the logs of its process; the next test must not inherit that.

    A logger that was cached would never be captured again, so none is.
    """
    plain = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **given: plain(**given | {"cache_logger_on_first_use": False}))
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = [handler for handler in root.handlers if handler in handlers]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if WORKER else own


@pytest.fixture(scope="session")
def stores_base() -> Path:
    """Where stores of tests lie: in memory where there is plenty, because cloning a database there takes a tenth.

    Not below pytest's own folder, which only we may enter: the servers may run as another user.
    """
    memory = Path("/dev/shm")  # noqa: S108 - folders made there have names nobody can guess
    if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_NEEDED_BYTES:
        return memory
    return Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def stores(run_folder: Path, stores_base: Path) -> Iterator[Connection]:
    """One instance for all workers: the first to come runs it until the last has gone."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    home = stores_base / f"orderlane-tests-{run}"
    settings = Settings(stores=Stores(data_dir=str(home), fsync=False))
    with locked(run_folder / "stores.users", fcntl.LOCK_SH) as users:
        with open_stores(settings) as connection:
            yield connection
            fcntl.flock(users, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_EX)
        if home.exists() and not (home / "instance.json").exists():
            shutil.rmtree(home)


@pytest.fixture(scope="session")
def template_database(stores: Connection, run_folder: Path) -> str:
    """A database with the whole schema, to be cloned."""
    server = stores.database_url.reveal()
    with locked(run_folder / "template", fcntl.LOCK_EX), psycopg.connect(server, autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            admin.execute("CREATE DATABASE unfinished")
            with psycopg.connect(make_conninfo(server, dbname="unfinished"), autocommit=True) as connection:
                migrate(connection)
            admin.execute(sql.SQL("ALTER DATABASE unfinished RENAME TO {}").format(sql.Identifier(TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def database_url(stores: Connection, template_database: str) -> Iterator[Secret]:
    """A fresh database with the whole schema, gone after the test."""
    server = stores.database_url.reveal()
    name = f"test_{uuid.uuid4().hex[:16]}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(clone.format(sql.Identifier(name), sql.Identifier(template_database)))
        yield Secret(make_conninfo(server, dbname=name))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(database_url: Secret) -> Iterator[Database]:
    with Database(database_url.reveal(), max_connections=8) as database:
        yield database


@pytest.fixture
def redis_url(stores: Connection) -> Secret:
    """An empty logical database of this worker's own."""
    number = int(WORKER.removeprefix("gw") or 0) % REDIS_DATABASES
    url = stores.redis_url.reveal().replace("db=0", f"db={number}")
    with Redis.from_url(url) as client:
        client.flushdb()
    return Secret(url)


@pytest.fixture
def redis(redis_url: Secret) -> Iterator[Redis]:
    with Redis.from_url(redis_url.reveal()) as client:
        yield client


def is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback


@contextmanager
def locked(file: Path, kind: int) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)
