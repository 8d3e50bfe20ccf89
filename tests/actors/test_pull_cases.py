"""After-sale cases are stored as their platform shows them, whether their order is here or not."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.clocks import ClockName
from domain.errors import Malformed, Refused, Throttled, Transient
from domain.money import Money
from infra.config.settings import Shop
from ops.views.clocks import running_clocks
from tests.actors.hand_after_sale import HandAfterSale

CASES = (
    "SELECT case_id, kind, stage, needs, order_id IS NOT NULL, closed_at IS NOT NULL FROM order_case ORDER BY case_id"
)


@pytest.fixture
def shop(merchant):
    merchant.platform.after_sale = HandAfterSale()
    return merchant


@pytest.fixture
def read(shop):
    """One round of the reading of cases."""

    def run():
        shop.rows("UPDATE work SET due_at = now() WHERE step = 'pull_cases'")
        return shop.run("pull_cases")

    return run


def test_a_case_is_stored_before_its_order_and_linked_once_that_is_here(shop, read, trade):
    shop.platform.after_sale.show("1001")
    read()
    assert shop.rows(CASES) == [("91001", "pre_ship", "requested", "seller", False, False)]
    assert shop.rows("SELECT owner, amount_minor, currency, lines, platform_order_id FROM order_case") == [
        ("service", 1000, "CNY", ["1001"], "1001")
    ]
    assert len(shop.due("apply_case")) == 1
    shop.run("apply_case")
    shop.deliver(trade(tid="1001"))
    shop.run("normalize")
    read()
    assert shop.rows(CASES) == [("91001", "pre_ship", "requested", "seller", True, False)]
    assert len(shop.due("apply_case")) == 1, "its order is here now"


def test_the_detail_tells_until_when_the_seller_must_act(shop, read):
    until = datetime.now(UTC) + timedelta(hours=5)
    shop.platform.after_sale.show("1001")
    shop.platform.after_sale.details["91001"] = {"decide_by": until}
    read()
    assert shop.rows("SELECT decide_by, due_at <= decide_by FROM order_case") == [(until, True)]


def test_the_time_at_which_the_platform_decides_is_a_clock(shop, read):
    def running(**how):
        clocks = running_clocks(shop.db, [ClockName.DECIDE_BY], limit=10, **how)
        return [(one.order_name, one.order_id, one.owner, one.is_late) for one in clocks]

    shop.platform.after_sale.show("1001")
    shop.platform.after_sale.details["91001"] = {"decide_by": datetime.now(UTC) + timedelta(hours=5)}
    shop.platform.after_sale.show("1002", stage=CaseStage.APPROVED, needs=CaseNeeds.BUYER)
    read()
    expected = [("taobao/s1/1001", None, "service", False)]
    assert running() == running(shop="s1") == running(shop="taobao/s1", within_h=6) == expected
    assert running(shop="s2") == running(within_h=4) == []
    shop.rows("UPDATE order_case SET decide_by = now() - interval '1 s'")
    assert [late for *_, late in running()] == [True]
    shop.rows("UPDATE order_case SET closed_at = now(), closed_by = 'li'")
    assert running() == []


def test_a_case_that_needs_nothing_of_the_seller_costs_no_call(shop, read):
    shop.platform.after_sale.show("1001", stage=CaseStage.APPROVED, needs=CaseNeeds.BUYER)
    shop.platform.after_sale.show("1002", stage=CaseStage.REFUNDED, needs=CaseNeeds.NOBODY)
    read()
    assert shop.platform.after_sale.asked["case"] == 0
    assert shop.one("SELECT count(*) FROM order_case") == 2


def test_what_is_listed_again_is_no_news(shop, read):
    shop.platform.after_sale.show("1001")
    for _ in range(3):
        read()
    shop.run("apply_case")
    read()
    assert (shop.platform.after_sale.asked["case"], shop.due("apply_case")) == (1, [])


def test_a_change_is_news_and_an_older_view_replaces_no_newer_one(shop, read):
    old = shop.platform.after_sale.show("1001")
    shop.platform.after_sale.show("1001", stage=CaseStage.APPROVED, needs=CaseNeeds.BUYER)
    read()
    shop.run("apply_case")
    shop.platform.after_sale.known["91001"] = old
    read()
    assert shop.one("SELECT stage FROM order_case") == "approved"
    assert shop.due("apply_case") == []


def test_a_case_that_is_over_is_closed_and_one_that_is_asked_again_is_open(shop, read):
    for stage, is_closed in (
        (CaseStage.REQUESTED, False),
        (CaseStage.WITHDRAWN, True),
        (CaseStage.REQUESTED, False),
        (CaseStage.REFUNDED, True),
    ):
        shop.platform.after_sale.show("1001", stage=stage)
        read()
        assert shop.one("SELECT closed_at IS NOT NULL FROM order_case") == is_closed, stage
    assert shop.one("SELECT closed_by FROM order_case") == "engine"


def test_what_a_person_has_closed_stays_closed_until_its_stage_changes(shop, read):
    shop.platform.after_sale.show("1001")
    read()
    shop.rows("UPDATE order_case SET closed_at = now(), closed_by = 'li', reason = 'spoke with the buyer'")
    shop.platform.after_sale.show("1001", amount=Money(500, "CNY"))
    read()
    assert shop.rows("SELECT closed_by, amount_minor FROM order_case") == [("li", 500)]
    shop.platform.after_sale.show("1001", stage=CaseStage.RETURNING)
    read()
    assert shop.rows("SELECT closed_by, reason FROM order_case") == [(None, "")]


def test_amounts_that_contradict_each_other_are_unknown(shop, read):
    shop.platform.after_sale.show("1001")
    shop.platform.after_sale.details["91001"] = {"amount": Money(9, "CNY")}
    read()
    assert shop.rows("SELECT amount_minor, facts FROM order_case") == [(None, {"fault": "amount_contradicts"})]


def test_a_compensation_is_told_elsewhere(shop, read):
    shop.platform.after_sale.show("1001", kind=CaseKind.UNKNOWN_CASE)
    shop.platform.after_sale.errors["case"] = [Refused("case_elsewhere")]
    read()
    assert shop.one("SELECT kind FROM order_case") == "compensation"


@pytest.mark.parametrize("error", [Transient("x"), Refused("x"), Malformed("x")])
def test_a_detail_that_cannot_be_had_stops_no_case_and_is_asked_for_again(shop, read, error):
    shop.platform.after_sale.show("1001")
    shop.platform.after_sale.show("1002")
    shop.platform.after_sale.errors["case"] = [error]
    read()
    assert shop.one("SELECT count(*) FROM order_case") == 2
    assert shop.one("SELECT count(*) FROM order_case WHERE facts ->> 'fault' = 'detail_unread'") == 1
    read()
    assert shop.one("SELECT count(*) FROM order_case WHERE facts ->> 'fault' = 'detail_unread'") == 0


@pytest.mark.parametrize("error", [Transient("x"), Throttled("x", after_s=7.0), Malformed("x"), RuntimeError("x")])
def test_a_shop_whose_cases_cannot_be_read_is_read_again_from_where_it_was(shop, read, error):
    read()
    before = shop.one("SELECT cursor_at FROM case_cursor")
    shop.platform.after_sale.errors["cases"] = [error]
    shop.platform.after_sale.show("1001")
    read()
    assert shop.one("SELECT cursor_at FROM case_cursor") == before
    assert shop.one("SELECT due_at > now() FROM work WHERE step = 'pull_cases'")
    read()
    assert shop.one("SELECT count(*) FROM order_case") == 1
    assert shop.one("SELECT cursor_at FROM case_cursor") > before


def test_the_first_reading_goes_back_as_far_as_that_of_orders_and_the_next_begins_where_it_ended(shop, read):
    read()
    first = shop.platform.after_sale.windows[0]
    assert first.end - first.start <= timedelta(days=1, seconds=61)
    assert shop.platform.after_sale.windows[-1].end - first.start >= timedelta(days=1, seconds=59)
    shop.platform.after_sale.windows.clear()
    read()
    [window] = shop.platform.after_sale.windows
    assert window.end - window.start < timedelta(seconds=70)


def test_a_shop_without_cases_is_asked_nothing(shop, read):
    shop.platform.after_sale = None
    read()
    assert shop.one("SELECT count(*) FROM order_case") == 0
    assert shop.one("SELECT due_at > now() + interval '1 minute' FROM work WHERE step = 'pull_cases'")


def test_the_pace_is_the_shop_s(shop, read):
    read()
    due_s = shop.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'pull_cases'")
    assert 50 < due_s <= Shop(name="x", platform="p", endpoint="", credentials={}).cases_every_s
