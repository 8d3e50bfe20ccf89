"""One worker process: ``python -m workers.worker [--lanes p0,p1,bulk]``."""

import signal
import threading
from types import FrameType

import click
from dramatiq import Worker

from infra.log import configure, get_logger
from infra.settings import read_settings
from workers.parent import is_orphaned
from workers.wiring import QUEUES, wired_worker

# How long an idle consumer of Dramatiq's Redis broker sleeps between two looks at its queue.
IDLE_SLEEP_MS = 50
RENEW_EVERY_S = 1.0
DRAIN_S = 30.0

log = get_logger(__name__)


@click.command()
@click.option("--lanes", default=",".join(QUEUES), show_default=True, help="Lanes this process serves.")
def main(lanes: str) -> None:
    """Serve bells until SIGTERM, then finish what is under way."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with wired_worker(settings) as runtime:
        worker = Worker(
            runtime.broker,
            queues=set(lanes.split(",")),
            worker_threads=settings.workers.threads,
            worker_timeout=IDLE_SLEEP_MS,
        )
        worker.start()
        log.info("worker_started", worker=runtime.presence.worker, lanes=lanes)
        while not stopping.wait(RENEW_EVERY_S) and not is_orphaned():
            try:
                runtime.presence.renew()
            except Exception:
                log.exception("presence_lost")
        worker.stop(timeout=int(DRAIN_S * 1000))
        log.info("worker_stopped", worker=runtime.presence.worker)


if __name__ == "__main__":
    main()
