"""A worker of the plain Celery chain: ``python -m benchmarks.peers.celery_chain POOL CONCURRENCY``.

Settings as measured best: Redis as broker, no results, early acknowledgement (one round trip less; late would be
safer), prefetch of `PREFETCH` a slot, no events, gossip, mingle or heartbeats, JSON.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from benchmarks.peers.plain import Chain, plain_chain
from benchmarks.start_line import wait_for_start
from domain.order import Lane
from infra.config.settings import Settings, read_settings
from infra.engine.results import NewWork
from infra.process.steps import STEPS
from workers.gc_tuning import tune_collector
from workers.wiring import database

PREFETCH = 16
RETRIES_MAX = 8


def connect(redis_url: str) -> Celery:
    # kombu's spelling of a unix socket and its database.
    url = redis_url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    app = Celery("orders", broker=url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=False,
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=PREFETCH,
        worker_disable_rate_limits=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        task_serializer="json",
        task_default_queue="orders",
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


def send(app: Celery, tasks: Sequence[NewWork]) -> None:
    """One message for each task; what comes later waits in a worker's memory, as Celery has it."""
    for task in tasks:
        arguments = (task.subject_id, str(task.lane), task.account)
        app.send_task(str(task.step), arguments, countdown=task.after_s or None, ignore_result=True)


class Processes:
    """Wires the chain in each process that runs tasks: children of the pool, or the worker itself for threads."""

    def __init__(self, app: Celery, settings: Settings, threads: int) -> None:
        self._app, self._settings, self._threads = app, settings, threads
        self._stack = ExitStack()
        self._chain: Chain | None = None

    def enter(self, **_: object) -> None:
        db = self._stack.enter_context(database(self._settings, self._threads + 4))
        sender = partial(send, self._app)
        self._chain = self._stack.enter_context(plain_chain(self._settings, db, sender))
        tune_collector()

    def leave(self, **_: object) -> None:
        self._stack.close()

    def run(self, step: str, subject_id: int, lane: str, account: str) -> None:
        if self._chain is None:
            self.enter()
        assert self._chain is not None
        self._chain.run(step, Lane(lane), account, [subject_id])


def main(pool: str, concurrency: int) -> None:
    """Serve until SIGTERM."""
    settings = read_settings()
    app = connect(settings.stores.redis_url.reveal())
    processes = Processes(app, settings, concurrency if pool == "threads" else 1)
    for step in STEPS:

        def answer(subject_id: int, lane: str, account: str, step: str = step) -> None:
            processes.run(step, subject_id, lane, account)

        retry = {"autoretry_for": (Exception,), "max_retries": RETRIES_MAX, "retry_backoff": 2}
        app.task(answer, name=str(step), **retry)
    app.finalize()
    if pool == "threads":
        processes.enter()
    else:
        worker_process_init.connect(processes.enter)
        worker_process_shutdown.connect(processes.leave)
    with database(settings, 1) as db:
        wait_for_start(db)
    worker = app.Worker(
        pool=pool,
        concurrency=concurrency,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    processes.leave()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
