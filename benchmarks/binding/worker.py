"""A worker of the comparison: ``python -m benchmarks.binding.worker WAY ORDERS ACCOUNTS CALL_S REPORT``.

Waits at the start line, serves until SIGTERM, then writes what it has done.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import msgspec
from dramatiq import Actor, Worker

from benchmarks.binding.bells import IDLE_SLEEP_MS
from benchmarks.binding.course import LANE, STEPS, Course, Way
from benchmarks.binding.wiring import THREADS, wired
from benchmarks.start_line import wait_for_start
from workers.parent import is_orphaned

_PARENT_CHECK_S = 1.0


class Use(msgspec.Struct):
    """What one process did. `batches` moved at least one order, `idle` messages moved none."""

    sent: int = 0
    batches: int = 0
    idle: int = 0
    moved: int = 0
    statements: int = 0
    transactions: int = 0


def main(name: str, orders: str, accounts: str, call_s: str, report: str) -> None:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    use = Use()
    urls = os.environ["ORDERLANE_DATABASE_URL"], os.environ["ORDERLANE_REDIS_URL"]
    course = Course(int(orders), int(accounts), float(call_s))
    with wired(name, course, *urls) as end:
        for step in STEPS:
            Actor(
                _answerer(end.way, step, course, use),
                broker=end.broker,
                actor_name=step,
                queue_name=LANE,
                priority=0,
                options={},
            )
        worker = Worker(end.broker, worker_threads=THREADS, worker_timeout=IDLE_SLEEP_MS)
        wait_for_start(end.db)
        before = end.db.counts.statements, end.db.counts.commits
        worker.start()
        while not stopping.wait(_PARENT_CHECK_S) and not is_orphaned():
            pass
        worker.stop()
        use.sent = end.sent.count
        use.statements = end.db.counts.statements - before[0]
        use.transactions = end.db.counts.commits - before[1]
    Path(report).write_bytes(msgspec.json.encode(use))


def _answerer(way: Way, step: str, course: Course, use: Use) -> Callable[..., None]:
    lock = threading.Lock()

    def answer(*said: object) -> None:
        moved = way.handle(step, *said)
        with lock:
            use.moved += moved
            use.batches += bool(moved)
            use.idle += not moved
        if moved and step == STEPS[-1]:
            time.sleep(course.call_s)

    return answer


if __name__ == "__main__":
    main(*sys.argv[1:])
