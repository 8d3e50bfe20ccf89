"""Eight processes of eight threads against a sick account, with a healthy one beside it."""

import pytest

from drills.herd import GATE, RAW
from drills.neighbours import OPEN_S, RUN_QUICK_S, gather

pytestmark = pytest.mark.slow


def test_one_probe_in_each_interval_in_total_and_the_others_keep_their_calls(redis_url):
    herd = gather(GATE, redis_url.reveal(), RUN_QUICK_S)
    assert herd.is_alone, herd.probes
    assert (herd.well > 0, herd.refused) == (True, 0)


def test_control_pybreaker_alone_lets_a_herd_probe(redis_url):
    herd = gather(RAW, redis_url.reveal(), RUN_QUICK_S)
    assert not herd.is_alone
    assert len(herd.probes) > 5 * (RUN_QUICK_S / OPEN_S), "every process probes, with several threads at once"
