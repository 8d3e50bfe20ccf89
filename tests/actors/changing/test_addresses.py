"""A person corrects an address: no label goes to the former one, and the platform's old words do not undo it."""

import pytest

from domain.errors import Conflict, Refused
from ops.verbs.correct_address import correct_address, preview_correction
from ops.verbs.stop_orders import stop
from tests.actors.changing.conftest import LI

GIVEN = {"name": "测试", "phone": "13800000001", "detail": "文一路 9 号 1 幢"}


def sent_to(house):
    """The addresses of the bookings that the courier has heard of."""
    return [booking.receiver.detail for booking in house.merchant.courier.bookings]


def test_a_vague_address_is_corrected_and_the_order_goes_on(at_step):
    house = at_step("review", receiver_address="待定")
    assert house.merchant.holds() == ["address_vague"]
    done = correct_address(house.db, house.order, GIVEN, LI)
    assert (done.released, done.acts) == (("address_vague",), ())
    house.merchant.flow()
    assert (house.merchant.states(), sent_to(house)) == (["allocated"], [GIVEN["detail"]])
    assert house.audited() == [("li", "address_corrected", f"order/{house.order}", LI.reason)]


def test_a_label_to_the_former_address_is_replaced(at_step):
    house = at_step("label")
    done = correct_address(house.db, house.order, GIVEN, LI)
    assert done.acts == ("void", "rebuild")
    house.stop_runs()
    house.merchant.flow()
    assert house.waybills() == ["voided", "booked"]
    assert sent_to(house)[1:] == [GIVEN["detail"]]
    assert house.breaches() == []


def test_the_platform_s_former_address_does_not_undo_it(at_step, trade):
    house = at_step("review")
    [tid] = house.merchant.platform.trades
    correct_address(house.db, house.order, GIVEN, LI)
    house.stop_runs()
    house.merchant.deliver(
        {**house.merchant.platform.trades[tid], "modified": "2026-11-22 09:20:00", "seller_memo": "soon"}
    )
    house.merchant.flow()
    assert (house.merchant.holds(), sent_to(house)) == ([], [GIVEN["detail"]])


def test_another_address_of_the_platform_wins(at_step):
    house = at_step("review", receiver_address="待定")
    [was] = house.merchant.platform.trades.values()
    correct_address(house.db, house.order, GIVEN, LI)
    newer = {**was, "modified": "2026-11-22 09:20:00", "receiver_address": "文二路***", "oaid": "oaid-2"}
    house.merchant.deliver(newer)
    house.merchant.run("normalize")
    row = house.merchant.rows("SELECT detail, merge_token, corrected_from FROM receiver")
    assert row == [("文二路***", "oaid-2", None)]


def test_no_value_of_the_address_is_in_audit_or_timeline(at_step):
    house = at_step("review")
    correct_address(house.db, house.order, GIVEN, LI)
    told = house.merchant.rows(
        "SELECT before::text || after::text || facts::text FROM audit UNION ALL SELECT facts::text FROM event"
    )
    assert not [text for (text,) in told if any(value in text for value in GIVEN.values())]
    assert '"fields"' in " ".join(text for (text,) in told)


def test_what_cannot_be_corrected_says_why(at_step):
    house = at_step("label")
    with pytest.raises(Refused, match="address_incomplete"):
        correct_address(house.db, house.order, {"detail": "x"}, LI)
    stop(house.db, house.order, LI)
    with pytest.raises(Conflict, match="stop_open"):
        correct_address(house.db, house.order, GIVEN, LI)


def test_a_preview_changes_nothing(at_step):
    house = at_step("review", receiver_address="待定")
    shown = preview_correction(house.db, house.order, GIVEN)
    assert (shown.released, shown.fields) == (("address_vague",), ("detail", "name", "phone"))
    assert (house.merchant.holds(), house.audited()) == (["address_vague"], [])
