import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.changes import ChangeActions, ChangedPart, buyer_changed, change
from domain.holds import Finding, HoldCode
from domain.money import Money
from domain.order import FulfilledBy, PlatformState
from domain.states import State
from domain.stops import StopCode, StopGoal, StopWish

REVIEW, NOTHING = ChangeActions(review=True), ChangeActions()
BEFORE = [State.PENDING_PAYMENT, State.PAID]
AFTER = [State.APPROVED, State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED]
GONE = [State.IN_TRANSIT, State.DELIVERED, State.COMPLETED, State.AFTER_SALE, State.CLOSED]
REFUND = Finding(HoldCode.REFUND_REQUESTED, {"refunds": "l1"}, "review.refund_requested")
MEMO = Finding(HoldCode.SENSITIVE_WORD, {"fields": "seller_memo"}, "review.sensitive_words[0]")


def standing(at, **changes):
    """Where a fulfillment order stands that has pieces, and no label."""
    usual = ChangedPart(at, has_pieces=True, is_bound=False, pieces_changed=False, lines=frozenset({"l1"}))
    return dataclasses.replace(usual, **changes)


def empty(at, **changes):
    return standing(at, has_pieces=False, pieces_changed=True, **changes)


def codes(asked):
    return [finding.code for finding in asked.holds]


@pytest.mark.parametrize("now", [*BEFORE, *AFTER])
def test_a_closed_order_is_closed_unless_a_label_may_live(order, now):
    closed = order(state=PlatformState.CLOSED)
    assert change(order(), closed, empty(now), ()) == ChangeActions(closes="closed_by_platform")
    assert change(order(), closed, empty(now, is_bound=True), [REFUND]).closes == ""


@pytest.mark.parametrize("now", AFTER)
def test_a_closed_order_with_a_label_is_stopped(order, now):
    closed = Finding(HoldCode.REFUND_REQUESTED, {"refunds": "closed,l1"}, "review.refund_requested")
    asked = change(order(), order(state=PlatformState.CLOSED), standing(now, is_bound=True), [closed])
    assert asked == ChangeActions(stops=StopWish(StopCode.CLOSED_BY_PLATFORM, StopGoal.CLOSE))


@pytest.mark.parametrize(
    ("state", "fields", "reason"),
    [
        (PlatformState.TO_SHIP, {"refunded": True}, "refunded"),
        (PlatformState.SHIPPED, {"refunded": True}, "refunded"),
        (PlatformState.CLOSED, {"refunded": True}, "closed_by_platform"),
        (PlatformState.DONE, {"shipped": 2}, "completed_elsewhere"),
        (PlatformState.DONE, {"fulfilled_by": FulfilledBy.PLATFORM}, "not_ours"),
        (PlatformState.CLOSED, {"fulfilled_by": FulfilledBy.PLATFORM}, "not_ours"),
        # What is not ours is followed to its end.
        (PlatformState.TO_SHIP, {"fulfilled_by": FulfilledBy.PLATFORM}, ""),
        (PlatformState.SHIPPED, {"fulfilled_by": FulfilledBy.PICKUP}, ""),
    ],
)
@pytest.mark.parametrize("now", [State.PAID, State.APPROVED, State.ALLOCATED])
def test_why_an_order_is_over_of_which_nothing_is_left(order, line, now, state, fields, reason):  # noqa: PLR0917 - a table of four
    new = order(state=state, lines=(line(**fields),))
    assert change(order(), new, empty(now), ()).closes == reason


def test_a_refund_of_one_line_closes_nothing_while_another_waits_for_a_person(order, line):
    old = order(lines=(line(), line(line_id="l2")))
    new = order(lines=(line(refunded=True), line(line_id="l2", shipped=2)))
    seen = Finding(HoldCode.SHIPPED_ELSEWHERE, {"lines": "l2"}, "normalize.platform_state")
    both = empty(State.ALLOCATED, lines=frozenset({"l1", "l2"}))
    assert change(old, new, both, [seen]) == ChangeActions(holds=(seen,))
    assert change(old, new, empty(State.ALLOCATED, lines=frozenset()), [seen]) == ChangeActions(holds=(seen,))
    assert change(old, new, both, ()).closes == "nothing_left", "the person has looked"


def test_of_several_parts_each_ends_for_itself(order, line):
    new = order(lines=(line(refunded=True), line(line_id="l2")))
    assert change(order(), new, empty(State.ALLOCATED), ()).closes == "refunded"
    theirs = order(lines=(line(fulfilled_by=FulfilledBy.PLATFORM), line(line_id="l2")))
    assert change(order(), theirs, empty(State.ALLOCATED), ()).closes == "nothing_left"


@pytest.mark.parametrize("held_by", [HoldCode.BUYER_CHANGED, HoldCode.WAYBILL_ERROR])
def test_what_is_empty_stays_while_somebody_must_look(order, line, held_by):
    new = order(lines=(line(shipped=2),))
    assert change(order(), new, empty(State.ALLOCATED, held_by=frozenset({held_by})), ()) == NOTHING


@pytest.mark.parametrize("now", [State.PAID, *AFTER])
def test_what_became_somebody_elses_waits_as_paid_and_asks_nobody(order, line, now):
    new = order(lines=(line(fulfilled_by=FulfilledBy.PLATFORM),))
    held_by = frozenset({HoldCode.FULFILLER_UNKNOWN})
    assert change(order(), new, empty(now, held_by=held_by), ()) == ChangeActions(becomes_paid=True, releases=held_by)


def test_what_is_not_ours_becomes_paid_without_work(order, line):
    lines = (line(fulfilled_by=FulfilledBy.PLATFORM),)
    old = order(state=PlatformState.UNPAID, lines=lines)
    assert change(old, order(lines=lines), empty(State.PENDING_PAYMENT), ()) == ChangeActions(becomes_paid=True)


@pytest.mark.parametrize("paid", sorted(set(PlatformState) - {PlatformState.UNPAID, PlatformState.CLOSED}))
def test_whatever_is_no_longer_unpaid_is_paid(order, paid):
    unpaid = order(state=PlatformState.UNPAID, paid_at=None)
    asked = change(unpaid, order(state=paid), standing(State.PENDING_PAYMENT), ())
    assert asked == ChangeActions(becomes_paid=True, review=True)


def test_an_unpaid_order_waits_whatever_else_changes(order):
    old, new = (order(state=PlatformState.UNPAID, seller_memo=memo) for memo in ("", "急"))
    assert change(old, new, standing(State.PENDING_PAYMENT), [MEMO]) == NOTHING


def test_a_deposit_is_told_once(order):
    old = order(state=PlatformState.UNPAID)
    new = order(state=PlatformState.UNPAID, balance_open=True)
    assert codes(change(old, new, standing(State.PENDING_PAYMENT), ())) == [HoldCode.PRESALE_BALANCE_OPEN]
    assert change(new, new, standing(State.PENDING_PAYMENT), ()) == NOTHING


@pytest.mark.parametrize("now", BEFORE)
@pytest.mark.parametrize("state", [PlatformState.UNPAID, PlatformState.TO_SHIP])
@pytest.mark.parametrize("pieces_changed", [True, False])
def test_other_pieces_are_reserved_again_before_the_review(order, now, state, pieces_changed):
    asked = change(order(state=state), order(state=state), standing(now, pieces_changed=pieces_changed), ())
    assert asked.reserves_again is pieces_changed


def test_before_the_approval_review_looks_again_by_itself(order):
    assert change(order(), order(seller_memo="急"), standing(State.PAID), [MEMO]) == REVIEW


@pytest.mark.parametrize("now", AFTER)
def test_after_the_approval_whatever_the_checks_find_holds(order, now):
    assert change(order(), order(), standing(now), ()) == NOTHING
    assert change(order(), order(), standing(now), [REFUND, MEMO]) == ChangeActions(holds=(REFUND, MEMO))


@pytest.mark.parametrize("now", AFTER)
def test_what_is_held_already_is_not_held_twice(order, now):
    held = standing(now, held_by=frozenset({HoldCode.REFUND_REQUESTED}))
    assert change(order(), order(), held, [REFUND, MEMO]) == ChangeActions(holds=(MEMO,))


@pytest.mark.parametrize("now", AFTER)
def test_a_hold_whose_reason_is_gone_is_released(order, now):
    held = standing(now, held_by=frozenset({HoldCode.REFUND_REQUESTED, HoldCode.SENSITIVE_WORD}))
    assert change(order(), order(), held, [MEMO]) == ChangeActions(releases=frozenset({HoldCode.REFUND_REQUESTED}))


@pytest.mark.parametrize(
    "code",
    [
        HoldCode.BUYER_CHANGED,
        HoldCode.DEAD_LETTER,
        HoldCode.STOCK_SHORT_PAID,
        HoldCode.STOCK_CONFLICT,
        HoldCode.REMOTE_COURIER,
        HoldCode.WAYBILL_ERROR,
        HoldCode.UNWANTED_WAYBILL,
    ],
)
def test_some_holds_are_taken_back_by_no_content(order, code):
    held = standing(State.ALLOCATED, held_by=frozenset({code}))
    assert change(order(), order(seller_memo="ok"), held, ()) == NOTHING


@pytest.mark.parametrize("now", AFTER)
@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, None),
        ({"seller_memo": "急", "seller_flag": 3}, None),
        ({"state": PlatformState.HOLD}, None),
        ({"receiver": {"detail": "学院路 9 号"}}, "receiver"),
        ({"totals": {"payable": 9500}}, "sums"),
        ({"receiver": {"detail": "学院路 9 号"}, "totals": {"payable": 9500}}, "receiver,sums"),
    ],
)
def test_another_receiver_or_sum_is_a_change_of_the_buyers(order, now, changes, changed):
    asked = change(order(), order(**changes), standing(now), ())
    assert codes(asked) == ([] if changed is None else [HoldCode.BUYER_CHANGED])
    assert [finding.facts["changed"] for finding in asked.holds] == ([] if changed is None else [changed])


@pytest.mark.parametrize(
    ("fields", "is_changed"),
    [
        ({}, False),
        ({"quantity": 3}, True),
        ({"quantity": 1}, True),
        ({"sku": "SKU-2"}, True),
        ({"title": "帽子"}, True),
        ({"paid": Money(1, "CNY")}, True),
        ({"refund_open": True}, False),
        ({"refund_unknown": True}, False),
        ({"is_missing": True}, False),
        ({"refunded": True}, False),
        ({"refunded": True, "quantity": 1, "paid": Money(0, "CNY")}, False),
        ({"shipped": 2, "waybill": "SF1"}, False),
        ({"fulfilled_by": FulfilledBy.UNKNOWN}, False),
        ({"fulfilled_by": FulfilledBy.PLATFORM}, False),
    ],
)
def test_refunds_and_shipments_are_no_change_of_the_buyers(order, line, fields, is_changed):
    new = order(lines=(line(**fields),))
    assert bool(buyer_changed(order(), new)) is is_changed
    assert bool(buyer_changed(new, new)) is False


def test_a_line_more_or_less_is_a_change(order, line):
    two = order(lines=(line(), line(line_id="l2")))
    assert [finding.facts for finding in buyer_changed(order(), two)] == [{"changed": "lines"}]


def test_a_refund_takes_its_money_away_which_is_no_change(order, line):
    both = (line(paid=Money(4000, "CNY")), line(line_id="l2", paid=Money(5000, "CNY")))
    old = order(lines=both)
    paid_back = order(lines=(both[0], dataclasses.replace(both[1], refunded=True)), totals={"payable": 4600})
    assert buyer_changed(old, paid_back) == ()
    assert codes(ChangeActions(holds=buyer_changed(old, order(lines=both, totals={"payable": 4600})))) == [
        HoldCode.BUYER_CHANGED
    ]


@given(
    old=st.sampled_from(PlatformState),
    new=st.sampled_from(PlatformState),
    now=st.sampled_from(State),
    has_pieces=st.booleans(),
    is_bound=st.booleans(),
    refunded=st.booleans(),
    fulfilled_by=st.sampled_from(FulfilledBy),
    found=st.sampled_from([(), (REFUND,), (REFUND, MEMO)]),
)
def test_a_change_asks_for_one_thing_and_never_touches_what_has_left(  # noqa: PLR0917 - hypothesis names them
    order, line, old, new, now, has_pieces, is_bound, refunded, fulfilled_by, found
):
    lines = (line(refunded=refunded, fulfilled_by=fulfilled_by),)
    stands = standing(now, has_pieces=has_pieces, is_bound=is_bound)
    asked = change(order(state=old, lines=lines), order(state=new, lines=lines), stands, found)
    assert bool(asked.closes) + bool(asked.holds) + (asked.becomes_paid or asked.review) <= 1
    if asked.closes:
        assert not is_bound, "what may have a label is never closed behind its back"
        assert not has_pieces, "nor what is still wanted"
    if now in GONE:
        assert asked == NOTHING


@pytest.mark.parametrize("state", PlatformState)
def test_what_is_held_until_it_is_begun_is_let_go_once_it_is_never_begun(order, state):
    held = frozenset({HoldCode.MANUAL})
    asked = change(order(), order(state=state), empty(State.CLOSED, held_while_closed=held), ())
    is_over = state in {PlatformState.SHIPPED, PlatformState.DONE, PlatformState.CLOSED}
    assert asked == (ChangeActions(releases=held) if is_over else NOTHING)
