"""The sweeper process: ``python -m workers.sweeper``. Any number may run; one leads, the others wait."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from types import FrameType

import psycopg
import redis

from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Settings, read_settings
from infra.engine.worker_lock import take_lead
from infra.monitoring.alarm_events import note_uncaught
from infra.process.clock import SystemClock
from infra.queue.bells import BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import PriorityBroker
from infra.sweeper.paused_accounts import GateDuty
from infra.sweeper.schedule import DutyThread
from infra.sweeper.stuck_work import Sweeper
from infra.tables.locks import ask_session
from infra.tables.pool import Database
from infra.telemetry.log import configure, get_logger
from infra.telemetry.uncaught import log_uncaught
from ops.views.status import status
from workers.duties import DutyInputs, make_duties
from workers.duties import RunsIn as Thread
from workers.ending import run_process
from workers.guards import gatekeeper
from workers.heartbeat import beat
from workers.metrics import serving
from workers.parent import is_orphaned
from workers.starting import await_schema
from workers.wiring import LANES, database

ROUND = Thread.ROUND

log = get_logger(__name__)


def main() -> None:
    """Sweep until SIGTERM."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    log_uncaught(note_uncaught(settings.stores.database_url, "sweeper"))
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if not await_schema(settings, stopping):
        return
    client = connect_redis(settings.stores.redis_url.reveal())
    with database(settings, 7) as db, gatekeeper(settings, db) as gates, metrics_of(settings, db):
        queues = settings.workers.queues()
        broker = make_broker(client, LANES, queues=queues.values())
        sweeper = Sweeper(db, BrokerBells(broker, queues), SystemClock(), settings.engine.crashes_max, gates)
        log.info("sweeper_started")
        while not stopping.is_set() and not is_orphaned():
            beat()
            lead(settings, db, sweeper, gates=gates, broker=broker, ping=client.ping, stopping=stopping)
    client.close()


@contextmanager
def metrics_of(settings: Settings, db: Database) -> Iterator[None]:
    """Serve metrics where the settings name an address, whether this sweeper leads or waits."""
    with closing(connect_gates(settings.stores.redis_url.reveal())) as client:
        shared, clock = SharedGates(client), SystemClock()
        with serving(settings.metrics.address, partial(status, db, shared, settings, clock, counts_kept_out=False)):
            yield


def lead(
    settings: Settings,
    db: Database,
    sweeper: Sweeper,
    *,
    gates: GateDuty,
    broker: PriorityBroker,
    ping: Callable[[], object],
    stopping: threading.Event,
) -> None:
    """Wait for the lead, then sweep until told to stop, or until a store goes away and the lead with it.

    `ping` raises a RedisError when Redis does not answer.
    """
    pause = settings.engine.sweep_every_s
    clock = SystemClock()
    duties = make_duties(DutyInputs(settings, db, clock, gates, broker, sweeper.bells, ping))
    try:
        with db.direct() as session, ExitStack() as stack:
            threads = [stack.enter_context(DutyThread(some)) for thread, some in duties.items() if thread is not ROUND]
            while not (stopping.is_set() or is_orphaned() or take_lead(session)):
                beat()
                stopping.wait(pause)
            while not stopping.wait(pause) and not is_orphaned():
                beat()
                ask_session(session)
                sweeper.sweep()
                for duty in duties[ROUND]:
                    duty.tend()
                for thread in threads:
                    thread.tend()
    except (psycopg.OperationalError, redis.RedisError) as error:
        log.warning("sweep_interrupted", error=type(error).__name__)
        stopping.wait(pause)


if __name__ == "__main__":
    run_process(main)
