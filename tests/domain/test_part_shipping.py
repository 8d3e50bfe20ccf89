import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.holds import HoldCode
from domain.money import Money
from domain.part_shipping import Cut, cut_by_stock, lines_held_back
from domain.routing import Unroutable
from domain.rules import RefundScope, WhenShort
from domain.splitting import Want
from domain.waivers import CLOSED, SOME_LINE


def want(line_id, sku, quantity=1, value=1000):
    return Want(line_id, sku, quantity, Money(value, "CNY"))


@pytest.fixture(scope="session")
def cut(ruled):
    def build(wants, available, *, divides_lines=False, parts_made=0, **limit):
        rules = ruled(limit={"when_short": WhenShort.SHIP_PART} | limit)
        return cut_by_stock(wants, available, rules, divides_lines=divides_lines, parts_made=parts_made)

    return build


LINES = [want("l1", "A", 3), want("l2", "A", 2), want("l3", "B", 1)]


def test_lines_take_their_turn_each_whole(cut):
    assert cut(LINES, {"A": 4, "B": 1}) == Cut({"l1": 3, "l3": 1}, {"l2": 2}, "A 4/5")
    assert cut(LINES, {"A": 2, "B": 1}) == Cut({"l2": 2, "l3": 1}, {"l1": 3}, "A 2/5")


def test_where_lines_are_divided_each_takes_what_is_there(cut):
    assert cut(LINES, {"A": 4}, divides_lines=True) == Cut({"l1": 3, "l2": 1}, {"l2": 1, "l3": 1}, "A 4/5, B 0/1")


def test_what_is_not_short_is_not_cut(cut):
    whole = Cut({"l1": 3, "l2": 2, "l3": 1}, {})
    assert cut(LINES, {"A": 5, "B": 1}, max_parts=1, when_short=WhenShort.HOLD) == whole


def test_the_packaged_rule_holds_what_is_short(cut):
    held = cut(LINES, {"A": 5}, when_short=WhenShort.HOLD)
    assert held == Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": False, "short": "B 0/1"})


@pytest.mark.parametrize(
    ("available", "more", "refused"),
    [
        ({}, {}, {"part_refused": "nothing_in_stock"}),
        ({"A": 5}, {"max_parts": 1}, {"part_refused": "max_parts", "max_parts": 1, "parts_needed": 2}),
        (
            {"A": 5},
            {"max_parts": 3, "parts_made": 2},
            {"part_refused": "max_parts", "max_parts": 3, "parts_needed": 2, "parts_made": 2},
        ),
        (
            {"A": 5},
            {"least_part_value": {"CNY": 1001}},
            {"part_refused": "least_part_value", "least_part_value": "10.01 CNY", "part_value": "10.00 CNY"},
        ),
    ],
)
def test_limits_hold_for_the_part_that_waits_too(cut, available, more, refused):
    answer = cut(LINES, available, **more)
    assert isinstance(answer, Unroutable)
    assert {key: fact for key, fact in answer.facts.items() if key not in ("split_needed", "short")} == refused


def test_a_gift_does_not_go_ahead_of_the_goods(cut):
    wants = [want("l1", "A"), want("gift", "G", value=0)]
    assert cut(wants, {"G": 1}).facts["part_refused"] == "nothing_paid"
    assert cut(wants, {"A": 1}) == Cut({"l1": 1}, {"gift": 1}, "G 0/1")


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 4)), min_size=1, max_size=5),
    st.dictionaries(st.sampled_from("AB"), st.integers(0, 9)),
    st.booleans(),
)
def test_a_cut_loses_nothing_and_takes_no_more_than_there_is(cut, lines, available, divides_lines):
    wants = [want(f"l{number}", *line) for number, line in enumerate(lines)]
    answer = cut(wants, available, divides_lines=divides_lines)
    if isinstance(answer, Unroutable):
        assert not any(available.get(one.sku, 0) >= (1 if divides_lines else one.quantity) for one in wants)
        return
    for one in wants:
        now = answer.now.get(one.line_id, 0)
        assert now + answer.waiting.get(one.line_id, 0) == one.quantity
        assert divides_lines or now in (0, one.quantity)
    for sku in "AB":
        left = available.get(sku, 0) - sum(answer.now.get(one.line_id, 0) for one in wants if one.sku == sku)
        assert left >= 0
        waiting = [one for one in wants if one.sku == sku and one.line_id in answer.waiting]
        assert all(left < (1 if divides_lines else one.quantity) for one in waiting)


@pytest.fixture
def held(rules, line):
    """Which of the goods l1 and l2, a gift and a line that is gone are held back."""
    lines = [
        line(line_id="l1"),
        line(line_id="l2"),
        line(line_id="gift", is_gift=True),
        line(line_id="gone", refunded=True),
    ]

    def build(*refunds, scope=RefundScope.LINES):
        ruled = dataclasses.replace(rules, review=dataclasses.replace(rules.review, refund_asked_holds=scope))
        return lines_held_back(lines, frozenset(refunds), ruled)

    return build


ALL = {"l1", "l2", "gift"}


def test_a_refund_holds_the_order_unless_a_rule_lets_the_other_lines_go(held):
    assert held("l1") == {"l1"}
    assert held("l1", scope=RefundScope.ORDER) == ALL


@pytest.mark.parametrize("scope", RefundScope)
def test_no_refund_and_the_refund_of_a_line_that_is_gone_hold_nothing(held, scope):
    assert held(scope=scope) == held("gone", scope=scope) == frozenset()


def test_gifts_do_not_go_alone(held):
    assert held("l1", "l2") == ALL
    assert held("gift") == {"gift"}


@pytest.mark.parametrize("refund", [CLOSED, SOME_LINE, "l9"])
def test_a_refund_of_no_line_that_we_know_holds_all(held, refund):
    assert held(refund) == held("l1", refund) == ALL
