import time

import dramatiq
import pytest


@pytest.fixture
def until():
    """Wait until something is so."""

    def wait(condition, deadline_s=20.0):
        end = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end, "it did not come true in time"
            time.sleep(0.005)

    return wait


@pytest.fixture(autouse=True)
def _own_global_broker():
    before = dramatiq.broker.global_broker
    yield
    dramatiq.broker.global_broker = before
