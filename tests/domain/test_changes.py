import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.changes import Change, change
from domain.holds import HoldCode
from domain.money import Money
from domain.order import PlatformState
from domain.states import State
from domain.waivers import CLOSED

REVIEW, PAID = Change(review=True), Change(becomes_paid=True)
REFUND, CANCELLED = (Change(hold=HoldCode.REFUND_REQUESTED, refunds=frozenset({what})) for what in ("l1", CLOSED))
CHANGED = Change(hold=HoldCode.BUYER_CHANGED)
CLOSES, NOTHING = Change(closes=True), Change()
STOPPABLE = [State.APPROVED, State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED]
GONE = [State.IN_TRANSIT, State.DELIVERED, State.COMPLETED, State.AFTER_SALE, State.CLOSED]


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        *((state, CLOSES) for state in (State.PENDING_PAYMENT, State.PAID, State.APPROVED)),
        *((state, CANCELLED) for state in (State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED)),
        *((state, NOTHING) for state in GONE),
    ],
)
def test_a_closed_order_is_closed_held_or_gone(order, now, asked):
    assert change(order(), order(state=PlatformState.CLOSED), now, None) == asked


@pytest.mark.parametrize(
    ("resume", "asked"), [(State.PAID, CLOSES), (State.APPROVED, CLOSES), (State.PACKED, CANCELLED)]
)
def test_a_held_order_is_judged_by_what_the_hold_interrupted(order, resume, asked):
    assert change(order(), order(state=PlatformState.CLOSED), State.ON_HOLD, resume) == asked


@pytest.mark.parametrize("paid", sorted(set(PlatformState) - {PlatformState.UNPAID, PlatformState.CLOSED}))
def test_whatever_is_no_longer_unpaid_is_paid(order, paid):
    unpaid = order(state=PlatformState.UNPAID, paid_at=None)
    assert change(unpaid, order(state=paid), State.PENDING_PAYMENT, None) == PAID


def test_an_unpaid_order_waits_whatever_else_changes(order):
    old, new = (order(state=PlatformState.UNPAID, seller_memo=memo) for memo in ("", "急"))
    assert change(old, new, State.PENDING_PAYMENT, None) == NOTHING


def test_a_deposit_is_told_once(order):
    old = order(state=PlatformState.UNPAID)
    new = order(state=PlatformState.UNPAID, balance_open=True)
    assert change(old, new, State.PENDING_PAYMENT, None) == Change(hold=HoldCode.PRESALE_BALANCE_OPEN)
    assert change(new, new, State.PENDING_PAYMENT, None) == NOTHING


@pytest.mark.parametrize("now", [State.PENDING_PAYMENT, State.PAID])
@pytest.mark.parametrize("state", [PlatformState.UNPAID, PlatformState.TO_SHIP])
@pytest.mark.parametrize(
    ("changes", "again"),
    [({"quantity": 3}, True), ({"sku": "SKU-2"}, True), ({"refunded": True}, True), ({"title": "帽子"}, False)],
)
def test_other_pieces_are_reserved_again_before_the_review(order, line, now, state, changes, again):  # noqa: PLR0917 - a table of four
    asked = change(order(state=state), order(state=state, lines=(line(**changes),)), now, None)
    assert asked.reserves_again is again


def test_before_the_approval_review_looks_again_by_itself(order):
    for now, resume in ((State.PAID, None), (State.ON_HOLD, State.PAID)):
        assert change(order(), order(seller_memo="急"), now, resume) == REVIEW


@pytest.mark.parametrize("now", STOPPABLE)
def test_after_the_approval_a_change_stops_the_order(order, line, now):
    old = order()
    other_sum = order(totals={"payable": 9500})
    for new, asked in [
        (order(), NOTHING),
        (order(seller_memo="急", seller_flag=3), NOTHING),
        (order(receiver={"detail": "学院路 9 号"}), CHANGED),
        (order(lines=(line(quantity=3),)), CHANGED),
        (order(lines=(line(paid=Money(1, "CNY")),)), CHANGED),
        (other_sum, CHANGED),
        (order(lines=(line(refund_open=True),)), REFUND),
        (order(lines=(line(refunded=True),)), REFUND),
    ]:
        assert change(old, new, now, None) == asked
        assert change(old, new, State.ON_HOLD, now) == asked


def test_the_refund_of_another_line_stops_it_again_and_one_that_was_let_pass_does_not(order, line):
    one, both = ((line(refund_open=True), line(line_id="l2", refund_open=more)) for more in (False, True))
    asked = change(order(lines=one), order(lines=both), State.ALLOCATED, None)
    assert asked == Change(hold=HoldCode.REFUND_REQUESTED, refunds=frozenset({"l1", "l2"}))
    waived = frozenset({"l2"})
    assert change(order(lines=one), order(lines=both), State.ALLOCATED, None, waived) == NOTHING


def test_a_withdrawn_refund_is_no_change_by_the_buyer(order, line):
    asked_back = order(lines=(line(refund_open=True),))
    assert change(asked_back, order(), State.ALLOCATED, None) == NOTHING
    assert change(asked_back, asked_back, State.ALLOCATED, None) == NOTHING


@given(
    old=st.sampled_from(PlatformState),
    new=st.sampled_from(PlatformState),
    now=st.sampled_from(State),
    resume=st.sampled_from([State.PAID, *STOPPABLE]),
)
def test_a_change_asks_for_one_thing_and_never_touches_what_has_left(order, old, new, now, resume):
    asked = change(order(state=old), order(state=new), now, resume if now is State.ON_HOLD else None)
    assert sum([asked.closes, asked.hold is not None, asked.becomes_paid, asked.review]) <= 1
    if now in GONE:
        assert asked == NOTHING


@pytest.mark.parametrize("now", STOPPABLE)
def test_a_refund_that_became_unknown_stops_it(order, line, now):
    known, unknown = (order(lines=(line(refund_unknown=is_unknown),)) for is_unknown in (False, True))
    assert change(known, unknown, now, None) == Change(hold=HoldCode.REFUND_UNKNOWN, refunds=frozenset({"l1"}))
    assert change(known, unknown, now, None, waived_unknown=frozenset({"l1"})) == NOTHING
    assert change(unknown, unknown, now, None) == NOTHING, "its hold was opened before"
    assert change(unknown, known, now, None) == NOTHING
