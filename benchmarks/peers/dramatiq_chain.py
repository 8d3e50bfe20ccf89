"""A worker process of the plain Dramatiq chain: ``python -m benchmarks.peers.dramatiq_chain THREADS``.

Dramatiq's own Redis broker with its default middleware but for results nobody reads; prefetch and idle sleep as
measured best (`PREFETCH`, `IDLE_SLEEP_MS`).
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from benchmarks.peers.plain import plain_chain
from benchmarks.start_line import wait_for_start
from domain.order import Lane
from infra.config.settings import read_settings
from infra.engine.results import NewWork
from workers.gc_tuning import tune_collector
from workers.wiring import database

PREFETCH = 64
IDLE_SLEEP_MS = 20
# Dramatiq reads it when it is imported.
os.environ["dramatiq_queue_prefetch"] = str(PREFETCH)  # noqa: SIM112 - Dramatiq's own spelling

import dramatiq  # noqa: E402 - after the setting above
from dramatiq import Actor, Worker  # noqa: E402 - after the setting above
from dramatiq.brokers.redis import RedisBroker  # noqa: E402 - after the setting above

QUEUE = "orders"
RETRIES_MAX = 8


def connect(redis_url: str) -> RedisBroker:
    broker = RedisBroker(url=redis_url)  # type: ignore[no-untyped-call] # Dramatiq leaves its constructor untyped
    broker.declare_queue(QUEUE)
    dramatiq.set_broker(broker)
    return broker


def send(broker: RedisBroker, tasks: Sequence[NewWork]) -> None:
    """One message for each task, as Dramatiq sends them: one round trip each."""
    for task in tasks:
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=QUEUE,
            actor_name=task.step,
            args=(task.subject_id, task.lane, task.account),
            kwargs={},
            options={},
        )
        broker.enqueue(message, delay=int(task.after_s * 1000) or None)


def main(threads: int) -> None:
    """Serve until SIGTERM."""
    settings = read_settings()
    broker = connect(settings.stores.redis_url.reveal())
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    with (
        database(settings, threads + 4) as db,
        plain_chain(settings, db, lambda tasks: send(broker, tasks)) as chain,
    ):
        for step in (*chain.inner, *chain.outer):

            def answer(subject_id: int, lane: str, account: str, step: str = step) -> None:
                chain.run(step, Lane(lane), account, [subject_id])

            options = {"max_retries": RETRIES_MAX, "min_backoff": 2000}
            Actor(answer, broker=broker, actor_name=step, queue_name=QUEUE, priority=0, options=options)
        worker = Worker(broker, worker_threads=threads, worker_timeout=IDLE_SLEEP_MS)
        tune_collector()
        wait_for_start(db)
        worker.start()
        stopping.wait()
        worker.stop(timeout=10_000)


if __name__ == "__main__":
    main(int(sys.argv[1]))
