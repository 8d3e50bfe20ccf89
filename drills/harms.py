"""Faults of a running instance: processes killed or frozen, stores restarted or emptied, backends ended."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

import redis
from dramatiq import Message

from domain.order import Lane
from drills.queries import DRILLS
from infra.queue.bells import QUEUE
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import MessageTooLarge
from workers.demo.run import RunningDemo
from workers.wiring import LANES

Harm = Callable[[RunningDemo], None]
# Longer than a worker may take to drain.
_DEADLINE_S = 45.0
# What `ring_wildly` sends that must be rejected, by the code of its letter.
WILD = {"message_failed": 2, "message_too_large": 1, "message_undecodable": 1}


def kill(role: str) -> Harm:
    """SIGKILL to the first living process of a role."""

    def harm(demo: RunningDemo) -> None:
        for pid in demo.supervisor.pids(role)[:1]:
            os.kill(pid, signal.SIGKILL)

    return harm


def freeze(role: str, seconds: float) -> Harm:
    """SIGSTOP, and SIGCONT after so long; the others go on meanwhile."""

    def harm(demo: RunningDemo) -> None:
        for pid in demo.supervisor.pids(role)[:1]:
            os.kill(pid, signal.SIGSTOP)
            # How long the process stands still is the harm itself.
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    return harm


def empty_redis(demo: RunningDemo) -> None:
    with _redis(demo) as client:
        client.flushall()


def kill_redis(demo: RunningDemo) -> None:
    """The supervisor starts an empty one."""
    with _redis(demo) as client:
        pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)


def fill_redis(seconds: float) -> Harm:
    """Leave it no memory for so long; it must refuse, not evict."""

    def harm(demo: RunningDemo) -> None:
        with _redis(demo) as client:
            client.config_set("maxmemory", "1mb")
            # How long Redis refuses is the harm itself.
            time.sleep(seconds)
            client.config_set("maxmemory", "0")

    return harm


def lock_tables(seconds: float) -> Harm:
    """Hold the table of due work in a transaction of its own for so long."""

    def harm(demo: RunningDemo) -> None:
        with demo.db.direct() as session, session.transaction():
            session.execute(DRILLS["lock_work"])
            # Our own sessions may not idle for so long in a transaction; a person's may.
            session.execute(DRILLS["pause"], {"seconds": seconds})

    return harm


def end_postgres(number: signal.Signals) -> Harm:
    """SIGINT restarts fast, SIGQUIT immediately, SIGKILL is a crash of the server."""

    def harm(demo: RunningDemo) -> None:
        with demo.db.connection() as connection:
            row = connection.execute(DRILLS["postmaster"]).fetchone()
        assert row is not None
        os.kill(row[0], number)

    return harm


def end_backends(demo: RunningDemo) -> None:
    with demo.db.direct() as session:
        session.execute(DRILLS["backends"])


def cut_power(demo: RunningDemo) -> None:
    """Every process of ours and both stores, at one moment."""
    with demo.db.connection() as connection:
        row = connection.execute(DRILLS["postmaster"]).fetchone()
    with _redis(demo) as client:
        redis_pid = client.info("server")["process_id"]
    assert row is not None
    for pid in (*demo.supervisor.pids(), row[0], redis_pid):
        os.kill(pid, signal.SIGKILL)


def restart_workers(demo: RunningDemo) -> list[float]:
    """SIGTERM to one worker after the other, as a deploy does; the next once this one has drained.

    Returns how many seconds each took.
    """
    drained_s = []
    for pid in demo.supervisor.pids("worker"):
        os.kill(pid, signal.SIGTERM)
        told_at = time.monotonic()
        while pid in demo.supervisor.pids("worker") and time.monotonic() < told_at + _DEADLINE_S:
            time.sleep(0.05)
        drained_s.append(round(time.monotonic() - told_at, 1))
        # The next drains while its neighbour starts: without this the house would run out of workers.
        demo.supervisor.tend()
    return drained_s


def slow_courier(demo: RunningDemo) -> None:
    demo.stage.pull("set_latency", taobao_ms=50, sf_ms=800)


def quick_courier(demo: RunningDemo) -> None:
    demo.stage.pull("set_latency")


def ring_wildly(demo: RunningDemo) -> None:
    """Every bell five times, bells of nobody, for nothing, for an unknown step, torn, and one of ten megabytes."""
    keys = [
        (step, lane, account)
        for step in ("normalize", "reserve", "review", "route", "label", "writeback", "notify")
        for lane in LANES
        for account in ("", "sf/main", "webhook/buyers", *(shop.account for shop in demo.settings.shops))
    ]
    with _redis(demo) as client:
        broker = make_broker(client, LANES)
        broker.enqueue_many([_message(step, lane, (lane, account, False)) for step, lane, account in keys * 5])
        for content in (("x" * 10_000_000, "", False), ("p0", "foreign/shop", True), (1, None), ()):
            with contextlib.suppress(MessageTooLarge):
                broker.enqueue(_message("review", Lane.BULK, content))
        broker.enqueue(_message("no_such_step", Lane.BULK, (Lane.BULK, "", False)))
        broker.enqueue(_Torn(QUEUE, "review", (), {}, {"lane": Lane.P0}))


class _Torn(Message[object]):
    """A message of which half arrived."""

    def encode(self) -> bytes:
        whole = super().encode()
        return whole[: len(whole) // 2] + b"\xff"


def _message(step: str, lane: str, content: tuple[object, ...]) -> Message[object]:
    return Message(queue_name=QUEUE, actor_name=step, args=content, kwargs={}, options={"lane": lane})


def _redis(demo: RunningDemo) -> redis.Redis:
    return connect_redis(demo.settings.stores.redis_url.reveal())
