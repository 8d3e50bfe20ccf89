"""The benchmark of the steps: each step's own use, by a stream that goes the whole way."""

import pytest

from benchmarks.steps.__main__ import measure
from infra.config.settings import Settings, Stores
from workers.demo.stage import Script

ORDERS = 20

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]


def test_the_new_steps_have_figures_of_their_own(stores_base):
    base = Settings(stores=Stores(data_dir=str(stores_base)))
    script = Script(ORDERS, None, seed=7, per_second=0.0, processes=0, threads=1, shops=1, follows=True)
    steps = measure(base, script)["steps"]
    assert {"pull", "normalize", "label", "dispatch", "warehouse", "track"} <= steps.keys()
    assert 0 < steps["dispatch"]["calls"] <= 1
    assert steps["reserve"]["calls"] == steps["route"]["calls"] == 0
    assert all(use["statements"] > 0 and use["round_trips"] >= use["statements"] for use in steps.values())
