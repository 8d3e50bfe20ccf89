"""One worker process: ``python -m workers.worker [--lanes p0,p1,bulk]``."""

import signal
import threading
from types import FrameType

import click
from dramatiq import Worker

from infra.log import configure, get_logger
from infra.settings import read_settings
from workers.parent import is_orphaned
from workers.wiring import LANES, wired_worker

RENEW_EVERY_S = 1.0
DRAIN_S = 30.0

log = get_logger(__name__)


def _known_lanes(_ctx: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    lanes = tuple(value.split(","))
    if unknown := sorted(set(lanes) - set(LANES)):
        raise click.BadParameter(f"{', '.join(unknown)} is none of {', '.join(LANES)}")
    return lanes


@click.command()
@click.option(
    "--lanes",
    default=",".join(LANES),
    show_default=True,
    callback=_known_lanes,
    help="Lanes this process serves, and nothing else.",
)
def main(lanes: tuple[str, ...]) -> None:
    """Serve bells until SIGTERM, then finish what is under way."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with wired_worker(settings, lanes) as runtime:
        worker = Worker(runtime.broker, worker_threads=settings.workers.threads)
        # A bell that is fetched and not begun is no reason not to ring again, so none is fetched early.
        worker.queue_prefetch = settings.workers.threads
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
