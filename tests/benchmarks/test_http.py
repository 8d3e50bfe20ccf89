import pytest


@pytest.mark.slow
def test_every_client_gets_every_trade(benchmark):
    found = benchmark("http", "--calls", "32", "--rounds", "1")

    assert found["clients"].keys() >= {"door (aiohttp)", "bare aiohttp"}
    assert all(cost["calls_per_second"] > 0 for cost in found["clients"].values())
    assert "httpx" in found["skipped"]
