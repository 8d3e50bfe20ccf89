"""Worker processes of a system."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.broker.dramatiq_end import DramatiqEnd
from benchmarks.broker.systems import ALL, GO, PROCESSES, READY, End


def connect(name: str, url: str) -> End:
    system = ALL[name]
    if system.needs:
        from benchmarks.broker.celery_end import CeleryEnd  # noqa: PLC0415 - may not be installed

        return CeleryEnd(system, url)
    return DramatiqEnd(system, url)


@contextmanager
def workers(end: End, url: str) -> Iterator[list[int]]:
    """Worker processes that stand ready and begin when GO is given. Ended by force: no end is measured."""
    name = end.system.name
    environment = {**os.environ, "dramatiq_queue_prefetch": str(end.system.prefetch)}
    started = [
        subprocess.Popen([sys.executable, "-m", "benchmarks.broker.worker", name, url], env=environment)  # noqa: S603 - our own module
        for _ in range(PROCESSES)
    ]
    try:
        for _ in started:
            if end.redis.blpop([READY], timeout=60) is None:
                raise TimeoutError("a worker did not come up")
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def go(end: End) -> None:
    end.redis.rpush(GO, *range(PROCESSES))
