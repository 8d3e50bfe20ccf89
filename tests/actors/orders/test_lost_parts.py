"""Orders of which a part left after a backup that was restored: what had left is never booked or announced again."""

from datetime import UTC, datetime

import pytest

from adapters.ports import Waybill
from domain.holds import HoldCode
from domain.order import OrderKey
from domain.references import reference
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from ops.verbs.holds import release
from ops.verbs.reconcile_lost import find_ours, lost_orders, release_lost

LI = Author("li", "the backup is restored")
TID, TEE, CAP = "1001", "7001", "7002"
KEY = OrderKey("taobao", "s1", TID)
FIRST, SECOND = "SF9001", "SF9002"


def left(waybill):
    return {
        "status": "WAIT_BUYER_CONFIRM_GOODS",
        "consign_time": "2026-11-22 09:05:00",
        "invoice_no": waybill,
        "logistics_company": "顺丰速运",
    }


@pytest.fixture
def lines(trade):
    """A trade of a tee and a cap, with what the platform shows of each line."""

    def build(tee=None, cap=None, **changes):
        shown = [
            {
                "oid": int(oid),
                "oid_str": oid,
                "num_iid": 600000000001,
                "title": sku,
                "num": 1,
                "price": "10.00",
                "payment": "10.00",
                "refund_status": "NO_REFUND",
                "status": "WAIT_SELLER_SEND_GOODS",
                "outer_iid": sku,
                **(given or {}),
            }
            for oid, sku, given in ((TEE, "TEE-1", tee), (CAP, "CAP-1", cap))
        ]
        return trade(tid=TID, payment="20.00", total_fee="20.00", orders={"order": shown}, **changes)

    return build


@pytest.fixture
def house(merchant):
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    return merchant


def restored(house, content, *booked):
    """The order comes in again with this content; the courier has these numbers under our references."""
    house.courier.waybills = [Waybill(reference(KEY, n, 1), number, alive=True) for n, number in enumerate(booked, 1)]
    house.deliver(content)
    house.flow()
    assert (house.states(), house.holds()) == (["on_hold"], ["shipped_elsewhere"])


def reconcile(house):
    """Release what was ours; the waybills that were found."""
    found = []
    for order in lost_orders(house.db, datetime(2000, 1, 1, tzinfo=UTC)):
        waybill = house.event_loop.run(find_ours([house.courier], order))
        if waybill and release_lost(house.db, order, LI):
            found.append(waybill)
    house.flow()
    return found


def breaches(house):
    with house.db.connection() as session:
        return find_breaches(session)


def numbers(house):
    return [one.number for one in house.courier.waybills]


@pytest.mark.parametrize("by", ["reconcile", "person"])
def test_the_rest_of_a_part_shipped_order_never_travels_under_the_number_of_what_has_left(house, lines, by):
    restored(house, lines(tee=left(FIRST), status="SELLER_CONSIGNED_PART"), FIRST)
    if by == "reconcile":
        assert (reconcile(house), house.holds()) == ([], ["shipped_elsewhere"]), "a person decides about the rest"
    release(house.db, house.one("SELECT id FROM orders"), HoldCode.SHIPPED_ELSEWHERE, LI)
    house.flow("label")
    assert house.rows("SELECT waybill FROM shipment WHERE status = 'booked' AND waybill = %s", FIRST) == []
    assert (house.holds(), house.states()) == (["waybill_error"], ["on_hold"])
    assert house.one("SELECT facts ->> 'code' FROM hold WHERE released_at IS NULL") == "waybill_of_other_lines"
    assert (numbers(house), breaches(house)) == ([FIRST], [])


def test_a_whole_order_that_left_in_two_packages_ends(house, lines):
    restored(house, lines(tee=left(FIRST), cap=left(SECOND), status="SELLER_CONSIGNED_PART"), FIRST, SECOND)
    assert reconcile(house) == [FIRST]
    assert (house.states(), house.holds(), numbers(house)) == (["closed"], [], [FIRST, SECOND])
    assert breaches(house) == []


def test_an_order_of_which_somebody_else_shipped_a_part_stays_for_a_person(house, lines):
    restored(house, lines(tee=left(FIRST), cap=left("YT1000000000"), status="SELLER_CONSIGNED_PART"), FIRST)
    assert reconcile(house) == []
    assert house.holds() == ["shipped_elsewhere"]
