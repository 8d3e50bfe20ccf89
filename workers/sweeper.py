"""The sweeper process: ``python -m workers.sweeper``. Any number may run; one leads, the others wait."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

import psycopg
import redis

from actors.listings import WaitingForSkus
from actors.take_over import TakeOverDuty
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Settings, read_settings
from infra.engine.reports import wake_waiting
from infra.engine.worker_lock import take_lead
from infra.monitoring.alarm_conditions import conditions_of
from infra.monitoring.alarm_events import note_uncaught
from infra.monitoring.alarm_sinks import LogSink
from infra.monitoring.signals import measure_signals
from infra.process.clock import SystemClock
from infra.queue.bells import BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import PriorityBroker
from infra.sweeper.bulk_replay import LetterDuties
from infra.sweeper.open_alarms import alarm_duties, unreachable_redis
from infra.sweeper.paused_accounts import GateDuty
from infra.sweeper.rejected_messages import RejectedDuty
from infra.sweeper.schedule import Beside, Duty, purge_duty, slow_duties
from infra.sweeper.stuck_work import Sweeper
from infra.tables.pool import Database
from infra.telemetry.log import configure, get_logger
from infra.telemetry.uncaught import log_uncaught
from ops.verbs.bulk_acts import BulkActs
from ops.views.status import status
from workers import recounting, stocking
from workers.ending import run_process
from workers.guards import gatekeeper
from workers.heartbeat import beat
from workers.metrics import serving
from workers.parent import is_orphaned
from workers.recounting import Recounting
from workers.starting import await_schema
from workers.stocking import Stocking
from workers.wiring import LANES, database

REJECTED_EVERY_S = 2.0
LISTINGS_EVERY_S = 5.0
WAITING_EVERY_S = 2.0
TAKE_OVER_EVERY_S = 5.0

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
        with serving(settings.metrics.address, lambda: status(db, shared, settings, clock)):
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
    groups = settings.workers.step_groups()
    signals = Duty("signals", settings.scaling.every_s, lambda: measure_signals(db, groups, gates.rooms), clock)
    rejected = Duty("rejected_messages", REJECTED_EVERY_S, RejectedDuty(db, broker).run, clock)
    listings = Duty("listings", LISTINGS_EVERY_S, WaitingForSkus(db).run, clock)
    waiting = Duty("waiting", WAITING_EVERY_S, lambda: wake_waiting(db), clock)
    acts = Duty("bulk_acts", 0.0, BulkActs(db).run, clock)
    take_over = Duty("take_over", TAKE_OVER_EVERY_S, TakeOverDuty(db).tend, clock)
    letters = Duty("letters", 0.0, LetterDuties(db, sweeper.bells).run, clock)
    stock = Duty("stock", stocking.AGAIN_S, Stocking(settings, db).tend, clock)
    recount = Duty("stock_again", recounting.LOOK_EVERY_S, Recounting(settings, db).tend, clock)
    purges = purge_duty(db, clock, settings.retention)
    looks = slow_duties(db, clock, settings.shops)
    duties = [signals, rejected, listings, waiting, take_over, letters, stock, recount, purges, *looks]
    conditions = [*conditions_of(settings), unreachable_redis(ping)]
    try:
        with (
            db.direct() as session,
            Beside(looks) as slow,
            Beside(alarm_duties(db, clock, conditions, duties, LogSink())) as alarms,
            Beside([signals, rejected, listings, waiting, take_over, acts]) as quick,
            Beside([stock, recount]) as outside,
            Beside([purges]) as purge,
        ):
            while not (stopping.is_set() or is_orphaned() or take_lead(session)):
                beat()
                stopping.wait(pause)
            while not stopping.wait(pause) and not is_orphaned():
                beat()
                session.execute("SELECT 1")
                sweeper.sweep()
                letters.tend()
                slow.tend()
                alarms.tend()
                quick.tend()
                outside.tend()
                purge.tend()
    except (psycopg.OperationalError, redis.RedisError) as error:
        log.warning("sweep_interrupted", error=type(error).__name__)
        stopping.wait(pause)


if __name__ == "__main__":
    run_process(main)
