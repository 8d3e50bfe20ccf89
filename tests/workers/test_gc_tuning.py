import gc

import pytest

from workers.gc_tuning import tune_collector


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
    wired = _Cycle()
    tune_collector()
    new = _Cycle()

    looked_at = {id(one) for one in gc.get_objects()}
    assert id(wired) not in looked_at
    assert id(new) in looked_at
    assert gc.get_freeze_count() > 10_000, "dozens of modules' worth"


def test_cycles_are_still_freed():
    tune_collector()
    looks = gc.get_stats()[0]["collections"]

    for _ in range(2 * gc.get_threshold()[0]):
        _Cycle()

    assert gc.get_stats()[0]["collections"] > looks
