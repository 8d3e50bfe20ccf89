"""An order whose buyer takes back the wish for a refund goes on at once, also where its platform had refused us."""

import pytest

from domain.errors import Refused
from infra.monitoring.invariants import find_breaches

ASKED, WITHDRAWN = "WAIT_SELLER_AGREE", "CLOSED"


@pytest.fixture
def becomes(trade):
    """The platform shows the order with this state of its refund, at this minute."""

    def show(house, refund, minute, **changes):
        house.deliver(trade(tid="1001", refund=refund, modified=f"2026-11-22 10:{minute:02}:00", **changes))
        house.fall_due()
        house.run("normalize")

    return show


def rung(house):
    return {key.step for key in house.bells.keys}


def test_an_order_that_goes_on_is_rung_for_at_once(merchant, trade, becomes):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("route")
    becomes(merchant, ASKED, 1)
    assert merchant.holds() == ["refund_requested"]
    merchant.bells.keys.clear()
    becomes(merchant, WITHDRAWN, 2)
    assert (merchant.states(), "label" in rung(merchant)) == (["allocated"], True)


@pytest.fixture(params=["handover", "label"])
def refused(request, make_merchant, trade, becomes):
    """An order whose platform refused the waybill, because its buyer wanted the money back."""
    house = make_merchant(ship_on=request.param)
    house.stock(**{"TEE-1": 10})
    house.deliver(trade(tid="1001"))
    house.flow("label")
    if request.param == "handover":
        house.scan("accepted", "packed", "handed_over")
    house.platform.errors = {"tell": [Refused("isv.refund-open")]}
    house.run("writeback")
    assert house.holds() == ["writeback_refused"]
    becomes(house, ASKED, 1)
    return house


def test_a_refused_write_back_is_told_when_the_refund_is_withdrawn(refused, becomes):
    becomes(refused, WITHDRAWN, 2)
    assert (refused.holds(), refused.states()[0] in {"allocated", "in_transit"}) == ([], True)
    assert "writeback" in rung(refused)
    refused.run("writeback")
    with refused.db.connection() as session:
        assert (refused.platform.told, refused.holds(), find_breaches(session)) == (["SF0001"], [], [])


def test_it_stays_refused_while_the_refund_is_open(refused, becomes):
    becomes(refused, ASKED, 2, seller_memo="请轻放")
    refused.run("writeback")
    assert ("writeback_refused" in refused.holds(), refused.platform.told) == (True, [])
