import gc

import pytest

from workers.collector import settle_collector


@pytest.fixture(autouse=True)
def _the_collector_as_it_was():
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class _Cycle:
    def __init__(self):
        self.itself = self


def test_what_is_wired_is_looked_at_no_more():
    settle_collector()

    # Dozens of modules' worth; what came since is not among them.
    frozen = gc.get_freeze_count()
    new = [_Cycle() for _ in range(10)]
    assert frozen > 10_000
    assert gc.get_freeze_count() == frozen
    assert all(gc.is_tracked(one) for one in new)


def test_cycles_are_still_freed():
    settle_collector()
    looks = gc.get_stats()[0]["collections"]

    for _ in range(2 * gc.get_threshold()[0]):
        _Cycle()

    assert gc.get_stats()[0]["collections"] > looks
