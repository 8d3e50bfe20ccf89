import dataclasses
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.holds import HoldCode
from domain.money import Money
from domain.normalize import initial_state, inspect, tidy
from domain.order import FulfilledBy, OrderType, PlatformState
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


MINOR = st.integers(0, 100_000)


@st.composite
def bills(draw):
    """Shares of lines, which of them were refunded, and what is owed beside them."""
    shares = draw(st.lists(MINOR, min_size=1, max_size=5))
    refunded = [draw(st.booleans()) for _ in shares]
    return shares, refunded, {name: draw(MINOR) for name in ("freight", "tax", "services", "fees")}


def billed(order, line, bill, taken=0, off=0):
    """An order of that bill; `taken`: what the platform took out of the sum for refunds, `off`: what is wrong in it."""
    shares, refunded, beside = bill
    lines = [
        line(line_id=f"l{number}", paid=Money(share, "CNY"), refunded=is_refunded)
        for number, (share, is_refunded) in enumerate(zip(shares, refunded, strict=True))
    ]
    service = line(line_id="service", paid=Money(beside["services"], "CNY"), fulfilled_by=FulfilledBy.NOBODY)
    payable = sum(shares) + sum(beside.values()) - taken + off
    goods = payable - sum(beside.values())
    totals = {**beside, "goods": goods, "discount": 0, "payable": payable, "paid": payable}
    return order(lines=(*lines, service), totals=totals)


@given(bills())
def test_every_part_of_the_payable_sum_has_a_place(order, line, bill):
    assert inspect(billed(order, line, bill)) == ()


@given(bills(), st.data())
def test_a_paid_refund_may_have_left_the_sum_wholly_in_part_or_not_at_all(order, line, bill, data):
    shares, refunded, _ = bill
    most = sum(share for share, is_refunded in zip(shares, refunded, strict=True) if is_refunded)
    assert inspect(billed(order, line, bill, taken=data.draw(st.integers(0, most)))) == ()


@given(bills(), st.integers(2, 10_000), st.booleans())
def test_and_by_no_more_and_in_no_other_direction(order, line, bill, off, is_high):
    shares, refunded, _ = bill
    most = sum(share for share, is_refunded in zip(shares, refunded, strict=True) if is_refunded)
    wrong = billed(order, line, bill, off=off) if is_high else billed(order, line, bill, taken=most, off=-off)
    (finding,) = inspect(wrong)
    assert finding.facts["lines_off_minor"] == (-off if is_high else off)


@pytest.mark.parametrize("part", ["services", "fees"])
def test_a_part_in_another_currency_or_below_zero_is_seen(order, part):
    assert inspect(order(totals={part: -1})) != ()
    sums = dataclasses.replace(order().totals, **{part: Money(0, "USD")})
    assert inspect(dataclasses.replace(order(), totals=sums))[0].facts == {"currencies": 2}


def test_the_shares_of_an_unpaid_order_are_not_divided_yet(order, line):
    zero = (line(paid=Money(0, "CNY")),)
    assert inspect(order(state=PlatformState.UNPAID, lines=zero)) == ()
    assert inspect(order(state=PlatformState.UNPAID, order_type=OrderType.COD, lines=zero)) != ()
    assert inspect(order(lines=zero)) != ()


def test_a_line_that_is_left_out_has_no_share(order, line):
    assert inspect(order(lines=(line(), line(line_id="l2", is_missing=True)))) == ()
    assert inspect(order(lines=(line(is_missing=True),))) != ()


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


ENDS = [PlatformState.DONE, PlatformState.CLOSED]
OTHERS = [kind for kind in FulfilledBy if kind not in {FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN}]


@pytest.mark.parametrize("fulfiller", OTHERS)
@pytest.mark.parametrize("platform_state", PlatformState)
def test_what_is_not_ours_waits_without_a_hold_for_its_end(order, line, fulfiller, platform_state):
    theirs = (line(fulfilled_by=fulfiller, shipped=2), line(line_id="l2", fulfilled_by=FulfilledBy.NOBODY))
    intake = initial_state(order(state=platform_state, lines=theirs, balance_open=True, platform_hold=True))
    waits = State.PENDING_PAYMENT if platform_state is PlatformState.UNPAID else State.PAID
    assert intake.state is (State.CLOSED if platform_state in ENDS else waits)
    assert (intake.holds, intake.reason) == ((), "not_ours")


def test_cash_on_delivery_by_somebody_else_is_not_ours(order, line):
    theirs = (line(fulfilled_by=FulfilledBy.COURIER),)
    intake = initial_state(order(state=PlatformState.UNPAID, order_type=OrderType.COD, lines=theirs))
    assert (intake.state, intake.reason) == (State.PAID, "not_ours")


@pytest.mark.parametrize("fulfiller", [FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN])
def test_one_line_of_ours_makes_an_order_ours(order, line, fulfiller):
    mixed = (line(fulfilled_by=FulfilledBy.PLATFORM), line(line_id="l2", fulfilled_by=fulfiller))
    assert (initial_state(order(lines=mixed)).state, initial_state(order(lines=mixed)).reason) == (State.PAID, "")


def test_a_part_that_others_shipped_as_they_had_to_holds_nothing(order, line):
    lines = (line(fulfilled_by=FulfilledBy.PLATFORM, shipped=2), line(line_id="l2"))
    assert initial_state(order(state=PlatformState.PART_SHIPPED, lines=lines)).state is State.PAID


def test_a_line_that_left_without_us_is_named(order, line):
    lines = (line(shipped=2), line(line_id="l2"))
    intake = initial_state(order(state=PlatformState.PART_SHIPPED, lines=lines))
    assert intake.state is State.ON_HOLD
    assert [finding.facts["lines"] for finding in intake.holds] == ["l1"]


def test_even_with_cash_on_delivery(order, line):
    cod = order(state=PlatformState.UNPAID, order_type=OrderType.COD, lines=(line(shipped=2),))
    assert initial_state(cod).state is State.ON_HOLD


@pytest.mark.parametrize("platform_state", [PlatformState.TO_SHIP, PlatformState.SHIPPED, PlatformState.UNPAID])
def test_an_order_of_which_every_line_was_refunded_is_over(order, line, platform_state):
    gone = (line(refunded=True), line(line_id="l2", refunded=True, fulfilled_by=FulfilledBy.PLATFORM))
    intake = initial_state(order(state=platform_state, lines=gone))
    assert (intake.state, intake.reason) == (State.CLOSED, "refunded")


def test_one_refunded_line_leaves_the_rest(order, line):
    intake = initial_state(order(lines=(line(refunded=True), line(line_id="l2"))))
    assert (intake.state, intake.holds) == (State.PAID, ())


def test_the_sums_speak_of_the_lines_that_are_shown(order, line):
    shown = (line(line_id="l2"),)
    assert inspect(order(lines=(*shown, line(is_missing=True)))) == ()
    (finding,) = inspect(order(lines=(line(is_missing=True),)))
    assert finding.facts["lines"] == 0
