"""A refund from its listing to its end: the order is stopped wherever it is, and the platform hears the truth."""

import pytest

from domain.after_sale import CaseStage
from domain.cases import CaseKind
from domain.stop_answers import PartOfCase
from tests.actors.hand_after_sale import HandAfterSale

STEPS = ("pull_cases", "apply_case", "stop", "recall", "void", "stop", "answer")


@pytest.fixture
def shop(merchant, trade):
    merchant.platform.after_sale = HandAfterSale()
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001"))
    merchant.flow(until="label")
    return merchant


@pytest.fixture
def run(shop):
    def go():
        shop.fall_due()
        for step in STEPS:
            shop.run(step)

    return go


def told(shop):
    return [(one.answer, one.code) for one in shop.platform.after_sale.told]


def test_a_refund_of_a_booked_order_ends_with_a_dead_waybill_its_stock_and_one_true_answer(shop, run):
    shop.platform.after_sale.show("1001")
    run()
    assert shop.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "stopped")]
    assert [one.alive for one in shop.courier.waybills] == [False]
    assert shop.counters() == (100, 0, 0)
    assert told(shop) == [("stopped", "stopped")]
    run()
    assert shop.rows("SELECT stage, closed_by, answer_status FROM order_case") == [("refunded", "engine", "told")]
    assert (shop.holds(), shop.letters(), len(told(shop))) == ([], [], 1)


def test_a_refund_that_is_withdrawn_before_the_courier_was_asked_goes_on(shop, trade):
    shop.platform.after_sale.show("1001")
    shop.fall_due()
    for step in ("pull_cases", "apply_case"):
        shop.run(step)
    assert shop.states() == ["on_hold"]
    shop.platform.after_sale.show("1001", stage=CaseStage.WITHDRAWN)
    shop.fall_due()
    for step in STEPS:
        shop.run(step)
    shop.flow()
    assert (shop.states(), shop.holds(), told(shop)) == (["allocated"], [], [])
    assert [one.alive for one in shop.courier.waybills] == [True]


def test_what_has_left_is_told_as_not_stopped_and_nobody_decides_about_the_money(shop, run):
    shop.scan("accepted", "packed", "handed_over")
    shop.platform.after_sale.show("1001", kind=CaseKind.REFUND_ONLY)
    run()
    assert [answer for answer, _ in told(shop)] == ["not_stopped"]
    assert shop.rows("SELECT stage, closed_at FROM order_case WHERE stage <> ''") == [("requested", None)]
    assert [one.alive for one in shop.courier.waybills] == [True]


def test_control_an_answer_without_its_guard_pays_for_goods_that_travel(shop, run, monkeypatch):
    monkeypatch.setattr(PartOfCase, "is_kept", property(lambda _: True))
    shop.scan("accepted", "packed", "handed_over")
    shop.platform.after_sale.show("1001", kind=CaseKind.REFUND_ONLY)
    run()
    assert told(shop) == [("stopped", "stopped")]
    assert [one.alive for one in shop.courier.waybills] == [True], "the money is back, the parcel travels"


def test_one_line_of_two_is_stopped_and_answered_and_the_other_goes_on(merchant, trade):
    merchant.platform.after_sale = desk = HandAfterSale()
    merchant.stock("east", **{"TEE-1": 100, "CAP-1": 100})
    two = trade(tid="1001")
    line = {**two["orders"]["order"][0], "total_fee": "10.00"}
    two["orders"]["order"] = [{**line, "oid": 7001}, {**line, "oid": 7002, "outer_iid": "CAP-1"}]
    merchant.deliver({**two, "payment": "20.00", "total_fee": "20.00"})
    merchant.flow(until="label")
    desk.show("1001", line_ids=("7002",))
    merchant.fall_due()
    for step in STEPS:
        merchant.run(step)
    assert told(merchant) == [("stopped", "stopped")]
    assert desk.told[0].line_ids == ("7002",)
    merchant.flow()
    assert merchant.states() == ["closed", "allocated"]
    assert merchant.counters("CAP-1") == (100, 0, 0)
    assert merchant.counters("TEE-1") == (100, 0, 1)
