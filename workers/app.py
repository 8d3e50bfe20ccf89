"""All steps under Dramatiq's own command: ``dramatiq workers.app -p 2 -t 4``.

Serves every lane and every step on the configured stores, for those whose deployment starts Dramatiq everywhere.
``orderlane run`` and ``python -m workers.worker`` are preferred: they know pools, keep p0 apart, follow the load, and
end when their parent does. The sweeper (``python -m workers.sweeper``) is needed beside either.

Importing this module opens the stores, so only Dramatiq's command may import it.
"""

import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType

import dramatiq
from dramatiq import Middleware, Worker

from domain.errors import Misconfigured
from infra.config.settings import Settings, read_settings
from infra.config.worker_settings import WorkerPool
from infra.engine.worker_lock import Presence
from infra.queue.priority import Unfit
from infra.telemetry.log import configure, get_logger
from infra.telemetry.uncaught import log_uncaught
from workers.ending import run_process
from workers.gc_tuning import tune_collector
from workers.starting import await_schema
from workers.wiring import Runtime, wired_worker

# The pool name of these processes in lists of workers.
POOL_NAME = "dramatiq"
RENEW_EVERY_S = 1.0

log = get_logger(__name__)


class WorkerLife(Middleware):
    """Additions to Dramatiq's own worker process: presence, and a drain without new calls."""

    def __init__(self, presence: Presence, draining: threading.Event, ending: ExitStack) -> None:
        self._presence = presence
        self._draining = draining
        self._ending = ending

    def before_worker_boot(self, _broker: dramatiq.Broker, worker: Worker) -> None:
        """Messages are not fetched early, because a bell that is fetched but not begun would stop a new bell for the
        same work.
        """
        worker.queue_prefetch = worker.worker_threads

    def after_worker_boot(self, _broker: dramatiq.Broker, _worker: Worker) -> None:
        threading.Thread(target=self._renew, name="presence", daemon=True).start()
        tune_collector()
        log.info("worker_started", worker=self._presence.worker, pool=POOL_NAME)

    def before_worker_shutdown(self, _broker: dramatiq.Broker, _worker: Worker) -> None:
        """From here on no call to the outside begins; running calls end within Dramatiq's own time limit."""
        self._draining.set()

    def after_worker_shutdown(self, _broker: dramatiq.Broker, _worker: Worker) -> None:
        """Hand back work that was not begun, and close the stores."""
        log.info("worker_stopped", worker=self._presence.worker)
        self._ending.close()

    def _renew(self) -> None:
        while not self._draining.wait(RENEW_EVERY_S):
            try:
                self._presence.renew()
            except Exception:
                log.exception("presence_lost")


def wait_for_schema(settings: Settings) -> None:
    """Wait as `await_schema` does, and end the process when it is told to stop meanwhile."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    # Dramatiq's own handler is only looked at once the worker has started.
    before = signal.signal(signal.SIGTERM, stop)
    try:
        if not await_schema(settings, stopping):
            sys.exit(0)
    finally:
        signal.signal(signal.SIGTERM, before)


def open_runtime() -> Runtime:
    """Wire this process as Dramatiq's command line asks for it; its broker becomes Dramatiq's global one."""
    from dramatiq.cli import make_argument_parser  # noqa: PLC0415 - whether it is imported says who imports us

    parser = make_argument_parser()  # type: ignore[no-untyped-call]  # Dramatiq publishes no type for it
    threads: int = parser.parse_args().threads
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    log_uncaught()
    wait_for_schema(settings)
    draining, ending = threading.Event(), ExitStack()
    pool = WorkerPool(name=POOL_NAME, groups=tuple(settings.workers.step_groups()), threads=threads)
    try:
        runtime = ending.enter_context(wired_worker(settings, pool, is_draining=draining.is_set))
    except Unfit as error:
        raise Misconfigured("redis_unfit", str(error)) from error
    runtime.broker.add_middleware(WorkerLife(runtime.presence, draining, ending))
    return runtime


if "dramatiq.cli" not in sys.modules:
    sys.exit(
        "orderlane: workers.app is for `dramatiq workers.app`; see docs/how-to/scaling.md for the other ways to start"
    )
opened: list[Runtime] = []
run_process(lambda: opened.append(open_runtime()))
broker = opened[0].broker
