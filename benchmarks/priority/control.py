"""The control: the same engine, its bells on Dramatiq's Redis broker with a queue for each lane.

``python -m benchmarks.priority.control worker POOL`` and ``... sweeper``. Tuned as well as that broker can be:
short sleeps of idle consumers, quick redelivery, a marker in Redis instead of a second bell for the same key.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from dramatiq import Actor, Message, Worker
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from adapters import registry
from adapters.http_client import HttpClient
from infra.accounts.process_gates import gates_of
from infra.config.settings import Settings, read_settings
from infra.config.worker_settings import WorkerPool
from infra.engine.event_loop import EventLoopThread
from infra.engine.gated_runner import GatedRunner
from infra.engine.worker_lock import Presence
from infra.process.clock import SystemClock
from infra.queue.broker import connect_redis
from infra.queue.keys import BellKey
from infra.sweeper.stuck_work import Sweeper
from workers.gc_tuning import tune_collector
from workers.guards import guarded
from workers.wiring import LANES, connect, database, make_runners

MARKER = "control:bell:"
_MARKER_TTL_MS = 5_000
_IDLE_SLEEP_MS = 50
_HEARTBEAT_TIMEOUT_MS = 10_000
_MAINTENANCE_CHANCE = 100_000


@dataclass(frozen=True, slots=True)
class LaneBells:
    """One message for each key that has none waiting: the queue is the lane, the actor is the step."""

    broker: RedisBroker
    redis: Redis

    def ring(self, keys: Iterable[BellKey]) -> None:
        wanted = sorted(set(keys))
        if not wanted:
            return
        with self.redis.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.set(_marker(key), b"1", nx=True, px=_MARKER_TTL_MS)
            unrung = [key for key, is_new in zip(wanted, pipe.execute(), strict=True) if is_new]
        for key in unrung:
            arguments = (key.lane, key.account, key.alone)
            self.broker.enqueue(
                Message(queue_name=key.lane, actor_name=key.step, args=arguments, kwargs={}, options={})
            )

    def hush(self, key: BellKey) -> None:
        """Before claiming: what commits from here on rings again."""
        self.redis.delete(_marker(key))


@contextmanager
def lane_bells(settings: Settings) -> Iterator[LaneBells]:
    """Bells on a broker of this process's own."""
    client = connect_redis(settings.stores.redis_url.reveal())
    broker = RedisBroker(  # type: ignore[no-untyped-call] # Dramatiq leaves its constructor untyped
        client=client,
        middleware=[],
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE_CHANCE,
    )
    for lane in LANES:
        broker.declare_queue(lane)
    try:
        yield LaneBells(broker, client)
    finally:
        client.close()


def work(settings: Settings, pool: WorkerPool, stopping: threading.Event) -> None:
    """A worker process as the engine's own, but for its broker."""
    os.nice(pool.nice)
    with ExitStack() as stack:
        db = stack.enter_context(database(settings, 2 * pool.threads + 4))
        presence = Presence(db)
        stack.callback(presence.close)
        bells = stack.enter_context(lane_bells(settings))
        event_loop = stack.enter_context(EventLoopThread())
        http = HttpClient(settings.door, registry.hosts(settings), SystemClock())
        event_loop.run(http.open())
        stack.callback(lambda: event_loop.run(http.close()))
        gates = stack.enter_context(gates_of(settings, db, bells))
        tools = guarded(connect(settings, db, bells, http), gates)
        for step, runner in make_runners(tools, event_loop, presence.worker).items():
            _declare(bells, step, GatedRunner(runner, gates))
        worker = Worker(
            bells.broker,
            queues=set(pool.lanes),
            worker_threads=pool.threads,
            worker_timeout=_IDLE_SLEEP_MS,
        )
        worker.queue_prefetch = pool.threads
        tune_collector()
        worker.start()
        stopping.wait()
        worker.stop(timeout=10_000)


def sweep(settings: Settings, stopping: threading.Event) -> None:
    """Ring for everything due, as often as the engine's sweeper does."""
    with database(settings, 2) as db, lane_bells(settings) as bells:
        sweeper = Sweeper(db, bells, SystemClock(), settings.engine.crashes_max)
        while not stopping.wait(settings.engine.sweep_every_s):
            sweeper.sweep()


def _declare(bells: LaneBells, step: str, runner: GatedRunner) -> None:
    def answer(lane: str, account: str, alone: bool) -> None:  # noqa: FBT001 - a message has positions, not names
        key = BellKey(step, lane, account, alone)
        bells.hush(key)
        runner.run(key)

    options = {"max_retries": 0}
    Actor(answer, broker=bells.broker, actor_name=step, queue_name=LANES[-1], priority=0, options=options)


def _marker(key: BellKey) -> str:
    return f"{MARKER}{key.step}:{key.lane}:{key.account}:{int(key.alone)}"


def main(role: str, pool: str = "") -> None:
    settings = read_settings()
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    if role == "worker":
        work(settings, settings.workers.pool(pool), stopping)
    else:
        sweep(settings, stopping)


if __name__ == "__main__":
    main(*sys.argv[1:])
