"""A person counts parcels that came back: each once, with its audit row."""

import pytest

from domain.errors import Refused
from domain.returns import Back, CountedLine
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from ops.verbs.receiving import PieceCount, ReceivingDesk
from tests.actors.coming_back.conftest import COLLECTED, TURNED, Returning

LI = Author("li", "box 7")
ALL = PieceCount(is_all=True)


def counted(**pieces):
    """Pieces that can be sold and that are damaged, by SKU or line id."""
    return PieceCount(lines=tuple(CountedLine("", name, Back(*both)) for name, both in pieces.items()))


@pytest.fixture
def returning(make_merchant, trade):
    merchant = make_merchant()
    merchant.courier.can_track = True
    merchant.stock(**{"TEE-1": 100})
    merchant.deliver(trade(tid="1001", pieces=3))
    merchant.flow("label")
    merchant.scan("handed_over")
    return Returning(merchant)


def receive(returning, count, *names, **more):
    desk = ReceivingDesk(tools=returning.tools, author=LI, count=count, **more)
    results = desk.receive(list(enumerate(names or ("SF0001",), 1)))
    return [(str(one.became), one.why.code if one.why else "") for one in results]


def on_shelf(returning, location="east"):
    return returning.one("SELECT on_hand FROM stock_location WHERE sku = 'TEE-1' AND location = %s", location)


def test_all_of_it_is_stock_again_and_its_audit_row_says_what_came_back(returning):
    assert receive(returning, ALL) == [("done", "")]
    assert (on_shelf(returning), returning.counters()) == (100, (100, 0, 0))
    [(verb, name, before, after, facts, who)] = returning.rows(
        "SELECT verb, object, before, after, facts, who FROM audit ORDER BY id DESC LIMIT 1"
    )
    assert (verb, before, after, who) == ("package_received", {"is_back": False}, {"is_back": True}, "li")
    assert (name.partition("/")[0], facts["sellable"], facts["missing"]) == ("package", 3, 0)
    with returning.db.connection() as session:
        assert find_breaches(session) == []


def test_a_second_count_changes_nothing_and_has_no_audit_row(returning):
    receive(returning, ALL)
    assert receive(returning, counted(**{"TEE-1": (1, 2)})) == [("unchanged", "")]
    assert (on_shelf(returning), returning.one("SELECT count(*) FROM audit")) == (100, 1)


def test_damaged_pieces_are_no_stock(returning):
    assert receive(returning, PieceCount(is_all=True, is_damaged=True)) == [("done", "")]
    assert on_shelf(returning) == 97


def test_what_is_missing_or_was_never_sent_is_said(returning):
    assert receive(returning, counted(**{"TEE-1": (1, 1)})) == [("done", "pieces_differ")]
    assert on_shelf(returning) == 98


def test_pieces_are_counted_by_the_id_of_a_line_too(returning):
    assert receive(returning, counted(**{"1001": (2, 1)})) == [("done", "")]
    assert on_shelf(returning) == 99


def test_it_may_come_back_to_another_location(returning):
    assert receive(returning, ALL, location="west") == [("done", "")]
    assert (on_shelf(returning), on_shelf(returning, "west")) == (97, 3)
    with pytest.raises(Refused) as caught:
        receive(returning, ALL, location="north")
    assert caught.value.code == "location_unknown"


def test_what_has_not_left_cannot_come_back(make_merchant, trade):
    merchant = make_merchant()
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    assert receive(Returning(merchant), ALL, "SF0001", "SF9999") == [
        ("refused", "not_left"),
        ("refused", "package_unknown"),
    ]
    assert merchant.counters() == (10, 0, 1)


def test_what_its_courier_voided_and_carries_all_the_same_comes_back(returning):
    returning.rows("UPDATE shipment SET status = 'voided', voided_at = now()")
    assert receive(returning, ALL) == [("done", "")]
    assert on_shelf(returning) == 100


def test_it_ends_the_interception_that_nobody_had_confirmed(returning):
    returning.ask()
    returning.track(COLLECTED)
    returning.intercept()
    assert receive(returning, ALL, " sf0001 ") == [("done", "")]
    assert (returning.status, returning.states()) == ("received", ["closed"])
    returning.track(COLLECTED, TURNED)
    returning.intercept()
    assert (returning.status, returning.expected) == ("received", [("intercepted", True)])
