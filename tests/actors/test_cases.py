"""Public cases through the chain: what left before we saw it, what the platform holds, what is shipped by hand."""

import pytest

from domain.holds import HoldCode
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from ops.verbs.holds import release

TID, TEE, CAP = "1001", "7001", "7002"
LI = Author("li", "looked at the platform")
LEFT = {"status": "WAIT_BUYER_CONFIRM_GOODS", "consign_time": "2026-11-22 09:05:00"}
BY_HAND = {**LEFT, "invoice_no": "YT7000000000001", "logistics_company": "圆通速递"}


@pytest.fixture
def lines(trade):
    """A paid trade of a tee and a cap; `tee` and `cap` change fields of their lines, `at` makes a newer content."""

    def build(at=0, tee=None, cap=None, **changes):
        shown = [
            {
                "oid": int(oid),
                "oid_str": oid,
                "num_iid": 600000000001,
                "title": sku,
                "num": 1,
                "price": "10.00",
                "total_fee": "10.00",
                "part_mjz_discount": "0.00",
                "divide_order_fee": "10.00",
                "payment": "10.00",
                "refund_status": "NO_REFUND",
                "status": "WAIT_SELLER_SEND_GOODS",
                "outer_iid": sku,
                **(given or {}),
            }
            for oid, sku, given in ((TEE, "TEE-1", tee), (CAP, "CAP-1", cap))
        ]
        whole = {"payment": "20.00", "total_fee": "20.00", "modified": f"2026-11-22 10:{at:02}:00"}
        return trade(tid=TID, **whole | {"orders": {"order": shown}} | changes)

    return build


@pytest.fixture
def house(merchant):
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    return merchant


@pytest.fixture
def handovers(house, monkeypatch):
    """What the platform is told, as it is told."""
    told = []
    tell = house.platform.write_back

    async def keep(handover):
        told.append(handover)
        await tell(handover)

    monkeypatch.setattr(house.platform, "write_back", keep)
    return told


def becomes(house, content):
    house.deliver(content)
    house.fall_due()
    house.run("normalize")


def release_hold(house, code):
    return release(house.db, house.one("SELECT id FROM orders"), code, LI)


def stock(house):
    return house.counters("TEE-1"), house.counters("CAP-1")


def breaches(house):
    with house.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def ship(house):
    house.flow("label")
    house.scan("accepted", "packed", "handed_over")
    house.flow()


UNTOUCHED = ((10, 0, 0), (10, 0, 0))
PARTS = [
    pytest.param(BY_HAND, id="with_its_number"),
    pytest.param(LEFT, id="without_a_number"),
    pytest.param({"invoice_no": "YT7000000000001"}, id="by_its_number_alone"),
]


@pytest.mark.parametrize("left", PARTS)
def test_of_an_order_that_came_part_shipped_only_the_open_line_is_shipped(house, lines, handovers, left):
    house.deliver(lines(tee=left, status="SELLER_CONSIGNED_PART"))
    house.platform.shipments[TID] = []
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (["on_hold"], ["shipped_elsewhere"], {})
    assert house.one("SELECT facts ->> 'lines' FROM hold") == TEE
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    ship(house)
    assert (house.states(), house.holds(), breaches(house)) == (["in_transit"], [], [])
    assert [booking.contents for booking in house.courier.bookings] == [(("CAP-1", 1),)]
    assert stock(house) == ((10, 0, 0), (9, 0, 0))
    [told] = handovers
    assert (dict(told.lines), set(told.outside)) == ({CAP: 1}, {TEE}), "marked as split, with the sub-order's id"


def test_what_else_leaves_by_hand_after_that_is_held_again(house, lines):
    house.deliver(lines(tee=BY_HAND, status="SELLER_CONSIGNED_PART"))
    house.flow()
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    house.flow("route")
    becomes(house, lines(1, tee=BY_HAND, cap=BY_HAND, status="WAIT_BUYER_CONFIRM_GOODS"))
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (["on_hold"], ["shipped_elsewhere"], {})
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (["closed"], [], {})
    assert (stock(house), breaches(house)) == (UNTOUCHED, [])


def seen_by(house, content, way):
    """The platform shows the content; it reaches us with a pull, or only as the label asks."""
    if way == "pull":
        becomes(house, content)
    else:
        house.platform.trades[TID] = content
    house.run("label")
    house.fall_due()
    house.flow()


@pytest.mark.parametrize("way", ["pull", "label"])
@pytest.mark.parametrize("mark", ["top_hold", "forbid_consign", "ofp_hold"])
def test_an_allocated_order_that_the_platform_holds_is_not_labelled(house, lines, mark, way):
    house.deliver(lines())
    house.flow("route")
    assert house.states() == ["allocated"]
    seen_by(house, lines(1, **{mark: 1}), way)
    assert (house.states(), house.holds()) == (["on_hold"], ["platform_hold"])
    assert (house.courier.asked, house.platform.told) == ({}, [])
    assert (stock(house), breaches(house)) == (((10, 0, 1), (10, 0, 1)), [])


@pytest.mark.parametrize("way", ["pull", "label"])
@pytest.mark.parametrize("left", PARTS[:2])
def test_an_allocated_order_that_is_shipped_by_hand_gets_no_second_waybill(house, lines, way, left):
    house.deliver(lines())
    house.flow("route")
    seen_by(house, lines(1, tee=left, cap=left, status="WAIT_BUYER_CONFIRM_GOODS"), way)
    assert (house.states(), house.holds(), house.courier.asked) == (["on_hold"], ["shipped_elsewhere"], {})
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    house.flow()
    house.scan("accepted", "packed", "handed_over")
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (["closed"], [], {})
    assert (house.platform.told, stock(house), breaches(house)) == ([], UNTOUCHED, [])


@pytest.mark.parametrize("way", ["pull", "label"])
def test_one_line_shipped_by_hand_leaves_the_other_to_us(house, lines, handovers, way):
    house.deliver(lines())
    house.flow("route")
    seen_by(house, lines(1, tee=BY_HAND, status="SELLER_CONSIGNED_PART"), way)
    assert (house.states(), house.holds(), house.courier.asked) == (["on_hold"], ["shipped_elsewhere"], {})
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    ship(house)
    assert [booking.contents for booking in house.courier.bookings] == [(("CAP-1", 1),)]
    assert [(dict(told.lines), set(told.outside)) for told in handovers] == [({CAP: 1}, {TEE})]
    assert (stock(house), breaches(house)) == (((10, 0, 0), (9, 0, 0)), [])


def test_what_the_platforms_courier_takes_is_never_labelled(house, lines):
    """Once the platform shows it as sent, a person says that it was not by us."""
    cod = {"type": "cod", "pay_time": None}
    house.deliver(lines(cod_status="ACCEPTED_BY_COMPANY", **cod))
    house.flow()
    assert (house.states(), house.holds(), stock(house)) == (["paid"], [], UNTOUCHED)
    gone = lines(1, tee=LEFT, cap=LEFT, status="WAIT_BUYER_CONFIRM_GOODS", cod_status="TAKEN_IN_SUCCESS", **cod)
    becomes(house, gone)
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (
        ["on_hold"],
        ["cash_on_delivery", "shipped_elsewhere"],
        {},
    )
    for code in (HoldCode.CASH_ON_DELIVERY, HoldCode.SHIPPED_ELSEWHERE):
        release_hold(house, code)
    house.flow()
    assert (house.states(), house.holds(), stock(house), breaches(house)) == (["closed"], [], UNTOUCHED, [])
