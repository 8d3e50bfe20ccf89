"""Whole runs whose warehouses are told their orders: that book and split, refuse, pick short, and tell twice."""

import pytest

from domain.ledger_check import Verdict
from sandbox.spec import Floor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 60
TOLD = Floor(is_idempotent=False, repeats_events=0.3, late_events_s=0.5)
BOOKS = Floor(books_waybill=True, splits=True, repeats_events=0.3, late_events_s=0.5)
REFUSES = Floor(refuses=0.1, refuses_late=0.1, repeats_events=0.3)
PICKS_SHORT = Floor(picks_short=0.2)


@pytest.mark.parametrize(
    ("floors", "least"),
    # Of a line that a warehouse divides, the platform takes one number only: a person settles it.
    [((TOLD, BOOKS), 0.7), ((REFUSES, TOLD), 0.7), ((PICKS_SHORT, TOLD), 0.7)],
    ids=["booking", "refusing", "short"],
)
def test_the_ledgers_agree(play, finish, count, floors, least):
    with play(ORDERS, floors=dict(zip(("shanghai", "guangzhou"), floors, strict=True))) as demo:
        outcome = finish(demo)
        ledger = demo.stage.read("_ledger")
        placed = count(demo, "SELECT count(*) FROM placement WHERE status IN ('placed', 'final')")
    assert outcome.comparison.agrees, outcome.summary()
    assert (ledger["doubled_documents"], ledger["untold"]) == ([], [])
    assert placed == len([one for one in ledger["documents"] if one["state"] not in {"refused", "stopped"}])
    assert outcome.comparison.verdicts[Verdict.DONE] >= least * ORDERS
    assert not outcome.comparison.verdicts.get(Verdict.DEAD)
