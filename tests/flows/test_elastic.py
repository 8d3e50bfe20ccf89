"""Pools of real processes: one books labels and nothing else, one follows the orders, and nothing is lost by it."""

import time
from dataclasses import replace

import msgspec
import pytest
import tomli_w

from domain.scaling import GrowReason
from infra.config.settings import read_settings
from infra.monitoring.signals import measure_signals
from infra.process.clock import SystemClock
from workers.autoscaler import Autoscaler
from workers.demo.run import conclude, prepared
from workers.supervisor import Supervisor, roles, supervised

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 60
POOLS = {
    "workers": {
        "pools": [
            {"name": "main", "groups": ["order", "tell", "pull"], "processes": 1, "processes_max": 2},
            {"name": "labels", "groups": ["label"], "processes": 1, "nice": 5},
        ]
    },
    "scaling": {
        "every_s": 0.2,
        "window_s": 2.0,
        "thresholds": [{"orders_per_min": 60, "for_min": 0}],
        "calm_min": 1 / 60,
    },
}


@pytest.fixture
def demo(base, script):
    """A demo's house with the pools above, at work."""
    with prepared(base, script(ORDERS)) as demo:
        file = demo.stage.settings_file
        file.write_text(tomli_w.dumps(msgspec.toml.decode(file.read_bytes()) | POOLS))
        kept = demo.supervisor
        settings = read_settings(file, kept.environment)
        with supervised(Supervisor(roles(settings), kept.environment, kept.stores, kept.log_file)) as supervisor:
            yield replace(demo, settings=settings, supervisor=supervisor, started_at=time.monotonic())


def test_a_pool_grows_with_the_surge_and_returns_to_its_least(demo, until) -> None:
    workers = demo.settings.workers
    scaler = Autoscaler(demo.db, demo.supervisor, workers, demo.settings.scaling, SystemClock())
    signals, sizes = [], []

    def round_of_the_house():
        measure_signals(demo.db, workers.step_groups())
        signals.extend(reason for one in scaler.tend().values() for reason in one.signals)
        sizes.append(demo.supervisor.size("main"))
        return demo.look()

    until(lambda: round_of_the_house().is_over, deadline_s=180.0)
    until(lambda: round_of_the_house() and sizes[-1] == 1 and len(demo.supervisor.pids("main")) == 1)
    assert max(sizes) == 2
    assert GrowReason.INFLOW in signals
    assert demo.supervisor.restarts == 0
    assert len(demo.supervisor.pids("labels")) == len(demo.supervisor.pids("p0")) == 1
    outcome = conclude(demo, 0.0)
    assert outcome.comparison.agrees, outcome.summary()
