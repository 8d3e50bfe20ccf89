import pytest

from benchmarks.priority.__main__ import p50_ms, p99_ms
from benchmarks.priority.control import lane_bells
from infra.config.settings import Settings, Stores
from infra.queue.keys import BellKey


@pytest.mark.slow
def test_urgent_orders_get_through_a_backlog_before_every_step(benchmark):
    found = benchmark("priority", "--scene", "control", "--waiting", "250", "--urgent", "5")

    scene = found["scenes"]["control"]
    assert (scene["unfinished"], scene["urgent"], scene["holds"]) == (0, 5, [])
    assert set(scene["waited"]) == {"normalize", "reserve", "review", "route", "label"}
    assert sum(scene["waited"].values()) == 250
    assert min(scene["waited"].values()) > 0
    assert found["control_flood_p99_ms"] >= scene["p50_ms"] > 0
    assert found["p0_idle_p99_ms"] is found["p0_flood_p99_ms"] is found["bulk_share"] is None


def test_the_control_rings_once_for_what_waits_and_again_for_what_is_heard(redis, redis_url):
    settings = Settings(stores=Stores(redis_url=redis_url))
    review, urgent = BellKey("review", "bulk", ""), BellKey("review", "p0", "")
    with lane_bells(settings) as bells:
        bells.ring([review, review, urgent])
        bells.ring([review])
        assert (redis.llen("dramatiq:bulk"), redis.llen("dramatiq:p0")) == (1, 1)

        bells.hush(review)
        bells.ring([review])
        assert (redis.llen("dramatiq:bulk"), redis.llen("dramatiq:p0")) == (2, 1)


def test_percentiles_are_in_milliseconds():
    points = [(0.0, number / 1000) for number in range(1, 102)]

    assert p50_ms(points) == 51.0
    assert p99_ms(points) == 100.0
    assert p99_ms([]) is p50_ms([]) is None


def test_who_never_came_through_is_not_left_out():
    points = [(0.0, 0.001)] * 98

    assert p99_ms(points) == 1.0
    assert p99_ms(points, unfinished=2) > 100_000
