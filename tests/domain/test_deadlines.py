from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deadlines import ship_by, ship_from
from domain.order import FulfilledBy, OrderKey, OrderType, PlatformState
from domain.rules import parse_rules

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
PAID = datetime(2026, 6, 18, 20, tzinfo=UTC)
OTHERS = [FulfilledBy.PLATFORM, FulfilledBy.PICKUP, FulfilledBy.NOBODY, FulfilledBy.COURIER]


@pytest.fixture
def hurried(tree):
    mapping = tree()
    mapping["ship_by"]["platform_h"]["pdd"] = 24
    return parse_rules(mapping)


def test_a_platform_has_its_own_hours(order, hurried):
    assert ship_by(order(key=OrderKey("pdd", "s1", "P1"), paid_at=PAID), hurried) == PAID + timedelta(hours=24)
    assert ship_by(order(paid_at=PAID), hurried) == PAID + timedelta(hours=48)


@given(moments, moments)
def test_a_promised_date_wins(order, rules, paid_at, promised):
    assert ship_by(order(paid_at=paid_at, ship_by=promised), rules) == promised
    assert ship_by(order(paid_at=None, ship_by=promised), rules) == promised


@given(moments)
def test_every_paid_order_has_a_clock_that_starts_at_payment(order, rules, paid_at):
    deadline = ship_by(order(paid_at=paid_at), rules)
    assert deadline is not None
    assert deadline > paid_at


@pytest.mark.parametrize("promised", [None, PAID])
def test_an_unpaid_order_has_none_whatever_was_promised(order, rules, promised):
    assert ship_by(order(state=PlatformState.UNPAID, paid_at=None, ship_by=promised), rules) is None


def test_a_payment_without_a_time_starts_no_clock(order, rules):
    assert ship_by(order(paid_at=None), rules) is None


@pytest.mark.parametrize("state", [PlatformState.UNPAID, PlatformState.TO_SHIP])
def test_cash_on_delivery_runs_from_the_orders_creation(order, rules, state):
    cod = order(state=state, order_type=OrderType.COD, paid_at=None, created_at=PAID)
    assert ship_by(cod, rules) == PAID + timedelta(hours=48)


@pytest.mark.parametrize("fulfiller", OTHERS)
def test_what_others_ship_has_no_clock(order, line, rules, fulfiller):
    theirs = line(fulfilled_by=fulfiller)
    assert ship_by(order(lines=(theirs,), ship_by=PAID), rules) is None
    assert ship_by(order(lines=(theirs, line(line_id="l2"))), rules) is not None


def test_nor_has_what_was_refunded(order, line, rules):
    assert ship_by(order(lines=(line(refunded=True),)), rules) is None
    assert ship_by(order(lines=(line(refunded=True), line(line_id="l2"))), rules) is not None


def test_of_whom_nobody_knows_who_ships_it_has_one(order, line, rules):
    assert ship_by(order(lines=(line(fulfilled_by=FulfilledBy.UNKNOWN),)), rules) is not None


def test_a_shipped_order_keeps_its_clock(order, line, rules):
    """By whom it was shipped, is not told here: an order of ours is late or in time even then."""
    assert ship_by(order(state=PlatformState.SHIPPED, lines=(line(shipped=2),)), rules) is not None


@given(moments, st.none() | moments, st.none() | moments, st.booleans())
def test_waiting_for_a_day_never_makes_an_order_late(order, paid_at, start, due, presale_waits):
    kept = ship_from(order(paid_at=paid_at, ship_from=start), due, presale_waits=presale_waits)
    is_kept = presale_waits and start is not None and due is not None and start < due
    assert kept == (start if is_kept else None)
