"""The engine's runners behind the real broker and Dramatiq's worker: what is urgent overtakes what waits."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import dramatiq
import pytest

from domain.order import Lane
from domain.outcomes import Done
from infra.engine.results import Finished, NewWork
from infra.process.clock import SystemClock
from infra.queue.bells import QUEUE, BellKey, BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.sweeper.stuck_work import Sweeper

LANES = ("p0", "p1", "bulk")
NEXT = {"reserve": "review", "review": "route", "route": None}
EACH, BATCH = 60, 6


@dataclass
class Line:
    """Three steps of the way, each of which only hands its orders on. `ran`: lane and size of every batch."""

    house: object
    client: object
    ran: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self):
        self.house.bells = BrokerBells(make_broker(self.client, LANES))

    @property
    def broker(self):
        return self.house.bells.broker

    def flood(self):
        """Bulk orders before every step, with their bells."""
        for step in NEXT:
            key = self.house.due(step, [self.house.order() for _ in range(EACH)])
            self.house.bells.ring([key])

    def add(self, lane):
        """One order more before the first step, the youngest of all."""
        id_ = self.house.order(lane=lane)
        self.house.bells.ring([self.house.due("reserve", [id_], lane=lane)])
        return id_

    def is_through(self, id_):
        return self.house.one("SELECT NOT EXISTS (SELECT 1 FROM work WHERE subject_id = %s)", id_)

    @contextmanager
    def working(self, toy, served=LANES):
        broker = make_broker(self.client, LANES, served)
        for step, following in NEXT.items():
            self._declare(broker, step, self.house.local(toy(hand_on(following), step=step), BATCH))
        worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=50)
        worker.queue_prefetch = 1
        worker.start()
        yield broker
        worker.stop()
        broker.close()

    def _declare(self, broker, step, runner):
        def answer(lane, account, alone):
            self.ran.append((lane, runner.run(BellKey(step, lane, account, alone))))

        dramatiq.Actor(answer, broker=broker, actor_name=step, queue_name=QUEUE, priority=0, options={})


def hand_on(following):
    def decide(subject):
        ref = subject.ref
        follow = (NewWork(following, ref.subject_id, ref.lane),) if following else ()
        return Finished(ref, Done(), follow=follow)

    return decide


@pytest.fixture
def line(harness, redis_url):
    before = dramatiq.broker.global_broker
    with connect_redis(redis_url.reveal()) as client:
        yield Line(harness, client)
    dramatiq.broker.global_broker = before


def until(is_so):
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_urgent_order_goes_through_all_steps_before_the_flood(line, toy):
    line.flood()
    urgent = line.add(Lane.P0)
    with line.working(toy):
        until(lambda: line.is_through(urgent))
    before_its_end = [lane for lane, size in line.ran if size][: len(NEXT) + 2]
    assert before_its_end.count("p0") == len(NEXT), f"at most a batch or two in between: {line.ran}"


def test_control_in_the_lane_of_the_flood_it_comes_last(line, toy):
    line.flood()
    late = line.add(Lane.BULK)
    with line.working(toy):
        until(lambda: line.is_through(late))
    assert len([size for _, size in line.ran if size]) > 3 * EACH / BATCH


def test_a_worker_reserved_for_a_lane_leaves_the_flood_alone_and_the_others_take_it(line, toy):
    line.flood()
    urgent = line.add(Lane.P0)
    with line.working(toy, served=("p0",)):
        until(lambda: line.is_through(urgent))
    assert {lane for lane, _ in line.ran} == {"p0"}
    assert line.house.one("SELECT count(*) FROM work") == len(NEXT) * EACH
    assert line.broker.stats(QUEUE).lanes["bulk"].waiting == len(NEXT), "its bells wait as before"
    with line.working(toy):
        until(lambda: line.house.one("SELECT count(*) FROM work") == 0)


def test_the_flood_goes_on_beside_a_stream_of_urgent_orders(line, toy):
    """Of twenty bells one is of a lower lane while it waits."""
    line.flood()
    line.house.bells.ring([line.house.due("reserve", [line.house.order(lane="p0") for _ in range(300)], lane="p0")])
    with line.working(toy):
        until(lambda: not line.house.one("SELECT count(*) FROM work WHERE lane = 'p0'"))
    last = max(n for n, (lane, _) in enumerate(line.ran) if lane == "p0")
    bulk = sum(lane == "bulk" for lane, _ in line.ran[:last])
    assert bulk > last / 40


TAKE_A_BELL = """
import os, sys
from infra.queue.bells import QUEUE
from infra.queue.broker import connect_redis, make_broker
from dramatiq import Actor
broker = make_broker(connect_redis(os.environ["URL"]), ("p0", "p1", "bulk"))
Actor(print, broker=broker, actor_name="reserve", queue_name=QUEUE, priority=0, options={})
assert next(broker.consume(QUEUE, timeout=10_000)) is not None
print("taken", flush=True)
sys.stdin.read()
"""


def test_the_bell_of_a_killed_worker_is_not_waited_for(line, toy, redis_url):
    """Its lease lasts for 15 s. The sweeper's bell for what is still due takes its place at once."""
    order = line.add(Lane.BULK)
    taker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(TAKE_A_BELL)],
        env={**os.environ, "URL": redis_url.reveal()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with taker:
        assert taker.stdout.readline() == b"taken\n"
        taker.send_signal(signal.SIGKILL)
        taker.wait()
    stats = line.broker.stats(QUEUE)
    assert (stats.in_flight, stats.lanes["bulk"].waiting) == (1, 0)
    Sweeper(line.house.db, line.house.bells, SystemClock(), 3).sweep()
    stats = line.broker.stats(QUEUE)
    assert (stats.in_flight, stats.lanes["bulk"].waiting) == (0, 1)
    with line.working(toy):
        until(lambda: line.is_through(order))
