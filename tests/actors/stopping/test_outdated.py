"""An order that is edited while it is being stopped: a label to the former address is never sent."""

import copy

import pytest

from infra.engine.author import Author
from ops.verbs.correct_address import correct_address
from ops.verbs.stop_orders import confirm_here, take_back

LI = Author("li", "the buyer has called")
GIVEN = {"name": "测试", "phone": "13800000001", "detail": "文一路 9 号 1 幢"}
ELSEWHERE = {"receiver_address": "文二路***", "oaid": "oaid-2"}


@pytest.fixture
def waiting(labelled, stops, first):
    """The goods of a labelled order are in a house whose people say what they did: its stop waits for a person."""
    labelled.scan("accepted")

    def becomes(minute: int, *, refund: str = "NO_REFUND", **changes):
        made = copy.deepcopy(first) | {"modified": f"2026-11-22 10:{minute}:00"} | changes
        made["orders"]["order"][0]["refund_status"] = refund
        labelled.deliver(made)
        labelled.run("normalize")

    labelled.becomes = becomes
    return labelled


def order(merchant):
    return merchant.one("SELECT id FROM orders")


def waits_for_another_label(merchant, stops):
    stops.climb()
    assert stops.status() == [("rebuild", "asked", "confirm")]
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["stopping"])
    assert merchant.rows("SELECT code, is_outdated FROM stop") == [("address_changed", True)]
    confirm_here(merchant.db, order(merchant), LI)
    stops.climb()
    merchant.flow("label")
    assert [status for _, status, _ in stops.shipments()] == ["voided", "booked"]
    assert (stops.living(), stops.breaches()) == (["SF0002"], [])


def test_a_refund_that_is_withdrawn_after_the_address_has_changed_makes_the_order_anew(waiting, stops):
    waiting.becomes(10, refund="WAIT_SELLER_AGREE")
    waiting.becomes(20, refund="WAIT_SELLER_AGREE", **ELSEWHERE)
    waiting.becomes(30, **ELSEWHERE)
    waits_for_another_label(waiting, stops)


def test_so_does_one_that_is_withdrawn_together_with_the_change(waiting, stops):
    waiting.becomes(10, refund="WAIT_SELLER_AGREE")
    waiting.becomes(20, **ELSEWHERE)
    waiting.becomes(30, seller_memo="soon", **ELSEWHERE)
    waits_for_another_label(waiting, stops)


def test_control_a_refund_that_is_withdrawn_without_a_change_lets_the_label_go_on(waiting, stops):
    waiting.becomes(10, refund="WAIT_SELLER_AGREE")
    waiting.becomes(20)
    assert (stops.ends(), waiting.states(), waiting.holds()) == (["withdrawn"], ["in_warehouse"], [])


def test_a_corrected_address_that_is_taken_back_does_not_bring_the_former_label_back(waiting, stops):
    correct_address(waiting.db, order(waiting), GIVEN, LI)
    stops.climb()
    take_back(waiting.db, order(waiting), LI)
    waits_for_another_label(waiting, stops)


def test_a_part_that_is_being_stopped_is_corrected_with_the_others(waiting, stops, trade):
    """The address is the order's: a part whose stop may be taken back has a label to the former one too."""
    part = "INSERT INTO fulfillment_order (order_id, number, state, lane) SELECT order_id, 2, 'paid', lane"
    waiting.becomes(10, refund="WAIT_SELLER_AGREE")
    waiting.rows(f"{part} FROM fulfillment_order")
    correct_address(waiting.db, order(waiting), GIVEN, LI)
    assert waiting.rows("SELECT code, is_outdated FROM stop") == [("refund_asked", True)]


def test_a_parcel_that_left_to_the_former_address_is_still_called_back(waiting, stops):
    waiting.becomes(10, refund="WAIT_SELLER_AGREE")
    waiting.becomes(20, refund="WAIT_SELLER_AGREE", **ELSEWHERE)
    waiting.scan("handed_over")
    stops.withdraw()
    stops.climb()
    stops.fall_due()
    stops.climb()
    assert (stops.ends(), stops.cases()) == (["too_late"], ["stop_too_late"]), "its courier brings nothing back"


def test_other_pieces_are_a_persons_also_while_the_order_is_being_stopped(waiting, stops, first):
    stops.ask()
    line = copy.deepcopy(first["orders"]["order"][0]) | {"num": 3, "payment": "30.00"}
    waiting.becomes(10, orders={"order": [line]}, payment="30.00", total_fee="30.00")
    assert waiting.holds() == ["buyer_changed", "stopping"]
    stops.withdraw()
    assert (stops.ends(), waiting.states()[0], waiting.holds()) == (["withdrawn"], "on_hold", ["buyer_changed"])
