import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.holds import HoldCode
from domain.money import Money
from domain.normalize import initial_state, inspect, tidy
from domain.order import OrderType, PlatformState
from domain.states import State


@pytest.mark.parametrize(
    ("raw", "tidied"),
    [
        ("  文三路  1 号\n", "文三路 1 号"),
        ("a\x00b", "ab"),
        ("a\u200bb\ufeff", "ab"),
        ("a\u3000b\tc", "a b c"),
        ("\ud800x", "x"),
        ("\u202eabc", "abc"),
        ("é😀", "é😀"),
        ("", ""),
    ],
)
def test_texts_become_one_visible_line(raw, tidied):
    assert tidy(raw, 100) == tidied


def test_a_cut_leaves_no_space_at_the_end():
    assert tidy("ab cd", 3) == "ab"


@given(st.text(st.characters(), max_size=40), st.integers(0, 20))
def test_tidied_texts_are_short_storable_and_stable(raw, limit):
    text = tidy(raw, limit)
    assert len(text) <= limit
    assert text == text.strip()
    assert "  " not in text
    assert not {unicodedata.category(character) for character in text} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    text.encode()
    assert tidy(text, limit) == text


def test_a_clean_order_adds_up(order):
    assert inspect(order()) == ()


@given(off=st.integers(-500, 500))
@example(off=1)
@example(off=-1)
@example(off=2)
@example(off=-2)
def test_sums_may_be_off_by_one_minor_unit_and_no_more(order, line, off):
    changed = order(lines=(line(paid=Money(9000 + off, "CNY")),))
    findings = inspect(changed)
    assert bool(findings) == (abs(off) > 1)
    for finding in findings:
        assert finding.code is HoldCode.AMOUNT_MISMATCH
        assert finding.facts == {"lines_off_minor": off}


@given(off=st.integers(-500, 500))
@example(off=1)
@example(off=-1)
@example(off=2)
@example(off=-2)
def test_the_breakdown_must_add_up_too(order, off):
    findings = inspect(order(totals={"goods": 10000 + off}))
    assert [finding.facts for finding in findings] == ([{"totals_off_minor": off}] if abs(off) > 1 else [])


def test_a_payload_without_breakdown_is_judged_by_its_lines(order):
    assert inspect(order(totals={"goods": 0, "discount": 0})) == ()


def test_a_discount_without_goods_is_a_breakdown_too(order):
    assert inspect(order(totals={"goods": 0})) != ()


def test_tax_and_freight_are_part_of_what_the_buyer_owes(order):
    assert inspect(order(totals={"tax": 300, "payable": 9900})) == ()
    assert inspect(order(totals={"tax": 300})) != ()


def test_every_difference_is_told_at_once(order, line):
    (finding,) = inspect(order(lines=(line(quantity=0, paid=Money(-1, "CNY")),)))
    assert finding.facts == {"lines_without_quantity": 1, "negative_amounts": 1, "lines_off_minor": -9001}


def test_an_order_without_lines_cannot_add_up(order):
    (finding,) = inspect(order(lines=()))
    assert finding.facts["lines"] == 0


def test_mixed_currencies_are_a_finding_and_no_crash(order, line):
    (finding,) = inspect(order(lines=(line(paid=Money(9000, "USD")),)))
    assert finding.facts == {"currencies": 2}


@pytest.mark.parametrize(
    ("platform_state", "state", "reason"),
    [
        (PlatformState.UNPAID, State.PENDING_PAYMENT, ""),
        (PlatformState.HOLD, State.PAID, ""),
        (PlatformState.TO_SHIP, State.PAID, ""),
        (PlatformState.PART_SHIPPED, State.ON_HOLD, "shipped_elsewhere"),
        (PlatformState.SHIPPED, State.ON_HOLD, "shipped_elsewhere"),
        (PlatformState.DONE, State.CLOSED, "completed_elsewhere"),
        (PlatformState.CLOSED, State.CLOSED, "closed_by_platform"),
    ],
)
def test_a_new_order_enters_where_its_platform_says(order, platform_state, state, reason):
    intake = initial_state(order(state=platform_state))
    assert (intake.state, intake.reason) == (state, reason)
    held = [finding.code for finding in intake.holds]
    assert held == ([HoldCode.SHIPPED_ELSEWHERE] if state is State.ON_HOLD else [])


def test_every_platform_state_has_an_entrance(order):
    assert all(initial_state(order(state=state)) for state in PlatformState)


def test_cash_on_delivery_does_not_wait_for_payment(order):
    intake = initial_state(order(state=PlatformState.UNPAID, order_type=OrderType.COD))
    assert intake.state is State.PAID


def test_a_deposit_holds_an_unpaid_order_beside_its_state(order):
    intake = initial_state(order(state=PlatformState.UNPAID, order_type=OrderType.PRESALE, balance_open=True))
    assert intake.state is State.PENDING_PAYMENT
    assert [finding.code for finding in intake.holds] == [HoldCode.PRESALE_BALANCE_OPEN]
    assert intake.reason == "presale_balance_open"


def test_an_unpaid_order_without_a_deposit_waits_without_a_hold(order):
    assert initial_state(order(state=PlatformState.UNPAID)).holds == ()


def test_the_sums_speak_of_the_lines_that_are_shown(order, line):
    shown = (line(line_id="l2"),)
    assert inspect(order(lines=(*shown, line(is_missing=True)))) == ()
    (finding,) = inspect(order(lines=(line(is_missing=True),)))
    assert finding.facts["lines"] == 0
