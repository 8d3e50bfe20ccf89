"""One worker process: ``python -m workers.worker [--pool NAME]``."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import click
from dramatiq import Worker

from domain.errors import Misconfigured
from infra.config.settings import Settings, read_settings
from infra.config.worker_settings import ALL_LANES_POOL, WorkerPool
from infra.engine.accounts import refuse_undecided
from infra.monitoring.alarm_events import note_uncaught
from infra.process.clock import SystemClock
from infra.queue.priority import Unfit
from infra.telemetry.log import configure, get_logger
from infra.telemetry.uncaught import log_uncaught
from workers.ending import run_process
from workers.gc_tuning import tune_collector
from workers.heartbeat import beat
from workers.parent import is_orphaned
from workers.starting import await_schema
from workers.wiring import wired_worker

RENEW_EVERY_S = 1.0
# For a thread that fetches: twice the longest that it waits for a bell.
_CONSUMERS_S = 2.0

log = get_logger(__name__)


@click.command()
@click.option("--pool", "name", default=ALL_LANES_POOL, show_default=True, help="The pool that this process is one of.")
def main(name: str) -> None:
    """Serve the bells of a pool's lanes and groups until SIGTERM, then finish what is under way."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    log_uncaught(note_uncaught(settings.stores.database_url, "worker"))
    try:
        pool = settings.workers.pool(name)
    except Misconfigured as error:
        raise click.BadParameter(str(error), param_hint="--pool") from None
    os.nice(pool.nice)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if not await_schema(settings, stopping):
        return
    try:
        serve(settings, pool, stopping)
    except Unfit as error:
        raise click.ClickException(str(error)) from None


def serve(settings: Settings, pool: WorkerPool, stopping: threading.Event) -> None:
    """Serve a pool until told to stop.

    Raises Unfit when the configured Redis cannot carry the queue, and Misconfigured ``take_over_missing`` for a new
    shop that does not say which of its orders are ours.
    """
    with wired_worker(settings, pool, is_draining=stopping.is_set) as runtime:
        with runtime.db.transaction() as tx:
            refuse_undecided(tx, settings, SystemClock().utcnow())
        worker = Worker(runtime.broker, queues=set(runtime.queues), worker_threads=pool.threads)
        # Bells are not fetched early, because a bell that is fetched but not begun would stop a new bell for the same
        # work.
        worker.queue_prefetch = pool.threads
        worker.start()
        tune_collector()
        log.info("worker_started", worker=runtime.presence.worker, pool=pool.name)
        while not stopping.wait(RENEW_EVERY_S) and not is_orphaned():
            beat()
            try:
                runtime.presence.renew()
            except Exception:
                log.exception("presence_lost")
        # Also when the parent process has ended: nothing new begins from here on.
        stopping.set()
        drain(worker, settings.workers.drain_s)
        log.info("worker_stopped", worker=runtime.presence.worker)


def drain(worker: Worker, drain_s: float, now: Callable[[], float] = time.monotonic) -> None:
    """Take up nothing more, and wait up to `drain_s` for what is under way.

    Who fetches goes first: bells that it took now would wait for threads that are gone. The broker renews what is in
    hand without it. The time-out of Dramatiq's own stop shrinks with every thread that it has waited for.
    """
    ends_at = now() + drain_s
    for thread in worker.workers:
        thread.stop()
    for consumer in worker.consumers.values():
        consumer.stop()
    for consumer in worker.consumers.values():
        consumer.join(_CONSUMERS_S)
        consumer.close()
    for thread in worker.workers:
        thread.join(max(0.0, ends_at - now()))
    worker.stop(timeout=int(_CONSUMERS_S * 1000))


if __name__ == "__main__":
    run_process(main)
