"""One order and one rule set to vary. Session scoped, so that hypothesis may use them."""

import dataclasses
import tomllib
from datetime import UTC, datetime
from importlib import resources

import hypothesis
import pytest

from domain.money import Money
from domain.order import (
    Address,
    MemberLevel,
    Order,
    OrderKey,
    OrderLine,
    OrderSource,
    OrderType,
    PlatformState,
    Totals,
)
from domain.rules import parse_rules

# Other work on the machine must not fail a rule by the clock.
hypothesis.settings.register_profile("rules", deadline=None, database=None, max_examples=50)
hypothesis.settings.load_profile("rules")

PAID_AT = datetime(2026, 6, 18, 20, 0, tzinfo=UTC)
RECEIVER = Address("林小满", "13800000001", "浙江省", "杭州市", "西湖区", "", "文三路 1 号")
LINE = OrderLine("l1", "p1", "ps1", "SKU-1", "毛衣", 2, Money(5000, "CNY"), Money(9000, "CNY"))
ORDER = Order(
    key=OrderKey("taobao", "s1", "T1"),
    state=PlatformState.TO_SHIP,
    order_type=OrderType.NORMAL,
    source=OrderSource.SHELF,
    member_level=MemberLevel.NONE,
    buyer_id="buyer-1",
    receiver=RECEIVER,
    lines=(LINE,),
    totals=Totals(
        goods=Money(10000, "CNY"),
        discount=Money(1000, "CNY"),
        freight=Money(600, "CNY"),
        tax=Money(0, "CNY"),
        payable=Money(9600, "CNY"),
        paid=Money(9600, "CNY"),
        services=Money(0, "CNY"),
        fees=Money(0, "CNY"),
    ),
    created_at=PAID_AT,
    updated_at=PAID_AT,
    paid_at=PAID_AT,
)


@pytest.fixture(scope="session")
def tree():
    """A fresh copy of the packaged rules as a plain mapping, to change and parse."""
    text = (resources.files("domain") / "default_rules.toml").read_text(encoding="utf-8")
    return lambda: tomllib.loads(text)


@pytest.fixture(scope="session")
def rules(tree):
    return parse_rules(tree())


@pytest.fixture(scope="session")
def order():
    """A clean paid order; keywords replace fields of the order, `receiver` and `totals` theirs."""

    def build(receiver=None, totals=None, **changes):
        return dataclasses.replace(
            ORDER,
            receiver=dataclasses.replace(RECEIVER, **(receiver or {})),
            totals=dataclasses.replace(ORDER.totals, **{k: Money(v, "CNY") for k, v in (totals or {}).items()}),
            **changes,
        )

    return build


@pytest.fixture(scope="session")
def line():
    """The line of the clean order with other fields."""
    return lambda **changes: dataclasses.replace(LINE, **changes)


@pytest.fixture(scope="session")
def ruled(rules):
    """The packaged rules with other couriers, other rules of routing, and as `limit` other rules of splits."""

    def build(*couriers, limit=None, **changes):
        split = dataclasses.replace(rules.routing.split, **(limit or {}))
        routing = dataclasses.replace(
            rules.routing, couriers=couriers or rules.routing.couriers, split=split, **changes
        )
        return dataclasses.replace(rules, routing=routing)

    return build
