"""A refund from its listing to its end: the order is stopped wherever it is, and the platform hears the truth."""

import pytest

from adapters.ports import PlatformShipment
from domain.after_sale import CaseStage
from domain.cases import CaseKind
from domain.errors import Conflict
from domain.holds import HoldCode
from domain.stop_answers import PartOfCase
from infra.engine.author import Author
from ops.verbs.holds import release
from tests.actors.hand_after_sale import HandAfterSale

STEPS = ("pull_cases", "apply_case", "stop", "recall", "void", "stop")


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
        shop.flow()
        shop.fall_due()
        shop.run("answer")

    return go


def told(shop):
    return [(one.answer, one.code) for one in shop.platform.after_sale.told]


def test_a_refund_of_a_booked_order_ends_with_a_dead_waybill_its_stock_and_one_true_answer(shop, trade, run):
    shop.platform.after_sale.show("1001")
    shop.platform.refunds.add("1001")
    run()
    assert (shop.states(), shop.holds()) == (["on_hold"], ["refund_requested"])
    assert [one.alive for one in shop.courier.waybills] == [False]
    assert told(shop) == [("stopped", "stopped")]
    shop.deliver(trade(tid="1001", status="TRADE_CLOSED", refund="SUCCESS", modified="2026-11-23 10:00:00"))
    run()
    assert shop.rows("SELECT stage, closed_by, answer_status FROM order_case") == [("refunded", "engine", "told")]
    assert (shop.states(), shop.counters()) == (["closed"], (100, 0, 0))
    assert (shop.holds(), shop.letters(), len(told(shop)), len(shop.courier.waybills)) == ([], [], 1, 1)


@pytest.mark.parametrize("until", ["reserve", "route"])
def test_a_refund_of_an_order_that_nothing_binds_is_told_as_stopped(merchant, trade, until):
    """Its own content holds it, and the money goes back before anybody has booked a label."""
    merchant.platform.after_sale = desk = HandAfterSale()
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001"))
    merchant.flow(until=until)
    desk.show("1001")
    for step in ("pull_cases", "apply_case", "answer"):
        merchant.run(step)
    assert told(merchant) == [], "nothing is held yet"
    merchant.deliver(trade(tid="1001", refund="WAIT_SELLER_AGREE", modified="2026-11-22 10:00:00"))
    merchant.flow()
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["refund_requested"])
    merchant.fall_due()
    merchant.run("answer")
    assert told(merchant) == [("stopped", "stopped")]
    with pytest.raises(Conflict, match="stopped_told"):
        release(merchant.db, 1, HoldCode.REFUND_REQUESTED, Author("li", "x"), despite_refund=True)
    assert (merchant.holds(), len(merchant.courier.waybills)) == (["refund_requested"], 0)


def test_an_answer_that_begins_after_a_release_tells_no_stop(merchant, trade):
    """Control: the same order, released before its platform was told."""
    merchant.platform.after_sale = desk = HandAfterSale()
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001", refund="WAIT_SELLER_AGREE"))
    merchant.flow(until="route")
    desk.show("1001")
    for step in ("pull_cases", "apply_case"):
        merchant.run(step)
    release(merchant.db, 1, HoldCode.REFUND_REQUESTED, Author("li", "x"), despite_refund=True)
    merchant.run("answer")
    assert told(merchant) == []


def test_a_refund_that_is_withdrawn_before_the_courier_was_asked_goes_on(shop, trade):
    shop.platform.after_sale.show("1001")
    shop.fall_due()
    for step in ("pull_cases", "apply_case"):
        shop.run(step)
    assert shop.states() == ["on_hold"]
    shop.platform.after_sale.show("1001", stage=CaseStage.WITHDRAWN)
    shop.fall_due()
    for step in (*STEPS, "answer"):
        shop.run(step)
    shop.flow()
    assert (shop.states(), shop.holds(), told(shop)) == (["allocated"], [], [])
    assert [one.alive for one in shop.courier.waybills] == [True]


def test_what_has_left_is_told_as_not_stopped_and_nobody_decides_about_the_money(shop, run):
    shop.scan("accepted", "packed", "handed_over")
    shop.platform.after_sale.show("1001", kind=CaseKind.REFUND_ONLY)
    run()
    assert told(shop) == [], "its courier may still bring it back"
    shop.rows("UPDATE order_case SET decide_by = now() + interval '10 minutes'")
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

    def two(at, refund="NO_REFUND"):
        built = trade(tid="1001", payment="20.00", total_fee="20.00", modified=f"2026-11-22 09:{at}:00")
        line = {**built["orders"]["order"][0], "total_fee": "10.00"}
        cap = {**line, "oid": 7002, "outer_iid": "CAP-1", "refund_status": refund}
        built["orders"]["order"] = [{**line, "oid": 7001}, cap]
        return built

    merchant.deliver(two(10))
    merchant.flow(until="label")
    merchant.deliver(two(20, "WAIT_SELLER_AGREE"))
    desk.show("1001", line_ids=("7002",))
    for _ in range(3):
        merchant.fall_due()
        for step in (*STEPS, "answer"):
            merchant.run(step)
        merchant.flow()
    assert told(merchant) == [("stopped", "stopped")]
    assert desk.told[0].line_ids == ("7002",)
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["refund_requested"])
    merchant.deliver(two(30, "SUCCESS"))
    merchant.flow()
    assert merchant.states() == ["allocated"]
    assert [one.alive for one in merchant.courier.waybills] == [False, True]
    assert (merchant.counters("CAP-1"), merchant.counters("TEE-1")) == ((100, 0, 0), (100, 0, 1))
    assert len(told(merchant)) == 1


def test_a_write_back_that_meets_a_closed_trade_is_a_case_for_service_and_a_stop(shop):
    """Case 44: the platform's answer says shipped or closed, so its state is read before anything is repeated."""
    shop.scan("accepted", "packed", "handed_over")
    shop.platform.closed.add("1001")
    shop.platform.errors["tell"] = [Conflict("already_shipped")] * 9
    for _ in range(3):
        shop.fall_due()
        shop.run("writeback")
    assert shop.platform.asked["tell"] == 1
    assert shop.rows("SELECT kind, owner FROM order_case") == [("closed_while_shipped", "service")]
    assert shop.rows("SELECT code, goal, asked_by FROM stop") == [("closed_by_platform", "close", "platform")]
    assert shop.rows("SELECT status FROM writeback") == [("refused",)]
    assert (shop.holds(), shop.letters()) == ([], [])


def test_a_write_back_that_meets_a_trade_shipped_by_somebody_else_asks_for_no_stop(shop):
    shop.scan("accepted", "packed", "handed_over")
    shop.platform.shipments["1001"] = [PlatformShipment("ZTO", "7", ("1001",))]
    shop.fall_due()
    shop.run("writeback")
    assert (shop.holds(), shop.rows("SELECT 1 FROM stop")) == (["shipped_elsewhere"], [])
