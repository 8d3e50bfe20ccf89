"""What is measured. Each scene starts with an empty Redis."""

import random
import time
from statistics import median, quantiles

from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from benchmarks import processes
from benchmarks.broker.systems import LATENCIES, QUEUE, SHOPS, End, connect, go, workers
from infra.queue.priority import PriorityBroker

_DEADLINE_S = 120.0
_BULK_S = 0.005


def drain(name: str, url: str, count: int) -> dict[str, float]:
    """How fast messages that do nothing are enqueued by one producer, and then run by all workers."""
    end = _start(name, url)
    messages = end.bulk(count)
    began = time.monotonic()
    end.enqueue(messages)
    enqueue_s = time.monotonic() - began
    with workers(end, url) as pids:
        used, began = sum(map(processes.own_cpu_s, pids)), time.monotonic()
        go(end)
        _join(end)
        seconds = time.monotonic() - began
        cpu_ms = (sum(map(processes.own_cpu_s, pids)) - used) * 1000 / count
    return {"drain_per_s": count / seconds, "enqueue_per_s": count / enqueue_s, "worker_cpu_ms": cpu_ms}


def pickup(name: str, url: str, count: int) -> dict[str, float]:
    """How long a message waits for idle workers, milliseconds, and what the idling costs."""
    end = _start(name, url)
    with workers(end, url) as pids:
        go(end)
        end.urgent.send(time.time())
        _await_latencies(end, 1)
        end.redis.delete(LATENCIES)
        used, began = sum(map(processes.own_cpu_s, pids)), time.monotonic()
        for _ in range(count):
            time.sleep(random.uniform(0.2, 0.6))  # noqa: S311 - only out of step with any poll
            end.urgent.send(time.time())
        latencies = _await_latencies(end, count)
        share = (sum(map(processes.own_cpu_s, pids)) - used) / (time.monotonic() - began) / len(pids)
    return {**_percentiles("pickup", latencies), "idle_cpu_percent": share * 100}


def flood(name: str, url: str, bulk: int, urgent: int) -> dict[str, float]:
    """How long urgent messages, ten a second, wait behind bulk ones of 5 ms, milliseconds."""
    end = _start(name, url)
    end.enqueue([end.sleep.message(_BULK_S) for _ in range(bulk)])
    with workers(end, url):
        go(end)
        for _ in range(urgent):
            time.sleep(0.1)
            end.urgent.send(time.time())
        latencies = _await_latencies(end, urgent)
    return _percentiles("flood", latencies)


def footprint(url: str, waiting: int, count: int) -> dict[str, float]:
    """What `count` messages cost while `waiting` bulk ones wait: Redis's commands, its CPU and ours, for each."""
    end = _start("priority", url)
    assert isinstance(end.broker, PriorityBroker)
    for first in range(0, waiting, 10_000):
        filler = range(min(10_000, waiting - first))
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


def _join(end: End) -> None:
    """Like the brokers' own join, looking more often."""
    assert isinstance(end.broker, PriorityBroker | RedisBroker)
    end.broker.join(QUEUE, interval=5, timeout=int(_DEADLINE_S * 1000))


def _start(name: str, url: str) -> End:
    end = connect(name, url)
    end.redis.flushall(asynchronous=True)
    return end


def _await_latencies(end: End, count: int) -> list[float]:
    deadline = time.monotonic() + _DEADLINE_S
    while end.redis.llen(LATENCIES) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{end.system.name}: messages did not run in time")
        time.sleep(0.01)
    return [float(value) * 1000 for value in end.redis.lrange(LATENCIES, 0, -1)]


def _percentiles(name: str, values: list[float]) -> dict[str, float]:
    return {f"{name}_p50_ms": median(values), f"{name}_p99_ms": quantiles(values, n=100, method="inclusive")[-1]}


def _commands(redis: Redis) -> int:
    """Count also the commands inside of scripts."""
    return sum(int(use["calls"]) for use in redis.info("commandstats").values())


def _redis_cpu_s(redis: Redis) -> float:
    found = redis.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])
