"""Celery on Redis: acknowledged after the run like the others, and with its own priorities."""

import time
import warnings
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning

from benchmarks.broker.systems import QUEUE, SAMPLED, Errands, System, connect_redis

_STEPS = (0, 9)  # kombu's lists, most urgent first


class CeleryEnd:
    """With one thread the pool is solo, the quickest for messages that do nothing; else it is one of threads."""

    def __init__(self, system: System, url: str) -> None:
        self.system = system
        self.redis = connect_redis(url)
        # kombu's spelling of a unix socket and its database.
        url = url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
        self._app = Celery("bench", broker=url)
        self._app.conf.update(
            task_ignore_result=True,
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=system.prefetch,
            worker_disable_rate_limits=True,
            worker_send_task_events=False,
            worker_hijack_root_logger=False,
            task_default_queue=QUEUE,
            broker_transport_options={"priority_steps": list(_STEPS), "queue_order_strategy": "priority"},
            broker_connection_retry_on_startup=True,
            worker_cancel_long_running_tasks_on_connection_loss=False,
        )

        errands = Errands(self.redis)
        for name, errand in {"nothing": errands.nothing, "nap": errands.nap, "urgent": errands.urgent}.items():
            self._app.task(errand, name=name, shared=False)
        self._app.finalize()

    def bulk(self, count: int) -> list[tuple[str, tuple[float, ...]]]:
        return [("nothing", ())] * count

    def naps(self, count: int, seconds: float) -> list[tuple[str, tuple[float, ...]]]:
        now = time.time()
        return [("nap", (seconds, 0 if number % SAMPLED else now)) for number in range(count)]

    def enqueue(self, messages: Sequence[Any]) -> None:
        """One by one: Celery has no batch."""
        with self._app.producer_or_acquire() as producer:
            for name, args in messages:
                self._app.send_task(name, args, priority=_STEPS[-1], ignore_result=True, producer=producer)

    def send_urgent(self) -> None:
        self._app.send_task("urgent", (time.time(),), priority=_STEPS[0], ignore_result=True)

    def join(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        lists = [QUEUE, *(f"{QUEUE}\x06\x16{step}" for step in _STEPS)]
        while self.redis.hlen("unacked") or any(self.redis.llen(name) for name in lists):
            if time.monotonic() > deadline:
                raise TimeoutError("celery: messages did not run in time")
            time.sleep(0.005)

    def work(self) -> None:
        warnings.simplefilter("ignore", SecurityWarning)  # a benchmark may be run by root
        worker = self._app.Worker(
            pool="solo" if self.system.threads == 1 else "threads",
            concurrency=self.system.threads,
            loglevel="CRITICAL",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()
