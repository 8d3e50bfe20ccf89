"""Builds what a worker process works with, and takes it down in order."""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import psycopg

from actors import find_actors
from actors.documents.own import OwnDocuments
from actors.tools import Tools
from adapters import registry
from adapters.http_client import HttpClient
from adapters.ports import Warehouse
from adapters.warehouses.own import OwnWarehouse
from domain.order import Lane
from infra.accounts.process_gates import gates_of
from infra.config.directory import directory_of
from infra.config.rules import load_rules
from infra.config.settings import Settings
from infra.config.worker_settings import WorkerPool
from infra.engine.actor import Runner, StepActor
from infra.engine.claims import hand_back
from infra.engine.event_loop import EventLoopThread
from infra.engine.exclusive import ProcessRunner, ProcessRuns
from infra.engine.failures import Failures, Origin
from infra.engine.gated_runner import GatedRunner
from infra.engine.local import LocalRunner, LocalStep
from infra.engine.remote import RemoteRunner, RemoteStep, never
from infra.engine.reports import report
from infra.engine.watch import WatchStop
from infra.engine.worker_lock import Presence
from infra.process.clock import Clock, SystemClock
from infra.process.memory import give_back_large_blocks
from infra.process.randomness import SystemRandomness
from infra.queue.bells import Bells, BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import PriorityBroker
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from workers.guards import guarded, watching
from workers.order_takers import note_order_takers_of
from workers.starting import refuse_without_database

log = get_logger(__name__)

LANES = tuple(str(lane) for lane in Lane)
MACHINE = SystemClock()


@dataclass(frozen=True, slots=True)
class Runtime:
    """A wired worker process: its broker serves the bells of its `queues` until it is closed."""

    broker: PriorityBroker
    bells: BrokerBells
    db: Database
    door: HttpClient
    presence: Presence
    queues: frozenset[str]
    runners: dict[str, LocalRunner | RemoteRunner]


@contextmanager
def wired_worker(
    settings: Settings,
    pool: WorkerPool | None = None,
    *,
    connections: int = 0,
    clock: Clock = MACHINE,
    is_draining: Callable[[], bool] = never,
) -> Iterator[Runtime]:
    """Everything a worker of a pool needs, with the declared actor of each step bound to its broker.

    Outside of all pools it serves everything. `connections`: the most that it opens to Postgres for its steps;
    0 for what its threads need. `is_draining`: from then on no call to the outside begins.
    """
    give_back_large_blocks()
    workers = settings.workers
    pool = pool or WorkerPool(name="", groups=tuple(workers.step_groups()), threads=workers.threads)
    queues = workers.queues()
    with ExitStack() as stack:
        db = stack.enter_context(database(settings, connections or 2 * pool.threads + 4))
        presence = Presence(db, pool.name)
        stack.callback(presence.close)
        client = connect_redis(settings.stores.redis_url.reveal())
        stack.callback(client.close)
        broker = make_broker(client, LANES, pool.lanes, queues.values())
        stack.callback(broker.close)
        bells = BrokerBells(broker, queues)
        event_loop = stack.enter_context(EventLoopThread())
        door = HttpClient(settings.door, registry.hosts(settings), clock)
        event_loop.run(door.open())
        stack.callback(lambda: event_loop.run(door.close()))
        gates = stack.enter_context(gates_of(settings, db, bells))
        tools = watching(guarded(connect(settings, db, bells, door, clock), gates))
        note_order_takers_of(tools)
        report(
            db,
            presence.worker,
            pool=pool.name,
            code=importlib.metadata.version("orderlane"),
            rules=tools.rules.version,
        )
        runners = make_runners(tools, event_loop, presence.worker, is_draining)
        runs = ProcessRuns()
        answering = {
            name: ProcessRunner(GatedRunner(runner, gates), runs, db, settings.engine.lease_s)
            for name, runner in runners.items()
        }
        bind_actors(broker, answering, queues)
        # Before the door closes, because closing it would make running calls fail.
        stack.callback(_hand_back, db, presence.worker)
        yield Runtime(broker, bells, db, door, presence, workers.queues_of(pool), runners)


def _hand_back(db: Database, worker: int) -> None:
    try:
        hand_back(db, worker)
    except psycopg.Error as error:
        # The sweeper counts this as a crash: without a database the worker cannot report its end.
        log.warning("not_handed_back", error=type(error).__name__)


def database(settings: Settings, connections: int) -> Database:
    refuse_without_database(settings)
    return Database(settings.stores.database_url.reveal(), connections)


def connect(settings: Settings, db: Database, bells: Bells, door: HttpClient, clock: Clock = MACHINE) -> Tools:
    """Connect every configured account by its adapter. Raises Misconfigured for an unknown kind."""
    rules = load_rules(settings.rules_file)
    if rules.borrowed:
        log.warning("rules_borrowed", keys=",".join(rules.borrowed), version=rules.version)
    directory = directory_of(settings)
    return Tools(
        settings=settings,
        db=db,
        bells=bells,
        clock=clock,
        rules=rules,
        platforms={
            shop.account: registry.platform(shop.platform).connect(shop, door, clock)
            for shop in directory.shops.values()
        },
        couriers={
            courier.account: registry.courier(courier.courier).connect(courier, door, clock)
            for courier in directory.couriers.values()
        },
        notifiers={
            channel.account: registry.channel(channel.kind).connect(channel, door, clock)
            for channel in directory.channels.values()
        },
        warehouses={
            location.name: _with_documents(registry.warehouse(location.kind).connect(location, door, clock), db)
            for location in directory.locations.values()
        },
    )


def _with_documents(warehouse: Warehouse, db: Database) -> Warehouse:
    """A location of our own looks its documents up in our rows; any other warehouse as it is."""
    return replace(warehouse, documents=OwnDocuments(db)) if isinstance(warehouse, OwnWarehouse) else warehouse


def make_runners(
    tools: Tools, event_loop: EventLoopThread, worker: int, is_draining: Callable[[], bool] = never
) -> dict[str, LocalRunner | RemoteRunner]:
    """One runner for each declared step, by the step's name."""
    engine = tools.settings.engine
    randomness = SystemRandomness()
    origin = Origin(worker, importlib.metadata.version("orderlane"), tools.rules.version)
    failures = Failures(engine, tools.clock, randomness, origin)
    watch = WatchStop(tools.settings.watched_shops)

    def runner_of(declared: StepActor[Tools]) -> LocalRunner | RemoteRunner:
        does = declared.make(tools)
        if declared.step.is_remote:
            assert isinstance(does, RemoteStep), f"{declared.step.name} is remote, so it must intend, call and record"
            return RemoteRunner(
                does,
                tools.db,
                tools.bells,
                event_loop,
                failures,
                randomness,
                tools.clock,
                worker,
                engine.batch_max,
                engine.lease_s,
                is_draining=is_draining,
                watch=watch,
            )
        assert isinstance(does, LocalStep), f"{declared.step.name} is local, so it must work"
        return LocalRunner(does, tools.db, tools.bells, failures, randomness, worker, engine.batch_max)

    return {declared.step.name: runner_of(declared) for declared in find_actors()}


def bind_actors(broker: PriorityBroker, runners: Mapping[str, Runner], queues: Mapping[str, str]) -> None:
    """Each declared actor becomes a Dramatiq actor of this process's broker; see `infra.engine.actor`."""
    for declared in find_actors():
        name = declared.step.name
        declared.bind(broker, runners[name], queues[name])
