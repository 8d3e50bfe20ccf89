"""Documents at a location of our own: placed in our rows, once, and never asked about while people are at work."""

import pytest

from actors.documents.silent import QuietDocuments
from adapters.warehouses.own import OwnWarehouse
from domain.errors import UnknownOutcome


@pytest.fixture
def unclear(own, trade, monkeypatch):
    """A labelled order whose first placing ended without an answer."""
    own.stock(**{"TEE-1": 10})
    own.deliver(trade(tid="1001"))
    own.flow("label")
    plain = OwnWarehouse.place

    async def place(port, document):
        monkeypatch.setattr(OwnWarehouse, "place", plain)
        raise UnknownOutcome("died")

    monkeypatch.setattr(OwnWarehouse, "place", place)
    own.run("dispatch")
    assert own.rows("SELECT status, call_deadline IS NOT NULL FROM placement") == [("intended", True)]
    own.rows("UPDATE placement SET call_deadline = now() - interval '1 second'")
    own.fall_due()
    return own


def test_a_placing_without_an_answer_is_looked_up_and_made_once(unclear, bench_of):
    unclear.run("dispatch")
    assert unclear.rows("SELECT generation, status FROM placement") == [(1, "placed")]
    assert unclear.holds() == []
    assert bench_of(unclear).became("pack", "SF0001") == [("done", "")]


def test_a_closed_order_leaves_no_document_behind_that_was_never_recorded(unclear, trade):
    unclear.deliver(trade(tid="1001", status="TRADE_CLOSED", modified="2026-11-22 09:11:00"))
    unclear.run("normalize")
    unclear.fall_due()
    unclear.run("dispatch")
    assert unclear.rows("SELECT status, call_deadline IS NOT NULL FROM placement") == [("intended", False)]
    assert "unwanted_document" not in unclear.holds()


def test_a_quiet_document_waits_for_people_and_is_not_asked_about(placed):
    placed.rows("UPDATE placement SET placed_at = placed_at - interval '2 hours'")
    assert QuietDocuments(placed.db, placed.bells, 3600.0, ("east",)).tend() == 0
    assert placed.due("dispatch") == []


def test_control_a_location_that_is_not_named_as_our_own_is_asked(placed):
    placed.rows("UPDATE placement SET placed_at = placed_at - interval '2 hours'")
    assert QuietDocuments(placed.db, placed.bells, 3600.0).tend() == 1
    placed.run("dispatch")
    assert placed.rows("SELECT status, asked_at IS NOT NULL FROM placement") == [("placed", True)]
    assert placed.holds() == []
