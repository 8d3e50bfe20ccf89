from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deadlines import ship_by
from domain.rules import parse_rules

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
PAID = datetime(2026, 6, 18, 20, tzinfo=UTC)


@pytest.fixture
def hurried(tree):
    mapping = tree()
    mapping["ship_by"]["platform_h"]["pdd"] = 24
    return parse_rules(mapping)


def test_a_platform_has_its_own_hours(hurried):
    assert ship_by("pdd", PAID, None, hurried) == PAID + timedelta(hours=24)
    assert ship_by("taobao", PAID, None, hurried) == PAID + timedelta(hours=48)


@given(moments, moments)
def test_a_promised_date_wins(rules, paid_at, promised):
    assert ship_by("taobao", paid_at, promised, rules) == promised
    assert ship_by("taobao", None, promised, rules) == promised


@given(moments)
def test_every_paid_order_has_a_clock_that_starts_at_payment(rules, paid_at):
    deadline = ship_by("taobao", paid_at, None, rules)
    assert deadline is not None
    assert deadline > paid_at


def test_an_unpaid_order_without_a_promise_has_none(rules):
    assert ship_by("taobao", None, None, rules) is None
