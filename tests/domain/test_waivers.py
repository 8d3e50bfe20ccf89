import dataclasses

import pytest

from domain.holds import HoldCode
from domain.money import Money
from domain.order import FulfilledBy, PlatformState
from domain.waivers import (
    CLOSED,
    SOME_LINE,
    Waiver,
    covers,
    line_facts,
    lines_waived,
    read_named,
    refund_facts,
    refunds_of,
    stays,
    unknown_refunds_of,
)

REFUND = HoldCode.REFUND_REQUESTED


def refund(*lines):
    return Waiver(1, REFUND, frozenset(lines))


@pytest.fixture
def refunded(order, line):
    """An order of three lines, with those in refund that are named."""

    def refunded(*ids, **fields):
        return order(lines=tuple(line(line_id=id_, refund_open=id_ in ids) for id_ in ("1", "2", "3")), **fields)

    return refunded


def test_the_refunds_of_an_order_are_its_lines_and_its_end(refunded):
    assert refunds_of(refunded()) == frozenset()
    assert refunds_of(refunded("1", "3")) == {"1", "3"}
    assert refunds_of(refunded("1", state=PlatformState.CLOSED)) == {"1", CLOSED}


@pytest.mark.parametrize("fields", [{"refunded": True}, {"fulfilled_by": FulfilledBy.PLATFORM}])
def test_a_line_that_has_gone_is_in_refund_no_more(order, line, fields):
    gone = order(lines=(line(refund_open=True, refund_unknown=True, is_missing=True, **fields),))
    assert refunds_of(gone) == unknown_refunds_of(gone) == frozenset()


def test_a_line_that_is_missing_is_unknown(order, line):
    assert unknown_refunds_of(order(lines=(line(), line(line_id="2", is_missing=True)))) == {"2"}


@pytest.mark.parametrize("refunds", [frozenset(), {"1"}, {"1", CLOSED}])
def test_refunds_are_read_back_from_the_facts_of_a_hold(refunds):
    assert read_named(refund_facts(refunds)) == refunds


@pytest.mark.parametrize(
    ("waivers", "asked", "is_covered"),
    [
        ((), {"1"}, False),
        ((refund("1"),), {"1"}, True),
        ((refund("1"),), {"1", "2"}, False),
        ((refund("1"), refund("2")), {"1", "2"}, True),
        ((refund("1", "2"),), {"2"}, True),
        ((refund("1"),), set(), False),
        ((Waiver(1, HoldCode.BUYER_CHANGED),), {"1"}, False),
    ],
)
def test_a_refund_passes_only_if_it_was_seen(waivers, asked, is_covered):
    assert covers(waivers, REFUND, refund_facts(asked)) is is_covered


@pytest.mark.parametrize(("unknown", "is_covered"), [("1", True), ("12", False), ("2", False)])
def test_another_line_of_unknown_fulfiller_is_another_fact(unknown, is_covered):
    waiver = Waiver(1, HoldCode.FULFILLER_UNKNOWN, frozenset({"1"}))
    assert covers((waiver,), HoldCode.FULFILLER_UNKNOWN, line_facts(unknown)) is is_covered


@pytest.mark.parametrize("lines", [{"1"}, {"1", "2"}, {SOME_LINE}])
def test_lines_are_read_back_from_the_facts_of_a_hold(lines):
    assert read_named({"platform_state": "shipped", **line_facts(lines)}) == lines


def test_somebody_elses_shipment_passes_line_by_line(order, line):
    code = HoldCode.SHIPPED_ELSEWHERE
    waiver = Waiver(1, code, frozenset({"1"}))
    assert lines_waived([waiver, refund("2")], code) == {"1"}
    assert covers([waiver], code, line_facts({"1"}))
    assert not covers([waiver], code, line_facts({"1", "2"}))
    assert not covers([waiver], code, {"platform_state": "shipped"}), "a hold that names no line is no answer"
    shipped = order(lines=(line(line_id="1", shipped=2, waybill="SF1"), line(line_id="2")))
    assert stays(waiver, shipped, order(lines=(shipped.lines[0], line(line_id="2", shipped=2))))


def test_who_ships_is_asked_again_when_it_changes(order, line):
    waiver = Waiver(1, HoldCode.FULFILLER_UNKNOWN)
    unknown = order(lines=(line(fulfilled_by=FulfilledBy.UNKNOWN),))
    assert stays(waiver, unknown, dataclasses.replace(unknown, seller_memo="ok"))
    assert not stays(waiver, unknown, order())


@pytest.mark.parametrize("fields", [{"refund_open": True}, {"refunded": True}, {"shipped": 2, "waybill": "SF1"}])
def test_a_refund_or_a_shipment_is_no_other_sum(order, line, fields):
    assert stays(Waiver(1, HoldCode.APPROVAL_NEEDED), order(), order(lines=(line(**fields),)))


def test_other_codes_pass_whatever_their_facts():
    assert covers([Waiver(1, HoldCode.SENSITIVE_WORD)], HoldCode.SENSITIVE_WORD, {"fields": "name"})


@pytest.mark.parametrize(
    ("waived", "before", "after", "is_kept"),
    [
        (("1",), (), ("1",), True),
        (("1",), ("1",), ("1",), True),
        (("1",), (), (), True),
        (("1",), ("1",), ("1", "2"), False),
        (("1",), ("1",), (), False),
        (("1", "2"), ("1",), ("1", "2"), True),
    ],
)
def test_a_refund_that_was_let_pass_stays_so_until_it_is_another(refunded, waived, before, after, is_kept):
    assert stays(refund(*waived), refunded(*before), refunded(*after)) is is_kept


@pytest.mark.parametrize("code", [HoldCode.ADDRESS_VAGUE, HoldCode.REMOTE_COURIER, HoldCode.AMOUNT_MISMATCH])
def test_a_memo_asks_nothing_again_that_does_not_look_at_it(order, code):
    assert stays(Waiver(1, code), order(), order(seller_memo="ok"))


@pytest.mark.parametrize("code", [HoldCode.SENSITIVE_WORD, HoldCode.PLATFORM_HOLD, HoldCode.BUYER_CHANGED])
def test_what_looks_at_the_texts_or_at_everything_is_asked_again(order, code):
    assert not stays(Waiver(1, code), order(), order(seller_memo="ok"))


def test_another_address_or_sum_is_another_fact(order, line):
    moved = order(receiver={"detail": "文三路 2 号"})
    assert not stays(Waiver(1, HoldCode.ADDRESS_VAGUE), order(), moved)
    more = order(lines=(line(quantity=3, paid=Money(2, "CNY")),))
    assert not stays(Waiver(1, HoldCode.APPROVAL_NEEDED), order(), more)


def test_what_is_unknown_is_waived_line_by_line(order, line):
    def unknown(*ids, **fields):
        return order(lines=tuple(line(line_id=id_, refund_unknown=id_ in ids) for id_ in ("1", "2")), **fields)

    assert unknown_refunds_of(unknown("2")) == {"2"}
    assert refunds_of(unknown("2")) == frozenset(), "unknown is neither a refund nor none"
    waiver = Waiver(1, HoldCode.REFUND_UNKNOWN, frozenset({"2"}))
    assert covers([waiver], HoldCode.REFUND_UNKNOWN, refund_facts({"2"}))
    assert not covers([waiver], HoldCode.REFUND_UNKNOWN, refund_facts({"1", "2"}))
    assert not covers([waiver], HoldCode.REFUND_REQUESTED, refund_facts({"2"})), "a refund that shows is another fact"
    assert not covers([waiver], HoldCode.REFUND_UNKNOWN, {})
    assert stays(waiver, unknown("2"), unknown("2"))
    assert not stays(waiver, unknown("2"), unknown("1", "2"))
