import threading

import pytest
from redis import Redis

from benchmarks.distance.line import Line
from infra.engine.event_loop import EventLoopThread


@pytest.mark.slow
def test_both_brokers_are_measured_from_afar(benchmark):
    found = benchmark("distance", "--messages", "100", "--rounds", "1", "--round-trip", "2")
    assert found["distances"].keys() == {"2 ms"}
    for figures in found["distances"]["2 ms"].values():
        assert figures["steady_per_s"] > 0
        assert figures["flood_p99_ms"] >= figures["flood_p50_ms"] > 0


def test_a_line_keeps_order_and_carries_more_than_one_at_a_time(redis):
    path, database = (redis.connection_pool.connection_kwargs[name] for name in ("path", "db"))
    with (
        EventLoopThread() as event_loop,
        Line(event_loop, path, 0.01) as line,
        Redis.from_url(f"{line.url.removesuffix('/0')}/{database}") as far,
    ):
        with far.pipeline(transaction=False) as pipe:
            for number in range(500):
                pipe.rpush("far", number)
            pipe.execute()
        assert redis.lrange("far", 0, -1) == [b"%d" % number for number in range(500)]
        threads = [threading.Thread(target=far.rpush, args=("more", number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert redis.llen("more") == 8
