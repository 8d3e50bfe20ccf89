import importlib.util
from types import SimpleNamespace

import pytest

from benchmarks.peers.course import CELERY, DRAMATIQ, Peer
from benchmarks.peers.plain import Chain, Outbox
from domain.order import Lane
from domain.outcomes import Later
from infra.engine import write_outcomes
from infra.engine.results import Finished, NewWork, SubjectRef

REVIEW, ROUTE = NewWork("review", 1, Lane.BULK), NewWork("route", 1, Lane.BULK)


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["dramatiq", "celery"])
def test_a_peer_brings_every_order_as_far_as_the_engine(benchmark, peer):
    if peer == "celery" and CELERY.missing:
        pytest.skip(CELERY.missing)

    found = benchmark("peers", "--peer", peer, "--orders", "30", "--shops", "2")

    assert found["ledgers_agree"]
    assert 0.7 * found["orders"] < found["done"] <= found["orders"] == 30
    assert {"workers", "postgres", "redis"} <= {name for name, cost in found["cpu_ms"].items() if cost > 0}


def test_what_is_not_installed_is_skipped_with_its_reason():
    assert DRAMATIQ.missing == ""
    assert Peer("other", "other", 1, (), needs="no_such_package").missing.startswith("no_such_package is not installed")
    assert bool(CELERY.missing) == (importlib.util.find_spec("celery") is None)


def test_messages_leave_after_the_commit_and_once():
    sent = []
    outbox = Outbox(sent.extend)
    outbox.add(None, [REVIEW])
    assert sent == []

    outbox.ring()
    outbox.ring()

    assert sent == [REVIEW]


def test_messages_of_a_rolled_back_transaction_are_forgotten():
    sent = []
    outbox = Outbox(sent.extend)
    outbox.add(None, [REVIEW])

    outbox.clear()
    outbox.add(None, [ROUTE])
    outbox.ring()

    assert sent == [ROUTE]


class _Asked:
    """A step that wants to be asked again later."""

    step = "pull"

    def work(self, _tx, subject_ids):
        return [Finished(SubjectRef(id_, Lane.P1), Later("next_poll", after_s=30.0)) for id_ in subject_ids]


def test_what_comes_again_comes_in_its_time_to_the_same_account(database, monkeypatch):
    sent = []
    outbox = Outbox(sent.extend)
    monkeypatch.setattr(write_outcomes, "add_work", outbox.add)
    chain = Chain(SimpleNamespace(db=database), None, outbox, {"pull": _Asked()})

    chain.run("pull", Lane.P1, "taobao/s1", [7])

    assert sent == [NewWork("pull", 7, Lane.P1, "taobao/s1", after_s=30.0)]
