"""Builds what a worker process works with, and takes it down in order."""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from dramatiq import Actor

from actors.label import Label
from actors.normalize import Normalize
from actors.notify import Notify
from actors.pull import Pull
from actors.reserve import Reserve
from actors.review import Review
from actors.route import RouteStep
from actors.tools import Tools
from actors.warehouse import ReadScans
from actors.writeback import WriteBack
from adapters import registry
from adapters.door import Door
from domain.errors import Misconfigured
from domain.order import Lane
from infra.accounts.directory import directory_of
from infra.config.rules import load_rules
from infra.config.settings import Settings
from infra.config.worker_settings import Pool
from infra.engine.claims import hand_back
from infra.engine.event_loop import Outside
from infra.engine.exclusive import ProcessRunner, ProcessRuns, Runner
from infra.engine.failures import Failures, Origin
from infra.engine.gated_runner import GatedRunner
from infra.engine.inner import InnerRunner, InnerStep
from infra.engine.outer import OuterRunner, OuterStep, never
from infra.engine.reports import report
from infra.engine.worker_lock import Presence
from infra.process.clock import Clock, SystemClock
from infra.process.memory import give_back_large_blocks
from infra.process.randomness import SystemDice
from infra.queue.bells import BellKey, Bells, BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import PriorityBroker
from infra.tables.pool import Database
from infra.telemetry.log import bound, get_logger
from workers.guards import gates_of, guarded

log = get_logger(__name__)

LANES = tuple(str(lane) for lane in Lane)
MACHINE = SystemClock()


@dataclass(frozen=True, slots=True)
class Runtime:
    """A wired worker process: its broker serves the bells of its `queues` until it is closed."""

    broker: PriorityBroker
    bells: BrokerBells
    db: Database
    door: Door
    presence: Presence
    queues: frozenset[str]
    runners: dict[str, InnerRunner | OuterRunner]


@contextmanager
def wired_worker(
    settings: Settings,
    pool: Pool | None = None,
    *,
    connections: int = 0,
    clock: Clock = MACHINE,
    is_draining: Callable[[], bool] = never,
) -> Iterator[Runtime]:
    """Everything a worker of a pool needs, with one actor for each step declared on its broker.

    Outside of all pools it serves everything. `connections`: the most that it opens to Postgres for its steps;
    0 for what its threads need. `is_draining`: from then on no call to the outside begins.
    """
    give_back_large_blocks()
    workers = settings.workers
    pool = pool or Pool(name="", groups=tuple(workers.groups), threads=workers.threads)
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
        outside = stack.enter_context(Outside())
        door = Door(settings.door, registry.hosts(settings), clock)
        outside.run(door.open())
        stack.callback(lambda: outside.run(door.close()))
        gates = stack.enter_context(gates_of(settings, db, bells))
        tools = guarded(connect(settings, db, bells, door, clock), gates)
        report(
            db,
            presence.worker,
            pool=pool.name,
            code=importlib.metadata.version("orderlane"),
            rules=tools.rules.version,
        )
        runners = make_runners(tools, outside, presence.worker, is_draining)
        runs = ProcessRuns()
        answering = {
            name: ProcessRunner(GatedRunner(runner, gates), runs, db, settings.engine.lease_s)
            for name, runner in runners.items()
        }
        declare_actors(broker, answering, queues)
        # Before the door closes under calls that are still under way: that is no failure of theirs.
        stack.callback(_hand_back, db, presence.worker)
        yield Runtime(broker, bells, db, door, presence, workers.queues_of(pool), runners)


def _hand_back(db: Database, worker: int) -> None:
    try:
        hand_back(db, worker)
    except psycopg.Error as error:
        # The sweeper takes it for a crash: without a database there is no other way to tell.
        log.warning("not_handed_back", error=type(error).__name__)


def database(settings: Settings, connections: int) -> Database:
    if not settings.stores.database_url:
        raise Misconfigured("database_url_missing", "set ORDERLANE_DATABASE_URL, or use `orderlane run`")
    return Database(settings.stores.database_url.reveal(), connections)


def connect(settings: Settings, db: Database, bells: Bells, door: Door, clock: Clock = MACHINE) -> Tools:
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
            location.name: registry.warehouse().connect(location, door, clock)
            for location in directory.locations.values()
        },
    )


def make_runners(
    tools: Tools, outside: Outside, worker: int, is_draining: Callable[[], bool] = never
) -> dict[str, InnerRunner | OuterRunner]:
    """One runner for each step, by the step's name."""
    engine = tools.settings.engine
    dice = SystemDice()
    origin = Origin(worker, importlib.metadata.version("orderlane"), tools.rules.version)
    failures = Failures(engine, tools.clock, dice, origin)
    inner: tuple[InnerStep, ...] = (Normalize(tools), Reserve(tools), Review(tools), RouteStep(tools))
    outer: tuple[OuterStep, ...] = (Pull(tools), Label(tools), ReadScans(tools), WriteBack(tools), Notify(tools))
    return {
        **{
            step.step: InnerRunner(step, tools.db, tools.bells, failures, dice, worker, engine.batch_max)
            for step in inner
        },
        **{
            step.step: OuterRunner(
                step,
                tools.db,
                tools.bells,
                outside,
                failures,
                dice,
                tools.clock,
                worker,
                engine.batch_max,
                engine.lease_s,
                is_draining=is_draining,
            )
            for step in outer
        },
    }


def declare_actors(broker: PriorityBroker, runners: Mapping[str, Runner], queues: Mapping[str, str]) -> None:
    """Each step is a Dramatiq actor of its own name; Dramatiq's own retries are off, the engine's are on."""
    for name, runner in runners.items():
        broker.declare_actor(
            Actor(
                _bell_answerer(name, runner),
                broker=broker,
                actor_name=name,
                queue_name=queues[name],
                priority=0,
                options={"max_retries": 0},
            )
        )


def _bell_answerer(step: str, runner: Runner) -> Callable[[str, str, bool], None]:
    def answer(lane: str, account: str, alone: bool) -> None:  # noqa: FBT001 - a message has positions, not names
        with bound(step=step, lane=lane, account=account or None):
            try:
                runner.run(BellKey(step, lane, account, alone))
            except Exception:
                # The stores are away, or a defect; the sweeper rings again for whatever is still due.
                log.exception("bell_unanswered")

    return answer
