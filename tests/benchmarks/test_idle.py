import pytest


@pytest.mark.slow
def test_a_house_without_orders_is_watched(benchmark):
    found = benchmark("idle", "--shops", "3", "--seconds", "1", "--settle", "0")
    assert found["percent"].keys() == {"workers", "sweeper", "postgres", "redis"}
    assert found["idle_percent_of_a_core"] == pytest.approx(sum(found["percent"].values()), abs=0.01)
    assert found["restarts"] == 0
    assert found["settings"]["shops"] == 3
