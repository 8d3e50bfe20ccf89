"""A real worker that is told to stop while somebody outside does not answer."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from infra.config.settings import read_settings
from infra.engine.accounts import ensure_accounts
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey, BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.sweeper.stuck_work import Sweeper
from workers.wiring import LANES
from workers.worker import drain

DEADLINE_S = 60.0
SETTINGS = """
[workers]
drain_s = 0.1

[[locations]]
name = "east"
endpoint = "http://127.0.0.1:{port}"
credentials = {{ secret = "env:TOKEN" }}
sender = {{ contact = "仓库", phone = "1", province = "浙江省", city = "杭州市", district = "西湖区", detail = "1" }}
"""
KEY = BellKey("warehouse", "p1", "warehouse/east", alone=True)


@pytest.fixture
def hung():
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        yield server


@pytest.fixture
def environ(tmp_path, database_url, redis_url, hung):
    (tmp_path / "orderlane.toml").write_text(SETTINGS.format(port=hung.getsockname()[1]))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")},
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
        "TOKEN": "for-tests",
    }


def test_a_call_that_outlasts_the_drain_counts_neither_an_attempt_nor_a_crash(environ, hung, database, redis_url):
    settings = read_settings(environ=environ)
    with database.transaction() as tx:
        ensure_accounts(tx, settings)
        tx.execute("UPDATE work SET is_suspect = true")
    client = connect_redis(redis_url.reveal())
    bells = BrokerBells(make_broker(client, LANES))
    bells.ring([KEY])
    process = subprocess.Popen([sys.executable, "-m", "workers.worker"], env=environ)
    try:
        connection, _ = hung.accept()
        with connection:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
    Sweeper(database, bells, SystemClock(), crashes_max=1).free_crashed()
    client.close()
    with database.connection() as connection:
        flights = connection.execute("SELECT count(*) FROM flight").fetchone()
        work = connection.execute("SELECT attempts, crashes, lease_token, causes FROM work").fetchall()
    assert (flights, work) == ((0,), [(0, 0, None, [])])


@dataclass
class Clock:
    at: float = 100.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Thread:
    """Works on until a moment of the clock, asked to stop or not."""

    clock: Clock
    ends_at: float
    is_asked: bool = False
    is_over: bool = False
    closed_at: float = 0.0

    def close(self) -> None:
        self.closed_at = self.clock.at

    def stop(self) -> None:
        self.is_asked = True

    def join(self, timeout):
        self.clock.at = min(self.clock.at + timeout, max(self.clock.at, self.ends_at))
        self.is_over = self.clock.at >= self.ends_at


@dataclass
class Threads:
    workers: list[Thread]
    consumers: dict[str, Thread] = field(default_factory=dict)
    stopped: list[int] = field(default_factory=list)

    def stop(self, timeout):
        assert all(thread.is_asked for thread in self.workers)
        self.stopped.append(timeout)


def test_every_thread_has_the_whole_drain_to_end_in():
    clock = Clock()
    worker = Threads([Thread(clock, 100.0 + seconds) for seconds in (10, 12, 14, 29, 31)])
    drain(worker, 30.0, clock)
    assert [thread.is_over for thread in worker.workers] == [True, True, True, True, False]
    assert clock.at == 130.0
    assert worker.stopped == [2000]


def test_nothing_is_fetched_while_threads_still_work():
    clock = Clock()
    fetching, at_work = Thread(clock, 101.0), Thread(clock, 130.0)
    drain(Threads([at_work], {"bells": fetching}), 30.0, clock)
    assert fetching.closed_at == 101.0
    assert at_work.is_over
