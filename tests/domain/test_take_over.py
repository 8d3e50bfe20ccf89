from datetime import UTC, datetime, timedelta

import pytest

from domain.changes import ChangeActions, ChangedPart, change
from domain.normalize import initial_state
from domain.order import FulfilledBy, OrderType, PlatformState
from domain.states import State
from domain.take_over import NOT_TAKEN_OVER, NOTHING_KNOWN, WATCHED, TakeOver, why_kept_out

T = datetime(2026, 12, 1, tzinfo=UTC)
BEFORE, AFTER = T - timedelta(seconds=1), T
TAKEN_OVER = TakeOver(kept_before=T)
WATCH = TakeOver(is_watched=True, kept_before=T)


@pytest.mark.parametrize(
    ("paid_at", "created_at", "unpaid_at", "reason"),
    [
        (BEFORE, BEFORE, None, NOT_TAKEN_OVER),
        (AFTER, BEFORE, None, ""),
        (AFTER, AFTER, None, ""),
        # The platform does not tell when: before it was placed nobody has paid it.
        (None, BEFORE, None, NOT_TAKEN_OVER),
        (None, AFTER, None, ""),
        (None, BEFORE, BEFORE, NOT_TAKEN_OVER),
        (None, BEFORE, AFTER, ""),
        (BEFORE, BEFORE, AFTER, NOT_TAKEN_OVER),
    ],
)
def test_the_payment_decides_whose_order_it_is(order, paid_at, created_at, unpaid_at, reason):
    one = order(paid_at=paid_at, created_at=created_at)
    assert why_kept_out(one, TAKEN_OVER, is_unpaid=False, unpaid_at=unpaid_at) == reason


def test_an_unpaid_order_is_decided_by_its_payment(order):
    unpaid = order(state=PlatformState.UNPAID, paid_at=None, created_at=BEFORE)
    assert initial_state(unpaid, TAKEN_OVER).state is State.PENDING_PAYMENT


def test_without_an_instant_every_order_is_ours(order):
    assert why_kept_out(order(paid_at=None), NOTHING_KNOWN, is_unpaid=False) == ""


def test_cash_on_delivery_counts_from_its_placing(order):
    cash = {"state": PlatformState.UNPAID, "order_type": OrderType.COD, "paid_at": None}
    assert initial_state(order(**cash, created_at=AFTER), TAKEN_OVER).state is not State.CLOSED
    early = initial_state(order(**cash, created_at=BEFORE), TAKEN_OVER)
    assert (early.state, early.reason) == (State.CLOSED, NOT_TAKEN_OVER)


@pytest.mark.parametrize("state", [PlatformState.TO_SHIP, PlatformState.SHIPPED, PlatformState.PART_SHIPPED])
@pytest.mark.parametrize("fulfilled_by", [FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN, FulfilledBy.PLATFORM])
@pytest.mark.parametrize("shop", [TAKEN_OVER, WATCH])
def test_what_another_system_ships_is_closed_without_a_hold(order, line, state, fulfilled_by, shop):
    one = order(state=state, paid_at=BEFORE, created_at=BEFORE, lines=(line(fulfilled_by=fulfilled_by),))
    intake = initial_state(one, shop)
    assert (intake.state, intake.holds) == (State.CLOSED, ())
    assert intake.reason == (WATCHED if shop.is_watched else NOT_TAKEN_OVER)


@pytest.mark.parametrize("state", [PlatformState.UNPAID, PlatformState.TO_SHIP])
def test_of_a_watched_shop_every_order_is_kept_out(order, state):
    assert initial_state(order(state=state, paid_at=AFTER), WATCH).reason == WATCHED


def test_an_order_that_is_over_says_so(order):
    assert initial_state(order(state=PlatformState.CLOSED, paid_at=BEFORE), TAKEN_OVER).reason == "closed_by_platform"


def standing(at=State.PENDING_PAYMENT, **changes):
    usual = {"has_pieces": True, "is_bound": False, "pieces_changed": False, "kept_out": NOT_TAKEN_OVER}
    return ChangedPart(at, **(usual | changes))


def test_an_order_that_turns_out_to_be_paid_before_is_closed(order):
    unpaid, paid = order(state=PlatformState.UNPAID), order(paid_at=BEFORE)
    assert change(unpaid, paid, standing(), ()) == ChangeActions(closes=NOT_TAKEN_OVER)
    ours = change(unpaid, paid, standing(kept_out=""), ())
    assert (ours.becomes_paid, ours.closes) == (True, "")
    assert change(unpaid, unpaid, standing(), ()) == ChangeActions()


def test_an_order_that_was_begun_is_not_taken_back(order):
    paid = order(paid_at=BEFORE)
    assert not change(paid, paid, standing(State.PAID), ()).closes
