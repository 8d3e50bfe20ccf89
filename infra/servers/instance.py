"""One private instance for each data folder: who owns it, how others find it, when it ends.

The owner holds a lock on ``instance.lock`` as long as it runs; the kernel releases the lock with the process, so a
killed owner never blocks the next one. ``instance.json`` tells others where a ready instance listens.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import msgspec
import psycopg

from domain.errors import Misconfigured
from infra.config import settings as configuration
from infra.config.secret import Secret
from infra.config.settings import Settings
from infra.servers.os_account import OsAccount, service_account
from infra.servers.ping import pings
from infra.servers.postgres import Postgres
from infra.servers.programs import postgres_folder, redis_program
from infra.servers.redis import Redis

_ATTACH_DEADLINE_S = 60.0
_POLL_S = 0.05
_SOCKETS_PREFIX = "orderlane-"
# A socket's path ends at 107 bytes (sun_path); the longest name in the folder is .s.PGSQL.5432.
_SOCKETS_PATH_MAX = 107 - len("/.s.PGSQL.5432")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the stores are; `embedded` when at least one of them is private to a data folder."""

    database_url: Secret
    redis_url: Secret
    embedded: bool


class Server(Protocol):
    """What the owner needs of a store's server. `start` and `stop` may be called again after each other."""

    name: str

    @property
    def url(self) -> Secret: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_up(self) -> bool: ...


class _Instance(msgspec.Struct, frozen=True):
    """Content of ``instance.json``. While the servers start, only `sockets` is known."""

    owner_pid: int
    sockets: str
    urls: dict[str, str] = {}


class EmbeddedStores:
    """The owner of a data folder's servers. Start it in the main thread: they end with the starting thread.

    A store whose URL is configured is left alone.
    """

    def __init__(self, settings: Settings, folder: Path | None = None) -> None:
        self._settings = settings.stores
        self._home = (folder or configuration.data_dir(settings)).resolve()
        self._servers: dict[str, Server] = {}
        self._sockets: Path | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def connection(self) -> Connection:
        return _connection(self._settings, {name: server.url.reveal() for name, server in self._servers.items()})

    def start(self) -> Connection:
        """Start what is not configured and wait until it answers.

        Raises Misconfigured: ``instance_running`` when another process owns the data folder, else
        what keeps a server from starting.
        """
        account = service_account(self._settings.service_user)
        _make_home(self._home, account)
        self._lock = _locked(self._home)
        if self._lock is None:
            raise Misconfigured("instance_running", f"another process runs the stores of {self._home}")
        try:
            self._remove_leftovers()
            self._sockets = _sockets_folder(account)
            self._publish()
            self._servers = {server.name: server for server in self._embedded(account, self._sockets)}
            for server in self._servers.values():
                server.start()
            self._publish()
        except BaseException:
            self.stop()
            raise
        return self.connection

    def stop(self) -> None:
        """Stop the servers, last started first, and release the data folder."""
        if self._lock is None:
            return
        for server in reversed(self._servers.values()):
            server.stop()
        self._servers = {}
        self._remove_leftovers()
        os.close(self._lock)
        self._lock = None

    def check(self) -> tuple[str, ...]:
        """Names of the servers that are down: gone, or not answering within two seconds."""
        return tuple(name for name, server in self._servers.items() if not server.is_up())

    def restart(self, name: str) -> None:
        """Bring back a server that is down, at the same address."""
        self._servers[name].stop()
        self._servers[name].start()

    def _embedded(self, account: OsAccount, sockets: Path) -> Iterator[Server]:
        logs = self._home / "log"
        logs.mkdir(mode=0o700, exist_ok=True)
        if not self._settings.database_url:
            account.own(folder := self._home / Postgres.name)
            programs = postgres_folder(account, self._home)
            log = logs / "postgres.log"
            yield Postgres(folder, sockets, log, account, programs, fsync=self._settings.fsync)
        if not self._settings.redis_url:
            account.own(folder := self._home / Redis.name)
            program = redis_program(account, self._home)
            yield Redis(folder, sockets, logs / "redis.log", account, program)

    def _publish(self) -> None:
        urls = {name: server.url.reveal() for name, server in self._servers.items()}
        unfinished = self._home / "instance.json.new"
        unfinished.write_bytes(msgspec.json.encode(_Instance(os.getpid(), str(self._sockets), urls)))
        unfinished.chmod(0o600)
        unfinished.replace(self._home / "instance.json")

    def _remove_leftovers(self) -> None:
        """Sockets and address of the instance that ended here, be it ours or a killed one's."""
        instance = _published(self._home)
        if instance is not None and Path(instance.sockets).name.startswith(_SOCKETS_PREFIX):
            shutil.rmtree(instance.sockets, ignore_errors=True)
        (self._home / "instance.json").unlink(missing_ok=True)
        self._sockets = None


@contextmanager
def open_stores(settings: Settings, folder: Path | None = None) -> Iterator[Connection]:
    """The stores to work with: configured ones as they are; else those of the data folder (`folder`
    outranks the settings), attached to where they run already, else started here and stopped at exit.

    Raises Misconfigured when a private store cannot be started or reached.
    """
    if settings.stores.database_url and settings.stores.redis_url:
        yield _connection(settings.stores, {})
        return
    stores = EmbeddedStores(settings, folder)
    connection = _start_or_attach(stores, settings, (folder or configuration.data_dir(settings)).resolve())
    try:
        yield connection
    finally:
        stores.stop()


def _start_or_attach(stores: EmbeddedStores, settings: Settings, home: Path) -> Connection:
    deadline = time.monotonic() + _ATTACH_DEADLINE_S
    while time.monotonic() < deadline:
        try:
            return stores.start()
        except Misconfigured as error:
            if error.code != "instance_running":
                raise
        instance = _published(home)
        if instance is not None and instance.urls:
            connection = _connection(settings.stores, instance.urls)
            if _answers(connection):
                return connection
        time.sleep(_POLL_S)
    raise Misconfigured("instance_silent", f"another process owns {home}, but its stores do not answer")


def _connection(stores: configuration.Stores, urls: dict[str, str]) -> Connection:
    """Configured URLs outrank private ones. Raises Misconfigured when a store is in neither."""
    try:
        return Connection(
            database_url=stores.database_url or Secret(urls[Postgres.name]),
            redis_url=stores.redis_url or Secret(urls[Redis.name]),
            embedded=not (stores.database_url and stores.redis_url),
        )
    except KeyError as missing:
        raise Misconfigured("instance_differs", f"the running instance has no {missing.args[0]}") from None


def _answers(connection: Connection) -> bool:
    try:
        psycopg.connect(connection.database_url.reveal(), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return pings(connection.redis_url.reveal())


def _make_home(home: Path, account: OsAccount) -> None:
    """The service user must be able to enter its own folders below, but not to list this one."""
    try:
        home.mkdir(mode=0o711 if account.is_other else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured("data_dir_unusable", f"cannot create {home}: {error.strerror}") from None
    if not account.can_enter(home):
        advice = "choose another data_dir, let it pass with chmod o+x, or name another service_user"
        raise Misconfigured("data_dir_unreachable", f"user {account.name!r} cannot reach {home}: {advice}")


def _locked(home: Path) -> int | None:
    """A descriptor that holds the instance's lock as long as it is open; None when another process has it."""
    try:
        lock = os.open(home / "instance.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured("data_dir_unusable", f"cannot use {home}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _published(home: Path) -> _Instance | None:
    try:
        return msgspec.json.decode((home / "instance.json").read_bytes(), type=_Instance)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _sockets_folder(account: OsAccount) -> Path:
    """A short folder of its own, for `account` alone.

    Not below /run/user, which goes away with the user's last login, nor in the data folder, whose
    path may be too long for a socket and whose file system may not carry one.
    """
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a private folder with a new name
        if len(os.fsencode(base)) + len("/orderlane-12345678") <= _SOCKETS_PATH_MAX and account.can_enter(Path(base)):
            folder = Path(tempfile.mkdtemp(prefix=_SOCKETS_PREFIX, dir=base))
            if account.is_other:
                os.chown(folder, account.uid, account.gid)
            return folder
    raise Misconfigured("sockets_unusable", f"user {account.name!r} cannot reach a folder for sockets")
