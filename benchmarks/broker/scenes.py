"""What is measured. Each scene starts with an empty Redis."""

import random
import time
from collections.abc import Mapping
from statistics import median, quantiles

import msgspec
from redis import Redis

from benchmarks import processes
from benchmarks.broker.dramatiq_end import DramatiqEnd
from benchmarks.broker.pool import connect, go, workers
from benchmarks.broker.systems import ALL, BULK, LATENCIES, PRIORITY, QUEUE, SHOPS, URGENT, End, Ran

Figures = dict[str, float]
Points = list[tuple[float, float]]

_DEADLINE_S = 120.0
_BULK_S = 0.005
_DUE_PER_S = 500
_FAR_MS = 3_600_000
_AT_ONCE = 10_000  # messages that the producer makes before it sends them


def drain(name: str, url: str, count: int) -> Figures:
    """How fast messages that do nothing are enqueued by one producer, and then run by all workers."""
    end = _start(name, url)
    messages = end.bulk(count)
    began = time.monotonic()
    end.enqueue(messages)
    enqueue_s = time.monotonic() - began
    with workers(end, url) as pids:
        used, began = sum(map(processes.own_cpu_s, pids)), time.monotonic()
        go(end)
        end.join(_DEADLINE_S)
        seconds = time.monotonic() - began
        cpu_ms = (sum(map(processes.own_cpu_s, pids)) - used) * 1000 / count
    return {"drain_per_s": count / seconds, "enqueue_per_s": count / enqueue_s, "worker_cpu_ms": cpu_ms}


def steady(name: str, url: str, count: int, far: str) -> Figures:
    """How fast messages of 5 ms are run by workers that find Redis at `far`."""
    end = _start(name, url)
    end.enqueue(end.naps(count, _BULK_S))
    with workers(end, far):
        began = time.monotonic()
        go(end)
        end.join(_DEADLINE_S)
        return {"steady_per_s": count / (time.monotonic() - began)}


def pickup(name: str, url: str, count: int) -> Figures:
    """How long a message waits for idle workers, milliseconds, and what the idling costs."""
    end = _start(name, url)
    with workers(end, url) as pids:
        _warm_up(end)
        used, began = sum(map(processes.own_cpu_s, pids)), time.monotonic()
        for _ in range(count):
            time.sleep(random.uniform(0.2, 0.6))  # noqa: S311 - only out of step with any poll
            end.send_urgent()
        ran = _await_runs(end, URGENT, count)
        share = (sum(map(processes.own_cpu_s, pids)) - used) / (time.monotonic() - began) / len(pids)
    return {**_percentiles("pickup", ran), "idle_cpu_percent": share * 100}


def flood(name: str, url: str, bulk: int, urgent: int, far: str = "") -> tuple[Figures, Mapping[str, Points]]:
    """How long urgent messages, ten a second, wait behind bulk ones of 5 ms.

    Milliseconds; and the waits of each lane over time, as (second, milliseconds). `far`: where workers find Redis.
    """
    end = _start(name, url)
    for first in range(0, bulk, _AT_ONCE):
        end.enqueue(end.naps(min(_AT_ONCE, bulk - first), _BULK_S))
    with workers(end, far or url):
        go(end)
        _await_runs(end, BULK, 1)
        began = time.time()
        for _ in range(urgent):
            time.sleep(0.1)
            end.send_urgent()
        ran = _await_runs(end, URGENT, urgent)
        every = _runs(end)
    over_time = {
        lane: [(one.at - began, one.waited_s * 1000) for one in every if one.lane == lane] for lane in (URGENT, BULK)
    }
    return _percentiles("flood", ran), over_time


def delayed(name: str, url: str, far: int, due: int) -> Figures:
    """How late due messages start on idle workers, milliseconds, and what `far` ones that wait cost a worker, MiB.

    With Dramatiq's own broker the due ones come first: behind many that are due much later they would not start at all.
    """
    end = _start(name, url)
    assert isinstance(end, DramatiqEnd)
    with workers(end, url) as pids:
        _warm_up(end)
        before = max(map(processes.pss_mb, pids))
        if end.priority is None:
            ran = _run_due(end, due)
        for began in range(0, far, _AT_ONCE):
            end.enqueue(end.bulk(min(_AT_ONCE, far - began)), delay_ms=_FAR_MS)
        _warm_up(end)
        memory = max(map(processes.pss_mb, pids)) - before
        if end.priority is not None:
            ran = _run_due(end, due)
    return {**_percentiles("late", ran), "delayed_memory_mb": memory}


def _run_due(end: DramatiqEnd, due: int) -> list[Ran]:
    first = time.time() + due / 1000 + 2
    for number in range(due):
        end.send_due(first + number / _DUE_PER_S)
    return _await_runs(end, URGENT, due)


def footprint(url: str, waiting: int, count: int) -> Figures:
    """What `count` messages cost while `waiting` bulk ones wait: Redis's commands, its CPU and ours, for each."""
    end = _start(PRIORITY, url)
    assert isinstance(end, DramatiqEnd)
    for first in range(0, waiting, _AT_ONCE):
        filler = range(min(_AT_ONCE, waiting - first))
        end.enqueue([end.nothing.message_with_options(fair_key=f"shop-{number % SHOPS}") for number in filler])
    consumer = end.broker.consume(QUEUE, prefetch=64, timeout=1000)
    batch = 500
    commands, redis_cpu, own_cpu = _commands(end.redis), _redis_cpu_s(end.redis), time.process_time()
    for _ in range(count // batch):
        end.enqueue(end.bulk(batch))
        for _ in range(batch):
            message = next(consumer)
            assert message is not None
            consumer.ack(message)
    used = {
        "commands": (_commands(end.redis) - commands) / count,
        "redis_cpu_us": (_redis_cpu_s(end.redis) - redis_cpu) * 1e6 / count,
        "own_cpu_us": (time.process_time() - own_cpu) * 1e6 / count,
    }
    end.broker.close()
    return used


def _start(name: str, url: str) -> End:
    if missing := ALL[name].missing:
        raise LookupError(missing)
    end = connect(name, url)
    # Freed at once: memory that Redis frees later would be counted in the next scene.
    end.redis.flushdb(asynchronous=False)
    return end


def _warm_up(end: End) -> None:
    """Let every process run a message, and forget that it did."""
    go(end)
    for number in range(1, 9):
        end.send_urgent()
        _await_runs(end, URGENT, number)
    end.redis.delete(LATENCIES)


def _await_runs(end: End, lane: str, count: int) -> list[Ran]:
    deadline = time.monotonic() + _DEADLINE_S
    while len(ran := [one for one in _runs(end) if one.lane == lane]) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{end.system.name}: messages did not run in time")
        time.sleep(0.02)
    return ran


def _runs(end: End) -> list[Ran]:
    return [msgspec.json.decode(value, type=Ran) for value in end.redis.lrange(LATENCIES, 0, -1)]


def _percentiles(name: str, ran: list[Ran]) -> Figures:
    waits = [one.waited_s * 1000 for one in ran]
    return {f"{name}_p50_ms": median(waits), f"{name}_p99_ms": quantiles(waits, n=100, method="inclusive")[-1]}


def _commands(redis: Redis) -> int:
    """Count also the commands inside of scripts."""
    return sum(int(use["calls"]) for use in redis.info("commandstats").values())


def _redis_cpu_s(redis: Redis) -> float:
    found = redis.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])
